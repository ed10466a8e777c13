"""A pool's addresses by prefix: the unit in which reverse zones break, and in which big pools are sampled."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import chain, islice

from exporter.checks.addresses import Address
from exporter.inventory.ranges import AddressRanges, Family

BITS: dict[Family, int] = {4: 32, 6: 128}


class Prefixes:
    """The prefixes in which *source* has addresses, in order. *lengths* are prefix lengths by IP version.

    Positions follow the order of the addresses, so a prefix is a range of positions. Only its start is stored.
    """

    __slots__ = ("_lengths", "_source", "_starts")

    def __init__(self, source: AddressRanges, lengths: Mapping[Family, int]) -> None:
        self._source = source
        self._lengths = dict(lengths)
        self._starts = array("Q", _starts(source, lengths))

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def depth(self) -> int:
        """Number of addresses of the fullest prefix; 0 if there is none."""
        return max((end - start for start, end in self), default=0)

    def __getitem__(self, index: int) -> tuple[int, int]:
        """First and end position of the prefix number *index*."""
        starts = self._starts
        if index >= len(starts):
            raise IndexError(index)
        return starts[index], starts[index + 1] if index + 1 < len(starts) else self._source.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        starts = self._starts
        return zip(starts, chain(islice(starts, 1, None), (self._source.size,)), strict=False)  # no prefix: nothing

    def index(self, position: int) -> int:
        """Number of the prefix that contains *position*."""
        return bisect_right(self._starts, position) - 1

    def of(self, position: int) -> tuple[int, int]:
        """First and end position of the prefix that contains *position*."""
        return self[self.index(position)]

    def number(self, position: int) -> int:
        """A number that identifies the prefix of *position*, and does not depend on the rest of the pool."""
        return int.from_bytes(self._first(position), "big") << 3 | self._source.at(position)[0].family

    def text(self, position: int) -> str:
        """The prefix that contains *position*, like ``192.0.2.0/24``."""
        address = Address(self._first(position))
        return f"{address}/{self._lengths[address.family]}"

    def _first(self, position: int) -> bytes:
        address, _ = self._source.at(position)
        shift = BITS[address.family] - self._lengths[address.family]
        value = int.from_bytes(address.packed, "big") >> shift << shift
        return value.to_bytes(len(address.packed), "big")


def _starts(source: AddressRanges, lengths: Mapping[Family, int]) -> Iterator[int]:
    offset = 0
    before: tuple[Family, int] | None = None
    for one in source:
        shift = BITS[one.family] - lengths[one.family]
        for prefix in range(one.first >> shift, (one.last >> shift) + 1):
            if (one.family, prefix) != before:
                yield offset + max(0, (prefix << shift) - one.first)
                before = (one.family, prefix)
        offset += one.size
