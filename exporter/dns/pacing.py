"""How fast, how many at once, and how long a queue: what a resolver may ask of its servers.

The rule of this file: it never looks at a clock; whoever asks says what time it is.
"""

import math
from collections import deque
from typing import Generic, TypeVar

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
