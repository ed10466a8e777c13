"""What each event leads to; and the short cut for ordinary replies, which agrees with the decoder of all replies."""

from math import inf
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, ExtendedError, Status
from exporter.checks.names import DomainName
from exporter.dns.query import (
    Again,
    Datagram,
    Failed,
    Finish,
    MaySend,
    Message,
    Send,
    State,
    TimedOut,
    WaitUntil,
    match_ordinary,
)
from exporter.dns.servers import CookieJar, Server
from exporter.dns.settings import parse_endpoint
from tests.factories import address, name
from tests.unit.dns.nameserver import queries, records
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
    (asked,) = queries(1)
    asked.name, asked.rdtype = DomainName("www.example.org"), rdtype
    asked.section = wire[12:END_OF_QUESTION]
    asked.query_id = wire[:2]
    asked.state = State.ASKED
    asked.pending = pending
    pending[asked.query_id] = asked
    return asked


def read_fast(wire, rdtype, opt):
    """The answer that the fast path reads from one packet, or None."""
    answered, pending = [], {}
    asked = waiting(wire, rdtype, pending)
    other = match_ordinary(iter([wire]), pending, opt, answered, server="192.0.2.53:53", asked_at=1.5)
    if other is not None:
        assert (other, answered, pending) == ((asked, wire), [], {wire[:2]: asked})
        return None
    assert (pending, asked.state) == ({}, State.DONE)
    ((answered_query, answer),) = answered
    assert answered_query is asked
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
    sent = [waiting(packet, "A", pending) for packet in (*good, odd)]
    packets, answered = iter([good[0], stranger, good[1], odd, good[2], good[2]]), []

    ends = [match_ordinary(packets, pending, opt, answered, server="", asked_at=0.0) for _ in range(4)]

    assert ends == [(None, stranger), (sent[3], odd), (None, good[2]), None]
    assert [asked for asked, _ in answered] == sent[:3]
    assert list(pending) == [odd[:2]]


def test_a_retry_takes_the_other_path():
    """The other path evaluates what happened at earlier attempts."""
    wire, opt = ordinary(LINE)
    pending = {}
    asked = waiting(wire, "A", pending)
    asked.state = State.ASKED_AGAIN

    assert match_ordinary(iter([wire]), pending, opt, [], server="", asked_at=0.0) == (asked, wire)


class Walk:
    """A question to two servers, and what it was told to do last.

    Attributes:
        now: The monotonic time.
        servers: The servers, asked as 192.0.2.0 and 192.0.2.1.
        query: The question.
        sent: The message that was sent last.
    """

    def __init__(self, **more):
        self.now = 100.0
        self.servers = [
            Server(number, parse_endpoint(f"192.0.2.{number}"), cookies=CookieJar(bytes), random_case=True)
            for number in range(2)
        ]
        for server in self.servers:
            server.full_reply_at = self.now - 30
        (self.query,) = queries(1, *self.servers, random_bytes=lambda count: b"\xff" * count, **more)
        self.sent = b""
        assert self.after(MaySend(self.now)) == "ask 0"

    def after(self, event):
        """What follows *event*, in words. A question that is to be sent again may be sent at once."""
        actions = self.query.advance(event)
        if not actions:
            return "nothing"
        (action,) = actions
        match action:
            case Send(server, over_tcp, message):
                self.sent = message
                section = self.query.section
                forms = [
                    " over TCP" if over_tcp else "",
                    " in lower case" if section == section.lower() else "",
                    "" if message.endswith(server.tail) else " without EDNS",
                ]
                return f"ask {server.number}" + "".join(forms)
            case WaitUntil(at):
                return f"wait {at - event.at:.2f} s"
            case Finish(answer):
                return f"{self.query.state.value}: {answer.status.value}"
        assert action == Again()
        return self.after(MaySend(event.at))

    def reply(self, *texts, change=lambda reply: None, cookie=b"", **more):
        """A reply to the last query: its records, changed."""
        asked = dns.message.from_wire(b"id" + self.sent)
        message = records(asked, *texts, **more)
        if cookie:
            message.use_edns(0, options=[dns.edns.GenericOption(10, cookie)])
            message.set_rcode(more.get("rcode", 0))
        change(message)
        return message.to_wire()


def over_udp(*texts, **more):
    """Makes the event of a reply over UDP."""
    return lambda walk: Datagram(walk.now, walk.reply(*texts, **more))


