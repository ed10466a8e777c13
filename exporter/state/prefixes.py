"""The prefixes of a pool with the most failing addresses.

The rule of this file: nothing is kept up to date by each result. The failing ones are found by looking through one
octet an address, which takes microseconds for half a million, and only as long as those octets are not the same.
"""

from heapq import nsmallest
from typing import NamedTuple

from exporter.inventory.prefixes import Prefixes
from exporter.state.pool import FAILING, PoolState

SHOWN = 50
"""How many prefixes of a pool are told of."""


class WorstPrefix(NamedTuple):
    """One prefix, as people write it, with how many of its addresses fail, and of how many that is known.

    Those are the ones that were sampled; where each round samples the whole pool, all that the pool has of it.
    """

    text: str
    failing: int
    sampled: int


class WorstPrefixes:
    """The worst prefixes of one pool; to be kept for as long as the pool's state is the same object."""

    __slots__ = ("_found", "_prefixes", "_seen", "_state")

    def __init__(self, state: PoolState) -> None:
        self._state = state
        self._seen = b""
        self._found: tuple[WorstPrefix, ...] = ()
        self._prefixes: Prefixes | None = None

    @property
    def state(self) -> PoolState:
        """Whose prefixes these are."""
        return self._state

    def __call__(self) -> tuple[WorstPrefix, ...]:
        """The prefixes that have failing addresses: the worst first, then in the order of addresses."""
        present = bytes(self._state.healths)
        if present != self._seen:
            self._seen, self._found = present, self._search(present)
        return self._found

    def _search(self, healths: bytes) -> tuple[WorstPrefix, ...]:
        needle = bytes((FAILING,))
        position = healths.find(needle)
        if position < 0:
            return ()
        if self._prefixes is None:
            self._prefixes = self._state.pool.prefixes
        counts: list[tuple[int, int]] = []
        while position >= 0:
            _, end = self._prefixes.of(position)
            counts.append((-healths.count(needle, position, end), position))
            position = healths.find(needle, end)
        return tuple([self._told(self._prefixes, position, -count) for count, position in nsmallest(SHOWN, counts)])

    def _told(self, prefixes: Prefixes, position: int, failing: int) -> WorstPrefix:
        start, end = prefixes.of(position)
        if self._state.pool.plan is None:
            return WorstPrefix(prefixes.text(position), failing, end - start)
        sampled = sum(self._state.sampled_at(index) > 0 for index in range(start, end))
        return WorstPrefix(prefixes.text(position), failing, sampled)
