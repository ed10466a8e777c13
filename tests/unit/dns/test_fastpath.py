"""The fast path agrees with dnspython in all that it reads, and leaves the rest alone."""

import contextlib

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.checks.answers import MailExchange, StartOfAuthority, Status, Text
from exporter.checks.names import DomainName
from exporter.dns.codec import NameReader, UnreadableError, UnusualError, uncompressed_name, read_reply
from exporter.dns.dnspython_codec import read_unusual
from tests.factories import address, name, names
from tests.unit.dns.nameserver import records

SOA = "example.org. 600 IN SOA ns.example.org. hostmaster.example.org. 7 3600 600 86400 60"


def query(qname="www.example.org.", rdtype="A"):
    """A query, for which replies are made."""
    return dns.message.make_query(qname, rdtype)


def read(reply, qname="www.example.org", rdtype="A"):
    """What the fast path reads, given a message or its octets."""
    wire = reply if isinstance(reply, bytes) else reply.to_wire(max_size=65_535)
    return read_reply(wire, 12 + len(dns.name.from_text(qname).to_wire()) + 4, name(qname), rdtype)


@pytest.mark.parametrize(
    ("rdtype", "lines", "expected"),
    [
        ("A", ["www.example.org. 300 IN A 192.0.2.1"], (address("192.0.2.1"),)),
        (
            "A",
            ["www.example.org. 300 IN A 192.0.2.2", "www.example.org. 300 IN A 192.0.2.1"],
            (address("192.0.2.1"), address("192.0.2.2")),
        ),
        ("AAAA", ["www.example.org. 300 IN AAAA 2001:db8::1"], (address("2001:db8::1"),)),
        ("PTR", ["www.example.org. 300 IN PTR Mail.Example.ORG."], names("mail.example.org")),
        ("PTR", ["www.example.org. 300 IN PTR ."], names(".")),
        ("PTR", [r"www.example.org. 300 IN PTR a\.b\000\"\;x.example.org."], names(r"a\.b\000\"\;x.example.org")),
        ("NS", ["www.example.org. 300 IN NS www.example.org."], names("www.example.org")),
        ("CNAME", ["www.example.org. 300 IN CNAME x.example.org."], names("x.example.org")),
        ("MX", ["www.example.org. 300 IN MX 10 mx.example.org."], (MailExchange(10, DomainName("mx.example.org")),)),
        ("TXT", ['www.example.org. 300 IN TXT "v=spf1 " "" "-all"'], (Text(b"v=spf1 -all"),)),
        (
            "SOA",
            ["www.example.org. 300 IN SOA ns.example.org. h.example.org. 4294967295 1 2 3 4"],
            (StartOfAuthority(DomainName("ns.example.org"), DomainName("h.example.org"), 4294967295),),
        ),
    ],
)
def test_each_type_is_read(rdtype, lines, expected):
    """The records of each type come out as its values, distinct and sorted."""
    asked = query(rdtype=rdtype)

    assert read(records(asked, *lines), rdtype=rdtype) == (Status.ANSWER, expected, (), 300, None)


def test_a_chain_in_the_answer_is_followed_in_any_order():
    """CNAME records lead to the records at their end, with the smallest TTL on the way."""
    reply = records(
        query(),
        "b.example.net. 200 IN A 192.0.2.1",
        "a.example.org. 100 IN CNAME B.example.net.",
        "www.example.org. 300 IN CNAME a.example.org.",
    )

    chain = (DomainName("a.example.org"), DomainName("b.example.net"))
    assert read(reply) == (Status.ANSWER, (address("192.0.2.1"),), chain, 100, None)


@pytest.mark.parametrize(
    ("reply", "status", "chain", "ttl"),
    [
        (records(query(), authority=SOA), Status.NODATA, (), 60),
        (records(query(), authority=SOA, rcode=3), Status.NXDOMAIN, (), 60),
        (records(query(), rcode=3), Status.NXDOMAIN, (), 0),
        (records(query()), Status.NODATA, (), 0),
        (records(query(), authority="example.org. 60 IN NS ns.example.org."), Status.REFUSED, (), 0),
        (
            records(query(), "www.example.org. 9 IN CNAME x.example.org.", authority=SOA, rcode=3),
            Status.NXDOMAIN,
            names("x.example.org"),
            9,
        ),
        (
            records(query(), "www.example.org. 90 IN CNAME x.example.org.", authority=SOA),
            Status.NODATA,
            names("x.example.org"),
            60,
        ),
        (
            records(query(), "www.example.org. 90 IN CNAME x.example.net.", authority=SOA),
            None,
            names("x.example.net"),
            90,
        ),
        (
            records(query(), "www.example.org. 90 IN CNAME www.example.org."),
            Status.CHAIN,
            names("www.example.org"),
            90,
        ),
    ],
)
def test_what_is_negative_and_what_is_not(reply, status, chain, ttl):
    """NXDOMAIN, NODATA, a referral, a chain that ends in nothing, elsewhere, or in itself (RFC 2308 section 2)."""
    assert read(reply) == (status, (), chain, ttl, None)


