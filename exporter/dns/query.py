"""Sends one question: to which server, in what form, and when again.

The rule of this file: whatever was not conclusive is noted, and the question is asked again, of another server where
one is well, until its attempts or its time are used up; then it is told the most telling thing that happened.
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
    Reading,
    Take,
    UnreadableError,
    UnusualError,
    mixed_case,
    plain_name,
    read_reply,
    wire_name,
)
from exporter.dns.queue import Answered, Finish, Job, Pump
from exporter.dns.servers import Server, cookie_option, order, read_options
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import Statistics

_QUERY_HEADER = b"\0\0\1\0\0\0\0\0\1"  # after the ID and RD: one question, one additional record
_PLAIN_HEADER = b"\0\0\1\0\0\0\0\0\0"


class Channel(Protocol):
    """A way to send queries to one server."""

    def send(self, jobs: Sequence[Job], messages: Sequence[bytes]) -> None:
        """Send the message of each, which lacks its ID; what comes of it goes to `exporter.dns.replies.Replies`."""

    def close(self) -> None:
        """Let go of everything; nothing that waits is told."""


class Asking:
    """Sends the questions of one resolver.

    *channels* are the ways to each server, by its number; *streams* are those over TCP to servers that are spoken to
    over UDP. *fail_soon* is called for a question whose server cannot be reached, *wake* when a question that was
    under way before has joined *waiting*.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        servers: list[Server],
        *,
        statistics: Statistics,
        pump: Pump,
        take: Take,
        unix_time: Callable[[], float],
        finish: Finish,
        fail_soon: Callable[[Job], None],
    ) -> None:
        self._timeout_seconds = settings.timeout_seconds
        self._attempts = settings.attempts
        flags = b"\1" if settings.recursion_desired else b"\0"
        self._query_header = flags + _QUERY_HEADER
        self._plain_header = flags + _PLAIN_HEADER
        self.life_seconds = 2 * settings.attempts * settings.timeout_seconds
        """How long a question is asked again, its CNAME chain included; its last query may take a timeout more."""
        self._statistics = statistics
        self._pump = pump
        self._take = take
        self._unix_time = unix_time
        self._finish = finish
        self._fail_soon = fail_soon
        self._configured = servers
        self.servers = order(servers)
        """In the order in which they are asked."""
        self.channels: list[Channel | None] = [None] * len(servers)
        self.streams: list[Channel | None] = [None] * len(servers)
        self._hurried: list[tuple[float, int, int, Job]] = []

    def reorder(self) -> None:
        """Look again at how the servers are."""
        self.servers = order(self._configured)

    def begin(self, job: Job, now: float) -> None:
        """Send a question for the first time."""
        job.began_at = now
        if job.server is None:
            job.server = self._choose(job) if job.tried else self.servers[0]
        self.send(job, now)

    def begin_all(self, jobs: Sequence[Job], now: float) -> None:
        """`begin`, for several questions. The ordinary ones, which any server may be asked, leave together."""
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
        """What `send` does, where there is nothing special.

        What the questions have in common is done once: their letters are mixed as if they were one long name.
        """
        sections = [wire_name(job.name) + TYPE_AND_CLASS[job.rdtype] for job in jobs]
        mixed = mixed_case(b"".join(sections), self._take)
        head, tail, deadline = self._query_header, server.tail, now + self._timeout_seconds
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
        if job.doubt is not None:
            job.doubt = None
        wire = job.wire
        if not wire:
            job.wire = wire = wire_name(job.name)
        if server.random_case and now >= server.plain_case_until and not job.plain_case:
            wire = mixed_case(wire, self._take)
        job.section = section = wire + TYPE_AND_CLASS[job.rdtype]
        if job.plain_edns or now < server.plain_edns_until:
            message = self._plain_header + section
        else:
            message = self._query_header + section + server.tail
        channel = (self.streams if job.stream else self.channels)[server.number]
        if channel is None:
            self._fail_soon(job)
            return
        if job.stream or not server.is_udp:
            self.hurry(job, job.deadline)
        channel.send((job,), (message,))

    def hurry(self, job: Job, deadline: float) -> None:
        """See to it that the question waits no longer than this for the reply to its present query."""
        job.deadline = min(job.deadline, deadline)
        heapq.heappush(self._hurried, (job.deadline, id(job), job.serial, job))

    def expire_hurried(self, now: float) -> None:
        """Time out the questions that were to hurry, and whose time is up."""
        hurried = self._hurried
        while hurried and hurried[0][0] <= now:
            _, _, serial, job = heapq.heappop(hurried)
            if job.serial == serial and job.pending is not None:
                self.time_out(job, now)

    def time_out(self, job: Job, now: float) -> None:
        """No reply came in time that could be believed."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        if job.doubt is None:
            self.fail(job, Status.TIMEOUT, now)
            return
        if job.missed_cookie and server.cookies is not None:
            server.cookies.missed()
        job.missed_cookie = False
        if job.case_lost and not job.plain_case and not self.is_spent(job, now):
            job.plain_case = True
            job.detours += 1
            self.resend(job, now)
            return
        self.retry(job, job.doubt, now)

    def fail(self, job: Job, status: Status, now: float) -> None:
        """Nobody answered, for this reason."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        if server.failed(now, status, job.sent_at, is_probe=job.is_probe):
            self.reorder()
        self.retry(job, status, now)

    def retry(self, job: Job, status: Status, now: float) -> None:
        """The query came to nothing that is conclusive: ask again, or say so."""
        self._statistics.count_query(job.rdtype, status, now - job.sent_at)
        server = job.server
        assert server is not None  # noqa: S101
        job.note(status)
        job.attempts += 1
        job.tried |= 1 << server.number
        if job.attempts >= self._attempts or self.is_spent(job, now):
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
                job.plain_case = job.case_lost = job.plain_edns = False
        self.resend(job, now)

    def resend(self, job: Job, now: float) -> None:
        """Ask again, as soon as the rate allows."""
        if self._pump.may_send(now):
            self.send(job, now)
        else:
            job.serial += 1
            self._pump.submit_again(job)

    def is_spent(self, job: Job, now: float) -> bool:
        """Whether a question has no time left to be asked again."""
        return now - job.began_at >= self.life_seconds

    def give_up(self, job: Job, now: float) -> None:
        """Tell a question the most telling thing that happened to it."""
        server = job.server
        answer = Answer(job.worst or Status.TIMEOUT, (), job.chain, 0, job.heard_from, self._unix_time(), job.errors)
        self._finish(((job, answer),), server.number if server is not None else 0, now)

    def follow(self, job: Job, now: float) -> None:
        """Ask for what the CNAME chain led to: a new name, with attempts of its own."""
        job.name = job.chain[-1]
        job.wire = b""
        job.attempts = 0
        job.tried = 0
        job.worst = None
        job.stream = False
        if self.is_spent(job, now):
            self.give_up(job, now)
        else:
            self.resend(job, now)

    def _choose(self, job: Job) -> Server:
        """The next server for a question: one that is well and was not asked, else well, else not asked."""
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


