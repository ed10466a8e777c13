"""One question on its way to its answer."""

import math

from exporter.checks.answers import ExtendedError, Question, RRType, Status
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.dns.health import Server

# Most telling first: what a question is told where no attempt was conclusive.
_TELLING = (
    Status.CANARY,
    Status.CHAIN,
    Status.MALFORMED,
    Status.SERVFAIL,
    Status.REFUSED,
    Status.TLS,
    Status.NETWORK,
    Status.TIMEOUT,
)


class Job:
    """A question in flight: where it has got to, and who waits for it.

    *name* is what is asked for now: the question's name, or what its CNAME chain led to. *section* is the question
    section that the reply must repeat, *pending* and *query_id* say where it waits for it. *doubt* is what the attempt
    comes to if no better reply comes than one that was ignored.
    """

    # Defaults stand in the class: nearly no question ever sets them, and setting thirty attributes takes time.
    more: list[tuple[Question, OnAnswer]] | None = None
    """Who else waits for the answer."""
    began_at = -math.inf
    sent_at = 0.0
    deadline = 0.0
    attempts = 0
    """How many queries it took so far, for the name that is asked for now."""
    detours = 0
    """How often it was asked again without that being an attempt of its own."""
    serial = 0
    """Counts the sendings, so that a timer knows whether it is still meant."""
    server: Server | None = None
    is_confirmation = False
    pinned = False
    """Whether only *server* may be asked."""
    tried = 0
    """The servers that were asked, a bit each."""
    plain_case = False
    """Whether it is asked without random case, because a reply had lost it."""
    case_lost = False
    """Whether a reply was ignored because it had lost the case."""
    plain_edns = False
    """Whether it is asked without EDNS, because that got a FORMERR."""
    stream = False
    """Whether it is asked over TCP, because a reply was truncated."""
    resent = False
    """Whether it went out again because its connection was closed."""
    message = b""
    wire = b""
    section = b""
    pending: "dict[bytes, Job] | None" = None
    query_id = b""
    doubt: Status | None = None
    missed_cookie = False
    """Whether a reply was ignored because it lacked the cookie that its server always sends."""
    worst: Status | None = None
    heard_from = ""
    """The server whose reply was the last that could be read."""
    errors: tuple[ExtendedError, ...] = ()
    chain: tuple[DomainName, ...] = ()
    ttl = 0

    def __init__(self, question: Question, key: str, on_answer: OnAnswer, now: float) -> None:
        self.question = question
        self.key = key
        """What the cache and those who ask the same know it by; "" for nobody."""
        self.on_answer = on_answer
        self.name: DomainName = question[0]
        self.rdtype: RRType = question[1]
        self.queued_at = now
        # These stand in the class too, and are looked at for every question: that is quicker where they stand here.
        self.tried = 0
        self.more = None
        self.is_confirmation = False

    def note(self, status: Status) -> None:
        """Remember what an attempt came to, if it tells more than those before."""
        if self.worst is None or _TELLING.index(status) < _TELLING.index(self.worst):
            self.worst = status

    def forget(self) -> None:
        """Wait for no reply any more."""
        if self.pending is not None:
            self.pending.pop(self.query_id, None)
            self.pending = None
