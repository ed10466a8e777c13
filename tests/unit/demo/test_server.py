"""The DNS server of the demo world: replies as bytes, and over real sockets."""

import asyncio
import contextlib
import socket

import dns.asyncquery
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from exporter.demo.server import UDP_PAYLOAD, DemoServer, Responder
from exporter.demo.world import Fault, World, decode, demo_world, load_scenarios, name_of
from exporter.errors import CannotRunError
from tests.fakes import FakeClock
from tests.strategies import domain_names
from tests.unit.demo.judging import whole_report

RECORDS = [
    ". SOA a.root-servers.net. nstld.example. 1 2 3 4 5",
    "mail.example.org. 60 A 192.0.2.1",
    "alias.example.org. CNAME second.example.org.",
    "second.example.org. CNAME mail.example.org.",
    "dangling.example.org. CNAME gone.example.org.",
    "round.example.org. CNAME about.example.org.",
    "about.example.org. CNAME round.example.org.",
    *[f"three.example.org. A 192.0.2.{it}" for it in (1, 2, 3)],
    *[f"wide.example.org. TXT {'x' * 200}{it}" for it in range(4)],
    *[f"broad.example.org. TXT {'x' * 200}{it}" for it in range(8)],
    *[f"huge.example.org. TXT {'x' * 250}{it:04}" for it in range(400)],
]


@pytest.fixture
def world():
    return World(RECORDS)


@pytest.fixture
def responder(world):
    return Responder(world)


def exchanged(responder, query, **options):
    """The reply to a query, parsed and verified by dnspython."""
    reply = dns.message.from_wire(responder.respond(query.to_wire(), **options))
    assert query.is_response(reply)
    return reply


def asked(responder, name, rdtype="A", **options):
    return exchanged(responder, dns.message.make_query(name, rdtype), **options)


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode", "answer", "authority"),
    [
        ("mail.example.org", "A", "NOERROR", ["mail.example.org. 60 IN A 192.0.2.1"], 0),
        ("mail.example.org", "AAAA", "NOERROR", [], 1),
        ("mail.example.org", "TYPE65280", "NOERROR", [], 1),
        ("example.org", "A", "NOERROR", [], 1),
        ("gone.example.org", "A", "NXDOMAIN", [], 1),
        (
            "alias.example.org",
            "A",
            "NOERROR",
            [
                "alias.example.org. 30 IN CNAME second.example.org.",
                "second.example.org. 30 IN CNAME mail.example.org.",
                "mail.example.org. 60 IN A 192.0.2.1",
            ],
            0,
        ),
        ("dangling.example.org", "A", "NXDOMAIN", ["dangling.example.org. 30 IN CNAME gone.example.org."], 1),
        (
            "round.example.org",
            "A",
            "NOERROR",
            [
                "round.example.org. 30 IN CNAME about.example.org.",
                "about.example.org. 30 IN CNAME round.example.org.",
            ],
            0,
        ),
    ],
)
def test_replies_are_those_of_a_recursive_resolver(responder, name, rdtype, rcode, answer, authority):
    """Records with the CNAMEs that lead to them, or the SOA record for NODATA and NXDOMAIN (RFC 2308)."""
    reply = asked(responder, name, rdtype)
    assert dns.rcode.to_text(reply.rcode()) == rcode
    assert [text for rrset in reply.answer for text in rrset.to_text().splitlines()] == answer
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA] * authority


def test_flags_are_those_of_a_recursive_resolver(responder):
    """RA is set, AA and AD are not; RD and CD are copied from the query."""
    query = dns.message.make_query("mail.example.org", "A")
    assert exchanged(responder, query).flags == dns.flags.QR | dns.flags.RD | dns.flags.RA
    query.flags = dns.flags.CD | dns.flags.AD
    assert exchanged(responder, query).flags == dns.flags.QR | dns.flags.RA | dns.flags.CD