# SECTION exporter.dns.replies
# Takes what comes back to a question, and says what it means for it.
#
# The rule of this file: one server's conclusive answer ends a question. A reply over UDP that cannot be trusted
# or read
# ends nothing: the right one may still come, and is waited for a little longer.

GRACE_SECONDS = 0.25
"""How much longer the right reply is waited for after one that was ignored, but had the right ID."""
MAX_DETOURS = 4
"""How often a question is asked in another way (TCP, cookie, no EDNS) without that being one of its attempts."""

_HEADER_BYTES = 12
_OPT_BYTES = 11  # of an OPT record without options
_FORMERR, _BADCOOKIE = 1, 23
_EDNS_MISTAKES = (1, 4)  # FORMERR, NOTIMP: what servers that do not know EDNS say (RFC 6891 section 7)
_ANSWER, _NODATA, _NXDOMAIN = Status.ANSWER, Status.NODATA, Status.NXDOMAIN


class Replies:
    """Takes the replies to the questions of one resolver. *clock* is monotonic, *unix_time* is not."""

    def __init__(
        self,
        asking: Asking,
        statistics: Statistics,
        *,
        clock: Callable[[], float],
        unix_time: Callable[[], float],
        finish: Finish,
    ) -> None:
        self._asking = asking
        self._statistics = statistics
        self._clock = clock
        self._unix_time = unix_time
        self._finish = finish

    def take_reply(self, job: Job, packet: bytes) -> None:
        """A whole reply over UDP: its ID, question and flags are right."""
        server = job.server
        assert server is not None  # noqa: S101  # it was sent
        if packet[3] & 15 not in (0, 3):
            self._take_unusual(job, server, packet, trusted=False)
            return
        try:
            reading = read_reply(packet, _HEADER_BYTES + len(job.section), job.name, job.rdtype)
        except UnusualError:
            self._take_unusual(job, server, packet, trusted=False)
            return
        except UnreadableError:
            self._doubt(job, "unreadable")
            return
        options = reading[4]
        if options != server.options_seen:
            if not self._believe_options(job, server, options):
                return
        elif job.errors:
            job.errors = ()
        if options == server.options_seen:
            server.opt_seen = b"" if options is None else packet[-_OPT_BYTES - len(options) :]
        self._take_reading(job, server, reading)

    def take_truncated(self, job: Job) -> None:
        """A reply over UDP that has more to say than fits in: ask again over TCP (RFC 7766 section 5)."""
        job.forget()
        self._statistics.tcp_fallbacks += 1
        job.stream = True
        self._detour(job, Status.MALFORMED)

    def take_odd(self, job: Job, packet: bytes) -> None:
        """A packet over UDP with the ID of the query, that is no reply to its question."""
        if len(packet) >= _HEADER_BYTES and packet[2] & 0xF8 == 0x80:
            questions = packet[4:6]
            if packet[3] & 15 in _EDNS_MISTAKES and questions == b"\0\0" and len(packet) == _HEADER_BYTES:
                self._take_questionless(job)
            elif questions == b"\0\1" and packet[12 : 12 + len(job.section)].lower() == job.section.lower():
                job.case_lost = True
                self._doubt(job, "case")
            else:
                self._doubt(job, "question")
        else:
            self._doubt(job, "header")

    def take_failure(self, job: Job, status: Status) -> None:
        """No message will come, for this reason."""
        self._asking.fail(job, status, self._clock())

    def take_stream(self, job: Job, packet: bytes) -> None:
        """A message with the right ID over TCP, TLS or HTTPS: nobody but the server can have sent it."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        section = job.section
        if packet[4:6] == b"\0\0" and packet[3:4] and packet[3] & 15 in _EDNS_MISTAKES and packet[2] & 0xF8 == 0x80:
            self._take_questionless(job)
            return
        if (
            len(packet) < _HEADER_BYTES
            or packet[2] & 0xFA != 0x80
            or packet[4:6] != b"\0\1"
            or packet[12 : 12 + len(section)].lower() != section.lower()
        ):
            self._asking.retry(job, Status.MALFORMED, self._clock())
            return
        if packet[3] & 15 not in (0, 3):
            self._take_unusual(job, server, packet, trusted=True)
            return
        try:
            reading = read_reply(packet, _HEADER_BYTES + len(section), job.name, job.rdtype)
        except UnusualError:
            self._take_unusual(job, server, packet, trusted=True)
            return
        except UnreadableError:
            self._asking.retry(job, Status.MALFORMED, self._clock())
            return
        self._look_at_options(job, server, reading[4])
        self._take_reading(job, server, reading)

    def _take_questionless(self, job: Job) -> None:
        """A FORMERR or NOTIMP that repeats no question: the server did not understand the query, perhaps its EDNS."""
        job.forget()
        if job.plain_edns:
            self._replied(job)
            self._asking.retry(job, Status.REFUSED, self._clock())
        else:
            job.plain_edns = True
            self._detour(job, Status.REFUSED)

    def _take_unusual(self, job: Job, server: Server, packet: bytes, *, trusted: bool) -> None:
        """A reply that only dnspython can read. *trusted* says that nobody but the server can have sent it."""
        from exporter.dns.dnspython_codec import read_unusual  # dnspython takes 0.1 s to import

        try:
            rcode, reading = read_unusual(packet, job.name, job.rdtype)
        except UnreadableError:
            if trusted:
                self._asking.retry(job, Status.MALFORMED, self._clock())
            else:
                self._doubt(job, "unreadable")
            return
        options = reading[4]
        if trusted:
            self._look_at_options(job, server, options)
        elif options != server.options_seen and not self._believe_options(job, server, options):
            return
        job.forget()
        if rcode == _BADCOOKIE and job.detours < MAX_DETOURS:
            # The right cookie came with it (RFC 7873 section 5.3). If that does not help, TCP needs none.
            job.stream = job.stream or job.detours > 0
            self._detour(job, Status.REFUSED)
        elif rcode in _EDNS_MISTAKES and options is None and not job.plain_edns and job.detours < MAX_DETOURS:
            job.plain_edns = True
            self._detour(job, Status.REFUSED)
        else:
            self._take_reading(job, server, reading)

    def _take_reading(self, job: Job, server: Server, reading: Reading) -> None:
        """A reply that is the server's own, and could be read."""
        status, records, chain, ttl, _ = reading
        now = self._replied(job)
        if job.plain_edns:
            server.lost_edns(now)
        if job.chain:
            ttl = min(ttl, job.ttl)
            chain = job.chain + chain
            names = [job.question.name, *chain]
            if len(chain) > MAX_LINKS or len(set(names)) < len(names):
                status, records = Status.CHAIN, ()
        if status is None:
            self._statistics.count_query(job.rdtype, _ANSWER, now - job.sent_at)
            job.chain, job.ttl = chain, ttl
            self._asking.follow(job, now)
            return
        if server.contradicted and job.key and status.is_conclusive:  # without a key it is a canary
            status = Status.CANARY
        if status in (_ANSWER, _NODATA, _NXDOMAIN, Status.CHAIN):
            self._statistics.count_query(job.rdtype, status, now - job.sent_at)
            answer = Answer(status, records, chain, ttl, server.text, self._unix_time(), job.errors)
            self._finish(((job, answer),), server.number, now)
        else:
            server.last_error = status
            self._asking.retry(job, status, now)

    def _replied(self, job: Job) -> float:
        """Note that the server is there; the time now."""
        server = job.server
        assert server is not None  # noqa: S101
        job.forget()
        now = self._clock()
        job.heard_from = server.text
        if server.replied(now, now - job.sent_at):
            self._asking.reorder()
        if job.plain_case:
            server.lost_case(now)
        elif server.case_mistakes and not job.stream:
            server.case_mistakes = 0
        return now

    def _doubt(self, job: Job, reason: str) -> None:
        """Ignore a packet, and give the right one a little more time."""
        self._statistics.ignored[reason] += 1
        if job.doubt is None:
            job.doubt = Status.MALFORMED
            self._asking.hurry(job, self._clock() + GRACE_SECONDS)

    def _believe_options(self, job: Job, server: Server, options: bytes | None) -> bool:
        """Whether a reply over UDP has the cookie that it should have; else it is ignored."""
        if self._look_at_options(job, server, options):
            return True
        job.missed_cookie = True
        self._doubt(job, "cookie")
        return False

    def _look_at_options(self, job: Job, server: Server, options: bytes | None) -> bool:
        """Take in what the EDNS options say; whether the cookie is right."""
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
        elif jar is not None and cookie:  # the error is this reply's alone, but none without the cookie is ordinary now
            server.options_seen = cookie_option(cookie)
            server.opt_seen = None
        return True

    def _detour(self, job: Job, status: Status) -> None:
        """Ask the same server in another way; after too many of that, it came to *status*."""
        job.detours += 1
        now = self._clock()
        if job.detours > MAX_DETOURS:
            self._asking.retry(job, status, now)
        else:
            self._asking.resend(job, now)


