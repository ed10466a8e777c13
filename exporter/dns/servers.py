"""How each server is, and in which order they are asked.

The rule of this file: whoever answers, be it SERVFAIL, is up; whoever is silent is down, and is left alone for a while
that doubles. Silence may be that of the zone that was asked about, whose servers are dead: so it makes a server only
suspected, which is then asked last, until it is silent to a question that every living server answers at once.
What a server cannot do (case, cookies, EDNS) is found out here and forgotten again after an hour.
"""

import math
from struct import Struct
from typing import NamedTuple

from exporter.checks.answers import ExtendedError, Status
from exporter.dns.codec import MAX_UDP_PAYLOAD, Take
from exporter.dns.settings import Endpoint

# SECTION exporter.dns.cookies
# DNS cookies (RFC 7873): who sees neither our queries nor the server's replies cannot forge them.
#
# The rule of this file: a cookie that is wrong is never believed; a cookie that is missing is not believed
# either once
# the server has shown that it sends one, until it has left it out several times without sending any in between.

_CLIENT_BYTES = 8
_MISSES_UNTIL_LESSON = 3


class CookieJar:
    """The cookies that we share with one server."""

    __slots__ = ("_client", "_misses", "_server", "expected", "sent")

    def __init__(self, take: Take) -> None:
        self._client = take(_CLIENT_BYTES)
        self._server = b""
        self._misses = 0
        self.expected = False
        """Whether the server has shown that it sends cookies."""
        self.sent = self._client
        """What goes into the COOKIE option of a query."""

    def accepts(self, cookie: bytes | None) -> bool:
        """Whether a reply with this cookie ("" for none, None for a malformed one) can be from the server.

        A server's part that comes with our part is kept, and sent from then on.
        """
        if cookie == b"":
            return not self.expected
        if cookie is None or cookie[:_CLIENT_BYTES] != self._client:
            return False
        if len(cookie) > _CLIENT_BYTES:
            self._server = cookie[_CLIENT_BYTES:]
            self.sent = self._client + self._server
            self.expected = True
        self._misses = 0
        return True

    def missed(self) -> None:
        """Note that a question went unanswered but for a reply without the cookie that was expected."""
        self._misses += 1
        if self._misses >= _MISSES_UNTIL_LESSON:
            self._misses = 0
            self._server = b""
            self.sent = self._client
            self.expected = False


# SECTION exporter.dns.edns
# EDNS options (RFC 6891): the OPT record that goes with every query, and what comes back in it.

_COOKIE, _EXTENDED_ERROR = 10, 15
_OPTION = Struct(">HH")
_CODE = Struct(">H")
_COOKIE_BYTES = range(16, 41)  # RFC 7873 section 4, with a server's part
_MAX_ERRORS = 8
_MAX_ERROR_TEXT = 500


class Options(NamedTuple):
    """What the options of a reply say. *cookie* is "" where there is none, None where it breaks RFC 7873."""

    cookie: bytes | None
    errors: tuple[ExtendedError, ...]


def opt_record(cookie: bytes) -> bytes:
    """An OPT record that offers our payload size and, if there is one, carries the cookie."""
    options = cookie_option(cookie) if cookie else b""
    return b"\0\0\x29" + _CODE.pack(MAX_UDP_PAYLOAD) + b"\0\0\0\0" + _CODE.pack(len(options)) + options


def cookie_option(cookie: bytes) -> bytes:
    """The options of a message that has no other than its cookie."""
    return _OPTION.pack(_COOKIE, len(cookie)) + cookie


def read_options(options: bytes) -> Options:
    """Read the options of a reply. Whatever breaks off is left out: none of them is needed to understand an answer."""
    cookie: bytes | None = b""
    errors: list[ExtendedError] = []
    at = 0
    while at + 4 <= len(options):
        code, octets = _OPTION.unpack_from(options, at)
        value = options[at + 4 : at + 4 + octets]
        at += 4 + octets
        if at > len(options):
            break
        if code == _COOKIE:
            cookie = value if octets in _COOKIE_BYTES or octets == _CLIENT_BYTES else None
        elif code == _EXTENDED_ERROR and octets >= 2 and len(errors) < _MAX_ERRORS:
            text = value[2 : 2 + _MAX_ERROR_TEXT].rstrip(b"\0").decode("utf-8", "replace")
            errors.append(ExtendedError(_CODE.unpack_from(value)[0], text))
    return Options(cookie, tuple(errors))


# SECTION exporter.dns.health

