"""Which addresses a pool has: sorted ranges, so that half a million addresses cost as much as the lines that name them.

The rule of this file: an `AddressRanges` is a value. Whatever feeds a pool makes one and hands it over
whole; nobody changes it afterwards.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Literal, NamedTuple, overload

from exporter.checks.addresses import Address
from exporter.checks.spf.compiled import Range
from exporter.config.templates import HeloTemplate

Family = Literal[4, 6]
_BYTES: dict[Family, int] = {4: 4, 6: 16}


class AddressRange(NamedTuple):
    """Addresses from *first* to *last*, as numbers, both included, whose servers say the same names in HELO."""

    family: Family
    first: int
    last: int
    helo: tuple[HeloTemplate, ...] = ()

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return self.last - self.first + 1


class Run(NamedTuple):
    """Neighbours that two sets have in common: their first positions *here* and *there*, and how many they are.

    *is_alike* says whether their servers say the same names in HELO in both.
    """

    here: int
    there: int
    size: int
    is_alike: bool

    def pieces(self, most: int) -> "Iterator[Run]":
        """The same in parts of at most *most* neighbours."""
        for offset in range(0, self.size, most):
            size = min(most, self.size - offset)
            yield self._replace(here=self.here + offset, there=self.there + offset, size=size)


class AddressRanges:
    """A set of addresses in their order, IPv4 first, each with its HELO templates. Immutable, compared by content.

    Position *i* is the i-th address; finding the address of a position, or the position of an address, takes the
    logarithm of the number of ranges.
    """

    __slots__ = ("_firsts", "_offsets", "_ranges", "size")

    def __init__(self, ranges: Iterable[AddressRange]) -> None:
        """Take ranges that nest or have nothing in common, in any order: in a nest the innermost one says the names.

        Of two alike, the later one does. Raises `ValueError` if two overlap in part.
        """
        self._ranges: tuple[AddressRange, ...] = tuple(_joined(_flattened(ranges)))
        self._firsts: dict[Family, list[int]] = {
            family: [one.first for one in self._ranges if one.family == family] for family in _BYTES
        }
        self._offsets: list[int] = []
        self.size = 0
        for one in self._ranges:
            self._offsets.append(self.size)
            self.size += one.size

    def __iter__(self) -> Iterator[AddressRange]:
        return iter(self._ranges)

    def __len__(self) -> int:
        """The number of ranges, not of addresses: that is *size*."""
        return len(self._ranges)

    def __contains__(self, address: object) -> bool:
        return isinstance(address, Address) and self.find(address) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddressRanges) and self._ranges == other._ranges

    def __hash__(self) -> int:
        return hash(self._ranges)

    def __repr__(self) -> str:
        return f"<AddressRanges: {self.size} addresses in {len(self)} ranges>"

    def at(self, position: int) -> tuple[Address, tuple[HeloTemplate, ...]]:
        """The address at *position*, from 0, and its HELO templates. Raises `IndexError`."""
        if not 0 <= position < self.size:
            raise IndexError(f"position {position} of {self.size} addresses")
        index = bisect_right(self._offsets, position) - 1
        found = self._ranges[index]
        value = found.first + position - self._offsets[index]
        return Address(value.to_bytes(_BYTES[found.family], "big")), found.helo

    def find(self, address: Address) -> AddressRange | None:
        """The range that *address* is in, if any."""
        index = self._index(address)
        return None if index is None else self._ranges[index]

    def position(self, address: Address) -> int | None:
        """The position of *address*, if it is in here: the inverse of `at`."""
        index = self._index(address)
        if index is None:
            return None
        return self._offsets[index] + int.from_bytes(address.packed, "big") - self._ranges[index].first

    def overlap(self, other: "AddressRanges") -> int:
        """How many addresses both have."""
        return sum(run.size for run in self.runs(other))

    def runs(self, other: "AddressRanges") -> Iterator[Run]:
        """The addresses that both have, neighbours together, in their order."""
        mine, theirs = _placed(self), _placed(other)
        one, two = next(mine, None), next(theirs, None)
        while one is not None and two is not None:
            (my_range, my_offset), (their_range, their_offset) = one, two
            if my_range.family == their_range.family:
                first, last = max(my_range.first, their_range.first), min(my_range.last, their_range.last)
                if first <= last:
                    here, there = my_offset + first - my_range.first, their_offset + first - their_range.first
                    yield Run(here, there, last - first + 1, my_range.helo == their_range.helo)
            if (my_range.family, my_range.last) < (their_range.family, their_range.last):
                one = next(mine, None)
            else:
                two = next(theirs, None)

    def next_position(self, address: Address) -> int:
        """The position of *address*, or else of the first one after it; *size* where there is none."""
        value = int.from_bytes(address.packed, "big")
        before = bisect_right(self._firsts[address.family], value) + (
            len(self._firsts[4]) if address.family == 6 else 0
        )
        if before == 0:
            return 0
        one = self._ranges[before - 1]
        if one.family != address.family:
            return self._offsets[before - 1] + one.size
        return self._offsets[before - 1] + min(value - one.first, one.size)

    def _index(self, address: Address) -> int | None:
        value = int.from_bytes(address.packed, "big")
        index = bisect_right(self._firsts[address.family], value) - 1
        if index < 0:
            return None
        if address.family == 6:
            index += len(self._firsts[4])
        return index if value <= self._ranges[index].last else None


def _flattened(ranges: Iterable[AddressRange]) -> Iterator[AddressRange]:
    """Cut nested ranges into ranges that have nothing in common, in order."""
    enclosing: list[AddressRange] = []
    start = 0  # of what has not been given out yet of the innermost enclosing range
    for one in sorted(ranges, key=lambda one: (one.family, one.first, -one.last)):
        while enclosing and (enclosing[-1].family != one.family or enclosing[-1].last < one.first):
            done = enclosing.pop()
            yield from _rest(done, start, done.last)
            start = done.last + 1
        if enclosing:
            if one.last > enclosing[-1].last:
                first, second = [range_text(each.family, (each.first, each.last)) for each in (one, enclosing[-1])]
                raise ValueError(f"{first} overlaps {second} in part")
            yield from _rest(enclosing[-1], start, one.first - 1)
        start = one.first
        enclosing.append(one)
    while enclosing:
        done = enclosing.pop()
        yield from _rest(done, start, done.last)
        start = done.last + 1


def _placed(ranges: AddressRanges) -> Iterator[tuple[AddressRange, int]]:
    """Each range, and the position of its first address."""
    offset = 0
    for one in ranges:
        yield one, offset
        offset += one.size


def _rest(one: AddressRange, first: int, last: int) -> Iterator[AddressRange]:
    if first <= last:
        yield one._replace(first=first, last=last)


def _joined(ranges: Iterable[AddressRange]) -> Iterator[AddressRange]:
    """Make neighbours that say the same names one range."""
    last: AddressRange | None = None
    for one in ranges:
        if last and (last.family, last.last + 1, last.helo) == (one.family, one.first, one.helo):
            last = last._replace(last=one.last)
            continue
        if last:
            yield last
        last = one
    if last:
        yield last


def range_text(family: Family, one: Range) -> str:
    """A range for people: a network where it is one, else its first and last address."""
    first, last = [Address(number.to_bytes(_BYTES[family], "big")) for number in one]
    length = one[1] - one[0] + 1
    if one[0] == one[1]:
        return str(first)
    if length & (length - 1) == 0 and one[0] % length == 0:
        return f"{first}/{8 * _BYTES[family] + 1 - length.bit_length()}"
    return f"{first} to {last}"


# SECTION exporter.inventory.spans
# Positions of a pool as ranges, so that half a million neighbours cost as much as one.
#
# The rule of this file: a `Spans` is a value; the number at a place is worked out when it is asked for.

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
