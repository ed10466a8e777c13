"""One question on its way to its answer."""

from collections.abc import Sequence
from typing import Protocol

from exporter.checks.answers import Answer, ExtendedError, Question, RRType, Status
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


class _Mishaps:
    """What has happened to a question besides: to nearly none anything does, so the defaults stand in the class."""

    attempts = 0
    """How many queries it took so far, for the name that is asked for now."""
    detours = 0
    """How often it was asked again without that being an attempt of its own."""
    pinned = False
    """Whether only *server* may be asked."""
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
    """What was sent over a stream, without its ID."""
    wire = b""
    """The name that is asked for now, in wire format."""
    doubt: Status | None = None
    """What the attempt comes to if no better reply comes than one that was ignored."""
    missed_cookie = False
    """Whether a reply was ignored because it lacked the cookie that its server always sends."""
    worst: Status | None = None
    """The most telling thing that an attempt came to."""
    heard_from = ""
    """The server whose reply was the last that could be read."""
    errors: tuple[ExtendedError, ...] = ()
    chain: tuple[DomainName, ...] = ()
    ttl = 0


class Job(_Mishaps):
    """A question in flight: where it has got to, and who waits for it.

    *name* is what is asked for now: the question's name, or what its CNAME chain led to. *section* is the question
    section that the reply must repeat, *pending* and *query_id* say where it waits for it.
    """

    __slots__ = (
        "began_at",
        "deadline",
        "is_confirmation",
        "key",
        "more",
        "name",
        "on_answer",
        "pending",
        "query_id",
        "question",
        "queued_at",
        "rdtype",
        "section",
        "sent_at",
        "serial",
        "server",
        "tried",
    )
    began_at: float
    deadline: float
    query_id: bytes
    queued_at: float
    section: bytes
    sent_at: float

    def __init__(self, question: Question, key: str, on_answer: OnAnswer) -> None:
        self.question = question
        self.key = key
        """What the cache and those who ask the same know it by; "" for nobody."""
        self.on_answer = on_answer
        self.name: DomainName
        self.rdtype: RRType
        self.name, self.rdtype = question
        self.more: list[tuple[Question, OnAnswer]] | None = None
        """Who else waits for the answer."""
        self.server: Server | None = None
        self.pending: dict[bytes, Job] | None = None
        self.serial = 0
        """Counts the sendings, so that a timer knows whether it is still meant."""
        self.is_confirmation = False
        self.tried = 0
        """The servers that were asked, a bit each."""

    @property
    def is_probe(self) -> bool:
        """Whether nobody but the engine itself wants to know, to see how the server is."""
        return not self.key

    def note(self, status: Status) -> None:
        """Remember what an attempt came to, if it tells more than those before."""
        if self.worst is None or _TELLING.index(status) < _TELLING.index(self.worst):
            self.worst = status

    def forget(self) -> None:
        """Wait for no reply any more."""
        if self.pending is not None:
            self.pending.pop(self.query_id, None)
            self.pending = None


Answered = tuple[Job, Answer]
"""A question and what it came to."""


class Finish(Protocol):
    """Who is told what questions came to."""

    def __call__(self, answered: Sequence[Answered], server: int, now: float, /) -> None:
        """*server* is the number of the server that gave the answers."""