# SECTION exporter.dns.ordinary
# Reads the ordinary reply, which nearly every reply is: one record of the type that was asked for, at the name
# itself.
#
# The rule of this file: it reads whole octets instead of one field after the other, a burst of packets at a
# time, and
# leaves whatever is not ordinary alone. `exporter.dns.fastpath` comes to the same with the same packet.

_QUESTION_POINTER = b"\xc0\x0c"
_RECORD = Struct(">6sIH").unpack_from  # pointer, type and class; TTL; RDLENGTH
_RECORD_BYTES = 12
_STARTS = {rdtype: _QUESTION_POINTER + following for rdtype, following in TYPE_AND_CLASS.items()}
_BYTES = {"A": 4, "AAAA": 16} | dict.fromkeys(["CNAME", "MX", "NS", "PTR", "SOA", "TXT"])  # None where they vary
_FLAGS = [  # QR and no error, whatever AA, RD, RA, AD and CD
    bytes([0x80 | authoritative | desired, available | authentic | unchecked])
    for authoritative in (0, 4)
    for desired in (0, 1)
    for available in (0, 0x80)
    for authentic in (0, 0x20)
    for unchecked in (0, 0x10)
]
_HEADERS, _HEADERS_WITH_OPT = [  # all but the ID: flags, one question, one answer, no or one OPT
    frozenset([flags + bytes([0, 1, 0, 1, 0, 0, 0, additionals]) for flags in _FLAGS]) for additionals in (0, 1)
]
_ANSWER_ORDINARY = Status.ANSWER
_new = tuple.__new__  # builds a NamedTuple in a third of the time