def test_the_case_of_the_name_is_the_querys_own(responder):
    """The reply repeats the random case (0x20) of each query, though it was compiled for another spelling."""
    for spelling in ("mail.example.org.", "MaIL.eXAMple.ORg.", "ALIAS.Example.org."):
        wire = responder.respond(dns.message.make_query(spelling, "A").to_wire())
        reply = dns.message.from_wire(wire)
        assert reply.question[0].name.to_text() == spelling
        assert reply.answer[0].name.to_text() == spelling
        assert reply.answer[-1][0].address == "192.0.2.1"


@pytest.mark.parametrize("dnssec", [False, True])
def test_edns_is_answered_with_edns(responder, dnssec):
    """A query with an OPT record gets one with the same DO bit (RFC 6891 section 7); others get none."""
    query = dns.message.make_query(
        "mail.example.org",
        "A",
        use_edns=0,
        payload=4096,
        want_dnssec=dnssec,
        options=[dns.edns.CookieOption(b"8" * 8, b"")],
    )
    reply = exchanged(responder, query)
    assert (reply.edns, reply.payload, reply.options) == (0, UDP_PAYLOAD, ())
    assert bool(reply.ednsflags & dns.flags.DO) is dnssec
    assert asked(responder, "mail.example.org").edns == -1


def test_another_version_of_edns_is_refused(responder):
    """The reply is BADVERS with the supported version (RFC 6891 section 6.1.3)."""
    query = dns.message.make_query("mail.example.org", "A")
    query.use_edns(1)
    reply = exchanged(responder, query)
    assert (reply.rcode(), reply.edns, reply.answer) == (dns.rcode.BADVERS, 0, [])


@pytest.mark.parametrize(
    ("name", "edns", "is_truncated"),
    [
        ("mail.example.org", None, False),
        ("wide.example.org", None, True),
        ("wide.example.org", 100, True),
        ("wide.example.org", 1232, False),
        ("broad.example.org", 65535, True),
    ],
)
def test_what_does_not_fit_is_truncated(responder, name, edns, is_truncated):
    """TC is set and the reply is empty if it exceeds the client's or the server's limit for UDP."""
    query = dns.message.make_query(name, "TXT" if name != "mail.example.org" else "A")
    if edns is not None:
        query.use_edns(0, payload=edns)
    reply = exchanged(responder, query)
    assert bool(reply.flags & dns.flags.TC) is is_truncated
    assert bool(reply.answer) is not is_truncated
    assert reply.edns == (-1 if edns is None else 0)


def test_over_tcp_nothing_is_truncated_up_to_64_kib(responder):
    """A big reply is complete; one that exceeds the limit of a DNS message is SERVFAIL."""
    assert len(asked(responder, "wide.example.org", "TXT", over_tcp=True).answer[0]) == 4
    for over_tcp in (True, False):
        assert asked(responder, "huge.example.org", "TXT", over_tcp=over_tcp).rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize(
    ("fault", "over_udp", "over_tcp"),
    [
        (Fault.SERVFAIL, ("SERVFAIL", False), ("SERVFAIL", False)),
        (Fault.REFUSED, ("REFUSED", False), ("REFUSED", False)),
        (Fault.TRUNCATED, ("NOERROR", True), ("NOERROR", False)),
    ],
)
def test_faults_show_on_the_wire(world, responder, fault, over_udp, over_tcp):
    """The client sees each fault as that of a real server."""
    world.set_fault("mail.example.org", fault)
    for expected, options in ((over_udp, {}), (over_tcp, {"over_tcp": True})):
        reply = asked(responder, "mail.example.org", **options)
        assert (dns.rcode.to_text(reply.rcode()), bool(reply.flags & dns.flags.TC)) == expected
        assert bool(reply.answer) is (expected == ("NOERROR", False))


def test_a_silent_server_says_nothing(world, responder):
    """It replies neither over UDP nor over TCP, until the fault ends."""
    world.set_fault("example.org", Fault.SILENT)
    query = dns.message.make_query("mail.example.org", "A").to_wire()
    assert responder.respond(query) is None
    assert responder.respond(query, over_tcp=True) is None
    world.set_fault("example.org", None)
    assert responder.respond(query) is not None


