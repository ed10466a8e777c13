"""Lets the questions of one resolver go, as the rate and the number in flight allow.

The rule of this file: a question never leaves at once. All that came up in one turn of the event loop leave together
in the next: then the work that they share is done once, and the server wakes up once for all of them.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice, takewhile
from typing import Generic, Protocol, TypeVar

from exporter.checks.answers import Answer, ExtendedError, Question, RRType, Status
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.dns.servers import Server
from exporter.dns.settings import ResolverSettings

# SECTION exporter.dns.pacing
# How fast, how many at once, and how long a queue: what a resolver may ask of its servers.
#
# The rule of this file: it never looks at a clock; whoever asks says what time it is.

T = TypeVar("T")

_BURST_SECONDS = 0.02


class TokenBucket:
    """Lets *rate* things a second go, no more than 20 ms' worth of them at once (and always one)."""

    __slots__ = ("_burst", "_due", "_interval")

    def __init__(self, rate: float) -> None:
        self._interval = 0.0 if rate == math.inf else 1.0 / rate
        self._burst = max(0.0, _BURST_SECONDS - self._interval) if self._interval else math.inf
        self._due = -math.inf

    def take(self, now: float) -> bool:
        """Whether one more may go now; if so, it has."""
        if not self._interval:
            return True
        due = self._due
        if due - self._burst > now:
            return False
        self._due = (now if now > due else due) + self._interval  # noqa: FURB136  # max() is slower
        return True

    def take_up_to(self, wanted: int, now: float) -> int:
        """How many of *wanted* may go now; those have."""
        if not self._interval:
            return wanted
        taken = 0
        while taken < wanted and self.take(now):
            taken += 1
        return taken

    def wait_seconds(self, now: float) -> float:
        """How long until one more may go."""
        return max(0.0, self._due - self._burst - now)


class Waiting(Generic[T]):
    """The queue of what may not go yet: first in, first out, but what was under way before goes first.

    What is new joins *fresh* without being asked whether there is room: `pop_excess` takes out what there is none for.
    """

    __slots__ = ("_again", "_max_queued", "fresh")

    def __init__(self, max_queued: int) -> None:
        self._max_queued = max_queued
        self.fresh: deque[T] = deque()
        """What is new, oldest first."""
        self._again: deque[T] = deque()

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self.fresh) + len(self._again)

    @property
    def has_again(self) -> bool:
        """Whether something waits that was under way before."""
        return bool(self._again)

    def push_again(self, thing: T) -> None:
        """Queue something that was under way before; their number is bounded by the number in flight."""
        self._again.append(thing)

    def pop_again(self) -> T:
        """Take the one out that has waited longest of those that were under way before."""
        return self._again.popleft()

    def pop_fresh(self, count: int) -> list[T]:
        """Take so many of the new ones out, those that have waited longest first."""
        pop = self.fresh.popleft
        return [pop() for _ in range(count)]

    def pop_excess(self) -> list[T]:
        """Take those of the new ones out that the queue has no room for: the newest."""
        pop = self.fresh.pop
        return [pop() for _ in range(len(self.fresh) - self._max_queued)][::-1]

    def clear(self) -> None:
        """Forget all of them."""
        self._again.clear()
        self.fresh.clear()


# SECTION exporter.dns.job
# One question on its way to its answer.

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


# SECTION exporter.dns.pump

_AT_ONCE = 100
"""How many questions leave in one turn of the loop, so that it is not held."""
_LEAST_WAIT_SECONDS = 0.001


