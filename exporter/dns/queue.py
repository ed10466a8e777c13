"""The queue of a resolver, which sends its questions within the limits of rate and number."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from itertools import islice, takewhile

from exporter.dns.query import Query
from exporter.dns.settings import ResolverSettings

_BURST_SECONDS = 0.02


class TokenBucket:
    """Limits queries to *rate* per second, in bursts of at most 20 ms' worth, or of one query."""

    __slots__ = ("_burst", "_due", "_interval")

    def __init__(self, rate: float) -> None:
        self._interval = 0.0 if rate == math.inf else 1.0 / rate
        self._burst = max(0.0, _BURST_SECONDS - self._interval) if self._interval else math.inf
        self._due = -math.inf

    def take(self, now: float) -> bool:
        """Whether one more query may be sent now; if so, it counts as sent."""
        if not self._interval:
            return True
        due = self._due
        if due - self._burst > now:
            return False
        self._due = (now if now > due else due) + self._interval  # noqa: FURB136  # max() is slower
        return True

    def take_up_to(self, wanted: int, now: float) -> int:
        """How many of *wanted* queries may be sent now; these count as sent."""
        if not self._interval:
            return wanted
        taken = 0
        while taken < wanted and self.take(now):
            taken += 1
        return taken

    def wait_seconds(self, now: float) -> float:
        """The time until one more query may be sent."""
        return max(0.0, self._due - self._burst - now)


_MAX_AT_ONCE = 100  # questions in one iteration of the event loop, so that it is not blocked
_MIN_WAIT_SECONDS = 0.001


class QueryQueue:
    """The queue of one resolver, and the number of its questions in flight.

    A new question is sent in the next iteration of the event loop, together with all others of this one: they share
    the work, and wake the server up only once. Canaries are sent before retries, and those before new questions.

    *send_new* sends new questions, *send_again* a retry or a canary. *overflow* gets the questions that waited too
    long, or for which the queue has no room.

    Attributes:
        in_flight: How many questions were sent and are not answered.
        is_open: Whether new questions are sent.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        *,
        clock: Callable[[], float],
        send_new: Callable[[list[Query], float], None],
        send_again: Callable[[Query, float], None],
        overflow: Callable[[list[Query], float], None],
    ) -> None:
        self._settings = settings
        self._max_in_flight = settings.max_in_flight
        self._clock = clock
        self._send_new = send_new
        self._send_again = send_again
        self._overflow = overflow
        self._bucket = TokenBucket(settings.max_queries_per_second)
        self._new: deque[Query] = deque()
        self._retries: deque[Query] = deque()  # and canaries: at most as many as are in flight
        self._stamped = 0  # the oldest new questions, whose `queued_at` is set
        self.in_flight = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_open = False
        self._is_scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def queued(self) -> int:
        """How many questions wait to be sent."""
        return len(self._new) + len(self._retries)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept questions, but send none before `open`."""
        self._loop = loop

    def open(self) -> None:
        """Begin to send questions."""
        self.is_open = True
        self._schedule()

    def close(self) -> None:
        """Drop all questions. Later ones overflow at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None
        self.is_open = self._is_scheduled = False
        self._new.clear()
        self._retries.clear()
        self._stamped = 0
        self.in_flight = 0

    def submit(self, query: Query) -> None:
        """Send a new question in the next iteration of the event loop, or as soon as the limits allow."""
        if not self._is_scheduled:
            if self._loop is None:
                self._overflow([query], self._clock())
                return
            self._schedule()
        self._new.append(query)

    def may_send(self, now: float) -> bool:
        """Whether the rate allows a query now; if so, it counts as sent."""
        return self._bucket.take(now)

    def submit_again(self, query: Query) -> None:
        """Send a retry as soon as the rate allows."""
        self._retries.append(query)
        self._schedule_later()

    def submit_first(self, query: Query) -> None:
        """Send a question as soon as the rate allows, before all others."""
        self._retries.appendleft(query)
        self._schedule_later()

    def finished(self, count: int) -> None:
        """Note that *count* questions are no longer in flight."""
        if self._loop is not None:
            self.in_flight -= count
            if self._new or self._retries:
                self._schedule()

    def drop_late(self, now: float) -> None:
        """Overflow the questions that have waited too long."""
        stamped = islice(self._new, self._stamped)
        max_seconds = self._settings.max_queue_seconds
        count = sum(1 for _ in takewhile(lambda query: now - query.queued_at >= max_seconds, stamped))
        if count:
            self._overflow(self._pop_new(count), now)

    def _schedule(self) -> None:
        if not self._is_scheduled and self._loop is not None:
            self._is_scheduled = True
            self._loop.call_soon(self._send)

    def _schedule_later(self) -> None:
        """Send when the rate allows the next query."""
        if self._timer is None and self._loop is not None:
            wait = max(self._bucket.wait_seconds(self._clock()), _MIN_WAIT_SECONDS)
            self._timer = self._loop.call_later(wait, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._schedule()

    def _send(self) -> None:
        """Send as many questions as the limits allow."""
        self._is_scheduled = False
        if self._loop is None:
            return
        now = self._clock()
        new, retries, bucket = self._new, self._retries, self._bucket
        self.drop_late(now)
        left = _MAX_AT_ONCE
        while left and retries and bucket.take(now):
            left -= 1
            self._send_again(retries.popleft(), now)
        if not retries and self.is_open:
            room = min(left, len(new), self._max_in_flight - self.in_flight)
            queries = self._pop_new(bucket.take_up_to(room, now))
            if queries:
                self.in_flight += len(queries)
                self._send_new(queries, now)
        excess = [new.pop() for _ in range(len(new) - self._settings.max_queued)]  # the newest
        if excess:
            self._overflow(excess[::-1], now)
        for at in range(self._stamped - len(new), 0):
            new[at].queued_at = now
        self._stamped = len(new)
        if retries or (new and self.is_open and self.in_flight < self._max_in_flight):
            if bucket.wait_seconds(now):
                self._schedule_later()
            else:
                self._schedule()

    def _pop_new(self, count: int) -> list[Query]:
        """Remove the *count* oldest new questions."""
        self._stamped = max(0, self._stamped - count)
        pop = self._new.popleft
        return [pop() for _ in range(count)]