def test_a_long_chain_is_cut():
    """Seventeen links are more than are followed; sixteen are not."""
    links = [f"{'www.example.org.' if n == 0 else f'n{n}.'} 60 IN CNAME n{n + 1}." for n in range(17)]

    assert read(records(query(), *links, "n17. 60 IN A 192.0.2.1"))[0] is Status.CHAIN
    assert read(records(query(), *links[:16], "n16. 60 IN A 192.0.2.1"))[0] is Status.ANSWER


@pytest.mark.parametrize(
    "reply",
    [
        records(query(), "www.example.org. 60 IN A 192.0.2.1", rcode=3),
        records(query(), "other.example.org. 60 IN A 192.0.2.1"),
        records(query(), "www.example.org. 60 IN CNAME a.example.", "www.example.org. 60 IN A 192.0.2.1"),
        records(query()).to_wire() + b"\0",
        records(query(), "www.example.org. 60 IN A 192.0.2.1").to_wire()[:-1],
        records(query(), "www.example.org. 60 IN A 192.0.2.1").to_wire()[:-5] + b"\x03\1\2\3",
        records(query()).to_wire()[:6] + b"\xff\xff" + records(query()).to_wire()[8:],
    ],
    ids=["nxdomain-with-answer", "stray-answer", "cname-and-data", "trailing", "short", "rdlength", "ancount"],
)
def test_contradictions_and_broken_formats_are_unreadable(reply):
    """What contradicts itself, or breaks off, is nobody's to read."""
    with pytest.raises(UnreadableError):
        read(reply)


@pytest.mark.parametrize(
    ("ttl", "clamped"), [(0, 0), (86_401, 86_400), (2**31 - 1, 86_400), (2**31, 0), (2**32 - 1, 0)]
)
def test_ttls_are_clamped(ttl, clamped):
    """No TTL is longer than a day, and those with the highest bit set are 0 (RFC 2181 section 8)."""
    wire = bytearray(records(query(), "www.example.org. 0 IN A 192.0.2.1").to_wire())
    wire[-10:-6] = ttl.to_bytes(4)

    assert read(bytes(wire))[3] == clamped


def test_edns_options_come_with_the_reading():
    """The options of the OPT record are handed on; an extended RCODE is left to the slow path."""
    reply = records(query(), "www.example.org. 60 IN A 192.0.2.1")
    reply.use_edns(0, options=[dns.edns.GenericOption(10, b"12345678abcdefgh")])
    assert read(reply)[4] == b"\0\x0a\0\x1012345678abcdefgh"

    reply.set_rcode(23)
    with pytest.raises(UnusualError):
        read(reply)


def large(rdata: bytes, count: int, rdtype: int = 12, filler: bytes = b"") -> bytes:
    """A reply with *count* records of the same RDATA at the question's name, after *filler* in another's RDATA."""
    asked = query(rdtype="PTR").to_wire()
    record = b"\xc0\x0c" + rdtype.to_bytes(2) + b"\0\1\0\0\0\x3c" + len(rdata).to_bytes(2) + rdata
    return asked[:2] + b"\x81\x80\0\1" + count.to_bytes(2) + b"\0\0\0\0" + asked[12:] + filler + record * count


def test_pointers_that_do_not_lead_back_are_unreadable():
    """A compression loop, a pointer to itself, forwards or into the header ends the reading."""
    start = len(query(rdtype="PTR").to_wire())
    for target in (start + 12, start + 13, 0, 0x3FFF):
        with pytest.raises(UnreadableError):
            read(large((0xC000 | target).to_bytes(2), 1), rdtype="PTR")


def test_names_are_limited_and_always_the_same():
    """Of thousands of names the first thousand in order are kept."""
    lines = [f"www.example.org. 60 IN PTR n{n:04}." for n in range(2_000)]

    status, kept, *_ = read(records(query(rdtype="PTR"), *reversed(lines)), rdtype="PTR")

    assert status is Status.ANSWER
    assert kept == names(*[f"n{n:04}" for n in range(1_000)])


def test_a_label_of_63_octets_and_a_name_of_255_are_the_longest():
    """The limits of RFC 1035 section 2.3.4 are kept with and without compression."""
    longest = b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x3d" + b"d" * 61 + b"\0"
    assert len(read(large(longest, 1), rdtype="PTR")[1][0]) == 253

    with pytest.raises(UnreadableError):
        read(large(b"\1x" + longest, 1), rdtype="PTR")
    with pytest.raises(UnreadableError):
        read(large(longest[:-1] + b"\xc0\x0c", 1), rdtype="PTR")
    with pytest.raises(UnreadableError):
        read(large(b"\x40" + b"a" * 64 + b"\0", 1), rdtype="PTR")


