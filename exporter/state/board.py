"""All that is remembered: the state of every pool of the current configuration.

The rule of this file: a reader sees one generation. A reload builds the next one aside and puts it in place by one
assignment, so that no scrape mixes two configurations.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from exporter.checks.addresses import Address
from exporter.inventory.pool import Pool
from exporter.state.counters import PoolCounters
from exporter.state.pool import PoolState
from exporter.state.store import DetailLimit

FULL_ADDRESSES = 10_000
"""Addresses of all pools together up to which everything is kept of each: some 4 KB, so 40 MB at most.

It is also up to where each address of a pool has series of its own: whoever is shown one by one is kept in full."""

DETAILED_ADDRESSES = 8192
"""Addresses of all bigger pools together of which the details are kept: the failing ones, and others of interest."""


class Board:
    """The states of the pools, by name; counters of a pool go on for as long as its name stays."""

    def __init__(self) -> None:
        self._pools: Mapping[str, PoolState] = MappingProxyType({})

    @property
    def pools(self) -> Mapping[str, PoolState]:
        """The pools of the current generation: take it once, and read everything from what was taken."""
        return self._pools

    @property
    def sizes(self) -> dict[str, int]:
        """How many pools and addresses there are."""
        pools = self._pools.values()
        return {"pools": len(pools), "addresses": sum(state.pool.size for state in pools)}

    def publish(self, pools: Sequence[Pool]) -> None:
        """Do all of `adopting` at once."""
        for _ in self.publishing(pools):
            pass

    def publishing(self, pools: Sequence[Pool]) -> Iterator[None]:
        """Make *pools* the current generation: at the last of some steps, none of which takes long.

        What is known of targets that stay in their pool is kept, an unchanged pool's state as it is. The smallest
        pools are kept in full, for as many as there is room for `FULL_ADDRESSES`, the others in numbers.

        Until it is done, nothing may be recorded in pools that are `changed`, and nobody else may adopt anything.
        """
        states: dict[str, PoolState] = {}
        rooms = _rooms(pools)
        for pool in pools:
            old, room = self._pools.get(pool.name), rooms.get(pool.name)
            if old is None:
                states[pool.name] = PoolState(pool, PoolCounters(), room)
            elif old.pool == pool:
                states[pool.name] = old
                yield from old.fitting(room)
            else:
                states[pool.name] = PoolState(pool, old.counters, room)
                yield from states[pool.name].copying(old)
        self._pools = MappingProxyType(states)

    def changed(self, pools: Sequence[Pool]) -> frozenset[str]:
        """The names of those of the current generation that *pools* has nothing of, or not as they are."""
        stay = {pool.name: pool for pool in pools}
        return frozenset(name for name, state in self._pools.items() if stay.get(name) != state.pool)

    def find(self, address: Address) -> tuple[PoolState, int] | None:
        """The pool that has *address*, and its place in there."""
        for state in self._pools.values():
            index = state.pool.index(address)
            if index is not None:
                return state, index
        return None


def _rooms(pools: Sequence[Pool]) -> dict[str, DetailLimit]:
    """The room for details that the big pools share, by name."""
    room, full = DetailLimit(DETAILED_ADDRESSES), 0
    rooms: dict[str, DetailLimit] = {}
    for pool in sorted(pools, key=lambda pool: pool.size):
        full += pool.size
        if full > FULL_ADDRESSES:
            rooms[pool.name] = room
    return rooms
