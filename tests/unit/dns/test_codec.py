"""Names and replies in wire format: both decoders agree, and any input takes bounded work."""

import contextlib
import random
from itertools import pairwise

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
from exporter.dns.codec import (
    MAX_LINKS,
    MAX_NEGATIVE_TTL,
    MAX_TTL,
    NO_SOA,
    NameReader,
    Randomness,
    ReplyRecords,
    UnreadableError,
    UnusualError,
    clamp_ttl,
    interpret,
    mixed_case,
    read_reply,
    uncompressed_name,
    wire_name,
)
from exporter.dns.dnspython_codec import read_unusual
from tests.factories import address, addresses, name, names
from tests.strategies import domain_names
from tests.unit.dns.nameserver import records

SOA = "example.org. 600 IN SOA ns.example.org. hostmaster.example.org. 7 3600 600 86400 60"


def query(qname="www.example.org.", rdtype="A"):
    """A query, for which replies are made."""
    return dns.message.make_query(qname, rdtype)


def read(reply, qname="www.example.org", rdtype="A"):
    """The result of the fast path for a message or its bytes."""
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
        ("TXT", ['www.example.org. 300 IN TXT "v=spf1 " "" "-all"'], (Text(b"v=spf1 -all", b"\7\0\4"),)),
        (
            "TXT",
            ['www.example.org. 300 IN TXT "v=spf1 " "-all"', 'www.example.org. 300 IN TXT "v=spf1 -all"'],
            (Text(b"v=spf1 -all"), Text(b"v=spf1 -all", b"\7\4")),
        ),
        (
            "SOA",
            ["www.example.org. 300 IN SOA ns.example.org. h.example.org. 4294967295 1 2 3 4"],
            (StartOfAuthority(DomainName("ns.example.org"), DomainName("h.example.org"), 4294967295),),
        ),
    ],
)
def test_each_type_is_read(rdtype, lines, expected):
    """The records are distinct and sorted."""
    asked = query(rdtype=rdtype)

    assert read(records(asked, *lines), rdtype=rdtype) == (Status.ANSWER, expected, (), 300, None)


def test_a_chain_in_the_answer_is_followed_in_any_order():
    """The result has the records at the end of the chain, and the smallest TTL of the chain."""
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
        (records(query(), rcode=3), Status.NXDOMAIN, (), NO_SOA),
        (records(query()), Status.NODATA, (), NO_SOA),
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
    """NXDOMAIN, NODATA, a referral, and chains with a negative end, an unknown end, or a loop (RFC 2308 section 2)."""
    assert read(reply) == (status, (), chain, ttl, None)


@pytest.mark.parametrize("line", ["CH TXT x", "HS TXT x", "IN TXT x", "IN DNAME example.net."])
@pytest.mark.parametrize("authority", ["", SOA])
def test_records_that_were_not_asked_for_are_no_nodata(line, authority):
    """Records of another class or type beside the right ones are ignored; alone, they are no answer."""
    rdclass, rdtype, rdata = line.split()
    other = dns.rrset.from_text("www.example.org.", 60, rdclass, rdtype, rdata)
    alone = records(query(), authority=authority)
    beside = records(query(), "www.example.org. 60 IN A 192.0.2.1", authority=authority)
    for reply in (alone, beside):
        reply.answer.append(other)
    found = [read_unusual(reply.to_wire(), name("www.example.org"), "A")[1][:2] for reply in (alone, beside)]

    assert found == [(Status.MALFORMED, ()), (Status.ANSWER, (address("192.0.2.1"),))]


def test_a_long_chain_is_cut():
    """Sixteen links are followed, seventeen are too many."""
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
    """Contradictions and cut-off messages raise `UnreadableError`."""
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


def test_edns_options_are_returned():
    """The options of the OPT record are returned; an extended RCODE is left to dnspython."""
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
    """A pointer to itself, forwards or into the header is an error."""
    start = len(query(rdtype="PTR").to_wire())
    for target in (start + 12, start + 13, 0, 0x3FFF):
        with pytest.raises(UnreadableError):
            read(large((0xC000 | target).to_bytes(2), 1), rdtype="PTR")


