"""The world over real sockets, asked by dnspython."""

import asyncio
import contextlib
import socket

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from exporter.demo.server import DemoServer
from exporter.demo.world import World, decode, demo_world, load_scenarios, name_of
from exporter.errors import CannotRunError
from tests.fakes import FakeClock
from tests.unit.demo.judging import whole_report

DEADLINE_SECONDS = 300
SENTINEL = dns.message.make_query(".", "NS")


class Client(asyncio.DatagramProtocol):
    """Asks one question after the other, over UDP and, where that is truncated, over TCP.

    Behind each question it asks for the root: a question whose answer is not there when the root's is gets none, so
    that nobody has to wait for silence.
    """

    def __init__(self, server):
        self._server = server
        self._replies = asyncio.Queue()
        self._transport = None

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, addr):
        self._replies.put_nowait(data)

    async def ask(self, question: Question) -> Answer:
        """The answer to a question, as dnspython reads it."""
        query = dns.message.make_query(dns.name.Name((*question.name.labels, b"")), question.rdtype)
        self._transport.sendto(query.to_wire())
        self._transport.sendto(SENTINEL.to_wire())
        reply = dns.message.from_wire(await self._replies.get(), raise_on_truncation=False)
        if SENTINEL.is_response(reply):
            return Answer(Status.TIMEOUT)
        assert query.is_response(reply)
        await self._replies.get()
        if reply.flags & dns.flags.TC:
            reply = await dns.asyncquery.tcp(query, self._server.host, port=self._server.port)
        return read(reply, question.rdtype)

    async def run(self, check):
        """Run a check on what the server says."""
        answers = None
        while True:
            try:
                batch = check.send(answers)
            except StopIteration as stop:
                return stop.value
            answers = [await self.ask(question) for question in batch]

    def close(self):
        self._transport.close()


def read(reply, rdtype) -> Answer:
    """What a reply says, by dnspython's own reading of its CNAMEs."""
    if reply.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return Answer(Status(dns.rcode.to_text(reply.rcode()).lower()))
    try:
        found = reply.resolve_chaining()
    except dns.message.ChainTooLong:
        return Answer(Status.CHAIN)
    chain = tuple(name_of(rrset[0].target) for rrset in found.cnames)
    if found.answer is not None:
        return Answer(Status.ANSWER, tuple(sorted(map(decode, found.answer))), chain, found.minimum_ttl)
    return Answer(Status.NXDOMAIN if reply.rcode() == dns.rcode.NXDOMAIN else Status.NODATA, (), chain)


@contextlib.asynccontextmanager
async def served(world, **options):
    """A server of the world, and a client of it."""
    async with asyncio.timeout(DEADLINE_SECONDS), DemoServer(world, **options) as server:
        _, client = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Client(server), remote_addr=(server.host, server.port)
        )
        try:
            yield server, client
        finally:
            client.close()


@pytest.mark.parametrize("at", sorted({it.at for it in load_scenarios()}))
async def test_every_scenario_comes_out_as_expected_over_the_network(at):
    """What real sockets carry leads to the verdict, results and reasons of the table."""
    clock = FakeClock()
    world = demo_world(clock=clock)
    clock.seconds = at
    async with served(world) as (_, client):
        for scenario in load_scenarios():
            if scenario.at == at:
                found = await client.run(whole_report(scenario))
                results = {finding.check: (finding.result, finding.reason) for finding in found.findings}
                assert (found.iprev.verdict, results) == (scenario.iprev, scenario.results), scenario.what


async def test_the_network_says_what_the_world_says():
    """The reading of a reply and the world's own answer agree, chain and TTL included."""
    world = demo_world(speed=0)
    async with served(world) as (_, client):
        for scenario in load_scenarios():
            question = Question(scenario.target.address.reverse_name, "PTR")
            over_network, at_hand = await client.ask(question), world.answer(question)
            if at_hand.status is Status.ANSWER:
                assert over_network == at_hand
            else:
                assert (over_network.status, over_network.chain) == (at_hand.status, at_hand.chain)