FAILURES_UNTIL_SUSPECTED = 3
FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 30.0
LESSON_SECONDS = 3_600.0
"""For how long it is remembered that a server cannot do something."""
MISTAKES_UNTIL_LESSON = 3
_SMOOTHING = 0.125  # of the round-trip time, as TCP does (RFC 6298)


class Server:
    """One server of a resolver, and what is known of it."""

    __slots__ = (
        "back_off_seconds",
        "canary_ok",
        "case_mistakes",
        "contradicted",
        "cookies",
        "down_until",
        "endpoint",
        "failures",
        "is_udp",
        "last_error",
        "last_reply_at",
        "number",
        "opt_seen",
        "options_seen",
        "ordinary_from",
        "plain_case_until",
        "plain_edns_until",
        "random_case",
        "round_trip_seconds",
        "tail",
        "text",
        "up",
    )

    def __init__(self, number: int, endpoint: Endpoint, *, cookies: CookieJar | None, random_case: bool) -> None:
        self.number = number
        self.endpoint = endpoint
        self.text = str(endpoint)
        self.is_udp = endpoint.scheme == "udp"
        self.up = True
        self.last_error: Status | None = None
        """What the last query that failed came to; None while all is well."""
        self.failures = 0
        """Queries in a row that nobody answered."""
        self.last_reply_at = -math.inf
        self.round_trip_seconds = 0.0
        self.back_off_seconds = FIRST_BACK_OFF_SECONDS
        self.down_until = -math.inf
        self.canary_ok = False
        self.contradicted = False
        """Whether it fails its canary, so that nothing that it says is believed."""
        self.cookies = cookies
        self.random_case = random_case
        self.options_seen: bytes | None = None
        """The EDNS options that were looked at last, which need not be looked at again."""
        self.opt_seen: bytes | None = b""
        """The OPT record that they came in, or none; None where that is not known."""
        self.case_mistakes = 0
        """Questions in a row that it repeated in the wrong case, and answered when asked in lower case."""
        self.plain_case_until = -math.inf
        """Until when its queries are in lower case, though *random_case* is on."""
        self.plain_edns_until = -math.inf
        """Until when its queries have no OPT record."""
        self.ordinary_from = -math.inf if random_case else math.inf
        """From when on its queries are in random case and have an OPT record."""
        self.tail = b""
        self.refresh_tail()

    def __repr__(self) -> str:
        return f"<{self.text} {'up' if self.up else 'down'}>"

    def refresh_tail(self) -> None:
        """Build anew what follows the question section in each query: the OPT record, with the cookie."""
        self.tail = opt_record(self.cookies.sent if self.cookies is not None else b"")

    @property
    def is_suspected(self) -> bool:
        """Whether it is silent, and either down or about to be asked whether it is."""
        return self.failures >= FAILURES_UNTIL_SUSPECTED

    def replied(self, now: float, seconds: float) -> bool:
        """Note a reply, and how long it took; whether the server was suspected, or down."""
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
        """Note a query that nobody answered; whether that makes the server suspected, or takes it down.

        A query that was sent before the last reply came was lost on the way: its server is there. *is_probe* says that
        no zone's silence explains this one. A host that says that nobody listens needs no probe to be believed.
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
            self.back_off_seconds = min(LONGEST_BACK_OFF_SECONDS, 2 * self.back_off_seconds)
            self.down_until = now + self.back_off_seconds
        return False

    def lost_case(self, now: float) -> None:
        """Note that it answered a question in lower case, but repeats mixed case wrongly."""
        self.case_mistakes += 1
        if self.case_mistakes >= MISTAKES_UNTIL_LESSON:
            self.plain_case_until = now + LESSON_SECONDS
            self.ordinary_from = max(self.ordinary_from, self.plain_case_until)
            self.case_mistakes = 0

    def lost_edns(self, now: float) -> None:
        """Note that it answers FORMERR to EDNS."""
        self.plain_edns_until = now + LESSON_SECONDS
        self.ordinary_from = max(self.ordinary_from, self.plain_edns_until)


def order(servers: list[Server]) -> list[Server]:
    """The order to ask in: who is believed, up and not suspected first, then who is much quicker, then as configured.

    Round-trip times within a factor of four count as equal, so that the operator's order is kept between peers.
    """
    quickest = min((server.round_trip_seconds for server in servers if server.up), default=0.0)

    def rank(server: Server) -> tuple[bool, bool, bool, bool, int]:
        slow = server.round_trip_seconds > 4 * quickest + 0.05
        return server.contradicted, not server.up, server.is_suspected, slow, server.number

    return sorted(servers, key=rank)
