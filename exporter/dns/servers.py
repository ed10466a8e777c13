"""The servers of a resolver: their health, what they do not support, their cookies and EDNS options.

A server that answers is up, even if it answers SERVFAIL. A silent one may only have been asked about a zone whose own
servers are down. So it is suspected at first and asked last, and counts as down when it does not answer its canary.
Then it is left alone for a time that doubles.

A full query has EDNS, a cookie and random case; a basic one has none of them. Old servers and firewalls reject, change
or drop full queries. What a server does not support is left out for an hour.
"""

import math
from enum import Enum
from struct import Struct
from typing import NamedTuple

from exporter.checks.answers import ExtendedError, Question, Status
from exporter.dns.codec import MAX_UDP_PAYLOAD, RandomBytes
from exporter.dns.settings import Endpoint

FAILURES_UNTIL_SUSPECTED = 3
FIRST_BACK_OFF_SECONDS = 1.0
MAX_BACK_OFF_SECONDS = 30.0
WORKAROUND_SECONDS = 3_600.0
"""How long random case or EDNS is not used with a server that does not support it."""
CASE_MISTAKES_UNTIL_WORKAROUND = 3
UNANSWERED_UNTIL_BASIC = 2
"""After so many full queries without any reply, queries are basic, up to a reply."""
BASIC_ROUNDS_UNTIL_WORKAROUND = 2
FULL_REPLY_SECONDS = 60.0
"""So long after a reply to a full query, silence is no reason for basic ones: forged replies to them are easier."""
_SMOOTHING = 0.125  # of the round-trip time, as in TCP (RFC 6298)


class CanaryFailure(NamedTuple):
    """What a server answered to its canary instead of the right answer.

    Attributes:
        question: The question.
        status: How it ended.
        answered: The answer in words: records as in a zone file, or the status in capitals.
        since: The Unix time of the first failure in a row.
    """

    question: Question
    status: Status
    answered: str
    since: float


class Workaround(Enum):
    """What a server does wrong, how it is asked instead, and which settings save the failed queries."""

    BASIC = (
        "does not answer queries with EDNS, cookies or mixed case: it is asked without them"
        " (`edns: false` and `random_case: false` save the timeouts)"
    )
    NO_EDNS = "rejects queries with EDNS: it is asked without EDNS and cookies (`edns: false` saves the retries)"
    LOWER_CASE = (
        "changes the case of names in its replies: it is asked in lower case (`random_case: false` saves the retries)"
    )
    LOCAL_DATA = (
        "answers some questions from local data, such as a hosts file or the machine's own addresses, and not from the"
        " DNS: these answers are not believed (`servers` of another resolver give the right ones)"
    )
    EMPTIED = (
        "takes records out of some answers, such as the addresses 127.0.0.x of block lists: these answers are not"
        " believed (look for `private-address` or `rebind` in its configuration)"
    )


