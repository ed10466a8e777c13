"""One question to one resolver: choose a server, send the query, match and evaluate the reply, try again.

An attempt without a conclusive reply is repeated, with another server if one is well, until the attempts or the time
are used up. The answer is then the most severe status of the attempts.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter, itemgetter
from struct import Struct
from typing import Protocol

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Record, Status
from exporter.dns.codec import (
    MAX_LINKS,
    MAX_TTL,
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
from exporter.dns.queue import Answered, Finish, Job, QueryQueue
from exporter.dns.servers import Server, by_preference, cookie_option, read_options
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import Statistics

_EDNS_HEADER = b"\0\0\1\0\0\0\0\0\1"  # after the ID and RD: one question, one additional record
_HEADER_WITHOUT_EDNS = b"\0\0\1\0\0\0\0\0\0"
_ANSWER, _NODATA, _NXDOMAIN = Status.ANSWER, Status.NODATA, Status.NXDOMAIN


class Channel(Protocol):
    """A way to send queries to one server."""

    def send(self, jobs: Sequence[Job], messages: Sequence[bytes]) -> None:
        """Send a message, given without its ID, for each job. Replies and failures go to `ReplyHandler`."""

    def close(self) -> None:
        """Close everything. Pending questions are not answered."""


class QuerySender:
    """Sends the questions of one resolver, times them out, and decides when to try again.

    Attributes:
        lifetime_seconds: How long a question is retried, with its CNAME chain; the last query may time out later.
        servers: The servers, best first.
        channels: The channel to each server, by its number; None while it cannot be reached.
        streams: The TCP channel to each server that is otherwise asked over UDP.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        servers: list[Server],
        *,
        statistics: Statistics,
        queue: QueryQueue,
        random_bytes: RandomBytes,
        unix_time: Callable[[], float],
        finish: Finish,
        fail_soon: Callable[[Job], None],
    ) -> None:
        self._timeout_seconds = settings.timeout_seconds
        self._attempts = settings.attempts
        flags = b"\1" if settings.recursion_desired else b"\0"
        self._edns_header = flags + _EDNS_HEADER
        self._header_without_edns = flags + _HEADER_WITHOUT_EDNS
        self.lifetime_seconds = 2 * settings.attempts * settings.timeout_seconds
        self._statistics = statistics
        self._queue = queue
        self._random_bytes = random_bytes
        self._unix_time = unix_time
        self._finish = finish
        self._fail_soon = fail_soon
        self._configured = servers
        self.servers = by_preference(servers)
        self.channels: list[Channel | None] = [None] * len(servers)
        self.streams: list[Channel | None] = [None] * len(servers)
        self._deadlines: list[tuple[float, int, int, Job]] = []

    def reorder(self) -> None:
        """Update the order of the servers after the health of one has changed."""
        self.servers = by_preference(self._configured)

    def begin(self, job: Job, now: float) -> None:
        """Send a question for the first time."""
        job.began_at = now
        if job.server is None:
            job.server = self._choose(job) if job.tried else self.servers[0]
        self.send(job, now)

    def begin_all(self, jobs: Sequence[Job], now: float) -> None:
        """Send several questions for the first time. Those that any server may answer are sent together."""
        server = self.servers[0]
        channel = self.channels[server.number]
        if channel is None or now < server.ordinary_from:
            ordinary: Sequence[Job] = ()
            special = jobs
        else:
            special = [job for job in jobs if job.tried]
            ordinary = [job for job in jobs if not job.tried] if special else jobs
        for job in special:
            self.begin(job, now)
        if ordinary and channel is not None:
            self._begin_ordinary(ordinary, server, channel, now)

    def _begin_ordinary(self, jobs: Sequence[Job], server: Server, channel: Channel, now: float) -> None:
        """A faster `begin` for questions without special needs: their letters are mixed like those of one long name."""
        sections = [wire_name(job.name) + TYPE_AND_CLASS[job.rdtype] for job in jobs]
        mixed = mixed_case(b"".join(sections), self._random_bytes)
        head, tail, deadline = self._edns_header, server.tail, now + self._timeout_seconds
        messages = []
        end = 0
        for job, section in zip(jobs, sections, strict=True):
            start, end = end, end + len(section)
            job.section = section = mixed[start:end]
            job.server = server
            job.began_at = job.sent_at = now
            job.deadline = deadline
            job.serial = 1
            messages.append(head + section + tail)
        channel.send(jobs, messages)

    def send(self, job: Job, now: float) -> None:
        """Send a question to `Job.server`."""
        server = job.server
        assert server is not None  # noqa: S101  # chosen before
        job.sent_at = now
        job.deadline = now + self._timeout_seconds
        job.serial += 1
        if job.ambiguous is not None:
            job.ambiguous = None
        wire = job.wire
        if not wire:
            job.wire = wire = wire_name(job.name)
        if server.random_case and now >= server.lower_case_until and not job.lower_case:
            wire = mixed_case(wire, self._random_bytes)
        job.section = section = wire + TYPE_AND_CLASS[job.rdtype]
        if job.without_edns or now < server.no_edns_until:
            message = self._header_without_edns + section
        else:
            message = self._edns_header + section + server.tail
        channel = (self.streams if job.stream else self.channels)[server.number]
        if channel is None:
            self._fail_soon(job)
            return
        if job.stream or not server.is_udp:
            self.limit_wait(job, job.deadline)
        channel.send((job,), (message,))

    def limit_wait(self, job: Job, deadline: float) -> None:
        """Wait for the reply to the current query until *deadline* at most."""
        job.deadline = min(job.deadline, deadline)
        heapq.heappush(self._deadlines, (job.deadline, id(job), job.serial, job))

    def expire_limited(self, now: float) -> None:
        """Time out the questions whose `limit_wait` is over."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            _, _, serial, job = heapq.heappop(deadlines)
            if job.serial == serial and job.pending is not None:
                self.time_out(job, now)

    def time_out(self, job: Job, now: float) -> None:
        """Try again after no acceptable reply arrived in time."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        if job.ambiguous is None:
            self.fail(job, Status.TIMEOUT, now)
            return
        if job.missed_cookie and server.cookies is not None:
            server.cookies.missed()
        job.missed_cookie = False
        if job.wrong_case and not job.lower_case and not self.is_expired(job, now):
            job.lower_case = True
            job.uncounted_retries += 1
            self.resend(job, now)
            return
        self.retry(job, job.ambiguous, now)

    def fail(self, job: Job, status: Status, now: float) -> None:
        """Try again after the server did not reply at all."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        if server.failed(now, status, job.sent_at, is_probe=job.is_probe):
            self.reorder()
        self.retry(job, status, now)

    def retry(self, job: Job, status: Status, now: float) -> None:
        """End an attempt with an inconclusive *status*: begin the next one, or give up."""
        self._statistics.count_query(job.rdtype, status, now - job.sent_at)
        server = job.server
        assert server is not None  # noqa: S101
        job.note(status)
        job.attempts += 1
        job.tried |= 1 << server.number
        if job.attempts >= self._attempts or self.is_expired(job, now):
            self.give_up(job, now)
            return
        job.stream = False
        if not job.pinned:
            chosen = self._choose(job)
            if status is Status.CANARY and chosen.contradicted:
                self.give_up(job, now)
                return
            if chosen is not server:
                job.server = chosen
                job.lower_case = job.wrong_case = job.without_edns = False
        self.resend(job, now)

    def resend(self, job: Job, now: float) -> None:
        """Send a question again as soon as the rate allows."""
        if self._queue.may_send(now):
            self.send(job, now)
        else:
            job.serial += 1
            self._queue.submit_again(job)

    def is_expired(self, job: Job, now: float) -> bool:
        """Whether a question may not be sent again."""
        return now - job.began_at >= self.lifetime_seconds

    def give_up(self, job: Job, now: float) -> None:
        """Answer a question with the most severe status of its attempts."""
        server = job.server
        answer = Answer(job.worst or Status.TIMEOUT, (), job.chain, 0, job.heard_from, self._unix_time(), job.errors)
        self._finish(((job, answer),), server.number if server is not None else 0, now)

    def follow_chain(self, job: Job, now: float) -> None:
        """Ask for the name at the end of the CNAME chain, with a full number of attempts."""
        job.name = job.chain[-1]
        job.wire = b""
        job.attempts = 0
        job.tried = 0
        job.worst = None
        job.stream = False
        if self.is_expired(job, now):
            self.give_up(job, now)
        else:
            self.resend(job, now)

    def _choose(self, job: Job) -> Server:
        """The next server for a question: one that is well and not yet asked, else a well one, else one not asked."""
        servers = self.servers
        well = [server for server in servers if server.up and not server.contradicted]
        for candidates in (well, servers):
            for server in candidates:
                if not job.tried >> server.number & 1:
                    return server
            if candidates:
                job.tried = 0
                return candidates[0]
        return servers[0]


GRACE_SECONDS = 0.25
"""How long to wait for a good reply after ignoring one with the right ID."""
MAX_UNCOUNTED_RETRIES = 4
"""How often a question is sent over TCP, with a new cookie or without EDNS without counting as an attempt."""

_HEADER_BYTES = 12
_OPT_BYTES = 11  # of an OPT record without options
_BADCOOKIE = 23
_EDNS_ERRORS = (1, 4)  # FORMERR, NOTIMP: the RCODEs of servers that do not know EDNS (RFC 6891 section 7)


class ReplyHandler:
    """Evaluates the replies to the questions of one resolver.

    One conclusive reply ends a question. A suspicious or unreadable reply over UDP is ignored: it may be forged, and
    the good one may still arrive.
    """

    def __init__(
        self,
        sender: QuerySender,
        statistics: Statistics,
        *,
        clock: Callable[[], float],
        unix_time: Callable[[], float],
        finish: Finish,
    ) -> None:
        self._sender = sender
        self._statistics = statistics
        self._clock = clock
        self._unix_time = unix_time
        self._finish = finish

    def take_reply(self, job: Job, packet: bytes) -> None:
        """Evaluate a reply over UDP with the right ID, question and flags."""
        server = job.server
        assert server is not None  # noqa: S101  # it was sent
        reply = self._parse(job, server, packet, trusted=False)
        if reply is None:
            return
        options = reply[4]
        if options != server.options_seen:
            if not self._accept_options(job, server, options):
                return
        elif job.errors:
            job.errors = ()
        if options == server.options_seen:
            server.opt_seen = b"" if options is None else packet[-_OPT_BYTES - len(options) :]
        self._take_parsed(job, server, reply)

    def take_truncated(self, job: Job) -> None:
        """Ask again over TCP after a truncated reply over UDP (RFC 7766 section 5)."""
        job.forget()
        job.stream = True
        self._retry_uncounted(job, Status.MALFORMED)

    def take_other(self, job: Job, packet: bytes) -> None:
        """Evaluate a packet over UDP with the right ID that is not a reply to the question."""
        if len(packet) >= _HEADER_BYTES and packet[2] & 0xF8 == 0x80:
            questions = packet[4:6]
            if packet[3] & 15 in _EDNS_ERRORS and questions == b"\0\0" and len(packet) == _HEADER_BYTES:
                self._take_questionless(job)
            elif questions == b"\0\1" and packet[12 : 12 + len(job.section)].lower() == job.section.lower():
                job.wrong_case = True
                self._ignore(job, "case")
            else:
                self._ignore(job, "question")
        else:
            self._ignore(job, "header")

    def take_failure(self, job: Job, status: Status) -> None:
        """Try again: for the reason *status*, no reply will arrive."""
        self._sender.fail(job, status, self._clock())

    def take_stream(self, job: Job, packet: bytes) -> None:
        """Evaluate a message with the right ID over TCP, TLS or HTTPS, which only the server can have sent."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        section = job.section
        if packet[4:6] == b"\0\0" and packet[3:4] and packet[3] & 15 in _EDNS_ERRORS and packet[2] & 0xF8 == 0x80:
            self._take_questionless(job)
            return
        if (
            len(packet) < _HEADER_BYTES
            or packet[2] & 0xFA != 0x80
            or packet[4:6] != b"\0\1"
            or packet[12 : 12 + len(section)].lower() != section.lower()
        ):
            self._sender.retry(job, Status.MALFORMED, self._clock())
            return
        reply = self._parse(job, server, packet, trusted=True)
        if reply is not None:
            self._check_options(job, server, reply[4])
            self._take_parsed(job, server, reply)

    def _parse(self, job: Job, server: Server, packet: bytes, *, trusted: bool) -> ParsedReply | None:
        """Read a reply. None if that is done: it is unusual or unreadable."""
        if packet[3] & 15 in (0, 3):
            try:
                return read_reply(packet, _HEADER_BYTES + len(job.section), job.name, job.rdtype)
            except UnusualError:
                pass
            except UnreadableError:
                self._take_unreadable(job, trusted=trusted)
                return None
        self._take_unusual(job, server, packet, trusted=trusted)
        return None

    def _take_unreadable(self, job: Job, *, trusted: bool) -> None:
        if trusted:
            self._sender.retry(job, Status.MALFORMED, self._clock())
        else:
            self._ignore(job, "unreadable")

    def _take_questionless(self, job: Job) -> None:
        """Ask without EDNS after a FORMERR or NOTIMP that repeats no question: the server may not know EDNS."""
        job.forget()
        if job.without_edns:
            self._replied(job)
            self._sender.retry(job, Status.REFUSED, self._clock())
        else:
            job.without_edns = True
            self._retry_uncounted(job, Status.REFUSED)

    def _take_unusual(self, job: Job, server: Server, packet: bytes, *, trusted: bool) -> None:
        """Evaluate a reply that only dnspython reads. If *trusted*, only the server can have sent it."""
        from exporter.dns.dnspython_codec import read_unusual  # dnspython takes 0.1 s to import

        try:
            rcode, reply = read_unusual(packet, job.name, job.rdtype)
        except UnreadableError:
            self._take_unreadable(job, trusted=trusted)
            return
        options = reply[4]
        if trusted:
            self._check_options(job, server, options)
        elif options != server.options_seen and not self._accept_options(job, server, options):
            return
        job.forget()
        if rcode == _BADCOOKIE and job.uncounted_retries < MAX_UNCOUNTED_RETRIES:
            # The reply has the right cookie (RFC 7873 section 5.3). If that does not help either, TCP needs none.
            job.stream = job.stream or job.uncounted_retries > 0
            self._retry_uncounted(job, Status.REFUSED)
        elif (
            rcode in _EDNS_ERRORS
            and options is None
            and not job.without_edns
            and job.uncounted_retries < MAX_UNCOUNTED_RETRIES
        ):
            job.without_edns = True
            self._retry_uncounted(job, Status.REFUSED)
        else:
            self._take_parsed(job, server, reply)

    def _take_parsed(self, job: Job, server: Server, reply: ParsedReply) -> None:
        """End, continue or retry the question after a reply from its server."""
        status, records, chain, ttl, _ = reply
        now = self._replied(job)
        if job.without_edns:
            server.note_no_edns(now)
        if job.chain:
            ttl = min(ttl, job.ttl)
            chain = job.chain + chain
            names = [job.question.name, *chain]
            if len(chain) > MAX_LINKS or len(set(names)) < len(names):
                status, records = Status.CHAIN, ()
        if status is None:
            self._statistics.count_query(job.rdtype, _ANSWER, now - job.sent_at)
            job.chain, job.ttl = chain, ttl
            self._sender.follow_chain(job, now)
            return
        if server.contradicted and job.key and status.is_conclusive:  # canaries have no key
            status = Status.CANARY
        if status in (_ANSWER, _NODATA, _NXDOMAIN, Status.CHAIN):
            self._statistics.count_query(job.rdtype, status, now - job.sent_at)
            answer = Answer(status, records, chain, ttl, server.text, self._unix_time(), job.errors)
            self._finish(((job, answer),), server.number, now)
        else:
            server.last_error = status
            self._sender.retry(job, status, now)

    def _replied(self, job: Job) -> float:
        """Note that the server answered. Return the current time."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        now = self._clock()
        job.heard_from = server.text
        if server.replied(now, now - job.sent_at):
            self._sender.reorder()
        if job.lower_case:
            server.note_wrong_case(now)
        elif server.case_mistakes and not job.stream:
            server.case_mistakes = 0
        return now

    def _ignore(self, job: Job, reason: str) -> None:
        """Ignore a packet, and wait a little longer for the good one."""
        self._statistics.ignored[reason] += 1
        if job.ambiguous is None:
            job.ambiguous = Status.MALFORMED
            self._sender.limit_wait(job, self._clock() + GRACE_SECONDS)

    def _accept_options(self, job: Job, server: Server, options: bytes | None) -> bool:
        """Whether a reply over UDP has the right cookie. Otherwise, ignore it."""
        if self._check_options(job, server, options):
            return True
        job.missed_cookie = True
        self._ignore(job, "cookie")
        return False

    def _check_options(self, job: Job, server: Server, options: bytes | None) -> bool:
        """Store what the EDNS options say, unless the cookie is wrong. Return whether it is right."""
        cookie, errors = read_options(options or b"")
        jar = server.cookies
        if jar is not None:
            sent = jar.sent
            if not jar.accepts(cookie):
                return False
            if jar.sent is not sent:
                server.refresh_tail()
        job.errors = errors
        if not errors:
            server.options_seen = options
            server.opt_seen = None
        elif jar is not None and cookie:  # other replies have no error, but the same cookie
            server.options_seen = cookie_option(cookie)
            server.opt_seen = None
        return True

    def _retry_uncounted(self, job: Job, status: Status) -> None:
        """Ask the same server again in another way. After too many of these, end the attempt with *status*."""
        job.uncounted_retries += 1
        now = self._clock()
        if job.uncounted_retries > MAX_UNCOUNTED_RETRIES:
            self._sender.retry(job, status, now)
        else:
            self._sender.resend(job, now)


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
_new = tuple.__new__  # builds a NamedTuple in a third of the time


def match_ordinary(
    packets: Iterator[bytes],
    pending: dict[bytes, Job],
    opt: bytes,
    answered: list[Answered],
    *,
    server: str,
    asked_at: float,
) -> tuple[Job | None, bytes] | None:
    """Read ordinary replies: one record of the requested type at the name itself, compared as whole byte strings.

    `read_reply` has the same result for them. Stops at the first packet that is not an ordinary reply, and returns it
    with the question that has its ID, if any. Returns None if no packet is left.

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
    for packet in packets:
        query_id = packet[:2]
        job = find(query_id)
        # A question that was sent once is in its initial state.
        if job is None or job.serial != 1:
            return job, packet
        section, rdtype = job.section, job.rdtype
        record_at = len(section) + _HEADER_BYTES
        start = record_at + _RECORD_BYTES
        end = len(packet) - opt_bytes
        if end <= start or not packet.startswith(section, _HEADER_BYTES) or packet[2:12] not in headers:
            return job, packet
        record_start, ttl, size = _RECORD(packet, record_at)
        if record_start != _RECORD_STARTS[rdtype] or start + size != end or ttl > MAX_TTL or not packet.endswith(opt):
            return job, packet
        record: Record | None
        if size == _RDATA_BYTES[rdtype]:
            record = _new(Address, (packet[start:end],))
        else:
            record = uncompressed_name(packet, start, end) if rdtype == "PTR" else None
            if record is None:
                return job, packet
        del pending[query_id]
        job.pending = None
        add((job, _new(Answer, (_ANSWER, (record,), (), ttl, server, asked_at, ()))))
    return None


