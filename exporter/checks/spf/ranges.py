"""Sets of addresses of one family, as sorted ranges of numbers.

The rule of this file: ranges include both ends, never overlap, and are found by bisection, so that a hostile record of
thousands of terms costs no more than its terms.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

Range = tuple[int, int]


class Remaining:
    """Addresses that nothing has decided yet; they are taken out as terms match them."""

    __slots__ = ("_highs", "_lows")

    def __init__(self, ranges: Iterable[Range]) -> None:
        merged = union(ranges)
        self._lows = [low for low, _ in merged]
        self._highs = [high for _, high in merged]

    def __bool__(self) -> bool:
        """Whether any are left."""
        return bool(self._lows)

    def take(self, low: int, high: int) -> list[Range]:
        """Take out what is in a range, and return it."""
        lows, highs = self._lows, self._highs
        first = bisect_left(highs, low)
        end = bisect_right(lows, high)
        if first >= end:
            return []
        before = (lows[first], low - 1)
        after = (high + 1, highs[end - 1])
        taken = list(zip(lows[first:end], highs[first:end], strict=True))
        taken[0] = (max(taken[0][0], low), taken[0][1])
        taken[-1] = (taken[-1][0], min(taken[-1][1], high))
        left = [part for part in (before, after) if part[0] <= part[1]]
        lows[first:end] = [part[0] for part in left]
        highs[first:end] = [part[1] for part in left]
        return taken

    def take_all(self) -> list[Range]:
        """Take out everything, and return it."""
        taken = list(zip(self._lows, self._highs, strict=True))
        self._lows, self._highs = [], []
        return taken


def union(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same addresses in as few ranges as can be, sorted."""
    merged: list[Range] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)


def difference(ranges: Iterable[Range], without: Iterable[Range]) -> tuple[Range, ...]:
    """The addresses of *ranges* that are not in *without*."""
    remaining = Remaining(ranges)
    for low, high in without:
        remaining.take(low, high)
    return tuple(remaining.take_all())


def size(ranges: Sequence[Range]) -> int:
    """How many addresses there are in ranges that do not overlap."""
    return sum(high - low + 1 for low, high in ranges)
