"""The ground of the benchmark: the server loses nothing that fits in, and what it loses is counted."""

import socket
import subprocess
import sys

import pytest

from tests.benchmarks.ground import lost, make_room
from tests.integration import sweep
from tests.integration.servers.knot import Knot

pytestmark = pytest.mark.integration

QUERY = b"id\0\0\0\1\0\0\0\0\0\0\0\0\6\0\1"


def test_a_paused_server_keeps_what_it_has_room_for_and_the_rest_is_counted():
    """With room, a thousand queries wait for a server that does not run; without end, they are lost, and counted."""
    with Knot(sweep.zones(10)) as knot, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((knot.host, knot.port))
        assert make_room(knot) >= 400_000
        knot.pause()
        try:
            for _ in range(500):
                client.send(QUERY)
            assert lost(knot) == 0

            sent = 500
            while not lost(knot):
                client.send(QUERY)
                sent += 1
                assert sent < 100_000
        finally:
            knot.resume()
        assert 0 < lost(knot) < sent


def test_clients_and_server_are_kept_apart():
    """Whoever makes the ground is moved to one core, and a client that enters it to another, where there are two."""
    program = """
import os, subprocess, sys
before = os.sched_getaffinity(0)
from tests.benchmarks.ground import Ground
ground = Ground()
show = "import os; print(*os.sched_getaffinity(0))"
client = subprocess.run([sys.executable, "-c", show], preexec_fn=ground.enter, capture_output=True, text=True).stdout
print(len(before), set(map(int, client.split())), os.sched_getaffinity(0))
"""
    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    count, client, server = shown.split(maxsplit=2)
    if int(count) > 1:
        assert client != server.strip()
    else:
        assert client == server.strip()
