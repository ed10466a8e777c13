"""Merges the addresses of the configuration, of files and of SPF records, so that each address is in one pool."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import itemgetter

from exporter.checks.spf.compiled import Range, union
from exporter.config.configuration import Configuration
from exporter.inventory.budget import with_plans
from exporter.inventory.build import build_pool, configured_addresses
from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRange, AddressRanges, Family
from exporter.inventory.shard import ALONE, Shard

NOTHING = AddressRanges(())


class Origin(StrEnum):
    """Where a pool's addresses are written."""

    CONFIGURATION = "configuration"
    FILES = "files"
    SPF = "spf"


@dataclass(frozen=True, slots=True)
class LoadedAddresses:
    """Addresses of a pool from outside of the configuration.

    *not_enumerable* are IPv6 ranges of files and SPF records, of which only random or known addresses can be sampled.
    """

    files: AddressRanges = NOTHING
    spf: AddressRanges = NOTHING
    not_enumerable: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """The addresses that a pool has from one origin, in this shard.

    Attributes:
        pool: Name of the pool.
        origin: Where the addresses are written.
        addresses: The addresses that the pool got.
        conflicts: Number of addresses that another pool got instead.
    """

    pool: str
    origin: Origin
    addresses: AddressRanges
    conflicts: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """The pools to sample, and where their addresses came from."""

    pools: tuple[Pool, ...]
    shares: tuple[Share, ...] = ()


def merge(configuration: Configuration, loaded: Mapping[str, LoadedAddresses], shard: Shard = ALONE) -> Inventory:
    """Build the pools of *configuration*, for *shard*, with the *loaded* addresses, which are by pool.

    If two pools name an address, the configuration counts more than a file, and a file more than an SPF record; of two
    equal origins, the pool that comes first counts.
    """
    pairs = [(one, loaded[one.name]) for one in configuration.pools if one.name in loaded]
    layers: list[tuple[str, Origin, AddressRanges]] = [
        *[(one.name, Origin.CONFIGURATION, configured_addresses(one)) for one in configuration.pools],
        *[(one.name, Origin.FILES, more.files) for one, more in pairs if one.addresses_files],
        *[(one.name, Origin.SPF, more.spf) for one, more in pairs if one.spf],
    ]
    is_disjoint = not any(one.files or one.spf for one in loaded.values())  # the configuration alone has no conflicts
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
        build_pool(one, AddressRanges(known[one.name]), shard, loaded.get(one.name, LoadedAddresses()).not_enumerable)
        for one in configuration.pools
    ]
    return Inventory(with_plans(configuration, pools, shard.count), tuple(shares))


@dataclass(slots=True)
class _Claims:
    """Which pool has which addresses, while layers are merged.

    *earlier* are the addresses that a pool had before its latest call of `take`.
    """

    all: dict[Family, tuple[Range, ...]] = field(default_factory=lambda: {4: (), 6: ()})
    own: dict[tuple[str, Family], tuple[Range, ...]] = field(default_factory=dict)
    earlier: dict[tuple[str, Family], tuple[Range, ...]] = field(default_factory=dict)

    def take(self, pool: str, ranges: AddressRanges) -> list[AddressRange]:
        """Give *pool* the addresses of *ranges* that no pool has yet."""
        taken = [rest for one in ranges for rest in without(one, self.all[one.family])]
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
        """The addresses of *ranges* that the pool did not have before its latest call of `take`."""
        return [rest for one in ranges for rest in without(one, self.earlier.get((pool, one.family), ()))]


def without(one: AddressRange, taken: Sequence[Range]) -> Iterator[AddressRange]:
    """The parts of *one* that are not in *taken*: sorted ranges that do not overlap."""
    first = one.first
    index = bisect_left(taken, one.first, key=itemgetter(1))
    while index < len(taken) and taken[index][0] <= one.last:
        low, high = taken[index]
        if first < low:
            yield one._replace(first=first, last=low - 1)
        first = high + 1
        index += 1
    if first <= one.last:
        yield one._replace(first=first)
