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

    def wait_seconds(self, now: float) -> float:
        """How long until one more may go."""
        return max(0.0, self._due - self._burst - now)


class Waiting(Generic[T]):
    """The bounded queue of what may not go yet: first in, first out, but what was under way before goes first."""

    __slots__ = ("_again", "_fresh", "_max_queued", "count")

    def __init__(self, max_queued: int) -> None:
        self._max_queued = max_queued
        self._fresh: deque[T] = deque()
        self._again: deque[T] = deque()
        self.count = 0
        """How many wait."""

    @property
    def has_again(self) -> bool:
        """Whether something waits that was under way before."""
        return bool(self._again)

    def push(self, thing: T) -> bool:
        """Queue something new; whether there was room."""
        if len(self._fresh) >= self._max_queued:
            return False
        self._fresh.append(thing)
        self.count += 1
        return True

    def push_again(self, thing: T) -> None:
        """Queue something that was under way before; their number is bounded by the number in flight."""
        self._again.append(thing)
        self.count += 1

    def pop(self) -> T:
        """Take the next one out."""
        self.count -= 1
        return self._again.popleft() if self._again else self._fresh.popleft()

    def oldest_fresh(self) -> T | None:
        """The one that has waited longest among the new."""
        return self._fresh[0] if self._fresh else None

    def pop_fresh(self) -> T:
        """Take the one out that has waited longest among the new."""
        self.count -= 1
        return self._fresh.popleft()

    def clear(self) -> None:
        """Forget all of them."""
        self._again.clear()
        self._fresh.clear()
        self.count = 0