def take_ordinary(
    packets: Iterator[bytes],
    pending: dict[bytes, Job],
    opt: bytes,
    answered: list[Answered],
    *,
    server: str,
    asked_at: float,
) -> tuple[Job | None, bytes] | None:
    """Take ordinary replies out of *packets*, as long as they are, and add what they answer to *answered*.

    *pending* has the questions that wait, by ID; *opt* is the OPT record of an ordinary reply, which has been looked
    at before, or none. *server* and *asked_at* are what the answers say of where they come from. The first packet
    that is no ordinary reply ends it: that one is given back, with the question that has its ID. None says that no
    packet is left.
    """
    find = pending.get
    add = answered.append
    headers = _HEADERS_WITH_OPT if opt else _HEADERS
    opt_bytes = len(opt)
    for packet in packets:
        query_id = packet[:2]
        job = find(query_id)
        # At its first sending nothing can have happened yet that makes a question special.
        if job is None or job.serial != 1:
            return job, packet
        section, rdtype = job.section, job.rdtype
        record_at = len(section) + _HEADER_BYTES
        start = record_at + _RECORD_BYTES
        end = len(packet) - opt_bytes
        if end <= start or not packet.startswith(section, _HEADER_BYTES) or packet[2:12] not in headers:
            return job, packet
        helo, ttl, octets = _RECORD(packet, record_at)
        if helo != _STARTS[rdtype] or start + octets != end or ttl > MAX_TTL or not packet.endswith(opt):
            return job, packet
        record: Record | None
        if octets == _BYTES[rdtype]:
            record = _new(Address, (packet[start:end],))
        else:
            record = plain_name(packet, start, end) if rdtype == "PTR" else None
            if record is None:
                return job, packet
        del pending[query_id]
        job.pending = None
        add((job, _new(Answer, (_ANSWER_ORDINARY, (record,), (), ttl, server, asked_at, ()))))
    return None


