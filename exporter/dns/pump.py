"""Lets the questions of one resolver go, as the rate and the number in flight allow.

The rule of this file: a question never leaves at once. All that came up in one turn of the event loop leave together
in the next: then the work that they share is done once, and the server wakes up once for all of them.
"""

import asyncio
from collections.abc import Callable
from itertools import islice, takewhile

from exporter.dns.job import Job
from exporter.dns.pacing import TokenBucket, Waiting
from exporter.dns.settings import ResolverSettings

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
