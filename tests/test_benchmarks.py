"""The benchmarks still run, and measure what they say."""

import argparse
import math
import socket
import subprocess
import sys
from collections import Counter
from ipaddress import IPv4Network

import pytest

from tests.benchmarks import pool_claim, pool_fleet, pool_loop, pool_world
from tests.benchmarks.ground import lost, make_room
from tests.benchmarks.ours import measure_hits, measure_hold, measure_sweep
from tests.benchmarks.pool import sampled
from tests.benchmarks.pool import sweep as sweep_pool
from tests.integration import sweep
from tests.integration.running import resolver_for
from tests.integration.servers.knot import Knot

QUERY = b"id\0\0\0\1\0\0\0\0\0\0\0\0\6\0\1"
COUNT = 2_000
PART = IPv4Network("40.92.6.0/23")


def test_the_world_is_as_big_as_it_says():
    """About one address in a hundred is broken, in each of three ways, and three prefixes are broken whole."""
    assert pool_world.SIZE == 458_752
    reasons = Counter(map(pool_world.reason, pool_world.addresses((IPv4Network("52.102.0.0/18"),))))
    assert set(reasons) == {None, *pool_world.BROKEN_PREFIXES.values()}
    assert 100 < 2**14 - reasons[None] < 250
    for network, why in pool_world.BROKEN_PREFIXES.items():
        assert any(network.subnet_of(one) for one in pool_world.NETWORKS)
        assert {pool_world.reason(address) for address in network} == {why}


@pytest.mark.parametrize("pools", [1, 7])
def test_a_small_fleet(pools):
    """Every address is loaded, in however many pools, and sampled once."""
    found = pool_fleet.measure_fleet(argparse.Namespace(count=300, pools=pools))

    assert found["addresses"] == 300
    assert found["first_scrape_seconds"] > 0


@pytest.mark.integration
def test_a_short_claim():
    """Rounds over a part of the world come to what the world is, and Prometheus itself says which intervals have it."""
    rounds, truth, inside = pool_claim.claim(3, (IPv4Network("40.92.0.0/20"),))

    assert [one.sampled for one in rounds] == [16] * 3
    assert {one.prefixes for one in rounds} == {1}
    assert truth * 4096 == sum(
        pool_world.reason(one) is not None for one in pool_world.addresses((IPv4Network("40.92.0.0/20"),))
    )
    assert inside == 3


@pytest.mark.integration
def test_an_interval_without_the_truth_is_not_counted():
    """Of three rounds over a pool of which one in a hundred fails, one was unlucky."""
    rounds = [pool_claim.Round(1_792, failed, 3) for failed in (18, 17, 90)]
    assert pool_claim.inside(rounds, pool_world.SIZE, 0.01) == 2
    assert pool_claim.inside(rounds[2:], pool_world.SIZE, 0.01) == 0


@pytest.mark.integration
async def test_what_blocks_the_loop_of_a_small_service():
    """Everything that is measured can be done, and each step has its two figures."""
    found = await pool_loop.measure(["40.92.0.0/26", "40.92.1.0/26"], 20)

    assert {"first sweep", "scrape, all sampled anew", "`/config`", "reload, other HELO names"} <= set(found)
    assert all(one["callback"] > 0 and one["turn"] >= 0 for one in found.values())


@pytest.mark.integration
def test_a_short_sweep_of_a_pool():
    """The exporter, started from its command line, finds what is broken in a part of the world, and nothing else."""
    with Knot(pool_world.zones((PART,))) as knot:
        found = sweep_pool(knot, [str(PART)])
        first_round = sampled(knot, [str(PART)])

    assert found["broken"] >= 256
    assert not any(found[label] for label in ("missed", "invented", "wrong_reason", "unknown"))
    assert first_round["named"] == first_round["broken"] == 1


@pytest.mark.integration
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


@pytest.mark.integration
def test_clients_and_server_are_kept_apart():
    """The server's process gets one core and each client another, where there are two."""
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


@pytest.mark.integration
async def test_a_short_sweep_of_the_engine():
    """Every address gets the verdict that its world has for it, a cache hit is one, and the loop is watched."""
    options = argparse.Namespace(count=COUNT, in_flight=200)
    with Knot(sweep.zones(COUNT)) as knot:
        async with resolver_for(
            knot.address, timeout_seconds=5, max_in_flight=200, max_queries_per_second=math.inf
        ) as resolver:
            swept = await measure_sweep(resolver, options)
            hits = await measure_hits(resolver, options)
            resolver.cache.clear()
            hold = await measure_hold(resolver, options)

    assert swept["verdicts"] == Counter(sweep.verdict(number) for number in range(COUNT))
    assert hits["asked"] == COUNT
    assert hits["hits"] >= COUNT
    assert hold["longest_seconds"] > 0


@pytest.mark.slow
def test_a_short_round_without_a_kernel():
    """A round without a kernel gives every verdict, a cost, and the functions that take it."""
    command = [sys.executable, "-m", "tests.benchmarks.hotpath", "--count", "600", "--rounds", "1", "--count-bytecodes"]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)

    assert "µs of our own" in finished.stdout
    assert ":match_ordinary" in finished.stdout
    assert ":read_reply" not in finished.stdout
