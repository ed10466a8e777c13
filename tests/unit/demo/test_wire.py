"""Queries in, replies out: the parts of the protocol that a client can trip over."""

import dns.edns
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

from exporter.checks.names import DomainName
from exporter.demo.server import UDP_PAYLOAD, Responder
from exporter.demo.world import Fault, World
from tests.strategies import domain_names

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
    """The reply to a query, read by dnspython, which also holds it to be the reply to that query."""
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
    """Records with the CNAMEs that lead to them, or the SOA record with NODATA and NXDOMAIN (RFC 2308)."""
    reply = asked(responder, name, rdtype)
    assert dns.rcode.to_text(reply.rcode()) == rcode
    assert [text for rrset in reply.answer for text in rrset.to_text().splitlines()] == answer
    assert [rrset.rdtype for rrset in reply.authority] == [dns.rdatatype.SOA] * authority


def test_flags_are_those_of_a_recursive_resolver(responder):
    """RA is set, AA and AD are not; RD and CD are the query's own."""
    query = dns.message.make_query("mail.example.org", "A")
    assert exchanged(responder, query).flags == dns.flags.QR | dns.flags.RD | dns.flags.RA
    query.flags = dns.flags.CD | dns.flags.AD
    assert exchanged(responder, query).flags == dns.flags.QR | dns.flags.RA | dns.flags.CD


def test_the_case_of_the_name_is_the_querys_own(responder):
    """A client that mixes cases at random (0x20) gets its own back, from a reply compiled for another spelling."""
    for spelling in ("mail.example.org.", "MaIL.eXAMple.ORg.", "ALIAS.Example.org."):
        wire = responder.respond(dns.message.make_query(spelling, "A").to_wire())
        reply = dns.message.from_wire(wire)
        assert reply.question[0].name.to_text() == spelling
        assert reply.answer[0].name.to_text() == spelling
        assert reply.answer[-1][0].address == "192.0.2.1"


@pytest.mark.parametrize("dnssec", [False, True])
def test_edns_is_answered_with_edns(responder, dnssec):
    """A query with an OPT record gets one back, its DO bit with it (RFC 6891 section 7); one without gets none."""
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
    """BADVERS, with the version that is spoken (RFC 6891 section 6.1.3)."""
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
    """TC is set and nothing is sent where the reply is longer than the client or this server allows over UDP."""
    query = dns.message.make_query(name, "TXT" if name != "mail.example.org" else "A")
    if edns is not None:
        query.use_edns(0, payload=edns)
    reply = exchanged(responder, query)
    assert bool(reply.flags & dns.flags.TC) is is_truncated
    assert bool(reply.answer) is not is_truncated
    assert reply.edns == (-1 if edns is None else 0)


def test_over_tcp_nothing_is_truncated_up_to_64_kib(responder):
    """The wide reply is whole; what no DNS message can hold is a SERVFAIL."""
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
    """Each fault is what a client of such a server sees."""
    world.set_fault("mail.example.org", fault)
    for expected, options in ((over_udp, {}), (over_tcp, {"over_tcp": True})):
        reply = asked(responder, "mail.example.org", **options)
        assert (dns.rcode.to_text(reply.rcode()), bool(reply.flags & dns.flags.TC)) == expected
        assert bool(reply.answer) is (expected == ("NOERROR", False))


def test_a_silent_server_says_nothing(world, responder):
    """Not over UDP, not over TCP, until it is fixed."""
    world.set_fault("example.org", Fault.SILENT)
    query = dns.message.make_query("mail.example.org", "A").to_wire()
    assert responder.respond(query) is None
    assert responder.respond(query, over_tcp=True) is None
    world.set_fault("example.org", None)
    assert responder.respond(query) is not None


def test_a_change_shows_at_once(world, responder):
    """A reply that was compiled before the change is not given after it."""
    assert asked(responder, "new.example.org").rcode() == dns.rcode.NXDOMAIN
    world.apply(["new.example.org. A 192.0.2.5"])
    assert asked(responder, "new.example.org").answer[0][0].address == "192.0.2.5"
    world.remove("new.example.org")
    assert asked(responder, "new.example.org").rcode() == dns.rcode.NXDOMAIN


def test_the_order_of_records_rotates(responder):
    """As resolvers do it: whoever takes the first record takes another one each time."""
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
    ids=["two-questions", "none", "an-answer", "cut-off", "a-pointer", "a-label-of-64-octets", "a-name-of-256"],
)
def test_what_is_no_query_is_a_format_error(responder, query):
    """It is said to be one, with the query's own ID."""
    reply = dns.message.from_wire(responder.respond(query))
    assert (reply.id, reply.rcode(), reply.answer) == (7, dns.rcode.FORMERR, [])


@pytest.mark.parametrize(
    "query", [b"", QUERY[:11], QUERY[:2] + b"\x81\x80" + QUERY[4:]], ids=["none", "scrap", "reply"]
)
def test_what_is_no_query_at_all_gets_nothing(responder, query):
    """Two servers must not talk to each other for ever."""
    assert responder.respond(query) is None


RESPONDER = Responder(World(RECORDS))


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: QUERY[:12] + tail), st.booleans())
def test_no_octets_upset_the_server(query, over_tcp):
    """Whatever comes in, what goes out is nothing or a message with the same ID that fits."""
    reply = RESPONDER.respond(query, over_tcp=over_tcp)
    if reply is not None:
        assert reply[:2] == query[:2]
        assert reply[2] & 0x80
        assert over_tcp or len(reply) <= UDP_PAYLOAD
        dns.message.from_wire(reply)


@given(domain_names)
def test_any_name_can_be_asked_for(name):
    """A hostile name is looked up like any other, and observed as what it is."""
    seen = []
    responder = Responder(World([f"{str(name).removesuffix('.')}. A 192.0.2.1"]), observe=lambda *it: seen.append(it))
    reply = asked(responder, dns.name.Name((*name.labels, b"")))
    assert reply.answer[0][0].address == "192.0.2.1"
    assert seen == [(name, "A")]


def test_every_question_is_observed(world):
    """A test can count what was asked, again and again, and what was met with silence too."""
    seen = []
    responder = Responder(world, observe=lambda *it: seen.append(it))
    world.set_fault("gone.example.org", Fault.SILENT)
    for name in ("mail.example.org", "MAIL.example.org", "gone.example.org"):
        responder.respond(dns.message.make_query(name, "A").to_wire())
    responder.respond(b"scrap")
    mail, gone = DomainName("mail.example.org"), DomainName("gone.example.org")
    assert seen == [(mail, "A"), (mail, "A"), (gone, "A")]
