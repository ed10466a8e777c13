"""Sockets over UDP: many ports, none for long, and never too many."""

import socket
import time

from exporter.checks.answers import Question, Status
from exporter.dns.endpoints import Endpoint
from exporter.dns.resolver import Resolver
from exporter.dns.udp import MAX_SOCKETS, SOCKET_SECONDS
from tests.factories import name
from tests.unit.dns.nameserver import eventually, name_server, settings
from tests.unit.dns.test_resolver import WWW, holds_all, resolving


async def test_sockets_are_bounded_where_nobody_answers():
    """However many questions wait at once, they share 64 sockets: old ports are used on rather than more opened."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        endpoint = Endpoint("udp", "127.0.0.1", mute.getsockname()[1])
        async with resolving(
            endpoint, max_in_flight=16_000, max_queued=16_000, max_queries_per_second=1e9, timeout_seconds=60
        ) as resolver:
            for n in range(16_000):
                resolver.ask(Question(name(f"n{n}.example.org"), "A"), lambda *_: None)
            await eventually(lambda: resolver.in_flight == 16_000)

            assert resolver.open_sockets == MAX_SOCKETS
        assert resolver.open_sockets == 0


async def test_a_port_is_given_up_when_it_is_old():
    """A socket that was good for many more questions is closed after ten seconds, and the next question has another."""
    slept = [0.0]
    async with name_server(holds_all) as server:
        resolver = Resolver(settings(server, timeout_seconds=5), clock=lambda: time.monotonic() + slept[0])
        await resolver.start()
        try:
            for n in range(30):
                await resolver.resolve(Question(name(f"n{n}.example.org"), "A"))
            assert resolver.open_sockets > 3

            slept[0] = SOCKET_SECONDS + 1
            await eventually(lambda: resolver.open_sockets == 0)
            assert (await resolver.resolve(WWW)).status is Status.ANSWER
            assert resolver.open_sockets == 1
        finally:
            await resolver.close()