OWNERS = st.sampled_from(["www.example.org.", "a.example.org.", "b.example.net.", "."])
RDATA = st.one_of(
    st.tuples(st.just("A"), st.sampled_from(["192.0.2.1", "192.0.2.2"])),
    st.tuples(st.just("AAAA"), st.sampled_from(["2001:db8::1", "::"])),
    st.tuples(st.sampled_from(["CNAME", "PTR", "NS"]), OWNERS | st.just(r"x\.y\000\255.example.org.")),
    st.tuples(st.just("MX"), OWNERS.map("10 {}".format)),
    st.tuples(st.just("TXT"), st.sampled_from(['"a" "b"', '""', r'"\000\255"'])),
    st.tuples(st.just("SOA"), st.just("ns.example.org. h.example.org. 1 2 3 4 60")),
    st.tuples(st.just("HINFO"), st.just("x y")),
)
LINES = st.builds("{0} {1} IN {2[0]} {2[1]}".format, OWNERS, st.sampled_from([0, 60, 2**31 - 1]), RDATA)


@st.composite
def replies(draw):
    """Any question, and a reply that may have anything to do with it, perhaps with a few octets changed."""
    rdtype = draw(st.sampled_from(["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "TXT"]))
    asked = query(rdtype=rdtype)
    reply = records(asked, *draw(st.lists(LINES, max_size=5)), rcode=draw(st.sampled_from([0, 0, 3])))
    for section in (reply.authority, reply.additional):
        section += [records(asked, line).answer[0] for line in draw(st.lists(LINES, max_size=2))]
    if draw(st.booleans()):
        reply.use_edns(0, options=draw(st.sampled_from([[], [dns.edns.GenericOption(10, b"12345678abcdefgh")]])))
    wire = bytearray(reply.to_wire(max_size=65_535))
    start = len(asked.to_wire())
    for at, octet in draw(st.lists(st.tuples(st.integers(start, 400), st.integers(0, 255)), max_size=3)):
        if at < len(wire):
            wire[at] = octet
    return rdtype, bytes(wire)


@given(replies())
@example(("A", records(query(), "www.example.org. 60 IN A 192.0.2.1").to_wire()))
def test_the_fast_path_agrees_with_dnspython(reply):
    """Whatever the fast path reads, dnspython's own parse of the same octets comes to the same."""
    rdtype, wire = reply
    try:
        reading = read(wire, rdtype=rdtype)
    except UnusualError:
        return
    except UnreadableError:
        reading = None
    try:
        rcode, reference = read_unusual(wire, name("www.example.org"), rdtype)
    except UnreadableError:
        rcode, reference = 0, None

    if reading is not None:
        assert rcode in (0, 3)
        assert reading == reference


@given(st.binary(max_size=300), st.sampled_from(["A", "PTR", "TXT", "MX", "SOA"]))
def test_no_octets_raise_anything_else(octets, rdtype):
    """After a right question section, any octets at all are read, unusual or unreadable."""
    asked = query(rdtype=rdtype).to_wire()
    for counts in (b"\0\1\0\0\0\0", b"\0\2\0\1\0\1", b"\xff\xff\xff\xff\xff\xff"):
        wire = asked[:2] + b"\x81\x80\0\1" + counts + asked[12:] + octets
        for reader in (read, lambda wire, rdtype: read_unusual(wire, name("www.example.org"), rdtype)):
            with contextlib.suppress(UnreadableError, UnusualError):
                reader(wire, rdtype=rdtype)


PLAIN_LABELS = st.one_of(
    st.text("aZ09-", min_size=1, max_size=5),
    st.sampled_from([45, 48, 57, 63]).map(lambda count: "m" * count),  # lengths that look like a hyphen and digits
).map(lambda text: bytes([len(text)]) + text.encode())
PLAIN_NAMES = st.lists(PLAIN_LABELS, max_size=5).map(lambda some: b"".join(some) + b"\0")


@given(
    st.one_of(
        PLAIN_NAMES,
        st.binary(max_size=40),
        st.lists(PLAIN_LABELS | st.sampled_from([b"\2B_", b"\0", b"\x40", b"\x30", b"a" * 48])).map(b"".join),
    )
)
@example(b"\1a\0\0")
@example(b"\x60" + b"a" * 96 + b"\0")
@example(b"\x30" + b"a" * 48 + b"\0")
def test_ordinary_names_are_read_as_any_name_is(wire):
    """The short cut gives what the reader of all names gives, or leaves it to that; so of the next name beside it."""
    for name_at in (wire, wire, b"\1X" + wire, b"\2x-" + wire):
        packet = bytes(12) + name_at

        read_at_once = uncompressed_name(packet, 12, len(packet))

        if read_at_once is not None:
            assert NameReader(packet).read(12) == (read_at_once, len(packet))


def test_most_names_are_ordinary():
    """So the short cut is taken, whatever the case of their letters."""
    packet = bytes(12) + b"\3WWW\x07example\3oRg\0"

    assert uncompressed_name(packet, 12, len(packet)) == name("www.example.org")
