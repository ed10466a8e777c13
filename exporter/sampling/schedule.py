"""APScheduler starts one job a pool; this file keeps the wall clock from deciding when.

APScheduler 3 plans in wall-clock time: after a step backwards it would wait for the old time to come round again.
So the monotonic moment at which each pool is due is remembered here, a heartbeat watches for steps, and after one
every job is planned anew from its monotonic moment.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import structlog
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

log = structlog.get_logger()

_HEARTBEAT_SECONDS = 1.0
_STEP_SECONDS = 1.0
"""A wall clock that moves by more than this against the monotonic one was stepped (or the machine slept)."""

_LAG_BEATS = 15
"""How many heartbeats the loop's lag is remembered for: a scrape sees the worst since the one before it."""


class Steady(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires every *seconds*, and after the time at which it is asked: whatever was missed is missed.

    APScheduler's own trigger is asked for each moment that was missed, one after the other. After a step of the wall
    clock by a month that holds the event loop for seconds a job.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first moment after *now* that is a whole number of intervals after the one before."""
        if previous_fire_time is None:
            return now
        missed = max(0, (now - previous_fire_time) // self._interval)
        return previous_fire_time + (missed + 1) * self._interval


class Schedule:
    """One job for each pool, first due at once and then at its interval; *tick* is called with the pool's name."""

    def __init__(self, tick: Callable[[str], None]) -> None:
        self._tick = tick
        # Jobs only begin a round, so they run at once and on the loop. The executor for coroutines would cancel one
        # that is due when the scheduler shuts down, and log that as an error.
        self._scheduler = AsyncIOScheduler(timezone=UTC, executors={"default": DebugExecutor()})
        self._intervals: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._lags: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._beat: asyncio.TimerHandle | None = None
        self._offset = 0.0

    def start(self) -> None:
        """Begin to call."""
        self._scheduler.start()
        self._offset = time.time() - self._loop.time()
        self._beat = self._loop.call_later(_HEARTBEAT_SECONDS, self._heartbeat, self._loop.time() + _HEARTBEAT_SECONDS)

    def stop(self) -> None:
        """Call no more."""
        if self._beat is not None:
            self._beat.cancel()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def follow(
        self,
        intervals: Mapping[str, float],
        *,
        changed: frozenset[str] = frozenset(),
        first: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Fit the jobs to *intervals*, seconds by pool.

        Pools that are new, or in *changed*, are due at once, or after as many seconds as *first* says.
        """
        for name in self._intervals.keys() - intervals.keys():
            self._scheduler.remove_job(name)
            del self._due[name]
        for name, seconds in intervals.items():
            if self._intervals.get(name) != seconds or name in changed:
                self._plan(name, seconds, first.get(name, 0.0))
        self._intervals = dict(intervals)

    def due_in(self, name: str, seconds: float) -> None:
        """Let the pool *name* be due in so many *seconds*, and at its interval from then on."""
        if name in self._intervals:
            self._plan(name, self._intervals[name], seconds)

    @property
    def loop_lag_seconds(self) -> float:
        """The longest that a heartbeat came too late, of the latest ones: for so long the event loop was held."""
        return max(self._lags, default=0.0)

    def _plan(self, name: str, seconds: float, delay: float) -> None:
        self._due[name] = self._loop.time() + delay
        self._scheduler.add_job(
            self._run,
            Steady(seconds),
            args=(name,),
            id=name,
            name=f"round of {name}",
            replace_existing=True,
            next_run_time=datetime.now(UTC) + timedelta(seconds=delay),
            coalesce=True,  # what was missed while the machine slept is one round, not many
            misfire_grace_time=None,  # a late round is better than none
        )

    def _run(self, name: str) -> None:
        """What APScheduler calls, on the loop."""
        self._due[name] = self._loop.time() + self._intervals[name]
        self._tick(name)

    def _heartbeat(self, expected: float) -> None:
        now = self._loop.time()
        self._lags = [*self._lags, max(0.0, now - expected)][-_LAG_BEATS:]
        offset = time.time() - now
        if abs(offset - self._offset) > _STEP_SECONDS:
            self._replan(offset - self._offset, now)
        self._offset = offset
        self._beat = self._loop.call_later(_HEARTBEAT_SECONDS, self._heartbeat, now + _HEARTBEAT_SECONDS)

    def _replan(self, step_seconds: float, now: float) -> None:
        log.warning("the wall clock was stepped; rounds are planned anew", step_seconds=round(step_seconds, 3))
        wall = datetime.now(UTC)
        for name, due in self._due.items():
            self._scheduler.modify_job(name, next_run_time=wall + timedelta(seconds=max(0.0, due - now)))
