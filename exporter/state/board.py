"""The board: the states of all pools of the current configuration."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from exporter.checks.addresses import Address
from exporter.inventory.pool import Pool
from exporter.state.counters import PoolCounters
from exporter.state.pool import PoolState
from exporter.state.store import SIZES, DetailLimit, Sizes

FULL_ADDRESSES = 10_000
"""How many addresses, over all pools, are kept in full: about 4 KB each, so 40 MB at most.

Only pools that are kept in full have series for each address."""

DETAILED_ADDRESSES = 8192
"""How many addresses of the bigger pools have details: failing ones, and others that somebody may look at."""


class Board:
    """The states of the pools, by name.

    A reload builds the next generation aside and puts it in place by one assignment, so that a scrape never mixes two
    configurations. The counters of a pool survive a reload that keeps its name.
    """

    def __init__(
        self, full_addresses: int = FULL_ADDRESSES, detailed_addresses: int = DETAILED_ADDRESSES, sizes: Sizes = SIZES
    ) -> None:
        self._full_addresses = full_addresses
        self._detailed_addresses = detailed_addresses
        self._sizes = sizes
        self._pools: Mapping[str, PoolState] = MappingProxyType({})

    @property
    def pools(self) -> Mapping[str, PoolState]:
        """The current generation. Read it once, and use that mapping for everything."""
        return self._pools

    @property
    def sizes(self) -> dict[str, int]:
        """The number of pools and of addresses."""
        pools = self._pools.values()
        return {"pools": len(pools), "addresses": sum(state.pool.size for state in pools)}

    def publish(self, pools: Sequence[Pool]) -> None:
        """Run all steps of `publishing`."""
        for _ in self.publishing(pools):
            pass

    def publishing(self, pools: Sequence[Pool]) -> Iterator[None]:
        """Make *pools* the current generation, in short steps; the last one publishes it.

        Targets keep their state, also in another pool. An unchanged pool keeps its `PoolState` object. The smallest
        pools are kept in full, up to *full_addresses*; the others are kept as columns.

        Until the last step, record nothing in the pools that `changed` returns, and publish nothing else.
        """
        states: dict[str, PoolState] = {}
        limits = self._detail_limits(pools)
        changed = self.changed(pools)
        for pool in pools:
            old, limit = self._pools.get(pool.name), limits.get(pool.name)
            if old is not None and old.pool == pool:
                states[pool.name] = old
                yield from old.converting(limit)
                continue
            state = states[pool.name] = PoolState(
                pool, PoolCounters() if old is None else old.counters, limit, self._sizes
            )
            stayed = 0
            if old is not None:
                stayed = sum(run.size for run in pool.source.runs(old.pool.source))
                yield from state.copying(old)
            for name in sorted(changed - {pool.name}) if stayed < pool.size else ():
                yield from state.copying_moved(self._pools[name])
                yield
        self._pools = MappingProxyType(states)

    def changed(self, pools: Sequence[Pool]) -> frozenset[str]:
        """The names of current pools that are missing in *pools* or different there."""
        stay = {pool.name: pool for pool in pools}
        return frozenset(name for name, state in self._pools.items() if stay.get(name) != state.pool)

    def find(self, address: Address) -> tuple[PoolState, int] | None:
        """The pool that contains *address*, and its index there."""
        for state in self._pools.values():
            index = state.pool.index(address)
            if index is not None:
                return state, index
        return None

    def _detail_limits(self, pools: Sequence[Pool]) -> dict[str, DetailLimit]:
        """The limit that all pools share that are kept as columns, by pool name."""
        limit, full = DetailLimit(self._detailed_addresses), 0
        limits: dict[str, DetailLimit] = {}
        for pool in sorted(pools, key=lambda pool: pool.size):
            full += pool.size
            if full > self._full_addresses:
                limits[pool.name] = limit
        return limits
