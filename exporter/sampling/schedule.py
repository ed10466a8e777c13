"""When pools are sampled: one job a pool, and the rounds that these jobs begin."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Protocol, overload

import structlog
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from exporter.checks.addresses import Address
from exporter.inventory.draws import Draws
from exporter.inventory.ranges import IndexRanges
from exporter.state.pool import FAILING, PoolState

log = structlog.get_logger()

_HEARTBEAT_SECONDS = 1.0
_STEP_SECONDS = 1.0
"""If the wall clock moves by more than this against the monotonic clock, it was stepped, or the machine slept."""

_LAG_BEATS = 15
"""For how many heartbeats the loop's lag is kept: a scrape shows the longest lag since the scrape before."""

_BURST = 64
"""How many samples are started before yielding to the event loop."""

_TICK_SECONDS = 0.05
"""Samples that are due within this time are started together: each wake-up costs more than a sample."""

_MIN_KNOWN = 64
"""At least so many addresses that are known to fail are sampled in every round, even if fewer are drawn."""


class Steady(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Fires every *seconds*. Missed times are skipped.

    APScheduler's own trigger computes every missed time, one after the other. After a step of the wall clock by a
    month, that blocks the event loop for seconds a job.
    """

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first time after *now* that is a whole number of intervals after the previous one."""
        if previous_fire_time is None:
            return now
        missed = max(0, (now - previous_fire_time) // self._interval)
        return previous_fire_time + (missed + 1) * self._interval


class Schedule:
    """One job for each pool, due at once and then at its interval. Calls *tick* with the name of the pool.

    APScheduler 3 plans in wall-clock time: after a step backwards it would wait until the old time is reached again. So
    the schedule keeps the monotonic time at which each pool is due, watches for steps, and plans every job again after
    one.
    """

    def __init__(self, tick: Callable[[str], None]) -> None:
        self._tick = tick
        # Jobs only begin a round, so they run at once and on the loop. The executor for coroutines would cancel a job
        # that is due when the scheduler shuts down, and log that as an error.
        self._scheduler = AsyncIOScheduler(timezone=UTC, executors={"default": DebugExecutor()})
        self._intervals: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._lags: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._beat: asyncio.TimerHandle | None = None
        self._offset = 0.0

    def start(self) -> None:
        """Begin to call *tick*."""
        self._scheduler.start()
        self._offset = time.time() - self._loop.time()
        self._beat = self._loop.call_later(_HEARTBEAT_SECONDS, self._heartbeat, self._loop.time() + _HEARTBEAT_SECONDS)

    def stop(self) -> None:
        """Stop calling *tick*."""
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
        """Replace the jobs by *intervals*: seconds by name.

        New jobs and those in *changed* are due at once, or after the seconds that *first* has for them.
        """
        for name in self._intervals.keys() - intervals.keys():
            self._scheduler.remove_job(name)
            del self._due[name]
        for name, seconds in intervals.items():
            if self._intervals.get(name) != seconds or name in changed:
                self._plan(name, seconds, first.get(name, 0.0))
        self._intervals = dict(intervals)

    def due_in(self, name: str, seconds: float) -> None:
        """Make the pool *name* due in *seconds*, and at its interval from then on."""
        if name in self._intervals:
            self._plan(name, self._intervals[name], seconds)

    @property
    def loop_lag_seconds(self) -> float:
        """The longest delay of the last 15 heartbeats: for so long the event loop was blocked."""
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
            coalesce=True,  # rounds that were missed while the machine slept become one
            misfire_grace_time=None,  # a late round is better than none
        )

    def _run(self, name: str) -> None:
        """Called by APScheduler on the event loop."""
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
        log.warning("the wall clock was stepped; rounds are planned again", step_seconds=round(step_seconds, 3))
        wall = datetime.now(UTC)
        for name, due in self._due.items():
            self._scheduler.modify_job(name, next_run_time=wall + timedelta(seconds=max(0.0, due - now)))


class Startable(Protocol):
    """What a round starts: a `Sampling`."""

    def start(self) -> None: ...
    def give_up(self) -> None: ...
    def drop(self) -> None: ...


class Round:
    """Starts every item of *order* once, spread over *spread_seconds*, and those of *at_once* as soon as possible.

    Items of the order that are due go first, so items at once never delay the order. *prepare* makes the sampling of
    one item, which must call the given function when it ends. At most *limit* samplings run at a time, and none longer
    than *deadline_seconds*. *ended* is called when the last one has ended, never from within `begin`. Time is the event
    loop's monotonic clock. Late items are started late and in order: none is skipped, and at most *limit* catch up at
    once.
    """

    def __init__(
        self,
        order: Sequence[int],
        prepare: Callable[[int, Callable[[], None]], Startable],
        ended: Callable[["Round"], None],
        *,
        at_once: Sequence[int] = (),
        spread_seconds: float,
        limit: int,
        deadline_seconds: float,
    ) -> None:
        self._order = order
        self._size = len(order)
        self._prepare = prepare
        self._ended = ended
        self._at_once = at_once
        self._spread = spread_seconds
        self._limit = limit
        self._deadline = deadline_seconds
        self._next = 0
        self._next_at_once = 0
        self._added: deque[int] = deque()
        self._started = 0
        self._open: dict[int, tuple[Startable, float, int]] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._pump_soon: asyncio.Handle | None = None
        self.began = self._loop.time()
        self.is_over = False

    def add(self, items: Iterable[int]) -> None:
        """Start these *items* too, before everything that is not started yet."""
        self._added.extend(items)
        self._repump()

    def begin(self) -> None:
        """Begin to start items."""
        self._pump_soon = self._loop.call_soon(self._pump)

    def cancel(self) -> None:
        """Stop at once and drop what is under way. *ended* is not called."""
        self.is_over = True
        for handle in (self._timer, self._pump_soon):
            if handle is not None:
                handle.cancel()
        for sampling, _, _ in self._open.values():
            sampling.drop()
        self._open.clear()
        self._added.clear()

    def left(self) -> tuple[Iterator[int], float]:
        """What has not ended of the order (of the items at once, if there is no order): its items, and its share."""
        order, following = (self._order, self._next) if self._size else (self._at_once, self._next_at_once)
        first = min([index for _, _, index in self._open.values() if index >= 0], default=following)
        items = (order[index] for index in range(first, len(order)))
        return items, 1 - first / max(1, len(order))

    @property
    def in_flight(self) -> int:
        """How many samples are under way."""
        return len(self._open)

    def lag_seconds(self) -> float:
        """How late the next sample of the order is; 0.0 while the round keeps up."""
        if self.is_over or self._next >= self._size:
            return 0.0
        return max(0.0, self._loop.time() - self._due(self._next))

    def _due(self, index: int) -> float:
        return self.began + self._spread * index / self._size

    def _due_by(self, at: float) -> int:
        """How many items of the order are due by the time *at*, which is not before the round began."""
        if not self._spread:
            return self._size
        return min(self._size, int((at - self.began) * self._size / self._spread) + 1)

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
            elif self._next_at_once < len(self._at_once):
                index = self._next_at_once
                self._next_at_once += 1
                self._start(self._at_once[index], now, -1 if self._size else index)
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
        """Whether every item has been started."""
        return self._next >= self._size and self._next_at_once >= len(self._at_once) and not self._added

    def _start(self, item: int, now: float, index: int = -1) -> None:
        number = self._started
        self._started = number + 1
        sampling = self._prepare(item, partial(self._close, number))
        self._open[number] = (sampling, now, index)
        try:
            sampling.start()
        except Exception as error:  # noqa: BLE001  # any error: the other samples must go on
            self._report(error)

    def _close(self, number: int) -> None:
        still_open = self._open
        still_open.pop(number, None)
        if len(still_open) == self._limit - 1 or (not still_open and self._is_started):
            self._repump()  # otherwise the timer is set already

    def _expire(self, now: float) -> None:
        """Give up samples that reached the deadline; the oldest come first."""
        while self._open:
            number, (sampling, began, _) = next(iter(self._open.items()))
            if began + self._deadline > now:
                return
            try:
                sampling.give_up()
            except Exception as error:  # noqa: BLE001  # as above
                self._report(error)
            self._open.pop(number, None)

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler({"message": "a sample is broken", "exception": error})

    def _repump(self) -> None:
        if self._pump_soon is None and not self.is_over:
            self._pump_soon = self._loop.call_soon(self._pump)

    def _rearm(self) -> None:
        """Wake up for the next sample that is due or reaches its deadline, whichever is first."""
        if self._timer is not None:
            self._timer.cancel()
        times = []
        if self._open:
            times.append(next(iter(self._open.values()))[1] + self._deadline)
        if self._next < self._size and len(self._open) < self._limit:
            times.append(self._due(self._next))
        self._timer = self._loop.call_at(min(times), self._pump)

    def _end(self) -> None:
        self.cancel()
        self._ended(self)


class Left(NamedTuple):
    """What an interrupted round left: from which address on, and the share of a whole round."""

    address: Address
    share: float


class RoundItems:
    """The items of one round of *state*, as numbers: addresses from 0 up, then from -1 down HELO names and *random*.

    It costs a number a prefix at most: an item is looked up when it is started.

    The items of *order* are a circle that begins at *since*, so that an address is sampled at the same share of each
    round. If *left* is what an interrupted round left, the circle begins there and ends at *since*. Addresses that were
    never sampled are in *at_once* besides. In the first round of a pool everything is.

    Attributes:
        helos: The HELO names of the pool.
        draw: The random draw, if the round samples only some addresses of each prefix.
        random: Random addresses of ranges that are too large to enumerate. They are no addresses of the pool.
        share: The share of a whole round that it is.
        order: Items that are spread over the round.
        at_once: Items that are started as soon as possible.
    """

    def __init__(self, state: PoolState, since: Address | None = None, left: Left | None = None) -> None:
        self.helos = tuple(state.helos)
        self.draw: Draws | None = None
        self.share = 1.0 if left is None else left.share
        pool = state.pool
        self.random = tuple(pool.not_enumerable.draw(state.sample.key, state.sample.round_number))
        outside = range(-len(self.random) - len(self.helos), 0)
        end = 0 if since is None else pool.source.next_position(since) % max(1, pool.size)
        start = end if left is None else pool.source.next_position(left.address) % max(1, pool.size)
        never = IndexRanges(())
        known: range = range(0)
        if pool.plan is None:
            ring = _circle(start, end, pool.size, is_whole=left is None)
            never = state.unsampled()
            is_new = len(never) == pool.size > 0
        else:
            self.draw = Draws(pool.prefixes, pool.plan, state.sample.key, state.sample.round_number)
            limit = max(_MIN_KNOWN, self.draw.drawn)
            known = self.draw.add(failing(state, state.sample.round_number * limit, limit))
            first, stop = [self.draw.first_draw_of(index) if index else 0 for index in (start, end)]
            ring = _circle(first, stop, self.draw.drawn, is_whole=left is None)
            is_new = True
        self.order: Sequence[int] = ()
        self.at_once: Sequence[int]
        if is_new and state.round_seconds is None:
            self.at_once = IndexRanges([outside, *ring.ranges, known])
            return
        names = zip(range(-len(self.helos), 0), self.helos, strict=True)
        unsampled = [range(item, item + 1) for item, text in names if state.helos[text].latest is None]
        self.at_once = IndexRanges([*unsampled, *never.ranges])
        self.order = Interleaved(Interleaved(ring, known), outside)

    @property
    def are_at_once(self) -> bool:
        """Whether no item is spread over the round."""
        return bool(self.at_once) and not self.order

    def outside(self, item: int) -> str | Address:
        """The HELO name or random address of an item below 0."""
        return self.helos[item] if item >= -len(self.helos) else self.random[item + len(self.helos)]

    def position(self, item: int) -> tuple[int, bool]:
        """The index in the pool of an item from 0 up, and whether it counts for the estimate."""
        return (item, False) if self.draw is None else self.draw.at(item)


def _circle(first: int, stop: int, size: int, *, is_whole: bool) -> IndexRanges:
    """The numbers below *size* in a circle, from *first* to before *stop*: none if these are equal, or all."""
    if first < stop or (first == stop and not is_whole):
        return IndexRanges([range(first, stop)])
    return IndexRanges([range(first, size), range(stop)])


def failing(state: PoolState, start: int, limit: int) -> list[int]:
    """The failing addresses of a pool; if there are more than *limit*, those that follow index *start*, in a circle."""
    healths, size = bytes(state.healths), state.pool.size
    start = start % max(1, size) if healths.count(FAILING) > limit else 0
    found: list[int] = []
    for low, high in ((start, size), (0, start)):
        index = healths.find(FAILING, low, high)
        while index >= 0 and len(found) < limit:
            found.append(index)
            index = healths.find(FAILING, index + 1, high)
    return found


class Interleaved(Sequence[int]):
    """The items of *main*, with those of *others* spread among them, each in its own order.

    An item of *main* is at the same share of the whole, to within one index, however many *others* there are. So an
    address is sampled at the same time of each round, even if the number of HELO names or known failures changes.
    """

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

    def _before(self, index: int) -> int:
        """How many items of *main* come before *index*. The first item of *main* comes first."""
        return -(-index * len(self._main) // self._size)