class Server:
    """One server of a resolver.

    Attributes:
        number: Its index in the configuration.
        endpoint: Its address and protocol.
        text: The endpoint as text.
        is_udp: Whether it is asked over UDP first.
        up: Whether it answers.
        last_error: The status of the last failed query; None if all is well.
        failures: How many queries in a row were not answered.
        last_reply_at: When its last reply arrived.
        round_trip_seconds: Its smoothed response time.
        back_off_seconds: How long it is left alone when it is down.
        down_until: When to ask it again.
        canary_ok: Whether it passes its canary.
        canary_failure: The latest failure of its canary; None before the first check and after a right answer.
        canary_passed_at: The Unix time at which it last passed its canary; 0.0 for never.
        contradicted: Whether it answered its canary wrongly, so that its answers do not count.
        sends_soa: Whether it ever sent an SOA record with a negative reply (RFC 2308), as nearly all servers do: an
            empty reply without one then shows that records were left out.
        cookies: Its cookie jar; None without cookies.
        random_case: Whether queries are in random case.
        options_seen: The EDNS options that were checked last and need not be checked again.
        opt_seen: The OPT record of those options; empty without EDNS, None if unknown.
        full_reply_at: When its last reply to a full query arrived.
        unanswered: How many full queries it left unanswered that were sent after its last reply.
        basic_rounds: How often in a row it left full queries unanswered, and then answered a basic one.
        basic_until: Until when its queries are basic.
        case_mistakes: Questions in a row with a reply in the wrong case, and a good one after a query in lower case.
        lower_case_until: Until when its queries are in lower case.
        no_edns_until: Until when its queries have no OPT record.
        emptied_until: Until when it counts as a server that takes records out of answers.
        local_until: Until when it counts as a server that answers from local data.
        ordinary_from: From when its queries have both random case and an OPT record.
        tail: The end of each query: the OPT record with the cookie.
    """

    __slots__ = (
        "back_off_seconds", "basic_rounds", "basic_until", "canary_failure", "canary_ok", "canary_passed_at",
        "case_mistakes", "contradicted", "cookies", "down_until", "emptied_until", "endpoint", "failures",
        "full_reply_at", "is_udp", "last_error", "last_reply_at", "local_until", "lower_case_until", "no_edns_until",
        "number", "opt_seen", "options_seen", "ordinary_from", "random_case", "round_trip_seconds", "sends_soa",
        "tail", "text", "unanswered", "up",
    )  # fmt: skip

    def __init__(
        self, number: int, endpoint: Endpoint, *, cookies: "CookieJar | None", random_case: bool, edns: bool = True
    ) -> None:
        self.number = number
        self.endpoint = endpoint
        self.text = str(endpoint)
        self.is_udp = endpoint.scheme == "udp"
        self.up = True
        self.last_error: Status | None = None
        self.failures = 0
        self.last_reply_at = -math.inf
        self.round_trip_seconds = 0.0
        self.back_off_seconds = FIRST_BACK_OFF_SECONDS
        self.down_until = -math.inf
        self.canary_ok = False
        self.canary_failure: CanaryFailure | None = None
        self.canary_passed_at = 0.0
        self.contradicted = False
        self.sends_soa = False
        self.cookies = cookies
        self.random_case = random_case
        self.options_seen: bytes | None = None
        self.opt_seen: bytes | None = b""
        self.full_reply_at = -math.inf
        self.unanswered = 0
        self.basic_rounds = 0
        self.basic_until = -math.inf
        self.case_mistakes = 0
        self.lower_case_until = -math.inf
        self.no_edns_until = -math.inf if edns else math.inf
        self.emptied_until = -math.inf
        self.local_until = -math.inf
        self.ordinary_from = -math.inf if random_case and edns else math.inf
        self.tail = b""
        self.refresh_tail()

    def refresh_tail(self) -> None:
        """Set `tail` after the cookie has changed."""
        self.tail = opt_record(self.cookies.sent if self.cookies is not None else b"")

    @property
    def is_suspected(self) -> bool:
        """Whether it has been silent, and is down or about to be asked whether it is."""
        return self.failures >= FAILURES_UNTIL_SUSPECTED

    def replied(self, now: float, seconds: float) -> bool:
        """Note a reply after so many seconds. Return whether the server was suspected or down."""
        self.last_reply_at = now
        self.round_trip_seconds += (seconds - self.round_trip_seconds) * _SMOOTHING
        was_suspected = self.is_suspected
        self.failures = 0
        if self.up:
            return was_suspected
        self.up = True
        self.back_off_seconds = FIRST_BACK_OFF_SECONDS
        self.down_until = -math.inf
        return True

    def failed(self, now: float, status: Status, sent_at: float, *, is_probe: bool) -> bool:
        """Note a query without a reply. Return whether the server is newly suspected or down.

        A query that was sent before the last reply was lost on the way: the server is up. Only a failed canary
        (*is_probe*) or a network error takes a server down, because a zone's silence explains neither.
        """
        self.last_error = status
        if sent_at <= self.last_reply_at:
            return False
        self.failures += 1
        if not self.is_suspected:
            return False
        if self.up:
            if not is_probe and status is not Status.NETWORK:
                return self.failures == FAILURES_UNTIL_SUSPECTED
            self.up = False
            self.down_until = now + self.back_off_seconds
            return True
        if now >= self.down_until:
            self.back_off_seconds = min(MAX_BACK_OFF_SECONDS, 2 * self.back_off_seconds)
            self.down_until = now + self.back_off_seconds
        return False

    def workarounds(self, now: float) -> tuple[Workaround, ...]:
        """How it is asked differently from what the settings say.

        A server that never answered a full query since the start, and then a basic one, is named before it is certain.
        """
        if now < self.basic_until or (self.basic_rounds > 0 and self.full_reply_at == -math.inf):
            return (Workaround.BASIC,)
        until = {
            Workaround.NO_EDNS: self.no_edns_until,
            Workaround.LOWER_CASE: self.lower_case_until,
            Workaround.LOCAL_DATA: self.local_until,
            Workaround.EMPTIED: self.emptied_until,
        }
        return tuple([workaround for workaround, end in until.items() if now < end < math.inf])

    def wants_basic(self, now: float, *, is_retry: bool = False) -> bool:
        """Whether a query is to be basic: the server is known to need that, or that is to be found out.

        As long as it never answered a full query, and after the first sign, only the first query of a question is full.
        """
        if now < self.basic_until:
            return True
        is_first_sign = self.basic_rounds > 0 or (self.unanswered > 0 and self.full_reply_at == -math.inf)
        is_odd = self.unanswered >= UNANSWERED_UNTIL_BASIC or (is_retry and is_first_sign)
        return is_odd and now - self.full_reply_at > FULL_REPLY_SECONDS

    def note_unanswered(self, sent_at: float) -> None:
        """Note a full query over UDP without a reply. One that was sent before its last reply was lost on the way."""
        if sent_at > self.last_reply_at and (self.random_case or self.no_edns_until < math.inf):
            self.unanswered += 1

    def note_full_reply(self, now: float, section: bytes) -> None:
        """Note a good reply to a full query with this question section. Without capitals, it shows nothing of case."""
        self.case_mistakes = 0
        if not self.random_case or section != section.lower():
            self.full_reply_at = now
            self.unanswered = self.basic_rounds = 0

    def note_basic_reply(self, now: float) -> None:
        """Note a good reply to a basic query. If full ones were dropped before, twice in a row, all are basic now.

        In between, full queries must have failed again: a server that was only down for a while answers those.
        """
        if self.unanswered < UNANSWERED_UNTIL_BASIC:
            return
        self.unanswered = 0
        self.basic_rounds += 1
        if self.basic_rounds >= BASIC_ROUNDS_UNTIL_WORKAROUND:
            self.basic_until = now + WORKAROUND_SECONDS
            self.ordinary_from = max(self.ordinary_from, self.basic_until)

    def note_wrong_case(self, now: float) -> None:
        """Note a question that it answered in lower case, but repeated wrongly in random case."""
        self.case_mistakes += 1
        if self.case_mistakes >= CASE_MISTAKES_UNTIL_WORKAROUND:
            self.lower_case_until = now + WORKAROUND_SECONDS
            self.ordinary_from = max(self.ordinary_from, self.lower_case_until)
            self.case_mistakes = 0

    def note_no_edns(self, now: float) -> None:
        """Note that it answers FORMERR to EDNS."""
        self.no_edns_until = now + WORKAROUND_SECONDS
        self.ordinary_from = max(self.ordinary_from, self.no_edns_until)

    def note_emptied(self, now: float) -> None:
        """Note that it took the records out of an answer."""
        self.emptied_until = now + WORKAROUND_SECONDS

    def note_local_data(self, now: float) -> None:
        """Note that it answered from local data."""
        self.last_error = Status.LOCAL_DATA
        self.local_until = now + WORKAROUND_SECONDS