def over_tcp(*texts, **more):
    """Makes the event of a reply over TCP."""
    return lambda walk: Message(walk.now, walk.reply(*texts, **more))


def raw(change, kind=Datagram):
    """Makes the event of the right reply with its bytes changed."""
    return lambda walk: kind(walk.now, change(walk.reply(N0)))


def truncate(reply):
    """Set the flag TC."""
    reply.flags |= dns.flags.TC


def local_data():
    """Makes the event of a reply from a hosts file."""

    def mark(reply):
        reply.flags |= dns.flags.AA | dns.flags.RA

    return over_udp("n0.example.org. 0 IN A 192.0.2.1", change=mark)


def with_errors(*codes):
    """Makes the event of a SERVFAIL with these extended errors (RFC 8914)."""
    options = [dns.edns.GenericOption(15, code.to_bytes(2) + b"of example.org.") for code in codes]
    return over_udp(rcode=2, change=lambda reply: reply.use_edns(0, options=options))


def link(number):
    """Makes the event of a CNAME record without its target."""
    return lambda walk: Datagram(walk.now, walk.reply(f"{walk.query.name}. 60 IN CNAME l{number}.example.net."))


N0 = "n0.example.org. 300 IN A 192.0.2.1"
SOA = "example.org. 600 IN SOA ns.example.org. h.example.org. 7 3600 600 86400 60"
SERVER_COOKIE = bytes(8) + b"01234567"
OUT_OF_TIME = lambda walk: TimedOut(walk.now)  # noqa: E731
NO_QUESTION = raw(lambda wire: wire[:2] + b"\x81\x81" + bytes(8))
WRONG_CASE = raw(lambda wire: wire.swapcase())
NO_EDNS = over_udp(rcode=1, change=lambda reply: reply.use_edns(-1))
TRUNCATED = over_udp(change=truncate)
BADCOOKIE = over_udp(rcode=23, cookie=SERVER_COOKIE)
RIGHT_COOKIE = over_udp(N0, cookie=SERVER_COOKIE)
BOGUS = with_errors(7)
REFERRAL = over_udp(authority="n0.example.org. 60 IN NS ns.example.net.")


def cookies_known(walk):
    """The servers have sent a cookie."""
    for server in walk.servers:
        server.cookies.accepts(SERVER_COOKIE)
        server.refresh_tail()


def left_unanswered(walk):
    """Each server has left one query unanswered, and sent its last reply and a cookie a while ago."""
    cookies_known(walk)
    for server in walk.servers:
        server.unanswered = 1
        server.full_reply_at = walk.now - 61


def never_answered(walk):
    """Each server has left one query unanswered, and never sent a reply."""
    for server in walk.servers:
        server.unanswered = 1
        server.full_reply_at = -inf


def answered_lately(walk):
    """Each server has left one query unanswered, and sent a reply half a minute ago."""
    for server in walk.servers:
        server.unanswered = 1


def test_a_question_forgets_only_itself():
    """Once it waits no longer, its ID may be that of another question, which a late failure must not touch."""
    first, second = queries(2)
    pending = {b"id": first}
    first.query_id, first.pending = b"id", pending
    first.forget()
    pending[b"id"] = second
    first.forget()

    assert pending == {b"id": second}


def untrusted(*numbers):
    """These servers fail their canaries."""

    def prepare(walk):
        for number in numbers:
            walk.servers[number].contradicted = True

    return prepare


def sends_soa(walk):
    """The first server has sent an SOA record with a negative reply."""
    walk.servers[0].sends_soa = True


def closed(walk):
    """The server's port is closed."""
    return Failed(walk.now, Status.NETWORK)