def test_a_change_shows_at_once(world, responder):
    """A reply from before a change is not used after it."""
    assert asked(responder, "new.example.org").rcode() == dns.rcode.NXDOMAIN
    world.apply(["new.example.org. A 192.0.2.5"])
    assert asked(responder, "new.example.org").answer[0][0].address == "192.0.2.5"
    world.remove("new.example.org")
    assert asked(responder, "new.example.org").rcode() == dns.rcode.NXDOMAIN


def test_the_order_of_records_rotates(responder):
    """A client that uses the first record gets another one each time, as from a real resolver."""
    orders = [tuple(rdata.address for rdata in asked(responder, "three.example.org").answer[0]) for _ in range(3)]
    assert {order[0] for order in orders} == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}
    assert len({frozenset(order) for order in orders}) == 1


def test_other_opcodes_and_classes_are_declined(responder):
    """NOTIFY is not implemented; CHAOS is refused."""
    notify = dns.message.make_query("mail.example.org", "A")
    notify.set_opcode(dns.opcode.NOTIFY)
    reply = dns.message.from_wire(responder.respond(notify.to_wire()))
    assert (reply.id, reply.rcode(), reply.opcode()) == (notify.id, dns.rcode.NOTIMP, dns.opcode.NOTIFY)
    chaos = dns.message.make_query("mail.example.org", "A", dns.rdataclass.CH)
    assert exchanged(responder, chaos).rcode() == dns.rcode.REFUSED


QUERY = dns.message.make_query("mail.example.org", "A", id=7).to_wire()


@pytest.mark.parametrize(
    "query",
    [
        QUERY[:4] + b"\0\2" + QUERY[6:],
        QUERY[:4] + b"\0\0" + QUERY[6:],
        QUERY[:6] + b"\0\1" + QUERY[8:],
        QUERY[:-1],
        QUERY[:12] + b"\xc0\x0c\0\1\0\1",
        QUERY[:12] + b"\x40" + b"a" * 64 + b"\0\0\1\0\1",
        QUERY[:12] + (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"b" * 62 + b"\0\0\1\0\1",
    ],
    ids=["two-questions", "none", "an-answer", "cut-off", "a-pointer", "a-label-of-64-bytes", "a-name-of-256"],
)
def test_a_malformed_query_is_a_format_error(responder, query):
    """The reply is FORMERR with the ID of the query."""
    reply = dns.message.from_wire(responder.respond(query))
    assert (reply.id, reply.rcode(), reply.answer) == (7, dns.rcode.FORMERR, [])


@pytest.mark.parametrize(
    "query", [b"", QUERY[:11], QUERY[:2] + b"\x81\x80" + QUERY[4:]], ids=["none", "scrap", "reply"]
)
def test_a_reply_gets_no_reply(responder, query):
    """Two servers must not answer each other for ever."""
    assert responder.respond(query) is None


RESPONDER = Responder(World(RECORDS))


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: QUERY[:12] + tail), st.booleans())
def test_any_bytes_are_safe(query, over_tcp):
    """The server sends nothing, or a message with the same ID that fits."""
    reply = RESPONDER.respond(query, over_tcp=over_tcp)
    if reply is not None:
        assert reply[:2] == query[:2]
        assert reply[2] & 0x80
        assert over_tcp or len(reply) <= UDP_PAYLOAD
        dns.message.from_wire(reply)


@given(domain_names)
def test_any_name_can_be_asked_for(name):
    """A hostile name is looked up and observed like any other."""
    seen = []
    responder = Responder(World([f"{str(name).removesuffix('.')}. A 192.0.2.1"]), observe=lambda *it: seen.append(it))
    reply = asked(responder, dns.name.Name((*name.labels, b"")))
    assert reply.answer[0][0].address == "192.0.2.1"
    assert seen == [(name, "A")]


