"""All that is remembered: the state of every pool of the current configuration.

The rule of this file: a reader sees one generation. A reload builds the next one aside and puts it in place by one
assignment, so that no scrape mixes two configurations.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from exporter.checks.addresses import Address
from exporter.inventory.pool import Pool
from exporter.state.counters import PoolCounters
from exporter.state.pool import PoolState


class Board:
    """The states of the pools, by name; counters of a pool go on for as long as its name stays."""

    def __init__(self) -> None:
        self._pools: Mapping[str, PoolState] = MappingProxyType({})

    @property
    def pools(self) -> Mapping[str, PoolState]:
        """The pools of the current generation: take it once, and read everything from what was taken."""
        return self._pools

    def adopt(self, pools: Sequence[Pool]) -> None:
        """Make *pools* the current generation.

        What is known of targets that stay in their pool is kept, an unchanged pool's state as it is.
        """
        states: dict[str, PoolState] = {}
        for pool in pools:
            old = self._pools.get(pool.name)
            if old is None:
                states[pool.name] = PoolState(pool, PoolCounters())
            elif old.pool == pool:
                states[pool.name] = old
            else:
                states[pool.name] = PoolState(pool, old.counters)
                states[pool.name].inherit(old)
        self._pools = MappingProxyType(states)

    def find(self, address: Address) -> tuple[PoolState, int] | None:
        """The pool that has *address*, and its place in there."""
        for state in self._pools.values():
            index = state.pool.index(address)
            if index is not None:
                return state, index
        return None
