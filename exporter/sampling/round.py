"""One round over what is due in a pool, paced by the pool's own ring and never by a job an address.

The rule of this file: time is the event loop's monotonic clock. What is late is started late, in order; nothing is
started twice, skipped, or caught up in a burst beyond the limit of what may be under way.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

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
