"""The fleet's families as compressed text, of which only what changed since the last scrape is written anew.

The rule of this file: families have to stay contiguous, so what is kept is one `Piece` for each family and block of
neighbours. A block is written again when anything about it was recorded; of its families, those that came out with the
same text keep their piece. An address that cannot be shown is left out, and told of in the log.
"""

from collections.abc import Iterator
from operator import attrgetter

import structlog

from exporter.inventory.pool import Pool
from exporter.inventory.pool import Series as Shown
from exporter.metrics.catalogue import CATALOGUE, Family
from exporter.metrics.deflate import Piece
from exporter.metrics.fleet import SHOWN_FAILING, FleetCollector, add_address, add_helo, add_pool, add_times
from exporter.metrics.lines import Lines
from exporter.metrics.sheets import Block, Pieces, Sheet, compressed, written
from exporter.state.address import AddressState
from exporter.state.helo import HeloState
from exporter.state.pool import FAILING, STRIDE, PoolState

log = structlog.get_logger()

_HELO_STRIDE = 512
"""How many HELO names make a block."""
_OF_HELO = attrgetter("said.text", "resolves", "addresses", "confirmed_addresses", "addresses_outside_pool")
"""What the lines of a HELO name are made of."""


class FleetText:
    """Writes what *fleet* shows. It is for one thread at a time."""

    def __init__(self, fleet: FleetCollector) -> None:
        self._fleet = fleet
        self._pools: dict[str, _PoolText] = {}
        self._sums: Pieces = {}
        self._joined: dict[Family, tuple[list[Piece], Piece]] = {}

    def families(self) -> Iterator[tuple[Family, Piece]]:
        """Every family that the current generation has a series of, in the order of the catalogue, with its lines."""
        fleet = self._fleet
        now, lags, pools = fleet.now(), fleet.lags(), fleet.board.pools
        fleet.count_dropped(pools)
        self._pools = {name: self._of(name, state) for name, state in pools.items()}
        sums = Lines()
        found: dict[Family, list[Piece]] = {}
        for name, state in pools.items():
            try:
                add_pool(sums, state, lags.get(name, 0.0), fleet.dropped[name])
            except Exception:
                log.exception("a pool cannot be shown", pool=name)
            for pieces in self._pools[name].blocks(now):
                for family, piece in pieces.items():
                    found.setdefault(family, []).append(piece)
        self._sums = compressed(sums, self._sums)
        for family, piece in self._sums.items():
            found.setdefault(family, []).insert(0, piece)
        self._joined = {family: self._join(family, found[family]) for family in CATALOGUE if family in found}
        return iter([(family, joined) for family, (_, joined) in self._joined.items()])

    def writing_ahead(self) -> Iterator[bool]:
        """Write what has settled since the last call, and was not written since the last scrape: a block a step.

        What nobody has scraped yet is not written.
        """
        for text in tuple(self._pools.values()):
            yield from text.writing_ahead(self._fleet.now())

    def _of(self, name: str, state: PoolState) -> "_PoolText":
        known = self._pools.get(name)
        return known if known is not None and known.state is state else _PoolText(state)

    def _join(self, family: Family, pieces: list[Piece]) -> tuple[list[Piece], Piece]:
        known = self._joined.get(family)
        if known is not None and known[0] == pieces:  # by identity: pieces are kept
            return known
        return pieces, pieces[0] if len(pieces) == 1 else Piece.joined(pieces)


class _PoolText:
    """The blocks of one pool: its HELO names, then its addresses."""

    def __init__(self, state: PoolState) -> None:
        self.state = state
        self._helos: list[Block] = []
        self._helo_revision = -1
        self._sheets = (Sheet(state, state.news, _add_address), Sheet(state, state.revisions, _add_times))

    def blocks(self, now: float) -> Iterator[Pieces]:
        """The pieces of each block, brought up to date."""
        yield from self._helo_blocks(now)
        if self.state.pool.series is not Shown.NONE:
            yield from self._address_blocks(now)

    def writing_ahead(self, now: float) -> Iterator[bool]:
        """Write the blocks of addresses that have settled, a step for each; those of pools that show few are cheap."""
        if self.state.pool.series is Shown.ALL:
            for sheet in self._sheets:
                yield from sheet.writing_ahead(now)

    def _helo_blocks(self, now: float) -> Iterator[Pieces]:
        revision = self.state.helo_revision
        if revision != self._helo_revision:
            self._helos = list(self._written_helos(now))
            self._helo_revision = revision
        return (block.pieces for block in self._helos)

    def _written_helos(self, now: float) -> Iterator[Block]:
        states = list(self.state.helos.values())
        for number, first in enumerate(range(0, len(states), _HELO_STRIDE)):
            some = states[first : first + _HELO_STRIDE]
            known, key = self._helos[number] if self._helos else None, list(map(_OF_HELO, some))
            if known is None or known.key != key:
                known = Block(key, written(self.state.pool, some, _add_helo, now, known))
            yield known

    def _address_blocks(self, now: float) -> Iterator[Pieces]:
        state, left = self.state, SHOWN_FAILING
        for sheet in self._sheets:
            sheet.begin()
        for number, first in enumerate(range(0, state.pool.size, STRIDE)):
            most = -1
            if state.pool.series is Shown.FAILING:
                most = min(left, state.healths.count(FAILING, first, min(first + STRIDE, state.pool.size)))
                left -= most
            for sheet in self._sheets:
                yield sheet.block(number, most, now)


def _add_address(lines: Lines, pool: Pool, state: AddressState, now: float) -> None:
    add_address(lines, pool, state, now)


def _add_times(lines: Lines, pool: Pool, state: AddressState, _now: float) -> None:
    add_times(lines, pool, state)


def _add_helo(lines: Lines, pool: Pool, state: HeloState, _now: float) -> None:
    add_helo(lines, pool.name, state)
