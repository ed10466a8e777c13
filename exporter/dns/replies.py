"""Takes what comes back to a question, and says what it means for it.

The rule of this file: one server's conclusive answer ends a question. A reply over UDP that cannot be trusted or read
ends nothing: the right one may still come, and is waited for a little longer.
"""

from collections.abc import Callable

from exporter.checks.answers import Answer, Status
from exporter.dns.asking import Asking
from exporter.dns.edns import cookie_option, read_options
from exporter.dns.fastpath import read_reply
from exporter.dns.health import Server
from exporter.dns.job import Finish, Job
from exporter.dns.reading import MAX_LINKS, Reading
from exporter.dns.statistics import Statistics
from exporter.dns.wire import UnreadableError, UnusualError

GRACE_SECONDS = 0.25
"""How much longer the right reply is waited for after one that was ignored, but had the right ID."""
MAX_DETOURS = 4
"""How often a question is asked in another way (TCP, cookie, no EDNS) without that being one of its attempts."""

_HEADER_OCTETS = 12
_OPT_OCTETS = 11  # of an OPT record without options
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
            reading = read_reply(packet, _HEADER_OCTETS + len(job.section), job.name, job.rdtype)
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
            server.opt_seen = b"" if options is None else packet[-_OPT_OCTETS - len(options) :]
        self._take_reading(job, server, reading)

    def take_truncated(self, job: Job) -> None:
        """A reply over UDP that has more to say than fits in: ask again over TCP (RFC 7766 section 5)."""
        job.forget()
        self._statistics.tcp_fallbacks += 1
        job.stream = True
        self._detour(job, Status.MALFORMED)

    def take_odd(self, job: Job, packet: bytes) -> None:
        """A packet over UDP with the ID of the query, that is no reply to its question."""
        if len(packet) >= _HEADER_OCTETS and packet[2] & 0xF8 == 0x80:
            questions = packet[4:6]
            if packet[3] & 15 in _EDNS_MISTAKES and questions == b"\0\0" and len(packet) == _HEADER_OCTETS:
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
            len(packet) < _HEADER_OCTETS
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
            reading = read_reply(packet, _HEADER_OCTETS + len(section), job.name, job.rdtype)
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
        from exporter.dns.slowpath import read_unusual  # dnspython takes 0.1 s to import

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