def by_preference(servers: list[Server]) -> list[Server]:
    """The servers in the order to ask them: trusted, up, not suspected, not much slower, then as configured.

    Response times within a factor of four count as equal, so that similar servers stay in the operator's order.
    """
    quickest = min((server.round_trip_seconds for server in servers if server.up), default=0.0)

    def rank(server: Server) -> tuple[bool, bool, bool, bool, int]:
        slow = server.round_trip_seconds > 4 * quickest + 0.05
        return server.contradicted, not server.up, server.is_suspected, slow, server.number

    return sorted(servers, key=rank)


_CLIENT_BYTES = 8
_MAX_MISSES = 3


class CookieJar:
    """The cookies shared with one server (RFC 7873): a forger that sees no traffic cannot guess them.

    A wrong cookie is never accepted. A missing one is not accepted once the server has sent one, until it has left it
    out several times in a row.

    Attributes:
        expected: Whether the server has sent a cookie.
        sent: The value of the COOKIE option in queries.
    """

    __slots__ = ("_client", "_misses", "expected", "sent")

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._client = random_bytes(_CLIENT_BYTES)
        self._misses = 0
        self.expected = False
        self.sent = self._client

    def accepts(self, cookie: bytes | None) -> bool:
        """Whether a reply with this cookie ("" if it has none, None if malformed) can be from the server.

        The server's part of an accepted cookie is sent back from then on.
        """
        if cookie == b"":
            return not self.expected
        if cookie is None or cookie[:_CLIENT_BYTES] != self._client:
            return False
        if len(cookie) > _CLIENT_BYTES:
            self.sent = self._client + cookie[_CLIENT_BYTES:]
            self.expected = True
        self._misses = 0
        return True

    def missed(self) -> None:
        """Note a question whose only reply lacked the expected cookie."""
        self._misses += 1
        if self._misses >= _MAX_MISSES:
            self._misses = 0
            self.sent = self._client
            self.expected = False