TABLE = [
    ("an answer, NODATA or NXDOMAIN", [(over_udp(N0), "done: answer")], {}),
    ("an answer, NODATA or NXDOMAIN", [(over_udp(authority=SOA), "done: nodata")], {}),
    ("an answer, NODATA or NXDOMAIN", [(over_udp(rcode=3, authority=SOA), "done: nxdomain")], {}),
    ("the same from a server that fails its canary", [(over_udp(N0), "ask 1")], {"before": untrusted(0)}),
    ("the same from a server that fails its canary", [(over_udp(N0), "given up: canary")], {"before": untrusted(0, 1)}),
    ("another RCODE, or a referral", [(over_udp(rcode=2), "ask 1"), (over_udp(N0), "done: answer")], {}),
    ("another RCODE, or a referral", [(over_udp(rcode=5), "ask 1"), (REFERRAL, "ask 0")], {}),
    ("another RCODE, or a referral", [(over_udp(rcode=1), "ask 1")], {}),
    (
        "records with a TTL of 0 from a resolver that calls itself their authority",
        [(local_data(), "ask 1"), (over_udp(N0), "done: answer")],
        {},
    ),
    (
        "records with a TTL of 0 from a resolver that calls itself their authority",
        [(local_data(), "ask 1"), (local_data(), "ask 0"), (OUT_OF_TIME, "given up: local-data")],
        {},
    ),
    (
        "no records and no SOA record, from a server that sends one otherwise",
        [(over_udp(), "ask 1"), (over_udp(), "done: nodata")],
        {"before": sends_soa},
    ),
    (
        "no records and no SOA record, from a server that sends one otherwise",
        [(over_udp(), "given up: malformed")],
        {"before": sends_soa, "attempts": 1},
    ),
    ("SERVFAIL with an error that means bogus", [(BOGUS, "ask 1"), (over_udp(N0), "done: answer")], {}),
    (
        "SERVFAIL with an error that means bogus",
        [(BOGUS, "ask 1"), (over_udp(rcode=2), "ask 0"), (OUT_OF_TIME, "given up: dnssec-bogus")],
        {},
    ),
    (
        "SERVFAIL with an error that means bogus",
        [(with_errors(9, 22), "ask 1"), (with_errors(5), "ask 0"), (with_errors(3), "given up: servfail")],
        {},
    ),
    ("a CNAME record without its target", [(link(1), "ask 0"), (over_udp(rcode=2), "ask 1")], {}),
    (
        "a CNAME loop, or more than 16 links",
        [(link(1), "ask 0"), (link(2), "ask 0"), (link(1), "done: chain")],
        {},
    ),
    (
        "a CNAME loop, or more than 16 links",
        [*[(link(number), "ask 0") for number in range(16)], (link(16), "done: chain")],
        {},
    ),
    (
        "a truncated reply over UDP",
        [(TRUNCATED, "ask 0 over TCP"), (over_tcp(N0), "done: answer")],
        {},
    ),
    (
        "FORMERR or NOTIMP, without EDNS or without the question",
        [(NO_EDNS, "ask 0 without EDNS"), (NO_EDNS, "ask 1")],
        {},
    ),
    (
        "FORMERR or NOTIMP, without EDNS or without the question",
        [(NO_QUESTION, "ask 0 without EDNS"), (NO_QUESTION, "ask 1")],
        {},
    ),
    (
        "BADCOOKIE",
        [(BADCOOKIE, "ask 0"), (BADCOOKIE, "ask 0 over TCP"), (over_tcp(N0), "done: answer")],
        {},
    ),
    (
        "the question in another case, over UDP",
        [(WRONG_CASE, "wait 0.25 s"), (WRONG_CASE, "nothing"), (OUT_OF_TIME, "ask 0 in lower case")],
        {},
    ),
    ("the question in another case, over UDP", [(WRONG_CASE, "wait 0.25 s"), (over_udp(N0), "done: answer")], {}),
    (
        "a missing or wrong cookie, over UDP",
        [(over_udp(N0), "wait 0.25 s"), (OUT_OF_TIME, "ask 1")],
        {"before": cookies_known},
    ),
    (
        "a missing or wrong cookie, over UDP",
        [(over_udp(N0, cookie=b"another's cookie"), "wait 0.25 s"), (RIGHT_COOKIE, "done: answer")],
        {"before": cookies_known},
    ),
    *[
        ("another packet with the right ID, over UDP", [(packet, "wait 0.25 s"), (OUT_OF_TIME, "ask 1")], {})
        for packet in (
            raw(lambda wire: b""),
            raw(lambda wire: wire[:11]),
            raw(lambda wire: wire[:-1]),
            raw(lambda wire: wire + b"\0"),
            raw(lambda wire: wire[:2] + b"\1" + wire[3:]),
            raw(lambda wire: wire[:12] + b"\2x1" + wire[15:]),
        )
    ],
    *[
        ("another message over TCP, TLS or HTTPS", [(TRUNCATED, "ask 0 over TCP"), (packet, "ask 1")], {})
        for packet in (
            raw(lambda wire: b"", Message),
            raw(lambda wire: wire[:-1], Message),
            raw(lambda wire: wire[:12] + b"\2x1" + wire[15:], Message),
            over_tcp(change=truncate),
        )
    ],
    ("no reply in time", [(OUT_OF_TIME, "ask 1"), (OUT_OF_TIME, "ask 0"), (OUT_OF_TIME, "given up: timeout")], {}),
    (
        "no reply to the second query in a row, nor to any for a minute",
        [
            (OUT_OF_TIME, "ask 1"),
            (OUT_OF_TIME, "ask 0 in lower case without EDNS"),
            (over_udp(N0, change=lambda reply: reply.use_edns(-1)), "done: answer"),
        ],
        {"before": left_unanswered},
    ),
    (
        "no reply to the second query in a row, nor to any for a minute",
        [(OUT_OF_TIME, "ask 1 in lower case without EDNS")],
        {"before": never_answered},
    ),
    (
        "no reply to the second query in a row, nor to any for a minute",
        [(OUT_OF_TIME, "ask 1"), (OUT_OF_TIME, "ask 0"), (OUT_OF_TIME, "given up: timeout")],
        {"before": answered_lately},
    ),
    ("a closed port, a lost connection, a TLS error", [(closed, "ask 1"), (over_udp(N0), "done: answer")], {}),
    (
        "a closed port, a lost connection, a TLS error",
        [(TRUNCATED, "ask 0 over TCP"), (closed, "ask 1")],
        {},
    ),
    (
        "the fifth time that it is asked *again*",
        [
            (BADCOOKIE, "ask 0"),
            (BADCOOKIE, "ask 0 over TCP"),
            *[(over_tcp(rcode=23, cookie=SERVER_COOKIE), "ask 0 over TCP")] * 2,
            (over_tcp(rcode=23, cookie=SERVER_COOKIE), "ask 1"),
        ],
        {},
    ),
    ("the last attempt fails, or the time is over", [(over_udp(rcode=2), "given up: servfail")], {"attempts": 1}),
    (
        "the last attempt fails, or the time is over",
        [(OUT_OF_TIME, "ask 1"), (over_udp(rcode=5), "ask 0"), (OUT_OF_TIME, "given up: refused")],
        {},
    ),
    (
        "the last attempt fails, or the time is over",
        [(lambda walk: TimedOut(walk.now + 60), "given up: timeout")],
        {},
    ),
    (
        "anything after the end",
        [(over_udp(N0), "done: answer"), (over_udp(N0), "nothing"), (OUT_OF_TIME, "nothing"), (closed, "nothing")],
        {},
    ),
]


