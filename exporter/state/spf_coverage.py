"""The two lists side by side: what a domain's SPF record authorises, and what the pools have.

The rule of this file: ranges are compared with ranges, so that half a million addresses cost as much as the lines that
name them; and what is compared is what is held. It may be called from any thread.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, IprevVerdict
from exporter.checks.spf.compiled import CompiledSpf, Range, Remaining, difference, side_by_side, size
from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRanges
from exporter.state.pool import FAILING, PoolState

Family = Literal[4, 6]
ByFamily = Mapping[Family, tuple[Range, ...]]
FAMILIES: tuple[Family, ...] = (4, 6)

MAX_UNCONFIRMED = 10_000
"""How many addresses of a pool that are not forward-confirmed are counted."""

MAX_SUSPECTS = 20_000
"""How many failing addresses of a pool are looked at for that: a scrape waits for it, if one asks then."""

SHOWN_UNCONFIRMED = 100
"""How many of them are named."""

_LASTING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PoolCoverage:
    """One pool beside the record. *is_sender* says whether the pool sends for the domain.

    *unauthorised* are its addresses that do not pass, *open* those that only an evaluation can tell; both empty of a
    pool that does not send for the domain. *unconfirmed* counts its addresses that pass and are not forward-confirmed,
    `MAX_UNCONFIRMED` at most; *examples* are the first of them.
    """

    pool: str
    is_sender: bool
    unauthorised: ByFamily
    open: ByFamily
    unconfirmed: int
    examples: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SpfCoverage:
    """*authorised* passes the record, *unused* is the part of it that is in no pool.

    *pools* are those that send for the domain, and those that have addresses that it authorises.
    """

    authorised: ByFamily
    unused: ByFamily
    pools: tuple[PoolCoverage, ...]


def spf_coverage(domain: DomainName, compiled: CompiledSpf, pools: Iterable[PoolState]) -> SpfCoverage:
    """Compare the record of *domain* with all *pools*."""
    states = tuple(pools)
    authorised: ByFamily = {family: compiled.authorised(family) for family in FAMILIES}
    all_pools = [state.pool for state in states]
    unused: ByFamily = {family: difference(authorised[family], _held(all_pools, family)) for family in FAMILIES}
    lists = [_pool_list(domain, compiled, authorised, state) for state in states]
    return SpfCoverage(authorised, unused, tuple([one for one in lists if one is not None]))


def count(ranges: ByFamily) -> int:
    """How many addresses there are, of both families."""
    return sum(size(ranges[family]) for family in FAMILIES)


def _ranges(pools: Iterable[Pool], family: Family) -> list[Range]:
    return [(one.first, one.last) for pool in pools for one in pool.whole if one.family == family]


def _held(pools: Iterable[Pool], family: Family) -> list[Range]:
    """The same, with what is too big to be listed."""
    not_enumerable = [each for pool in pools for each in pool.not_enumerable.ranges] if family == 6 else []
    return _ranges(pools, family) + not_enumerable


def _pool_list(
    domain: DomainName, compiled: CompiledSpf, authorised: ByFamily, state: PoolState
) -> PoolCoverage | None:
    pool = state.pool
    is_sender = domain in pool.mail_from_domains
    unauthorised: dict[Family, tuple[Range, ...]] = {4: (), 6: ()}
    undecided = dict(unauthorised)
    for family in FAMILIES if is_sender else ():
        compared = side_by_side(compiled, family, _ranges([pool], family))
        unauthorised[family], undecided[family] = compared.unauthorised, compared.open
    places = tuple(_authorised_places(pool.source, authorised))
    if not (is_sender or places):
        return None
    unconfirmed = list(islice(_unconfirmed(state, places), MAX_UNCONFIRMED))
    examples = tuple([state[place].target.address for place in unconfirmed[:SHOWN_UNCONFIRMED]])
    return PoolCoverage(pool.name, is_sender, unauthorised, undecided, len(unconfirmed), examples)


def _authorised_places(source: AddressRanges, authorised: ByFamily) -> Iterator[range]:
    """The places of a pool's addresses that pass, as ranges."""
    remaining = {family: Remaining(authorised[family]) for family in FAMILIES}
    start = 0
    for one in source:
        for low, high in remaining[one.family].take(one.first, one.last):
            yield range(start + low - one.first, start + high - one.first + 1)
        start += one.size


def _unconfirmed(state: PoolState, authorised: Iterable[range]) -> Iterator[int]:
    """The places among *authorised* of addresses that are known not to be forward-confirmed."""
    suspects = (place for places in authorised for place in _suspects(state, places))
    for place in islice(suspects, MAX_SUSPECTS):
        iprev = state[place].iprev
        if iprev is not None and iprev.verdict is not IprevVerdict.PASS:
            yield place


def _suspects(state: PoolState, places: range) -> Iterator[int]:
    """Those that may not be forward-confirmed: whoever is healthy is, where that is expected."""
    if CheckName.FCRDNS not in state.pool.expect:
        yield from places
        return
    place = state.healths.find(FAILING, places.start, places.stop)
    while place >= 0:
        yield place
        place = state.healths.find(FAILING, place + 1, places.stop)


class SpfCoverageCache:
    """Remembers comparisons for as long as nothing moved that they rest on, and for `_LASTING_SECONDS` at most.

    *now* is any clock that goes forward, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._made: dict[DomainName, tuple[float, tuple[object, ...], SpfCoverage]] = {}

    def of(self, domain: DomainName, compiled: CompiledSpf, pools: Iterable[PoolState]) -> SpfCoverage:
        """What `spf_coverage` says."""
        states = tuple(pools)
        key = (compiled, *[_moving(state) for state in states])
        made = self._made.get(domain)
        if made is not None and made[1] == key and self._now() - made[0] < _LASTING_SECONDS:
            return made[2]
        lists = spf_coverage(domain, compiled, states)
        self._made[domain] = (self._now(), key, lists)
        return lists

    def forget(self, domains: Collection[DomainName]) -> None:
        """Keep only those of *domains*: the others left the configuration."""
        self._made = {name: made for name, made in tuple(self._made.items()) if name in domains}


def _moving(state: PoolState) -> tuple[object, ...]:
    """What tells, in no time, most of the times that a pool's addresses are not what they were."""
    return (state.pool, state.healths.count(FAILING), *state.results().values())
