"""SPF coverage: which addresses a domain's SPF record authorises, compared with the addresses of the pools.

Ranges are compared with ranges, so that half a million addresses cost as little as the ranges that contain them. Any
thread may call it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, IprevVerdict
from exporter.checks.spf.compiled import CompiledSpf, Range, Remaining, compare_with_pools, difference, size
from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRanges
from exporter.state.pool import FAILING, PoolState

Family = Literal[4, 6]
ByFamily = Mapping[Family, tuple[Range, ...]]
FAMILIES: tuple[Family, ...] = (4, 6)

MAX_UNCONFIRMED = 10_000
"""How many authorised addresses of a pool that are not forward-confirmed are counted at most."""

MAX_CANDIDATES = 20_000
"""How many addresses of a pool are examined for that at most: a scrape may wait for it."""

MAX_EXAMPLES = 100
"""How many of them are named."""

_CACHE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PoolCoverage:
    """How the record covers one pool.

    Attributes:
        pool: The name of the pool.
        is_sender: Whether the pool sends for the domain.
        unauthorised: Its addresses that do not pass; empty if it does not send for the domain.
        open: Its addresses for which only an evaluation decides; empty if it does not send for the domain.
        unconfirmed: How many of its addresses pass and are not forward-confirmed, up to `MAX_UNCONFIRMED`.
        examples: The first of these addresses.
    """

    pool: str
    is_sender: bool
    unauthorised: ByFamily
    open: ByFamily
    unconfirmed: int
    examples: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SpfCoverage:
    """How a domain's record covers all pools.

    Attributes:
        authorised: The ranges that pass the record.
        unused: The part of these ranges that is in no pool.
        pools: The pools that send for the domain or have authorised addresses.
    """

    authorised: ByFamily
    unused: ByFamily
    pools: tuple[PoolCoverage, ...]


def spf_coverage(domain: DomainName, compiled: CompiledSpf, pools: Iterable[PoolState]) -> SpfCoverage:
    """Compare the compiled SPF record of *domain* with *pools*."""
    states = tuple(pools)
    authorised: ByFamily = {family: compiled.authorised(family) for family in FAMILIES}
    all_pools = [state.pool for state in states]
    unused: ByFamily = {family: difference(authorised[family], _all_ranges(all_pools, family)) for family in FAMILIES}
    found = [_pool_coverage(domain, compiled, authorised, state) for state in states]
    return SpfCoverage(authorised, unused, tuple([one for one in found if one is not None]))


def count(ranges: ByFamily) -> int:
    """The number of addresses of both families."""
    return sum(size(ranges[family]) for family in FAMILIES)


def _ranges(pools: Iterable[Pool], family: Family) -> list[Range]:
    return [(one.first, one.last) for pool in pools for one in pool.whole if one.family == family]


def _all_ranges(pools: Iterable[Pool], family: Family) -> list[Range]:
    """The ranges of *pools*, with those that are not enumerable."""
    not_enumerable = [each for pool in pools for each in pool.not_enumerable.ranges] if family == 6 else []
    return _ranges(pools, family) + not_enumerable


def _pool_coverage(
    domain: DomainName, compiled: CompiledSpf, authorised: ByFamily, state: PoolState
) -> PoolCoverage | None:
    pool = state.pool
    is_sender = domain in pool.mail_from_domains
    unauthorised: dict[Family, tuple[Range, ...]] = {4: (), 6: ()}
    undecided = dict(unauthorised)
    for family in FAMILIES if is_sender else ():
        compared = compare_with_pools(compiled, family, _ranges([pool], family))
        unauthorised[family], undecided[family] = compared.unauthorised, compared.open
    passing = tuple(_authorised_indexes(pool.source, authorised))
    if not (is_sender or passing):
        return None
    unconfirmed = list(islice(_unconfirmed(state, passing), MAX_UNCONFIRMED))
    examples = tuple([state[index].target.address for index in unconfirmed[:MAX_EXAMPLES]])
    return PoolCoverage(pool.name, is_sender, unauthorised, undecided, len(unconfirmed), examples)


def _authorised_indexes(source: AddressRanges, authorised: ByFamily) -> Iterator[range]:
    """The indexes of a pool's addresses that pass, as ranges."""
    remaining = {family: Remaining(authorised[family]) for family in FAMILIES}
    start = 0
    for one in source:
        for low, high in remaining[one.family].take(one.first, one.last):
            yield range(start + low - one.first, start + high - one.first + 1)
        start += one.size


def _unconfirmed(state: PoolState, passing: Iterable[range]) -> Iterator[int]:
    """The indexes among *passing* of addresses that are known not to be forward-confirmed."""
    candidates = (index for indexes in passing for index in _candidates(state, indexes))
    for index in islice(candidates, MAX_CANDIDATES):
        iprev = state[index].iprev
        if iprev is not None and iprev.verdict is not IprevVerdict.PASS:
            yield index


def _candidates(state: PoolState, indexes: range) -> Iterator[int]:
    """Those of *indexes* that may not be forward-confirmed: only failing ones, if the pool expects `fcrdns`."""
    if CheckName.FCRDNS not in state.pool.expect:
        yield from indexes
        return
    index = state.healths.find(FAILING, indexes.start, indexes.stop)
    while index >= 0:
        yield index
        index = state.healths.find(FAILING, index + 1, indexes.stop)


class SpfCoverageCache:
    """Keeps results of `spf_coverage` while their inputs look the same, for half a minute at most.

    *now* is a monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._made: dict[DomainName, tuple[float, tuple[object, ...], SpfCoverage]] = {}

    def of(self, domain: DomainName, compiled: CompiledSpf, pools: Iterable[PoolState]) -> SpfCoverage:
        """The result of `spf_coverage`."""
        states = tuple(pools)
        key = (compiled, *[_fingerprint(state) for state in states])
        made = self._made.get(domain)
        if made is not None and made[1] == key and self._now() - made[0] < _CACHE_SECONDS:
            return made[2]
        coverage = spf_coverage(domain, compiled, states)
        self._made[domain] = (self._now(), key, coverage)
        return coverage

    def forget(self, domains: Collection[DomainName]) -> None:
        """Keep only the results of *domains*, which are configured."""
        self._made = {name: made for name, made in tuple(self._made.items()) if name in domains}


def _fingerprint(state: PoolState) -> tuple[object, ...]:
    """Cheap numbers that almost always change when the results of a pool's addresses do."""
    return (state.pool, state.healths.count(FAILING), *state.results().values())