_COOKIE, _EXTENDED_ERROR = 10, 15
_OPTION = Struct(">HH")
_CODE = Struct(">H")
_COOKIE_BYTES = range(16, 41)  # with the server's part (RFC 7873 section 4)
_MAX_ERRORS = 8
_MAX_ERROR_TEXT = 500


def opt_record(cookie: bytes) -> bytes:
    """The OPT record of a query (RFC 6891), with the cookie if there is one."""
    options = cookie_option(cookie) if cookie else b""
    return b"\0\0\x29" + _CODE.pack(MAX_UDP_PAYLOAD) + b"\0\0\0\0" + _CODE.pack(len(options)) + options


def cookie_option(cookie: bytes) -> bytes:
    """The options of a message that has only a cookie."""
    return _OPTION.pack(_COOKIE, len(cookie)) + cookie


def read_options(options: bytes) -> tuple[bytes | None, tuple[ExtendedError, ...]]:
    """The cookie of a reply ("" for none, None if it breaks RFC 7873), and its errors. Ignores a cut-off option."""
    cookie: bytes | None = b""
    errors: list[ExtendedError] = []
    at = 0
    while at + 4 <= len(options):
        code, size = _OPTION.unpack_from(options, at)
        value = options[at + 4 : at + 4 + size]
        at += 4 + size
        if at > len(options):
            break
        if code == _COOKIE:
            cookie = value if size in _COOKIE_BYTES or size == _CLIENT_BYTES else None
        elif code == _EXTENDED_ERROR and size >= 2 and len(errors) < _MAX_ERRORS:
            text = value[2 : 2 + _MAX_ERROR_TEXT].rstrip(b"\0").decode("utf-8", "replace")
            errors.append(ExtendedError(_CODE.unpack_from(value)[0], text))
    return cookie, tuple(errors)
