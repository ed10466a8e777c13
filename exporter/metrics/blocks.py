"""The fleet's families as compressed text, of which only what changed since the last scrape is written anew.

The rule of this file: families have to stay contiguous, so what is kept is one `Piece` for each family and block of
neighbours. A block is written again when anything about it was recorded; of its families, those that came out with the
same text keep their piece. An address that cannot be shown is left out, and told of in the log.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import structlog

from exporter.inventory.pool import Pool
from exporter.inventory.pool import Series as Shown
from exporter.metrics.catalogue import CATALOGUE, Family
from exporter.metrics.deflate import Piece
from exporter.metrics.fleet import SHOWN_FAILING, FleetCollector, add_address, add_helo, add_pool, shown
from exporter.metrics.lines import Lines
from exporter.state.helo import HeloState
from exporter.state.pool import FAILING, STRIDE, PoolState

log = structlog.get_logger()

_HELO_STRIDE = 512
"""How many HELO names make a block."""

Pieces = Mapping[Family, Piece]
T = TypeVar("T")


class _Block(NamedTuple):
    """What came of a block; *key* says of which state of it. It holds on to what it compares by identity."""

    key: object
    pieces: Pieces
    depends_on_time: bool = False


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
        self._sums = _pieces(sums, self._sums)
        for family, piece in self._sums.items():
            found.setdefault(family, []).insert(0, piece)
        self._joined = {family: self._join(family, found[family]) for family in CATALOGUE if family in found}
        return iter([(family, joined) for family, (_, joined) in self._joined.items()])

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
        self._helos: dict[int, _Block] = {}
        self._addresses: dict[int, _Block] = {}

    def blocks(self, now: float) -> Iterator[Pieces]:
        """The pieces of each block, brought up to date."""
        yield from self._helo_blocks(now)
        if self.state.pool.series is not Shown.NONE:
            yield from self._address_blocks(now)

    def _helo_blocks(self, now: float) -> Iterator[Pieces]:
        states = list(self.state.helos.values())
        for first in range(0, len(states), _HELO_STRIDE):
            some = states[first : first + _HELO_STRIDE]
            known = self._helos.get(first)
            if known is None or not _are_the_same(known.key, some):
                known = self._helos[first] = _Block(some, self._written(some, _add_helo, now, known))
            yield known.pieces

    def _address_blocks(self, now: float) -> Iterator[Pieces]:
        state = self.state
        left = SHOWN_FAILING
        for number, revision in enumerate(state.revisions):
            first, stop = number * STRIDE, min((number + 1) * STRIDE, state.pool.size)
            most = -1
            if state.pool.series is Shown.FAILING:
                most = min(left, state.healths.count(FAILING, first, stop))
                left -= most
            if first == stop or most == 0 or not revision:
                self._addresses.pop(number, None)
                continue
            known = self._addresses.get(number)
            if known is None or known.depends_on_time or known.key != (revision, most):
                some = list(shown(state, first, stop, most))
                known = self._addresses[number] = _Block(
                    (revision, most),
                    self._written(some, add_address, now, known),
                    any(one.may_be_flapping for one in some),
                )
            yield known.pieces

    def _written(
        self, some: Iterable[T], add: Callable[[Lines, Pool, T, float], None], now: float, before: "_Block | None"
    ) -> Pieces:
        lines, pool = Lines(), self.state.pool
        for one in some:
            try:
                add(lines, pool, one, now)
            except Exception:  # whatever it is, the others must be shown
                log.exception("an address or HELO name cannot be shown", pool=pool.name, state=ascii(one))
        return _pieces(lines, {} if before is None else before.pieces)


def _add_helo(lines: Lines, pool: Pool, state: HeloState, _now: float) -> None:
    add_helo(lines, pool.name, state)


def _pieces(lines: Lines, before: Pieces) -> Pieces:
    """Compress the lines of each family, unless they are as they were *before*."""
    pieces: dict[Family, Piece] = {}
    for family, text in lines.texts().items():
        known = before.get(family)
        pieces[family] = known if known is not None and known.is_of(text) else Piece.of(text)
    return pieces


def _are_the_same(known: object, some: list[HeloState]) -> bool:
    return isinstance(known, list) and len(known) == len(some) and all(map(_is, known, some))


def _is(one: object, other: object) -> bool:
    return one is other
