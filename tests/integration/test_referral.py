"""What a parent's server says of a delegation, asked of Knot, and of servers that say nothing of use."""

import asyncio

import pytest

from exporter.checks.addresses import Address
from exporter.checks.answers import Status
from exporter.checks.names import DomainName
from exporter.demo.server import DemoServer
from exporter.demo.world import World
from exporter.dns.resolvers import delegation
from tests.integration.running import longest_callback
from tests.integration.servers.knot import Knot
from tests.integration.servers.process import free_port

pytestmark = [pytest.mark.integration]

ZONE = DomainName("2.0.192.in-addr.arpa")
LOOPBACK = Address.parse("127.0.0.1")
MANY = [f"ns{number}.a-rather-long-name-of-a-server-so-that-they-do-not-fit.example.org." for number in range(20)]


async def asked(port: int, zone: DomainName = ZONE):
    """What is said of the delegation of *zone*."""
    return await delegation(zone, LOOPBACK, port, timeout_seconds=1.0, attempts=1)


async def test_a_referral_is_what_the_parent_says():
    """Knot refers to the servers of the delegation; they are no records of its own, and count all the same."""
    lines = ["2 NS ns1.example.org.", "2 NS NS2.example.org.", *[f"3 NS {name}" for name in MANY]]
    with Knot({"0.192.in-addr.arpa": lines}) as knot:
        referred = await asked(knot.port)
        over_tcp = await asked(knot.port, DomainName("3.0.192.in-addr.arpa"))
        missing = await asked(knot.port, DomainName("4.0.192.in-addr.arpa"))
        below = await asked(knot.port, DomainName("9.2.0.192.in-addr.arpa"))
        own = await asked(knot.port, DomainName("0.192.in-addr.arpa"))

    assert (referred.status, referred.names) == (Status.ANSWER, ("ns1.example.org", "ns2.example.org"))
    assert referred.server == f"127.0.0.1:{knot.port}"
    assert len(over_tcp.names) == len(MANY)
    assert missing.status is Status.NXDOMAIN
    assert below.status is Status.REFUSED
    assert own.names == ("ns.invalid",)


async def test_a_server_that_is_not_there():
    """Nobody listens, or nobody answers: a status, and no exception."""
    closed = await asked(free_port())
    async with DemoServer(World([])) as server:
        server.stop_answering()
        silent = await asked(server.port)

    assert closed.status is Status.NETWORK
    assert silent.status is Status.TIMEOUT


@pytest.mark.parametrize("junk", [b"", b"x", b"\xff" * 40, b"\0" * 12])
async def test_packets_that_are_no_reply_are_passed_over(junk):
    """What has another ID or question is not the reply; the time runs out, and nothing raises."""

    class Junk(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, where):
            self.transport.sendto(junk or data[:2], where)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Junk, local_addr=("127.0.0.1", 0))
    try:
        answer = await asked(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()

    assert not answer.is_conclusive


@pytest.mark.parametrize("behaviour", ["ancount", "pointer-deepest", "many-names", "many-empty-records"])
async def test_a_hostile_reply_costs_little(misbehaving, behaviour):
    """The parent's server is anybody's: 64 kB of names and 4,000 pointers in a row are not read to their end."""
    with longest_callback() as longest:
        answer = await asked(misbehaving.port, DomainName(f"1.{behaviour}.example.org"))

    assert not answer.is_conclusive
    assert longest.seconds < 0.05, longest.name