class Pump:
    """The queue of one resolver, and the number of its questions that are in flight.

    *begin* sends questions that are new, *again* one that was under way before, *overflow* is told of those that have
    waited too long, or for which there is no room.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        *,
        clock: Callable[[], float],
        begin: Callable[[list[Job], float], None],
        again: Callable[[Job, float], None],
        overflow: Callable[[list[Job], float], None],
    ) -> None:
        self._max_in_flight = settings.max_in_flight
        self._max_queue_seconds = settings.max_queue_seconds
        self._clock = clock
        self._begin = begin
        self._again = again
        self._overflow = overflow
        self._bucket = TokenBucket(settings.max_queries_per_second)
        self._waiting: Waiting[Job] = Waiting(settings.max_queued)
        self._fresh = self._waiting.fresh
        self._dated = 0
        self.in_flight = 0
        """Questions that were sent, and are not answered yet."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_open = False
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def queued(self) -> int:
        """Questions that wait until they may be sent."""
        return self._waiting.count

    @property
    def is_open(self) -> bool:
        """Whether questions may go that are new."""
        return self._is_open

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take questions; they are held until `open`."""
        self._loop = loop

    def open(self) -> None:
        """Let the questions go that are held."""
        self._is_open = True
        self._look_soon()

    def close(self) -> None:
        """Forget all questions, and overflow with any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None
        self._is_open = self._is_due = False
        self._waiting.clear()
        self._dated = 0
        self.in_flight = 0

    def submit(self, job: Job) -> None:
        """Send a question in the next turn of the loop, or as soon as it may go."""
        if not self._is_due:
            if self._loop is None:
                self._overflow([job], self._clock())
                return
            self._look_soon()
        self._fresh.append(job)

    def may_send(self, now: float) -> bool:
        """Whether the rate allows a query now; if so, it counts as sent."""
        return self._bucket.take(now)

    def submit_again(self, job: Job) -> None:
        """Send a question again as soon as the rate allows: before any new one."""
        self._waiting.push_again(job)
        self._wake()

    def finished(self, count: int) -> None:
        """So many questions came to something: others may go."""
        if self._loop is not None:
            self.in_flight -= count
            if self._waiting.count:
                self._look_soon()

    def drop_late(self, now: float) -> None:
        """Overflow with those that have waited too long."""
        dated = islice(self._fresh, self._dated)
        count = sum(1 for _ in takewhile(lambda job: now - job.queued_at >= self._max_queue_seconds, dated))
        if count:
            self._overflow(self._pop_fresh(count), now)

    def _look_soon(self) -> None:
        if not self._is_due and self._loop is not None:
            self._is_due = True
            self._loop.call_soon(self._look)

    def _wake(self) -> None:
        """See to it that the queue is looked at when the rate allows the next query."""
        if self._timer is None and self._loop is not None:
            wait = max(self._bucket.wait_seconds(self._clock()), _LEAST_WAIT_SECONDS)
            self._timer = self._loop.call_later(wait, self._look_on_time)

    def _look_on_time(self) -> None:
        self._timer = None
        self._look_soon()

    def _look(self) -> None:
        """Send what waits, as far as that is allowed."""
        self._is_due = False
        if self._loop is None:
            return
        now = self._clock()
        waiting, bucket = self._waiting, self._bucket
        self.drop_late(now)
        left = _AT_ONCE
        while left and waiting.has_again and bucket.take(now):
            left -= 1
            self._again(waiting.pop_again(), now)
        if not waiting.has_again and self._is_open:
            room = min(left, len(self._fresh), self._max_in_flight - self.in_flight)
            jobs = self._pop_fresh(bucket.take_up_to(room, now))
            if jobs:
                self.in_flight += len(jobs)
                self._begin(jobs, now)
        excess = waiting.pop_excess()
        if excess:
            self._overflow(excess, now)
        self._date(now)
        if waiting.has_again or (self._fresh and self._is_open and self.in_flight < self._max_in_flight):
            if bucket.wait_seconds(now):
                self._wake()
            else:
                self._look_soon()

    def _pop_fresh(self, count: int) -> list[Job]:
        self._dated = max(0, self._dated - count)
        return self._waiting.pop_fresh(count)

    def _date(self, now: float) -> None:
        """Note since when those wait that could not leave at once."""
        fresh = self._fresh
        for at in range(self._dated - len(fresh), 0):
            fresh[at].queued_at = now
        self._dated = len(fresh)
