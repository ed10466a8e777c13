"""Sets of addresses as sorted ranges, and sequences of indexes as ranges: their cost does not depend on their size."""

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
    """A range of addresses whose servers use the same HELO names.

    Attributes:
        family: IP version.
        first: First address, as a number.
        last: Last address, as a number. It belongs to the range.
        helo: Templates of the HELO names.
    """

    family: Family
    first: int
    last: int
    helo: tuple[HeloTemplate, ...] = ()

    @property
    def size(self) -> int:
        """Number of addresses."""
        return self.last - self.first + 1


class Run(NamedTuple):
    """Consecutive addresses that two sets have in common.

    Attributes:
        here: Position of the first of them in this set.
        there: Position of the same address in the other set.
        size: Number of addresses.
        is_alike: Whether both sets have the same HELO templates for them.
    """

    here: int
    there: int
    size: int
    is_alike: bool

    def split(self, maximum: int) -> "Iterator[Run]":
        """Split into runs of at most *maximum* addresses."""
        for offset in range(0, self.size, maximum):
            size = min(maximum, self.size - offset)
            yield self._replace(here=self.here + offset, there=self.there + offset, size=size)


class AddressRanges:
    """An immutable, sorted set of addresses, IPv4 first, each with its HELO templates. Compares by content.

    Position *i* is the i-th address. Converting a position to an address and back takes O(log n) for n ranges.
    """

    __slots__ = ("_firsts", "_offsets", "_ranges", "size")

    def __init__(self, ranges: Iterable[AddressRange]) -> None:
        """Accept ranges in any order. Where they nest, the innermost counts; of two equal ones, the later.

        Raises `ValueError` if two overlap without nesting.
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
        """Number of ranges. The number of addresses is `size`."""
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
        """The range that contains *address*, if any."""
        index = self._index(address)
        return None if index is None else self._ranges[index]

    def position(self, address: Address) -> int | None:
        """The position of *address*, if it is in the set: the inverse of `at`."""
        index = self._index(address)
        if index is None:
            return None
        return self._offsets[index] + int.from_bytes(address.packed, "big") - self._ranges[index].first

    def overlap(self, other: "AddressRanges") -> int:
        """Number of addresses that both sets have."""
        return sum(run.size for run in self.runs(other))

    def runs(self, other: "AddressRanges") -> Iterator[Run]:
        """The addresses that both sets have, in order, as runs of consecutive addresses."""
        mine, theirs = _with_offsets(self), _with_offsets(other)
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
        """The position of the first address from *address* on; `size` if there is none."""
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
    """Cut nested ranges into sorted ranges that do not overlap."""
    enclosing: list[AddressRange] = []
    start = 0  # the first address of the innermost enclosing range that is not yielded yet
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


def _with_offsets(ranges: AddressRanges) -> Iterator[tuple[AddressRange, int]]:
    """Each range with the position of its first address."""
    return zip(ranges, accumulate((one.size for one in ranges), initial=0), strict=False)


def _rest(one: AddressRange, first: int, last: int) -> Iterator[AddressRange]:
    if first <= last:
        yield one._replace(first=first, last=last)


def _joined(ranges: Iterable[AddressRange]) -> Iterator[AddressRange]:
    """Join adjacent ranges that have the same HELO templates."""
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
    """Write a range for people: as a network if it is one, else as its first and last address."""
    first, last = [Address(number.to_bytes(_BYTES[family], "big")) for number in one]
    length = one[1] - one[0] + 1
    if one[0] == one[1]:
        return str(first)
    if length & (length - 1) == 0 and one[0] % length == 0:
        return f"{first}/{8 * _BYTES[family] + 1 - length.bit_length()}"
    return f"{first} to {last}"


_ONES = re.compile(b"\x01+")


class IndexRanges(Sequence[int]):
    """The numbers of several ranges, one range after the other, as a sequence that stores only the ranges."""

    __slots__ = ("_ends", "ranges")

    def __init__(self, ranges: Iterable[range]) -> None:
        self.ranges = tuple([one for one in ranges if one])
        self._ends = tuple(accumulate(map(len, self.ranges)))

    @classmethod
    def where(cls, flags: bytes) -> "IndexRanges":
        """The indexes of the bytes of *flags* that are 1; all others are 0."""
        return cls([range(*found.span()) for found in _ONES.finditer(flags)])

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
