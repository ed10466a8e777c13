"""Where a pool's addresses come from, and what happens where two sources have the same one.

The rule of this file: an address sits in one pool. What is written down by hand counts more than what a file says, and
that more than what an SPF record says; of two alike, the pool that comes first in the configuration has the address.
Everything here is a pure function of ranges.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.checks.spf.compiled import Range, union
from exporter.config.configuration import Configuration
from exporter.inventory.build import build_pool, source_of
from exporter.inventory.load import planned
from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRange, AddressRanges, Family
from exporter.inventory.shard import ALONE, Shard

NOTHING = AddressRanges(())


class Origin(StrEnum):
    """What names a pool's addresses."""

    CONFIGURATION = "configuration"
    FILES = "files"
    SPF = "spf"


@dataclass(frozen=True, slots=True)
class LoadedAddresses:
    """What a pool is given from outside of the configuration.

    *space* are IPv6 ranges that are too big to be listed: addresses in there are the pool's, and only those that are
    known from elsewhere, or drawn at random, can be sampled.
    """

    files: AddressRanges = NOTHING
    spf: AddressRanges = NOTHING
    space: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """What this shard's part of a pool has from one origin: *addresses*, after *conflicts* went to another pool."""

    pool: str
    origin: Origin
    addresses: AddressRanges
    conflicts: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that there is to sample, and where it came from."""

    pools: tuple[Pool, ...]
    shares: tuple[Share, ...] = ()


def merge(configuration: Configuration, fed: Mapping[str, LoadedAddresses], shard: Shard = ALONE) -> Inventory:
    """What *shard* has to sample of *configuration*, with what its pools are *fed*, by name."""
    given = [(one, fed[one.name]) for one in configuration.pools if one.name in fed]
    layers: list[tuple[str, Origin, AddressRanges]] = [
        *[(one.name, Origin.CONFIGURATION, source_of(one)) for one in configuration.pools],
        *[(one.name, Origin.FILES, more.files) for one, more in given if one.addresses_files],
        *[(one.name, Origin.SPF, more.spf) for one, more in given if one.spf],
    ]
    is_disjoint = not any(one.files or one.spf for one in fed.values())  # a rule of the configuration sees to it
    claims = _Claims()
    known: dict[str, list[AddressRange]] = {one.name: [] for one in configuration.pools}
    shares: list[Share] = []
    for name, origin, ranges in layers:
        taken = ranges if is_disjoint else AddressRanges(claims.take(name, ranges))
        known[name] += taken
        if origin is not Origin.CONFIGURATION or taken.size:
            wanted = ranges if is_disjoint else AddressRanges(claims.before(name, ranges))
            part = shard.part(taken)
            shares.append(Share(name, origin, part, shard.part(wanted).size - part.size))
    pools = [
        build_pool(one, AddressRanges(known[one.name]), shard, fed[one.name].space if one.name in fed else ())
        for one in configuration.pools
    ]
    return Inventory(planned(configuration, pools, shard.count), tuple(shares))


@dataclass(slots=True)
class _Claims:
    """Which addresses are given out already, and which of them to which pool before its latest turn."""

    all: dict[Family, tuple[Range, ...]] = field(default_factory=lambda: {4: (), 6: ()})
    own: dict[tuple[str, Family], tuple[Range, ...]] = field(default_factory=dict)
    earlier: dict[tuple[str, Family], tuple[Range, ...]] = field(default_factory=dict)

    def take(self, pool: str, ranges: AddressRanges) -> list[AddressRange]:
        """Give *pool* what is left of *ranges*."""
        taken = [piece for one in ranges for piece in without(one, self.all[one.family])]
        families: tuple[Family, ...] = (4, 6)
        for family in families:
            fresh = [(one.first, one.last) for one in taken if one.family == family]
            before = self.own.get((pool, family), ())
            self.earlier[pool, family] = before
            if fresh:
                self.own[pool, family] = union([*before, *fresh])
                self.all[family] = union([*self.all[family], *fresh])
        return taken

    def before(self, pool: str, ranges: AddressRanges) -> list[AddressRange]:
        """What of *ranges* the pool had not had before the latest `take`."""
        return [piece for one in ranges for piece in without(one, self.earlier.get((pool, one.family), ()))]


def without(one: AddressRange, taken: Sequence[Range]) -> Iterator[AddressRange]:
    """What of *one* is not in *taken*, sorted ranges that have nothing in common."""
    first = one.first
    index = bisect_left(taken, one.first, key=_last)
    while index < len(taken) and taken[index][0] <= one.last:
        low, high = taken[index]
        if first < low:
            yield one._replace(first=first, last=low - 1)
        first = high + 1
        index += 1
    if first <= one.last:
        yield one._replace(first=first)


def _last(taken: Range) -> int:
    return taken[1]
