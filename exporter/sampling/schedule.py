"""APScheduler starts one job a pool; this file keeps the wall clock from deciding when.

APScheduler 3 plans in wall-clock time: after a step backwards it would wait for the old time to come round again.
So the monotonic moment at which each pool is due is remembered here, a heartbeat watches for steps, and after one
every job is planned anew from its monotonic moment.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Protocol, overload

import structlog
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from exporter.checks.addresses import Address
from exporter.inventory.draws import Turn
from exporter.inventory.ranges import Spans
from exporter.state.pool import FAILING, PoolState

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


# SECTION exporter.sampling.round
# One round over what is due in a pool, paced by the pool's own ring and never by a job an address.
#
# The rule of this file: time is the event loop's monotonic clock. What is late is started late, in order;
# nothing is
# started twice, skipped, or caught up in a burst beyond the limit of what may be under way.

_BURST = 64
"""How many samples are started before the event loop gets its turn."""

_TICK_SECONDS = 0.05
"""Samples that are due within this time of one another are started together: each wake-up costs more than a sample."""


class Startable(Protocol):
    """What a round starts: a `Sampling`."""

    def start(self) -> None: ...
    def give_up(self) -> None: ...
    def drop(self) -> None: ...


class Round:
    """Starts every item of *order* once, spread evenly over *span_seconds*, and those of *at_once* as soon as it may.

    What is due of the order comes before what is to come at once, so that however much that is, the order is kept to
    its pace. *prepare* makes the sampling of one item; it must call the given function when it ends. At most *limit*
    are under way together, and none for longer than *deadline_seconds*. *ended* is called when the last one is over,
    never from within `begin`.
    """

    def __init__(
        self,
        order: Sequence[int],
        prepare: Callable[[int, Callable[[], None]], Startable],
        ended: Callable[["Round"], None],
        *,
        at_once: Sequence[int] = (),
        span_seconds: float,
        limit: int,
        deadline_seconds: float,
    ) -> None:
        self._order = order
        self._size = len(order)
        self._prepare = prepare
        self._ended = ended
        self._at_once = at_once
        self._span = span_seconds
        self._limit = limit
        self._deadline = deadline_seconds
        self._next = 0
        self._hurried = 0
        self._added: deque[int] = deque()
        self._started = 0
        self._open: dict[int, tuple[Startable, float, int]] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._pump_soon: asyncio.Handle | None = None
        self.began = self._loop.time()
        self.is_over = False

    def add(self, items: Iterable[int]) -> None:
        """Start these *items* too, before all that is not started yet."""
        self._added.extend(items)
        self._repump()

    def begin(self) -> None:
        """Start what is due, and keep at it."""
        self._pump_soon = self._loop.call_soon(self._pump)

    def cancel(self) -> None:
        """Stop at once. What is under way is dropped; *ended* is not called."""
        self.is_over = True
        for handle in (self._timer, self._pump_soon):
            if handle is not None:
                handle.cancel()
        for sampling, _, _ in self._open.values():
            sampling.drop()
        self._open.clear()
        self._added.clear()

    @property
    def reached(self) -> int | None:
        """The first item of the order that is not over; of what comes at once, if there is no order; None for none."""
        order, following = (self._order, self._next) if self._size else (self._at_once, self._hurried)
        place = min([place for _, _, place in self._open.values() if place >= 0], default=following)
        return order[place] if place < len(order) else None

    @property
    def in_flight(self) -> int:
        """How many samples are under way."""
        return len(self._open)

    def lag_seconds(self) -> float:
        """How late the next sample is; 0.0 while the round keeps up. What is due at once is as late as it takes."""
        if self.is_over or self._next >= self._size:
            return 0.0
        return max(0.0, self._loop.time() - self._due(self._next))

    def _due(self, place: int) -> float:
        return self.began + self._span * place / self._size

    def _due_by(self, moment: float) -> int:
        """How many items are due by *moment*, which is not before the round began: those before that place."""
        if not self._span:
            return self._size
        return min(self._size, int((moment - self.began) * self._size / self._span) + 1)

    def _pump(self) -> None:
        self._pump_soon = None
        now = self._loop.time()
        started = 0
        due = self._due_by(now + _TICK_SECONDS)
        while len(self._open) < self._limit and started < _BURST:
            if self._added:
                self._start(self._added.popleft(), now)
            elif self._next < due:
                self._next += 1
                self._start(self._order[self._next - 1], now, self._next - 1)
            elif self._hurried < len(self._at_once):
                self._hurried += 1
                self._start(self._at_once[self._hurried - 1], now, -1 if self._size else self._hurried - 1)
            else:
                break
            started += 1
        self._expire(now)
        if not self._open and self._is_started:
            self._end()
        elif started == _BURST:
            self._repump()
        else:
            self._rearm()

    @property
    def _is_started(self) -> bool:
        """Whether there is nothing left to be started."""
        return self._next >= self._size and self._hurried >= len(self._at_once) and not self._added

    def _start(self, item: int, now: float, place: int = -1) -> None:
        number = self._started
        self._started = number + 1
        sampling = self._prepare(item, partial(self._close, number))
        self._open[number] = (sampling, now, place)
        try:
            sampling.start()
        except Exception as error:  # noqa: BLE001  # whatever it is, the other samples must not suffer
            self._tell(error)

    def _close(self, number: int) -> None:
        still_open = self._open
        still_open.pop(number, None)
        if len(still_open) == self._limit - 1 or (not still_open and self._is_started):
            self._repump()  # otherwise the timer is set already

    def _expire(self, now: float) -> None:
        """End what has been under way for too long; the oldest come first."""
        while self._open:
            number, (sampling, began, _) = next(iter(self._open.items()))
            if began + self._deadline > now:
                return
            try:
                sampling.give_up()
            except Exception as error:  # noqa: BLE001  # as above
                self._tell(error)
            self._open.pop(number, None)

    def _tell(self, error: Exception) -> None:
        """Tell of a sample that is broken; the round goes on."""
        self._loop.call_exception_handler({"message": "a sample is broken", "exception": error})

    def _repump(self) -> None:
        if self._pump_soon is None and not self.is_over:
            self._pump_soon = self._loop.call_soon(self._pump)

    def _rearm(self) -> None:
        """Wake up for the next sample that is due, or the next one that must end, whichever comes first."""
        if self._timer is not None:
            self._timer.cancel()
        moments = []
        if self._open:
            moments.append(next(iter(self._open.values()))[1] + self._deadline)
        if self._next < self._size and len(self._open) < self._limit:
            moments.append(self._due(self._next))
        self._timer = self._loop.call_at(min(moments), self._pump)

    def _end(self) -> None:
        self.cancel()
        self._ended(self)


# SECTION exporter.sampling.evenly
# Two orders in one, so that neither moves when the other grows.
#
# The rule of this file: what is first of ten in *main* comes at the same share of the whole, to within one
# place of it,
# as the first of ten. So an address has its turn at the same moment of each round, however many HELO names, or
# failures
# that are looked at again, come besides.


class Evenly(Sequence[int]):
    """The items of *main*, with those of *others* spread evenly among them; each in its own order."""

    __slots__ = ("_main", "_others", "_size")

    def __init__(self, main: Sequence[int], others: Sequence[int]) -> None:
        self._main = main
        self._others = others
        self._size = len(main) + len(others)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(self._size))]
        if not 0 <= index < self._size:
            raise IndexError(index)
        mains = self._before(index)
        return self._main[mains] if self._before(index + 1) > mains else self._others[index - mains]

    def _before(self, place: int) -> int:
        """How many of *main* come before *place*: the first of them comes first of all."""
        return -(-place * len(self._main) // self._size)


# SECTION exporter.sampling.agenda
# What one round of a pool has to do, in which order: random draws, HELO names, every address or some of each
# prefix.
#
# The rule of this file: an agenda is made at the beginning of a round and costs at most a number a prefix; what
# an item
# stands for is worked out when its time has come.

_LEAST_KNOWN = 64
"""So many addresses that are known to fail are looked at in every round at least, however few are drawn."""


class Agenda:
    """The items of one round of *state*: from 0 up its addresses; counted down from -1 its HELO names, then *random*.

    *random* are addresses drawn from ranges that are too big to be listed: they are no addresses of the pool.

    Those of *order* have their turn in a circle that begins at *since*, at the same share of each round: where a round
    was dropped because the pool changed, the next one goes on. What was never sampled is *at_once* besides; in the
    first round of a pool that is all there is, and nothing waits.
    """

    def __init__(self, state: PoolState, since: Address | None = None) -> None:
        self.helos = tuple(state.helos)
        self.turn: Turn | None = None
        pool = state.pool
        self.random = tuple(pool.not_enumerable.draw(state.sample.key, state.sample.round_number))
        outside = range(-len(self.random) - len(self.helos), 0)
        start = 0 if since is None else pool.source.next_position(since) % max(1, pool.size)
        never = Spans(())
        known: range = range(0)
        if pool.plan is None:
            ring = Spans([range(start, pool.size), range(start)])
            never = state.unsampled()
            is_new = len(never) == pool.size > 0
        else:
            self.turn = Turn(pool.prefixes, pool.plan, state.sample.key, state.sample.round_number)
            known = self.turn.add(_known_to_fail(state, max(_LEAST_KNOWN, self.turn.drawn)))
            place = self.turn.place_of(start) if start else 0
            ring = Spans([range(place, self.turn.drawn), range(place)])
            is_new = True
        self.order: Sequence[int] = ()
        self.at_once: Sequence[int]
        if is_new and state.round_seconds is None:
            self.at_once = Spans([outside, *ring.ranges, known])
            return
        names = zip(range(-len(self.helos), 0), self.helos, strict=True)
        unheard = [range(item, item + 1) for item, text in names if state.helos[text].latest is None]
        self.at_once = Spans([*unheard, *never.ranges])
        self.order = Evenly(Evenly(ring, known), outside)

    @property
    def hurries(self) -> bool:
        """Whether nothing in it is spread over the interval."""
        return bool(self.at_once) and not self.order

    def outside(self, item: int) -> str | Address:
        """The HELO name, or the address of *random*, that an item below 0 stands for."""
        return self.helos[item] if item >= -len(self.helos) else self.random[item + len(self.helos)]

    def position(self, item: int) -> tuple[int, bool]:
        """The index in the pool of an item that is an address, and whether it counts for the estimate."""
        return (item, False) if self.turn is None else self.turn.at(item)


def _known_to_fail(state: PoolState, most: int) -> list[int]:
    """The addresses that are to be looked at again in every round, lest a fix is seen only at their next turn.

    Where they are more than *most*, each round has another part of them.
    """
    healths, size = bytes(state.healths), state.pool.size
    start = state.sample.round_number * most % max(1, size) if healths.count(FAILING) > most else 0
    found: list[int] = []
    for low, high in ((start, size), (0, start)):
        position = healths.find(FAILING, low, high)
        while position >= 0 and len(found) < most:
            found.append(position)
            position = healths.find(FAILING, position + 1, high)
    return found