@pytest.mark.parametrize(("row", "steps", "more"), TABLE, ids=[f"{row}-{at}" for at, (row, *_) in enumerate(TABLE)])
def test_what_each_reply_and_failure_leads_to(row, steps, more):
    """Every row of the table in docs/architecture.md, event by event."""
    walk = Walk(**{key: value for key, value in more.items() if key != "before"})
    more.get("before", lambda _: None)(walk)
    for event, expected in steps:
        assert walk.after(event(walk)) == expected


@pytest.mark.parametrize(("negative", "sends"), [({"rcode": 3}, False), ({}, False), ({"authority": SOA}, True)])
def test_a_server_is_known_to_send_soa_records(negative, sends):
    """Any negative reply shows it; NODATA without an SOA record is one of a server that never sends any."""
    walk = Walk()
    walk.query.advance(over_udp(**negative)(walk))

    assert walk.query.state is State.DONE
    assert walk.servers[0].sends_soa is sends


def test_a_bogus_answer_names_the_server_and_the_errors_that_say_so():
    """They are those of the reply that said so, not of the last one."""
    walk = Walk()
    for event in (BOGUS(walk), over_udp(rcode=2)(walk)):
        walk.query.advance(event)
        walk.query.advance(MaySend(walk.now))
    (finish,) = walk.query.advance(OUT_OF_TIME(walk))

    answer = finish.answer
    assert (answer.status, answer.server) == (Status.DNSSEC_BOGUS, "192.0.2.0:53")
    assert answer.errors == (ExtendedError(7, "of example.org."),)


def test_the_table_is_complete():
    """The table of the documentation has the rows that are tested, and no others."""
    text = Path("docs/architecture.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| What happens | What follows |")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.partition("\n\n")[0].splitlines()[2:]]

    assert rows == list(dict.fromkeys(row for row, *_ in TABLE))
