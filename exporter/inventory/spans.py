"""Positions of a pool as ranges, so that half a million neighbours cost as much as one.

The rule of this file: a `Spans` is a value; the number at a place is worked out when it is asked for.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import overload

_MARKED = re.compile(b"\x01+")


class Spans(Sequence[int]):
    """The numbers of several ranges, one range after the other, in the order in which those are given."""

    __slots__ = ("_ends", "ranges")

    def __init__(self, ranges: Iterable[range]) -> None:
        self.ranges = tuple([one for one in ranges if one])
        self._ends = tuple(accumulate(map(len, self.ranges)))

    @classmethod
    def marked(cls, marks: bytes) -> "Spans":
        """The places at which *marks* has a 1, where all else is 0."""
        return cls([range(*found.span()) for found in _MARKED.finditer(marks)])

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = bisect_right(self._ends, index)
        return self.ranges[number][index - self._ends[number]]

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self.ranges)