_WHOLE_REPLIES, _TRUNCATED_REPLIES = [  # flags and QDCOUNT: QR, opcode 0, any AA, RD and second byte
    frozenset([bytes([0x80 | truncated | rest, second, 0, 1]) for rest in (0, 1, 4, 5) for second in range(256)])
    for truncated in (0, 2)
]
_job = itemgetter(0)  # of an `Answered`
_type_and_time = attrgetter("rdtype", "sent_at")


class ReplyMatcher:
    """Matches the packets of one server's sockets with the questions that wait for them.

    A reply must have an ID that waits on its socket and repeat the question section. Everything else is counted and
    ignored, so that the right reply is still accepted. Packets arrive in bursts, and work that ordinary replies have
    in common is done once per burst.
    """

    def __init__(
        self,
        server: Server,
        handler: ReplyHandler,
        statistics: Statistics,
        *,
        clock: Callable[[], float],
        unix_time: Callable[[], float],
        finish: Finish,
        reorder: Callable[[], None],
    ) -> None:
        self._server = server
        self._handler = handler
        self._statistics = statistics
        self._clock = clock
        self._unix_time = unix_time
        self._finish = finish
        self._reorder = reorder

    def take_packets(self, packets: Iterator[bytes], pending: dict[bytes, Job], until: float) -> None:
        """Evaluate packets for the questions in *pending*, by ID; unusual ones until the time *until*.

        The caller passes the rest of *packets* again later.
        """
        now = self._clock()
        server = self._server.text
        asked_at = self._unix_time()
        answered: list[Answered] = []
        while True:
            opt = None if self._server.contradicted else self._server.opt_seen
            other: tuple[Job | None, bytes] | None
            if opt is not None:
                other = match_ordinary(packets, pending, opt, answered, server=server, asked_at=asked_at)
            else:
                packet = next(packets, b"")
                other = (pending.get(packet[:2]), packet) if packet else None
            if other is None:
                break
            job, packet = other
            if job is None:
                self._statistics.ignored["unknown-id"] += 1
            else:
                self._take_other(job, packet)
            if self._clock() > until:
                break
        if answered:
            self._finish_ordinary(answered, now)

    def take_unreachable(self, job: Job) -> None:
        """Try again after the server's port was closed, or there was no route."""
        self._handler.take_failure(job, Status.NETWORK)

    def _finish_ordinary(self, answered: list[Answered], now: float) -> None:
        """Count and pass on the ordinary answers of a burst."""
        server = self._server
        last, _ = answered[-1]
        if server.replied(now, now - last.sent_at):  # only of the last one is the time of arrival known
            self._reorder()
        server.case_mistakes = 0
        for (rdtype, sent_at), count in Counter(map(_type_and_time, map(_job, answered))).items():
            self._statistics.count_query(rdtype, _ANSWER, now - sent_at, count)
        self._finish(answered, server.number, now)

    def _take_other(self, job: Job, packet: bytes) -> None:
        """Evaluate a packet with the ID of a question that is not an ordinary reply to it."""
        flags = packet[2:6] if packet.startswith(job.section, _HEADER_BYTES) else b""
        if flags in _WHOLE_REPLIES:
            self._handler.take_reply(job, packet)
        elif flags in _TRUNCATED_REPLIES:
            self._handler.take_truncated(job)
        else:
            self._handler.take_other(job, packet)
