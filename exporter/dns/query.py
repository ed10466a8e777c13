"""One question to the servers of a resolver, from its first query to its answer, without I/O and without a clock.

`Query.advance` takes an event and returns what to do. docs/architecture.md has a table of what each reply and failure
leads to. An attempt without a conclusive reply is repeated, with another server if one is well, until the attempts or
the time are used up. The answer is then the most severe status of the attempts.

Ordinary questions and replies take two short cuts with the same result, because an event and an action for each would
cost a third of a check: `Query.begin_ordinary` for the first queries of a burst, `match_ordinary` for their replies.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from struct import Struct
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, ExtendedError, Question, Record, RRType, Status, is_bogus
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.dns.codec import (
    MAX_LINKS,
    MAX_TTL,
    NO_SOA,
    TYPE_AND_CLASS,
    ParsedReply,
    RandomBytes,
    UnreadableError,
    UnusualError,
    mixed_case,
    read_reply,
    uncompressed_name,
    wire_name,
)
from exporter.dns.servers import Server, by_preference, cookie_option, read_options
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import Statistics


class State(Enum):
    """Where a question is on its way."""

    QUEUED = "queued"
    """It was not sent yet."""
    ASKED = "asked"
    """It waits for the reply to its first query."""
    POSTPONED = "postponed"
    """It is to be sent again, as soon as the rate allows."""
    ASKED_AGAIN = "asked again"
    """It waits for the reply to a later query, or to a first one in an unusual form."""
    OVER_TCP = "over TCP"
    """It waits for a reply over TCP, because the one over UDP was truncated."""
    DONE = "done"
    """It has an answer from a server."""
    GIVEN_UP = "given up"
    """It has no conclusive answer after all attempts."""


class MaySend(NamedTuple):
    """The limits of the queue allow to send the question."""

    at: float


class Datagram(NamedTuple):
    """A packet over UDP with the ID of the query. It may be forged."""

    at: float
    packet: bytes


class Message(NamedTuple):
    """A message with the ID of the query over TCP, TLS or HTTPS, which only the server can have sent."""

    at: float
    packet: bytes


class TimedOut(NamedTuple):
    """No acceptable reply arrived in time."""

    at: float


class Failed(NamedTuple):
    """No reply will arrive, for the reason *status*."""

    at: float
    status: Status


Event = MaySend | Datagram | Message | TimedOut | Failed
"""What happens to a question; *at* is the monotonic time."""


class Send(NamedTuple):
    """Send *message*, given without its ID, to *server*, and wait for the reply until `Query.deadline`."""

    server: Server
    over_tcp: bool
    message: bytes


class Again(NamedTuple):
    """Pass a `MaySend` as soon as the rate allows."""


class WaitUntil(NamedTuple):
    """Pass a `TimedOut` at this time, which is before the regular one."""

    at: float


class Finish(NamedTuple):
    """Pass the answer on. It has no date yet."""

    answer: Answer


Action = Send | Again | WaitUntil | Finish

GRACE_SECONDS = 0.25
"""How long to wait for a good reply after ignoring one with the right ID."""
MAX_UNCOUNTED_RETRIES = 4
"""How often a question is sent over TCP, with a new cookie or without EDNS without counting as an attempt."""

_WAITING = (State.ASKED, State.ASKED_AGAIN, State.OVER_TCP)
_QUEUED, _ASKED, _DONE = State.QUEUED, State.ASKED, State.DONE  # looked up faster than an attribute of an Enum
_AGAIN = (Again(),)
_ANSWER, _REFUSED = Status.ANSWER, Status.REFUSED
_NEGATIVE = (Status.NODATA, Status.NXDOMAIN)
_FINAL = (_ANSWER, Status.NODATA, Status.NXDOMAIN, Status.CHAIN)
# The most severe first: the status of a question without any conclusive reply.
_SEVERITY = (
    Status.CANARY, Status.CHAIN, Status.LOCAL_DATA, Status.DNSSEC_BOGUS, Status.MALFORMED, Status.SERVFAIL,
    Status.REFUSED, Status.TLS, Status.NETWORK, Status.TIMEOUT,
)  # fmt: skip

_new = tuple.__new__  # builds a NamedTuple in a third of the time
_HEADER_BYTES = 12
_EDNS_HEADER = b"\0\0\1\0\0\0\0\0\1"  # after the ID and RD: one question, one additional record
_HEADER_WITHOUT_EDNS = b"\0\0\1\0\0\0\0\0\0"
_OPT_BYTES = 11  # of an OPT record without options
_BADCOOKIE = 23
_AUTHORITATIVE, _RECURSION_AVAILABLE = 4, 0x80  # AA and RA, each in its byte of the flags
_EDNS_ERRORS = (1, 4)  # FORMERR, NOTIMP: the RCODEs of servers that do not know EDNS (RFC 6891 section 7)
_WHOLE_REPLIES, _TRUNCATED_REPLIES = [  # flags and QDCOUNT: QR, opcode 0, any AA, RD and second byte
    frozenset([bytes([0x80 | truncated | rest, second, 0, 1]) for rest in (0, 1, 4, 5) for second in range(256)])
    for truncated in (0, 2)
]


class QueryContext:
    """What the questions of one resolver share.

    Attributes:
        attempts: How many queries a question may take, over all servers.
        timeout_seconds: How long to wait for a reply.
        lifetime_seconds: How long a question is retried, with its CNAME chain; the last query may time out later.
        recursion_desired: Whether the servers are asked to recurse. If not, their referrals are answers.
        edns_header: The header of a query with an OPT record, without the ID.
        header_without_edns: The header of a query without one.
        order: The servers, best first.
        statistics: The counters.
        random_bytes: The source of the letters' case.
    """

    def __init__(
        self, settings: ResolverSettings, servers: list[Server], statistics: Statistics, random_bytes: RandomBytes
    ) -> None:
        self.attempts = settings.attempts
        self.timeout_seconds = settings.timeout_seconds
        self.lifetime_seconds = 2 * settings.attempts * settings.timeout_seconds
        self.recursion_desired = settings.recursion_desired
        flags = b"\1" if settings.recursion_desired else b"\0"
        self.edns_header = flags + _EDNS_HEADER
        self.header_without_edns = flags + _HEADER_WITHOUT_EDNS
        self.statistics = statistics
        self.random_bytes = random_bytes
        self._configured = servers
        self.order = by_preference(servers)

    def reorder(self) -> None:
        """Update the order of the servers after the health of one has changed."""
        self.order = by_preference(self._configured)


class _Retries:
    """What happened to a question after its first query. Most need no second one, so the defaults are class attributes.

    Attributes:
        serial: The number of queries sent one by one, so that an old deadline can be recognised.
        attempts: How many queries failed, for the current name.
        uncounted_retries: How often it was sent again without counting as an attempt.
        pinned: Whether only *server* may be asked.
        lower_case: Whether it is sent without random case, because a reply had the wrong case.
        wrong_case: Whether a reply was ignored because of its case.
        without_edns: Whether it is sent without EDNS, because the server answered FORMERR.
        basic: Whether it was sent without EDNS and random case, because the server leaves full queries unanswered.
        over_tcp: Whether it is sent over TCP, because a reply was truncated.
        resent: Whether its connection was closed, and a transport sent it again.
        message: What was sent over a stream, without the ID.
        wire: The current name in wire format.
        ambiguous: Whether a reply was ignored, so that silence is no timeout.
        missed_cookie: Whether a reply was ignored because it lacked the server's cookie.
        worst: The most severe status of an attempt.
        heard_from: The server of the last readable reply.
        errors: The extended DNS errors of that reply.
        bogus: The server that reported that the zone fails DNSSEC validation, and its errors.
        chain: The CNAME chain so far.
        ttl: The smallest TTL of the chain.
    """

    serial = 0
    attempts = 0
    uncounted_retries = 0
    pinned = False
    lower_case = False
    wrong_case = False
    without_edns = False
    basic = False
    over_tcp = False
    resent = False
    message = b""
    wire = b""
    ambiguous = False
    missed_cookie = False
    worst: Status | None = None
    heard_from = ""
    errors: tuple[ExtendedError, ...] = ()
    bogus: tuple[str, tuple[ExtendedError, ...]] | None = None
    chain: tuple[DomainName, ...] = ()
    ttl = 0


class Query(_Retries):
    """A question to the servers of a resolver.

    Attributes:
        question: What was asked for.
        key: The key in the cache and among the questions in flight; "" for a canary.
        on_answer: Called with the answer.
        context: What it shares with the resolver's other questions.
        state: Where it is on its way.
        joined: Further questions that are equal, and their callbacks.
        name: The name to ask for now: the question's, or the end of its CNAME chain.
        rdtype: The type to ask for.
        server: The server that is asked.
        section: The question section that the reply must repeat.
        query_id: The ID of the query.
        pending: The questions that wait on the same socket, by ID; None if it waits on none.
        is_confirmation: Whether the cache was skipped.
        tried: The servers that were asked, one bit each.
        queued_at: When it could not be sent at once.
        began_at: When its first query was sent.
        sent_at: When its latest query was sent.
        deadline: When its latest query times out.
    """

    __slots__ = (
        "began_at", "context", "deadline", "is_confirmation", "joined", "key", "name", "on_answer", "pending",
        "query_id", "question", "queued_at", "rdtype", "section", "sent_at", "server", "state", "tried",
    )  # fmt: skip
    began_at: float
    deadline: float
    query_id: bytes
    queued_at: float
    section: bytes
    sent_at: float

    def __init__(self, question: Question, key: str, on_answer: OnAnswer, context: QueryContext) -> None:
        self.question = question
        self.key = key
        self.on_answer = on_answer
        self.context = context
        self.name: DomainName
        self.rdtype: RRType
        self.name, self.rdtype = question
        self.state = _QUEUED
        self.joined: list[tuple[Question, OnAnswer]] | None = None
        self.server: Server | None = None
        self.pending: dict[bytes, Query] | None = None
        self.is_confirmation = False
        self.tried = 0

    @property
    def is_waiting(self) -> bool:
        """Whether a reply to it may arrive."""
        return self.state in _WAITING

    def forget(self) -> None:
        """Stop waiting for a reply."""
        if self.pending is not None:
            self.pending.pop(self.query_id, None)
            self.pending = None  # the ID may soon be another question's

    @staticmethod
    def begin_ordinary(queries: Sequence["Query"], server: Server, now: float) -> list[bytes]:
        """The messages of several first queries to *server*: a short cut for a `MaySend` of each.

        They must not prefer or exclude a server, and *server* must support random case and EDNS. Their letters are
        mixed like those of one long name.
        """
        context = queries[0].context
        sections = [wire_name(query.name) + TYPE_AND_CLASS[query.rdtype] for query in queries]
        mixed = mixed_case(b"".join(sections), context.random_bytes)
        head, tail, deadline = context.edns_header, server.tail, now + context.timeout_seconds
        asked = _ASKED
        messages = []
        end = 0
        for query, section in zip(queries, sections, strict=True):
            start, end = end, end + len(section)
            query.section = section = mixed[start:end]
            query.server = server
            query.began_at = query.sent_at = now
            query.deadline = deadline
            query.state = asked
            messages.append(head + section + tail)
        return messages

    def advance(self, event: Event) -> tuple[Action, ...]:
        """Take an event, and return what to do. An event that does not fit the state is late, and leads to nothing."""
        state = self.state
        if state in _WAITING:
            if type(event) is Datagram:  # the commonest by far, and a pattern takes longer
                return self._take_datagram(event.packet, event.at)
            match event:
                case Message(now, packet):
                    return self._take_message(packet, now)
                case TimedOut(now):
                    return self._time_out(now)
                case Failed(now, status):
                    return self._fail(status, now)
        elif isinstance(event, MaySend):
            if state is _QUEUED:
                return self._begin(event.at)
            if state is State.POSTPONED:
                return self._give_up() if self._is_expired(event.at) else self._send(event.at)
        return ()

    def _begin(self, now: float) -> tuple[Action, ...]:
        self.began_at = now
        if self.server is None:
            self.server = self._choose() if self.tried else self.context.order[0]
        return self._send(now)

    def _send(self, now: float) -> tuple[Action, ...]:
        """Send the question to `server`."""
        server, context = self._server, self.context
        self.sent_at = now
        self.deadline = now + context.timeout_seconds
        self.serial += 1
        self.ambiguous = False
        is_retry = self.attempts > 0
        self.basic = basic = server.is_udp and not self.over_tcp and server.wants_basic(now, is_retry=is_retry)
        if self.over_tcp:
            self.state = State.OVER_TCP
        else:
            self.state = _ASKED if self.state is _QUEUED and not basic else State.ASKED_AGAIN
        wire = self.wire
        if not wire:
            self.wire = wire = wire_name(self.name)
        if server.random_case and now >= server.lower_case_until and not (self.lower_case or basic):
            wire = mixed_case(wire, context.random_bytes)
        self.section = section = wire + TYPE_AND_CLASS[self.rdtype]
        if self.without_edns or basic or now < server.no_edns_until:
            message = context.header_without_edns + section
        else:
            message = context.edns_header + section + server.tail
        return (Send(server, self.over_tcp, message),)

    @property
    def _server(self) -> Server:
        server = self.server
        assert server is not None  # noqa: S101  # chosen by `_begin`
        return server

    def _choose(self) -> Server:
        """The next server: one that is well and not yet asked, else a well one, else one not asked."""
        servers = self.context.order
        well = [server for server in servers if server.up and not server.contradicted]
        for candidates in (well, servers):
            for server in candidates:
                if not self.tried >> server.number & 1:
                    return server
            if candidates:
                self.tried = 0
                return candidates[0]
        return servers[0]

    def _is_expired(self, now: float) -> bool:
        """Whether the question may not be sent again."""
        return now - self.began_at >= self.context.lifetime_seconds

    def _again(self) -> tuple[Action, ...]:
        self.state = State.POSTPONED
        return _AGAIN

    def _again_uncounted(self, status: Status, now: float) -> tuple[Action, ...]:
        """Ask the same server again in another way. After too many of these, end the attempt with *status*."""
        self.uncounted_retries += 1
        return self._retry(status, now) if self.uncounted_retries > MAX_UNCOUNTED_RETRIES else self._again()

    def _retry(self, status: Status, now: float) -> tuple[Action, ...]:
        """End an attempt with an inconclusive *status*: begin the next one, or give up."""
        server, context = self._server, self.context
        context.statistics.count_query(self.rdtype, status, now - self.sent_at)
        if self.worst is None or _SEVERITY.index(status) < _SEVERITY.index(self.worst):
            self.worst = status
        self.attempts += 1
        self.tried |= 1 << server.number
        if self.attempts >= context.attempts or self._is_expired(now):
            return self._give_up()
        self.over_tcp = False
        if not self.pinned:
            chosen = self._choose()
            if status is Status.CANARY and chosen.contradicted:
                return self._give_up()
            if chosen is not server:
                self.server = chosen
                self.lower_case = self.wrong_case = self.without_edns = False
        return self._again()

    def _give_up(self) -> tuple[Action, ...]:
        """Answer with the most severe status of the attempts."""
        self.state = State.GIVEN_UP
        server, errors = self.heard_from, self.errors
        if self.worst is Status.DNSSEC_BOGUS and self.bogus is not None:
            server, errors = self.bogus
        return (Finish(Answer(self.worst or Status.TIMEOUT, (), self.chain, 0, server, 0.0, errors)),)

    def _time_out(self, now: float) -> tuple[Action, ...]:
        self.forget()
        server = self._server
        if not self.ambiguous:
            if server.is_udp and not (self.basic or self.over_tcp):
                server.note_unanswered(self.sent_at)
            return self._fail(Status.TIMEOUT, now)
        cookies = server.cookies
        if self.missed_cookie and cookies is not None:
            cookies.missed()
        self.missed_cookie = False
        if self.wrong_case and not self.lower_case and not self._is_expired(now):
            self.lower_case = True
            self.uncounted_retries += 1
            return self._again()
        return self._retry(Status.MALFORMED, now)

    def _fail(self, status: Status, now: float) -> tuple[Action, ...]:
        """Try again after the server did not reply at all."""
        self.forget()
        if self._server.failed(now, status, self.sent_at, is_probe=not self.key):
            self.context.reorder()
        return self._retry(status, now)

    def _take_datagram(self, packet: bytes, now: float) -> tuple[Action, ...]:
        """Evaluate a packet over UDP. If it is no good reply, ignore it: it may be forged, and a good one follow."""
        section = self.section
        flags = packet[2:6] if packet.startswith(section, _HEADER_BYTES) else b""
        if flags in _WHOLE_REPLIES:
            return self._take_reply(packet, now, trusted=False)
        if flags in _TRUNCATED_REPLIES:  # RFC 7766 section 5
            self.forget()
            self.over_tcp = True
            if self.basic:
                self._server.note_basic_reply(now)
            return self._again_uncounted(Status.MALFORMED, now)
        if len(packet) < _HEADER_BYTES or packet[2] & 0xF8 != 0x80:
            return self._ignore("header", now)
        questions = packet[4:6]
        if len(packet) == _HEADER_BYTES and _is_questionless(packet):
            return self._take_questionless(now)
        if questions == b"\0\1" and packet[12 : 12 + len(section)].lower() == section.lower():
            self.wrong_case = True
            return self._ignore("case", now)
        return self._ignore("question", now)

    def _take_message(self, packet: bytes, now: float) -> tuple[Action, ...]:
        """Evaluate a message that is not forged. If it is no reply, none will follow."""
        self.forget()
        section = self.section
        if _is_questionless(packet):
            return self._take_questionless(now)
        if (
            len(packet) < _HEADER_BYTES
            or packet[2] & 0xFA != 0x80
            or packet[4:6] != b"\0\1"
            or packet[12 : 12 + len(section)].lower() != section.lower()
        ):
            return self._retry(Status.MALFORMED, now)
        return self._take_reply(packet, now, trusted=True)

    def _take_questionless(self, now: float) -> tuple[Action, ...]:
        """Ask without EDNS after a FORMERR or NOTIMP that repeats no question: the server may not know EDNS."""
        self.forget()
        if self.without_edns:
            self._replied(self._server, now)
            return self._retry(_REFUSED, now)
        self.without_edns = True
        return self._again_uncounted(_REFUSED, now)

    def _take_reply(self, packet: bytes, now: float, *, trusted: bool) -> tuple[Action, ...]:
        """Read a reply with the right ID, question and flags. If *trusted*, only the server can have sent it."""
        server = self._server
        try:
            rcode, reply, is_common = self._read(packet)
        except UnreadableError:
            return self._retry(Status.MALFORMED, now) if trusted else self._ignore("unreadable", now)
        options = reply[4]
        if trusted:
            self._check_options(options)
        elif self.basic and options is None:  # nothing was asked for
            self.errors = ()
        elif options != server.options_seen:
            if not self._check_options(options):
                self.missed_cookie = True
                return self._ignore("cookie", now)
        elif self.errors:
            self.errors = ()
        if is_common and not trusted and options == server.options_seen:
            server.opt_seen = b"" if options is None else packet[-_OPT_BYTES - len(options) :]
        if self.uncounted_retries < MAX_UNCOUNTED_RETRIES:
            if rcode == _BADCOOKIE:
                # The reply has the right cookie (RFC 7873 section 5.3). If that does not help either, TCP needs none.
                self.forget()
                self.over_tcp = self.over_tcp or self.uncounted_retries > 0
                return self._again_uncounted(_REFUSED, now)
            if rcode in _EDNS_ERRORS and options is None and not self.without_edns:
                self.forget()
                self.without_edns = True
                return self._again_uncounted(_REFUSED, now)
        if reply[0] is _ANSWER and not reply[3] and _is_authoritative_resolver(packet) and self.key:
            self._replied(server, now)
            server.note_local_data(now)
            return self._retry(Status.LOCAL_DATA, now)
        return self._take_parsed(reply, server, now)

    def _read(self, packet: bytes) -> tuple[int, ParsedReply, bool]:
        """The RCODE of a reply, what it says, and whether dnspython was not needed. Raises `UnreadableError`."""
        rcode = packet[3] & 15
        if rcode in (0, 3):
            try:
                return rcode, read_reply(packet, _HEADER_BYTES + len(self.section), self.name, self.rdtype), True
            except UnusualError:
                pass
        from exporter.dns.dnspython_codec import read_unusual  # dnspython takes 0.1 s to import

        return *read_unusual(packet, self.name, self.rdtype), False

    def _take_parsed(self, reply: ParsedReply, server: Server, now: float) -> tuple[Action, ...]:
        """End, continue or retry the question after a reply from its server."""
        context = self.context
        status, records, chain, ttl, _ = reply
        self._replied(server, now)
        if self.without_edns:
            server.note_no_edns(now)
        if ttl == NO_SOA:
            ttl = 0
            if status is Status.NODATA and server.sends_soa:
                status = Status.MALFORMED  # it has left out more than the SOA record
                server.note_emptied(now)
        elif status in _NEGATIVE:
            server.sends_soa = True
        if self.chain:
            ttl = min(ttl, self.ttl)
            chain = self.chain + chain
            names = [self.question.name, *chain]
            if len(chain) > MAX_LINKS or len(set(names)) < len(names):
                status, records = Status.CHAIN, ()
        if status is None:
            context.statistics.count_query(self.rdtype, _ANSWER, now - self.sent_at)
            self.chain, self.ttl = chain, ttl
            return self._follow_chain(now)
        if status is _REFUSED and records:  # a referral to the servers of the name itself
            status, records = (status, ()) if context.recursion_desired else (_ANSWER, records)
        if server.contradicted and self.key and status.is_conclusive:  # canaries have no key
            status = Status.CANARY
        if status in _FINAL:
            context.statistics.count_query(self.rdtype, status, now - self.sent_at)
            self.state = _DONE
            return (Finish(_new(Answer, (status, records, chain, ttl, server.text, 0.0, self.errors))),)
        if status is Status.SERVFAIL and is_bogus(self.errors):
            status = Status.DNSSEC_BOGUS
            self.bogus = server.text, self.errors
        server.last_error = status
        return self._retry(status, now)

    def _follow_chain(self, now: float) -> tuple[Action, ...]:
        """Ask for the name at the end of the CNAME chain, with a full number of attempts."""
        self.name = self.chain[-1]
        self.wire = b""
        self.attempts = 0
        self.tried = 0
        self.worst = None
        self.over_tcp = False
        return self._give_up() if self._is_expired(now) else self._again()

    def _replied(self, server: Server, now: float) -> None:
        """Note that the server answered."""
        self.forget()
        self.heard_from = server.text
        if server.replied(now, now - self.sent_at):
            self.context.reorder()
        if self.lower_case:
            server.note_wrong_case(now)
        elif self.basic:
            server.note_basic_reply(now)
        elif not self.over_tcp:
            server.note_full_reply(now, self.section)

    def _ignore(self, reason: str, now: float) -> tuple[Action, ...]:
        """Ignore a packet, and wait a little longer for the good one."""
        self.context.statistics.ignored[reason] += 1
        if self.ambiguous:
            return ()
        self.ambiguous = True
        self.deadline = min(self.deadline, now + GRACE_SECONDS)
        return (WaitUntil(self.deadline),)

    def _check_options(self, options: bytes | None) -> bool:
        """Store what the EDNS options say, unless the cookie is wrong. Return whether it is right."""
        server = self._server
        cookie, errors = read_options(options or b"")
        jar = server.cookies
        if jar is not None:
            sent = jar.sent
            if not jar.accepts(cookie):
                return False
            if jar.sent is not sent:
                server.refresh_tail()
        self.errors = errors
        if not errors:
            server.options_seen = options
            server.opt_seen = None
        elif jar is not None and cookie:  # other replies have no error, but the same cookie
            server.options_seen = cookie_option(cookie)
            server.opt_seen = None
        return True


def _is_authoritative_resolver(packet: bytes) -> bool:
    """Whether a server that offers recursion calls itself the authority for its answer.

    With a TTL of 0, that is how dnsmasq and systemd-resolved answer from a hosts file, or for the machine's own names
    and addresses. An authoritative server offers no recursion; a resolver is no authority for what it has asked for.
    """
    return packet[2] & _AUTHORITATIVE != 0 and packet[3] & _RECURSION_AVAILABLE != 0


def _is_questionless(packet: bytes) -> bool:
    """Whether this is the FORMERR or NOTIMP of a server that cannot read the question."""
    return packet[4:6] == b"\0\0" and len(packet) > 3 and packet[3] & 15 in _EDNS_ERRORS and packet[2] & 0xF8 == 0x80


Answered = tuple[Query, Answer]

_QUESTION_POINTER = b"\xc0\x0c"
_RECORD = Struct(">6sIH").unpack_from  # pointer, type and class; TTL; RDLENGTH
_RECORD_BYTES = 12
_RECORD_STARTS = {rdtype: _QUESTION_POINTER + following for rdtype, following in TYPE_AND_CLASS.items()}
_RDATA_BYTES = {"A": 4, "AAAA": 16} | dict.fromkeys(["CNAME", "MX", "NS", "PTR", "SOA", "TXT"])  # None if variable
_FLAGS = [  # QR and no error, with any AA, RD, RA, AD and CD
    bytes([0x80 | authoritative | desired, available | authentic | unchecked])
    for authoritative in (0, 4)
    for desired in (0, 1)
    for available in (0, 0x80)
    for authentic in (0, 0x20)
    for unchecked in (0, 0x10)
]
_HEADERS, _HEADERS_WITH_OPT = [  # without the ID: flags, one question, one answer, no or one OPT record
    frozenset([flags + bytes([0, 1, 0, 1, 0, 0, 0, additionals]) for flags in _FLAGS]) for additionals in (0, 1)
]


def match_ordinary(
    packets: Iterator[bytes],
    pending: dict[bytes, Query],
    opt: bytes,
    answered: list[Answered],
    *,
    server: str,
    asked_at: float,
) -> tuple[Query | None, bytes] | None:
    """Read ordinary replies: a short cut for a `Datagram` of each.

    They have one record of the requested type at the name itself, and are compared as whole byte strings. Stops at the
    first packet that is not an ordinary reply, and returns it with the question that has its ID, if any. Returns None
    if no packet is left.

    Args:
        packets: The received packets; those before the returned one are consumed.
        pending: The questions that wait, by ID; answered ones are removed.
        opt: The OPT record of an ordinary reply, already checked, or empty.
        answered: Receives the answers.
        server: The text for `Answer.server`.
        asked_at: The Unix time for `Answer.asked_at`.
    """
    find = pending.get
    add = answered.append
    headers = _HEADERS_WITH_OPT if opt else _HEADERS
    opt_bytes = len(opt)
    asked, done = _ASKED, _DONE
    for packet in packets:
        query_id = packet[:2]
        query = find(query_id)
        if query is None or query.state is not asked:  # what happened to it before counts, too
            return query, packet
        section, rdtype = query.section, query.rdtype
        record_at = len(section) + _HEADER_BYTES
        start = record_at + _RECORD_BYTES
        end = len(packet) - opt_bytes
        if end <= start or not packet.startswith(section, _HEADER_BYTES) or packet[2:12] not in headers:
            return query, packet
        record_start, ttl, size = _RECORD(packet, record_at)
        if record_start != _RECORD_STARTS[rdtype] or start + size != end or not 0 < ttl <= MAX_TTL:
            return query, packet
        if not packet.endswith(opt):
            return query, packet
        record: Record | None
        if size == _RDATA_BYTES[rdtype]:
            record = _new(Address, (packet[start:end],))
        else:
            record = uncompressed_name(packet, start, end) if rdtype == "PTR" else None
            if record is None:
                return query, packet
        del pending[query_id]
        query.state = done
        add((query, _new(Answer, (_ANSWER, (record,), (), ttl, server, asked_at, ()))))
    return None