# SECTION exporter.dns.matching
# Matches the packets that came in on a socket with the questions that went out by it.
#
# The rule of this file: a packet counts only with an ID that waits on its socket and the question section that
# was sent
# with it, as a whole reply. Everything else is counted, left lying, and the right one that comes later is still
# taken.
#
# Packets come in bursts, and what ordinary replies have in common is done once for a burst: nearly all are
# ordinary.

_WHOLE_REPLIES, _TRUNCATED_REPLIES = [  # flags and QDCOUNT: QR, opcode 0, whatever AA, RD and the second octet
    frozenset([bytes([0x80 | truncated | rest, second, 0, 1]) for rest in (0, 1, 4, 5) for second in range(256)])
    for truncated in (0, 2)
]
_ANSWER_MATCHING = Status.ANSWER
_job = itemgetter(0)  # of an `Answered`
_type_and_time = attrgetter("rdtype", "sent_at")


class Matching:
    """Takes what one server's sockets receive. *clock* is monotonic, *unix_time* is not.

    *finish* is told of ordinary answers, all of a burst at once; *reorder* is called when the server is back.
    """

    def __init__(
        self,
        server: Server,
        replies: Replies,
        statistics: Statistics,
        *,
        clock: Callable[[], float],
        unix_time: Callable[[], float],
        finish: Finish,
        reorder: Callable[[], None],
    ) -> None:
        self._server = server
        self._replies = replies
        self._statistics = statistics
        self._clock = clock
        self._unix_time = unix_time
        self._finish = finish
        self._reorder = reorder

    def take_packets(self, packets: Iterator[bytes], pending: dict[bytes, Job], until: float) -> None:
        """Take packets for the questions in *pending*, by ID; what is unusual no longer than *until*.

        What *packets* still holds afterwards is for another turn of the loop.
        """
        now = self._clock()
        server = self._server.text
        asked_at = self._unix_time()
        answered: list[Answered] = []
        while True:
            opt = self._ordinary_opt()
            other: tuple[Job | None, bytes] | None
            if opt is not None:
                other = take_ordinary(packets, pending, opt, answered, server=server, asked_at=asked_at)
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
            self._pass_on(answered, now)

    def take_unreachable(self, job: Job) -> None:
        """The server's host says that nobody listens, or there is no way there."""
        self._replies.take_failure(job, Status.NETWORK)

    def _ordinary_opt(self) -> bytes | None:
        """The OPT record of an ordinary reply of this server; None where none of its replies is ordinary."""
        return None if self._server.contradicted else self._server.opt_seen

    def _pass_on(self, answered: list[Answered], now: float) -> None:
        """Pass on the ordinary answers of a burst, and take note of them."""
        server = self._server
        last, _ = answered[-1]
        if server.replied(now, now - last.sent_at):  # of the others it is not known how long they have lain here
            self._reorder()
        server.case_mistakes = 0
        for (rdtype, sent_at), count in Counter(map(_type_and_time, map(_job, answered))).items():
            self._statistics.count_query(rdtype, _ANSWER_MATCHING, now - sent_at, count)
        self._finish(answered, server.number, now)

    def _take_other(self, job: Job, packet: bytes) -> None:
        """A packet with the ID of a query that is no ordinary reply to it."""
        flags = packet[2:6] if packet.startswith(job.section, _HEADER_BYTES) else b""
        if flags in _WHOLE_REPLIES:
            self._replies.take_reply(job, packet)
        elif flags in _TRUNCATED_REPLIES:
            self._replies.take_truncated(job)
        else:
            self._replies.take_odd(job, packet)