async def test_a_thousand_addresses_are_answered():
    """A thousand addresses can be put into a world and asked for, a hundred questions at a time, and none is lost."""
    world = World()
    world.apply([f"{it % 256}.{it // 256}.2.10.in-addr.arpa. PTR mta{it}.example.org." for it in range(1000)])
    world.apply([f"mta{it}.example.org. A 10.2.{it // 256}.{it % 256}" for it in range(1000)])
    questions = [Question(DomainName(f"{it % 256}.{it // 256}.2.10.in-addr.arpa"), "PTR") for it in range(1000)]
    questions += [Question(DomainName(f"mta{it}.example.org"), "A") for it in range(1000)]
    async with asyncio.timeout(DEADLINE_SECONDS), DemoServer(world) as server:
        clients = [
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: Client(server), remote_addr=(server.host, server.port)
            )
            for _ in range(50)
        ]

        async def ask_each(client, mine):
            return [await client.ask(question) for question in mine]

        answers = await asyncio.gather(
            *[ask_each(client, questions[number::50]) for number, (_, client) in enumerate(clients)]
        )
        for _, client in clients:
            client.close()
    assert sum(len(some) for some in answers) == 2000
    assert {answer.status for some in answers for answer in some} == {Status.ANSWER}


async def test_it_can_fall_silent_and_come_back():
    """For tests of outages: nothing is answered, over UDP or TCP, until it resumes."""
    async with served(World([". NS a.root-servers.net."])) as (server, client):
        question = Question(DomainName("mail.example.org"), "A")
        server.stop_answering()
        asking = asyncio.create_task(client.ask(question))
        reader, writer = await asyncio.open_connection(server.host, server.port)
        query = dns.message.make_query("mail.example.org", "A", id=1).to_wire()
        writer.write(len(query).to_bytes(2) + query)
        later = dns.message.make_query("later.example.org", "A", id=2).to_wire()
        await dropped(server, 3)
        assert not asking.done()
        asking.cancel()
        server.resume()
        assert (await client.ask(question)).status is Status.NXDOMAIN
        writer.write(len(later).to_bytes(2) + later)
        reply = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        assert reply[:2] == b"\0\2"
        writer.close()
        await writer.wait_closed()


async def dropped(server, queries):
    """Wait until the server has dropped that many queries."""
    while server.dropped < queries:  # the server counts, and tells nobody
        await asyncio.sleep(0.001)


async def test_tcp_takes_many_queries_in_any_pieces():
    """Queries may come in one segment or octet by octet (RFC 7766 section 8), and are answered in order."""
    async with served(World(["mail.example.org. A 192.0.2.1"])) as (server, _):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        queries = [dns.message.make_query("mail.example.org", "A", id=it).to_wire() for it in range(3)]
        stream = b"".join(len(it).to_bytes(2) + it for it in queries)
        for pieces in ([stream], [bytes([octet]) for octet in stream]):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            for expected in (0, 1, 2):
                reply = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
                assert (reply.id, reply.answer[0][0].address) == (expected, "192.0.2.1")
        writer.close()
        await writer.wait_closed()


async def is_cut(reader, writer):
    """Whether the other side ends the connection; waits for it until the deadline."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await reader.read() == b""
    except ConnectionError:
        return True
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_idle_connections_are_closed():
    """Whoever connects and says nothing is cut off."""
    async with DemoServer(World(), tcp_idle_seconds=0.01) as server:
        assert await is_cut(*await asyncio.open_connection(server.host, server.port))


async def test_stopping_closes_everything():
    """Open connections are cut, and the port is free again for whoever comes next."""
    server = DemoServer(World([". NS a.root-servers.net."]), tcp_idle_seconds=3600)
    await server.start()
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(len(SENTINEL.to_wire()).to_bytes(2) + SENTINEL.to_wire())
    await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    await server.stop()
    assert await is_cut(reader, writer)
    async with DemoServer(World(), port=server.port) as again:
        assert again.address == f"127.0.0.1:{server.port}"
    await again.stop()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
async def test_a_taken_port_is_said_to_be(kind):
    """Whichever of the two is taken, the error says where and what to do, and the other port is let go."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(CannotRunError, match=rf"127\.0\.0\.1:{port}: Address already in use; choose another"):
            await DemoServer(World(), port=port).start()


async def test_a_question_is_observed_when_it_comes():
    """Whoever counts what was asked over the network sees each question."""
    seen = []
    async with served(demo_world(speed=0), observe=lambda *it: seen.append(it)) as (_, client):
        await client.ask(Question(DomainName("mail1.example.org"), "A"))
    assert seen == [(DomainName("mail1.example.org"), "A"), (DomainName("."), "NS")]