def test_every_question_is_observed(world):
    """A test can count repeated questions, and questions without an answer."""
    seen = []
    responder = Responder(world, observe=lambda *it: seen.append(it))
    world.set_fault("gone.example.org", Fault.SILENT)
    for name in ("mail.example.org", "MAIL.example.org", "gone.example.org"):
        responder.respond(dns.message.make_query(name, "A").to_wire())
    responder.respond(b"scrap")
    mail, gone = DomainName("mail.example.org"), DomainName("gone.example.org")
    assert seen == [(mail, "A"), (mail, "A"), (gone, "A")]


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
        """The answer to a question, parsed by dnspython."""
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
        """Run a check with the server's answers."""
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
    """An answer, from a reply as dnspython parses it."""
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
    """A server of the world, and a client."""
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
    """Over real sockets, verdict, results and reasons are those of the table."""
    clock = FakeClock()
    world = demo_world(clock=clock)
    clock.seconds = at
    async with served(world) as (_, client):
        for scenario in load_scenarios():
            if scenario.at == at:
                found = await client.run(whole_report(scenario))
                results = {finding.check: (finding.result, finding.reason) for finding in found.findings}
                assert (found.iprev.verdict, results) == (scenario.iprev, scenario.results), scenario.what


async def test_replies_equal_the_answers_of_the_world():
    """A parsed reply equals the world's own answer, with chain and TTL."""
    world = demo_world(speed=0)
    async with served(world) as (_, client):
        for scenario in load_scenarios():
            question = Question(scenario.target.address.reverse_name, "PTR")
            over_network, at_hand = await client.ask(question), world.answer(question)
            if at_hand.status is Status.ANSWER:
                assert over_network == at_hand
            else:
                assert (over_network.status, over_network.chain) == (at_hand.status, at_hand.chain)


@pytest.mark.slow
async def test_a_thousand_addresses_are_answered():
    """A hundred questions at a time, none is lost."""
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


async def test_it_can_stop_answering_and_resume():
    """For tests of outages: it replies neither over UDP nor over TCP until it resumes."""
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
    while server.dropped < queries:  # there is no event to wait for
        await asyncio.sleep(0.001)


async def test_tcp_accepts_queries_in_any_segments():
    """Queries may come in one segment or byte by byte (RFC 7766 section 8). The replies are in order."""
    async with served(World(["mail.example.org. A 192.0.2.1"])) as (server, _):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        queries = [dns.message.make_query("mail.example.org", "A", id=it).to_wire() for it in range(3)]
        stream = b"".join(len(it).to_bytes(2) + it for it in queries)
        for segments in ([stream], [bytes([byte]) for byte in stream]):
            for segment in segments:
                writer.write(segment)
                await writer.drain()
                await asyncio.sleep(0)
            for expected in (0, 1, 2):
                reply = dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
                assert (reply.id, reply.answer[0][0].address) == (expected, "192.0.2.1")
        writer.close()
        await writer.wait_closed()


async def is_closed(reader, writer):
    """Whether the other side closes the connection before the deadline."""
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
    """The server closes a connection without a query."""
    async with DemoServer(World(), tcp_idle_seconds=0.01) as server:
        assert await is_closed(*await asyncio.open_connection(server.host, server.port))


async def test_stopping_closes_everything():
    """Open connections are closed, and the port is free again."""
    server = DemoServer(World([". NS a.root-servers.net."]), tcp_idle_seconds=3600)
    await server.start()
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(len(SENTINEL.to_wire()).to_bytes(2) + SENTINEL.to_wire())
    await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    await server.stop()
    assert await is_closed(reader, writer)
    async with DemoServer(World(), port=server.port) as again:
        assert again.address == f"127.0.0.1:{server.port}"
    await again.stop()


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
async def test_a_port_in_use_is_an_error(kind):
    """If the port is in use for UDP or TCP, the error names it and the fix, and the other port is released."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(CannotRunError, match=rf"127\.0\.0\.1:{port}: Address already in use; choose another"):
            await DemoServer(World(), port=port).start()


async def test_a_question_over_the_network_is_observed():
    """The observer sees each question that the server receives."""
    seen = []
    async with served(demo_world(speed=0), observe=lambda *it: seen.append(it)) as (_, client):
        await client.ask(Question(DomainName("mail1.example.org"), "A"))
    assert seen == [(DomainName("mail1.example.org"), "A"), (DomainName("."), "NS")]