def test_all_records_of_a_long_answer_are_read():
    """Of thousands of names, none is left out."""
    lines = [f"www.example.org. 60 IN PTR n{n:04}." for n in range(2_000)]

    status, kept, *_ = read(records(query(rdtype="PTR"), *reversed(lines)), rdtype="PTR")

    assert status is Status.ANSWER
    assert kept == names(*[f"n{n:04}" for n in range(2_000)])


def test_a_label_has_up_to_63_bytes_and_a_name_255():
    """The limits of RFC 1035 section 2.3.4 apply with and without compression."""
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
    """Any question, and a reply that may or may not match, perhaps with a few bytes changed."""
    rdtype = draw(st.sampled_from(["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "TXT"]))
    asked = query(rdtype=rdtype)
    reply = records(asked, *draw(st.lists(LINES, max_size=5)), rcode=draw(st.sampled_from([0, 0, 3])))
    for section in (reply.authority, reply.additional):
        section += [records(asked, line).answer[0] for line in draw(st.lists(LINES, max_size=2))]
    if draw(st.booleans()):
        reply.use_edns(0, options=draw(st.sampled_from([[], [dns.edns.GenericOption(10, b"12345678abcdefgh")]])))
    wire = bytearray(reply.to_wire(max_size=65_535))
    start = len(asked.to_wire())
    for at, byte in draw(st.lists(st.tuples(st.integers(start, 400), st.integers(0, 255)), max_size=3)):
        if at < len(wire):
            wire[at] = byte
    return rdtype, bytes(wire)


@given(replies())
@example(("A", records(query(), "www.example.org. 60 IN A 192.0.2.1").to_wire()))
def test_the_fast_path_agrees_with_dnspython(reply):
    """If the fast path reads a message, dnspython's parse of it has the same result."""
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
def test_no_bytes_raise_another_exception(data, rdtype):
    """After a correct question section, any bytes are read, unusual or unreadable."""
    asked = query(rdtype=rdtype).to_wire()
    for counts in (b"\0\1\0\0\0\0", b"\0\2\0\1\0\1", b"\xff\xff\xff\xff\xff\xff"):
        wire = asked[:2] + b"\x81\x80\0\1" + counts + asked[12:] + data
        for reader in (read, lambda wire, rdtype: read_unusual(wire, name("www.example.org"), rdtype)):
            with contextlib.suppress(UnreadableError, UnusualError):
                reader(wire, rdtype=rdtype)


LDH_LABELS = st.one_of(
    st.text("aZ09-", min_size=1, max_size=5),
    st.sampled_from([45, 48, 57, 63]).map(lambda count: "m" * count),  # lengths that look like a hyphen and digits
).map(lambda text: bytes([len(text)]) + text.encode())
LDH_NAMES = st.lists(LDH_LABELS, max_size=5).map(lambda some: b"".join(some) + b"\0")


@given(
    st.one_of(
        LDH_NAMES,
        st.binary(max_size=40),
        st.lists(LDH_LABELS | st.sampled_from([b"\2B_", b"\0", b"\x40", b"\x30", b"a" * 48])).map(b"".join),
    )
)
@example(b"\1a\0\0")
@example(b"\x60" + b"a" * 96 + b"\0")
@example(b"\x30" + b"a" * 48 + b"\0")
def test_the_fast_path_for_names_agrees_with_the_other(wire):
    """The fast function agrees with `NameReader` or returns None, also for more names with the same parent."""
    for name_at in (wire, wire, b"\1X" + wire, b"\2x-" + wire):
        packet = bytes(12) + name_at

        read_at_once = uncompressed_name(packet, 12, len(packet))

        if read_at_once is not None:
            assert NameReader(packet).read(12) == (read_at_once, len(packet))


def test_typical_names_take_the_fast_path():
    """The fast function reads a typical name, in any case."""
    packet = bytes(12) + b"\3WWW\x07example\3oRg\0"

    assert uncompressed_name(packet, 12, len(packet)) == name("www.example.org")


@given(domain_names)
def test_a_name_is_written_and_read_back(name):
    """The wire format of any name is the same as dnspython's, and is read back as the same name."""
    wire = wire_name(name)

    assert wire == dns.name.Name([*name.labels, b""]).to_wire()
    assert NameReader(bytes(12) + wire).read(12) == (name, 12 + len(wire))


@given(domain_names, st.integers())
def test_random_case_changes_nothing_but_case(name, seed):
    """A name in random case is the same name, and only its letters differ."""
    wire = wire_name(name)
    mixed = mixed_case(wire, Randomness(random.Random(seed)).take)

    assert mixed.lower() == wire.lower()
    assert NameReader(bytes(12) + mixed).read(12)[0] == name


def test_random_case_is_random():
    """Every letter appears in both cases."""
    take = Randomness(random.Random(1)).take
    seen = {byte for _ in range(100) for byte in mixed_case(b"\4mail\0", take)}

    assert seen == set(b"mailMAIL\4\0")


def test_randomness_is_never_given_out_twice():
    """Small portions are consecutive bytes of the source, without overlap."""
    source, again = random.Random(7), random.Random(7)
    take = Randomness(source).take
    data = b"".join([take(7) for _ in range(2_340)])  # just within the first fetch of 16,384

    assert data == again.randbytes(16_384)[: len(data)]
    assert take(7) == again.randbytes(16_384)[:7]


WWW, WEB, ORG, ROOT = name("www.example.org"), name("web.example.net"), name("example.org"), name(".")
HERE, THERE = addresses("192.0.2.1", "192.0.2.2")


def reply_of(*records, rcode=0, soa=(), is_referral=False):
    """A reply with records as (owner, record, TTL), where a name makes a CNAME, and SOA records as (owner, TTL)."""
    made = ReplyRecords(rcode)
    for owner, record, ttl in records:
        made.add_answer(owner, record in (HERE, THERE), record, ttl)
    for owner, ttl in soa:
        made.add_authority(owner, ttl)
    made.is_referral = is_referral
    return made


@pytest.mark.parametrize(
    ("reply", "reading"),
    [
        pytest.param(reply_of((WWW, HERE, 60)), (Status.ANSWER, (HERE,), (), 60), id="a-record"),
        pytest.param(
            reply_of((WWW, THERE, 60), (WWW, HERE, 30), (WWW, HERE, 90)),
            (Status.ANSWER, (HERE, THERE), (), 30),
            id="records-in-order-each-once-with-the-smallest-ttl",
        ),
        pytest.param(
            reply_of((WWW, WEB, 20), (WEB, HERE, 60)),
            (Status.ANSWER, (HERE,), (WEB,), 20),
            id="the-alias-goes-first",
        ),
        pytest.param(
            reply_of((WWW, WEB, 60), (WEB, HERE, 20)),
            (Status.ANSWER, (HERE,), (WEB,), 20),
            id="the-record-goes-first",
        ),
        pytest.param(reply_of((WWW, WEB, 60)), (None, (), (WEB,), 60), id="the-chain-leads-on"),
        pytest.param(
            reply_of((WWW, WEB, 60), soa=[(name("example.net"), 30)]),
            (Status.NODATA, (), (WEB,), 30),
            id="nodata-at-the-end-of-a-chain",
        ),
        pytest.param(
            reply_of((WWW, WEB, 20), soa=[(name("example.net"), 30)]),
            (Status.NODATA, (), (WEB,), 20),
            id="nodata-no-longer-than-its-alias",
        ),
        pytest.param(
            reply_of((WWW, WEB, 60), soa=[(ORG, 30)]),
            (None, (), (WEB,), 60),
            id="the-soa-of-another-zone-says-nothing",
        ),
        pytest.param(reply_of(soa=[(ORG, 30)]), (Status.NODATA, (), (), 30), id="nodata"),
        pytest.param(reply_of(soa=[(ROOT, 30)]), (Status.NODATA, (), (), 30), id="nodata-of-the-root"),
        pytest.param(
            reply_of(soa=[(name("example.net"), 5), (ORG, 30), (ROOT, 7)]),
            (Status.NODATA, (), (), 30),
            id="the-first-soa-that-fits",
        ),
        pytest.param(
            reply_of(soa=[(ORG, 86_400)]),
            (Status.NODATA, (), (), MAX_NEGATIVE_TTL),
            id="a-long-negative-ttl-is-cut",
        ),
        pytest.param(reply_of(soa=[(ORG, 0)]), (Status.NODATA, (), (), 0), id="nodata-that-is-not-to-be-kept"),
        pytest.param(reply_of(), (Status.NODATA, (), (), NO_SOA), id="nodata-without-an-soa"),
        pytest.param(reply_of(is_referral=True), (Status.REFUSED, (), (), 0), id="a-referral-says-nothing"),
        pytest.param(
            reply_of(soa=[(ORG, 30)], is_referral=True),
            (Status.NODATA, (), (), 30),
            id="unless-there-is-an-soa-too",
        ),
        pytest.param(reply_of(rcode=3, soa=[(ORG, 30)]), (Status.NXDOMAIN, (), (), 30), id="nxdomain"),
        pytest.param(reply_of(rcode=3), (Status.NXDOMAIN, (), (), NO_SOA), id="nxdomain-without-an-soa"),
        pytest.param(
            reply_of((WWW, WEB, 60), rcode=3), (Status.NXDOMAIN, (), (WEB,), NO_SOA), id="nxdomain-is-about-the-end"
        ),
        pytest.param(reply_of((WWW, WWW, 60)), (Status.CHAIN, (), (WWW,), 60), id="an-alias-of-itself"),
        pytest.param(
            reply_of((WWW, WEB, 60), (WEB, ORG, 9), (ORG, WEB, 60)),
            (Status.CHAIN, (), (WEB, ORG, WEB), 9),
            id="a-loop",
        ),
        pytest.param(reply_of((WWW, HERE, 1 << 31)), (Status.ANSWER, (HERE,), (), 0), id="a-ttl-that-is-none"),
        pytest.param(reply_of((WWW, HERE, 1 << 30)), (Status.ANSWER, (HERE,), (), MAX_TTL), id="a-ttl-of-decades"),
    ],
)
def test_what_a_reply_says(reply, reading):
    """RFC 2308 section 2, RFC 6604 section 3, RFC 2181 section 8."""
    reply.options = b"options"

    assert interpret(reply, WWW) == (*reading, b"options")


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(reply_of((WWW, WEB, 1), (WWW, HERE, 1)), id="a-record-beside-an-alias"),
        pytest.param(reply_of((ORG, HERE, 1)), id="a-record-at-a-name-that-was-not-asked-for"),
        pytest.param(reply_of((WWW, WEB, 1), (ORG, HERE, 1)), id="a-record-at-no-name-of-the-chain"),
        pytest.param(reply_of((WWW, HERE, 1), rcode=3), id="a-record-at-a-name-that-does-not-exist"),
    ],
)
def test_a_contradiction_is_unreadable(reply):
    """No record of such a reply is used."""
    with pytest.raises(UnreadableError):
        interpret(reply, WWW)


def test_a_name_has_one_alias():
    """The same CNAME twice counts as one (RFC 2181 section 10.1)."""
    with pytest.raises(UnreadableError, match="two CNAME records"):
        reply_of((WWW, WEB, 60), (WWW, ORG, 60))
    with pytest.raises(UnreadableError, match="two CNAME records"):
        reply_of().add_answer(WWW, False, HERE, 60)
    assert interpret(reply_of((WWW, WEB, 60), (WWW, WEB, 20)), WWW)[:4] == (None, (), (WEB,), 20)


def test_an_alias_that_was_asked_for_is_no_chain():
    """A question for the CNAME record is answered with it, and the chain is not followed (RFC 1034 section 3.6.2)."""
    made = ReplyRecords(0)
    made.add_answer(WWW, True, WEB, 60)

    assert interpret(made, WWW)[:4] == (Status.ANSWER, (WEB,), (), 60)


@pytest.mark.parametrize("links", [MAX_LINKS, MAX_LINKS + 1])
def test_sixteen_aliases_are_followed(links):
    """A chain with one more link is too long."""
    chain = [name(f"n{number}.example.org") for number in range(links + 1)]
    records = [(owner, to, 60) for owner, to in pairwise(chain)]
    status, _, followed, *_ = interpret(reply_of(*records, (chain[-1], HERE, 60)), chain[0])

    assert status is (Status.ANSWER if links == MAX_LINKS else Status.CHAIN)
    assert followed == tuple(chain[1:])


@given(st.integers(0, 2**32 - 1))
def test_ttls_are_within_bounds(ttl):
    """A day at most; the sign bit makes it 0 (RFC 2181 section 8)."""
    assert clamp_ttl(ttl) == (0 if ttl >= 2**31 else min(ttl, 86_400))
