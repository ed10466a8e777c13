"""Some of the lines of a pool's addresses, compressed in blocks of neighbours, of which only what is stale is written.

The rule of this file: a block is written when a scrape shows it, or ahead of that, when it has settled: when it is as
it was a moment ago. The latter happens once between two scrapes, so that it never takes more time than they do.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import structlog

from exporter.inventory.pool import Pool
from exporter.metrics.catalogue import Family
from exporter.metrics.deflate import Piece
from exporter.metrics.fleet import shown
from exporter.metrics.lines import Lines
from exporter.state.address import AddressState
from exporter.state.pool import STRIDE, PoolState

log = structlog.get_logger()

Pieces = Mapping[Family, Piece]
T = TypeVar("T")


class Block(NamedTuple):
    """What came of a block; *key* says of which state of it."""

    key: object
    pieces: Pieces
    depends_on_time: bool = False


class Sheet:
    """What *add* writes of each address of *state*; *revisions* says, for each block, what of that is stale."""

    def __init__(
        self, state: PoolState, revisions: Sequence[int], add: Callable[[Lines, Pool, AddressState, float], None]
    ) -> None:
        self._state = state
        self._revisions = revisions
        self._add = add
        self._blocks: dict[int, Block] = {}
        self._seen: Sequence[int] = ()
        self._ahead: set[int] = set()

    def begin(self) -> None:
        """A scrape begins: from now on blocks may be written ahead of the next one."""
        self._ahead.clear()

    def block(self, number: int, most: int, now: float) -> Pieces:
        """The pieces of a block of which *most* addresses are shown, all if it is negative, brought up to date."""
        revision = self._revisions[number]
        if most == 0 or not revision:
            self._blocks.pop(number, None)
            return {}
        known = self._blocks.get(number)
        if known is None or known.depends_on_time or known.key != (revision, most):
            first, stop = number * STRIDE, min((number + 1) * STRIDE, self._state.pool.size)
            some = list(shown(self._state, first, stop, most))
            known = self._blocks[number] = Block(
                (revision, most),
                written(self._state.pool, some, self._add, now, known),
                any(one.may_be_flapping for one in some),
            )
        return known.pieces

    def writing_ahead(self, now: float) -> Iterator[bool]:
        """Write each stale block that did not move since the last call; a step for each. All addresses are shown."""
        seen, self._seen = self._seen, array("Q", self._revisions)
        settled = [number for number, pair in enumerate(zip(seen, self._seen, strict=False)) if pair[0] == pair[1]]
        for number in settled:
            if number not in self._ahead and self._is_stale(number):
                self._ahead.add(number)
                self.block(number, -1, now)
                yield True

    def _is_stale(self, number: int) -> bool:
        """Whether a block has what is not written; what depends on the time has to be written at the scrape anyway."""
        revision, known = self._revisions[number], self._blocks.get(number)
        if known is None:
            return bool(revision)
        return known.key != (revision, -1) and not known.depends_on_time


def written(
    pool: Pool,
    some: Iterable[T],
    add: Callable[[Lines, Pool, T, float], None],
    now: float,
    before: Block | None,
) -> Pieces:
    """What *add* writes of *some*; what came out as it was *before* is not compressed again."""
    lines = Lines()
    for one in some:
        try:
            add(lines, pool, one, now)
        except Exception:  # whatever it is, the others must be shown
            log.exception("an address or HELO name cannot be shown", pool=pool.name, state=ascii(one))
    return compressed(lines, {} if before is None else before.pieces)


def compressed(lines: Lines, before: Pieces) -> Pieces:
    """Compress the lines of each family, unless they are as they were *before*."""
    pieces: dict[Family, Piece] = {}
    for family, text in lines.texts().items():
        known = before.get(family)
        pieces[family] = known if known is not None and known.is_of(text) else Piece.of(text)
    return pieces
