"""The fast path for ordinary replies agrees with the decoder of all replies."""

import dns.edns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from exporter.dns.query import match_ordinary
from exporter.dns.queue import Job
from tests.factories import address, name
from tests.unit.dns.nameserver import records
from tests.unit.dns.test_codec import query, read, replies

COOKIE = dns.edns.GenericOption(10, b"12345678abcdefgh")
END_OF_QUESTION = len(query().to_wire())
LINE = "www.example.org. 300 IN A 192.0.2.1"


def ordinary(line, options=None):
    """A reply with one record, and with an OPT record if there are options; and that OPT record."""
    reply = records(query(rdtype=line.split()[3]), line)
    bare = len(reply.to_wire())
    if options is not None:
        reply.use_edns(0, options=options)
    return reply.to_wire(), reply.to_wire()[bare:]


def waiting(wire, rdtype, pending):
    """The question that *wire* answers, sent once, added to *pending*."""
    job = Job(Question(DomainName("www.example.org"), rdtype), "", print)
    job.section = wire[12:END_OF_QUESTION]
    job.query_id = wire[:2]
    job.serial = 1
    job.pending = pending
    pending[job.query_id] = job
    return job


def read_fast(wire, rdtype, opt):
    """The answer that the fast path reads from one packet, or None."""
    answered, pending = [], {}
    job = waiting(wire, rdtype, pending)
    other = match_ordinary(iter([wire]), pending, opt, answered, server="192.0.2.53:53", asked_at=1.5)
    if other is not None:
        assert (other, answered, pending) == ((job, wire), [], {wire[:2]: job})
        return None
    assert (pending, job.pending) == ({}, None)
    ((answered_job, answer),) = answered
    assert answered_job is job
    assert (answer.status, answer.chain, answer.errors) == (Status.ANSWER, (), ())
    return answer


@pytest.mark.parametrize("options", [None, [], [COOKIE]])
@pytest.mark.parametrize(
    ("line", "record"),
    [
        (LINE, address("192.0.2.1")),
        ("www.example.org. 300 IN AAAA 2001:db8::1", address("2001:db8::1")),
        ("www.example.org. 300 IN PTR Mail-1.Example.NET.", name("mail-1.example.net")),
    ],
)
def test_an_ordinary_reply_takes_the_fast_path(line, record, options):
    """A reply with one record, and without an OPT record or with the known one, takes the fast path. Others do not."""
    wire, opt = ordinary(line, options)
    rdtype = line.split()[3]

    assert read_fast(wire, rdtype, opt) == Answer(Status.ANSWER, (record,), (), 300, "192.0.2.53:53", 1.5)
    assert read_fast(wire, rdtype, opt[:-1] + b"\7" if opt else ordinary(line, [])[1]) is None


SEEN = [b"", *[ordinary(LINE, options)[1] for options in ([], [COOKIE])]]


@st.composite
def nearly_ordinary(draw):
    """An ordinary reply, perhaps with one or two bytes changed."""
    rdata = draw(
        st.sampled_from(["A 192.0.2.1", "AAAA 2001:db8::1", "PTR Mail-1.Example.NET.", "PTR www.example.org."])
    )
    ttl = draw(st.sampled_from([0, 60, 86_400, 86_401, 2**31 - 1]))
    wire, _ = ordinary(f"www.example.org. {ttl} IN {rdata}", draw(st.sampled_from([None, [], [COOKIE]])))
    changed = bytearray(wire)
    for at, byte in draw(st.lists(st.tuples(st.integers(END_OF_QUESTION, 90), st.integers(0, 255)), max_size=2)):
        if at < len(changed):
            changed[at] = byte
    return rdata.split()[0], bytes(changed)


@given(replies() | nearly_ordinary(), st.sampled_from(SEEN))
def test_the_fast_path_agrees_with_the_other(reply, opt):
    """If the fast path reads a reply, reading it record by record has the same result."""
    rdtype, wire = reply
    answer = read_fast(wire, rdtype, opt)
    if answer is not None:
        assert read(wire, rdtype=rdtype)[:4] == answer[:4]


RDATA = [(st.binary(min_size=size, max_size=size), rdtype) for size, rdtype in ((4, "A"), (16, "AAAA"))]


@given(
    st.one_of(
        st.tuples(st.binary(max_size=60), st.sampled_from(["A", "AAAA", "PTR", "TXT"])),
        *[st.tuples(data, st.just(rdtype)) for data, rdtype in RDATA],
        st.tuples(st.sampled_from([b"\0", b"\1A\0", b"\4mail\7example\0", b"\xc0\x0c"]), st.just("PTR")),
    ),
    st.sampled_from(SEEN),
)
def test_the_fast_path_accepts_any_bytes(record, opt):
    """After a correct header and question, any bytes are read or left to the other decoder."""
    data, rdtype = record
    asked = query(rdtype=rdtype).to_wire()
    start = b"\xc0\x0c" + asked[-4:] + b"\0\0\0\x3c"
    for rest in (data, start + data, start + len(data).to_bytes(2) + data):
        counts = b"\0\1\0\1\0\0\0" + (b"\1" if opt else b"\0")
        wire = asked[:2] + b"\x81\x80" + counts + asked[12:] + rest + opt
        answer = read_fast(wire, rdtype, opt)
        if answer is not None:
            assert read(wire, rdtype=rdtype)[1] == answer.records


@pytest.mark.parametrize("at", range(2, END_OF_QUESTION + 8))
def test_no_bit_of_header_question_or_type_may_be_another(at):
    """If any byte before the TTL differs, except irrelevant flags, the fast path does not read the reply."""
    wire, opt = ordinary(LINE, [COOKIE])
    changed = bytearray(wire)
    changed[at] ^= 0x40 if at == 2 else 0x0F if at == 3 else 0x20
    answered, pending = [], {}
    waiting(wire, "A", pending)

    assert match_ordinary(iter([bytes(changed)]), pending, opt, answered, server="", asked_at=0.0) is not None
    assert answered == []


def test_a_burst_is_read_up_to_the_first_other_packet():
    """The first other packet is returned with its question, if any. Those after it remain for the next call."""
    wire, opt = ordinary(LINE)
    good = [number.to_bytes(2) + wire[2:] for number in range(3)]
    stranger, odd = b"\xff\xff" + wire[2:], (7).to_bytes(2) + wire[2:-1]
    pending = {}
    jobs = [waiting(packet, "A", pending) for packet in (*good, odd)]
    packets, answered = iter([good[0], stranger, good[1], odd, good[2], good[2]]), []

    ends = [match_ordinary(packets, pending, opt, answered, server="", asked_at=0.0) for _ in range(4)]

    assert ends == [(None, stranger), (jobs[3], odd), (None, good[2]), None]
    assert [job for job, _ in answered] == jobs[:3]
    assert list(pending) == [odd[:2]]


def test_a_retry_takes_the_other_path():
    """The other path evaluates what happened at earlier attempts."""
    wire, opt = ordinary(LINE)
    pending = {}
    job = waiting(wire, "A", pending)
    job.serial = 2

    assert match_ordinary(iter([wire]), pending, opt, [], server="", asked_at=0.0) == (job, wire)
