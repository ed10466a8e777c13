"""The map of a pool: one cell an address where it is small, one a /24 (or /64) where it is big.

The rule of this file: a cell is a run of neighbours in the pool's order, so that counting in it is one call that costs
nothing, however many addresses it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRanges
from exporter.state.pool import FAILING, UNKNOWN, PoolState

SMALL = 1024
"""Addresses up to which each has a cell of its own."""
MAX_CELLS = 4096
"""Cells of a map; a pool that would have more gets shorter prefixes."""
_STALE_INTERVALS = 3.0
_WIDTHS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Cell:
    """A prefix, and which places of the pool are in it: *count* of them from *first*."""

    network: IPv4Network | IPv6Network
    first: int
    count: int

    @property
    def label(self) -> str:
        """The prefix, or the address if it is one alone."""
        whole = self.network.prefixlen == self.network.max_prefixlen
        return str(self.network.network_address) if whole else str(self.network)


@dataclass(frozen=True, slots=True)
class Shade:
    """A cell as it is now. *level* 0 is healthy, 1 to 4 up to 1 %, 10 %, 50 % and more failing; None is not known.

    None is also what has not been sampled for three intervals.
    """

    cell: Cell
    failing: int
    unknown: int
    level: int | None


class Maps:
    """Keeps the cells of each pool for as long as the pool is the same."""

    def __init__(self) -> None:
        self._cells: dict[str, tuple[Pool, tuple[Cell, ...]]] = {}

    def shades(self, state: PoolState, now: float) -> list[Shade]:
        """The cells of a pool as they are at Unix time *now*."""
        known = self._cells.get(state.pool.name)
        if known is None or known[0] is not state.pool:
            known = (state.pool, cells(state.pool))
            self._cells[state.pool.name] = known
        stale_before = now - _STALE_INTERVALS * state.pool.interval_seconds
        return [_shade(state, cell, stale_before) for cell in known[1]]


def cells(pool: Pool) -> tuple[Cell, ...]:
    """The cells of a pool, in the order of its addresses."""
    small = pool.size <= SMALL
    lengths = {4: 32 if small else 24, 6: 128 if small else 64}
    while True:
        found: list[Cell] = []
        for cell in _cut(pool.source, lengths):
            found.append(cell)
            if len(found) > MAX_CELLS:
                break
        else:
            return tuple(found)
        lengths = {family: max(0, length - 2) for family, length in lengths.items()}


def _cut(source: AddressRanges, lengths: dict[int, int]) -> Iterator[Cell]:
    """Cut ranges at the borders of prefixes; ranges that share a prefix share its cell."""
    position = 0
    open_cell: tuple[int, int] | None = None
    first = 0
    for one in source:
        shift = _WIDTHS[one.family] - lengths[one.family]
        start = one.first
        while start <= one.last:
            key = (one.family, start >> shift)
            if key != open_cell:
                if open_cell is not None:
                    yield _cell(open_cell, lengths, first, position)
                open_cell, first = key, position
            stop = min(one.last, ((start >> shift) + 1 << shift) - 1)
            position += stop - start + 1
            start = stop + 1
    if open_cell is not None:
        yield _cell(open_cell, lengths, first, position)


def _cell(key: tuple[int, int], lengths: dict[int, int], first: int, end: int) -> Cell:
    family, prefix = key
    length = lengths[family]
    octets = (prefix << _WIDTHS[family] - length).to_bytes(_WIDTHS[family] // 8, "big")
    return Cell(ip_network((octets, length)), first, end - first)


def _shade(state: PoolState, cell: Cell, stale_before: float) -> Shade:
    end = cell.first + cell.count
    failing = state.healths.count(FAILING, cell.first, end)
    unknown = state.healths.count(UNKNOWN, cell.first, end)
    if unknown == cell.count or _is_stale(state, cell, stale_before):
        return Shade(cell, failing, unknown, None)
    share = failing / cell.count
    return Shade(cell, failing, unknown, sum(share > limit for limit in (0, 0.01, 0.1, 0.5)))


def _is_stale(state: PoolState, cell: Cell, stale_before: float) -> bool:
    """Whether its last address was sampled too long ago: rounds go through the pool in order."""
    return 0.0 < state.sampled_at(cell.first + cell.count - 1) < stale_before
