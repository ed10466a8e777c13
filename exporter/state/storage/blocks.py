"""Neighbours whose sample times are written together.

The rule of this file: when nothing but the time of a sample changed, a row an address would be a page an address;
a block of them is one row for a thousand. A block never spans two ranges of a pool, so that its first address says
which ones follow.
"""

from bisect import bisect_right

from exporter.checks.addresses import Address
from exporter.inventory.ranges import AddressRanges

SIZE = 1024
"""How many addresses a block has at most: four octets each, so that one is a page of the file."""


class Blocks:
    """The blocks of a pool's addresses."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, source: AddressRanges) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        end = 0
        for one in source:
            self._starts.append(end)
            end += one.size
            self._ends.append(end)

    def around(self, index: int) -> tuple[int, int]:
        """From where to before where the block of the address at *index* goes."""
        place = bisect_right(self._starts, index) - 1
        start = index - (index - self._starts[place]) % SIZE
        return start, min(start + SIZE, self._ends[place])

    def begins_at(self, source: AddressRanges, first: object) -> bool:
        """Whether a block begins at the address with these octets."""
        if not isinstance(first, bytes) or len(first) not in {4, 16}:
            return False
        index = source.position(Address(first))
        return index is not None and self.around(index)[0] == index
