"""`/metrics`: every family, in the format that the scraper asks for.

The rule of this file: what comes out is what prometheus-client would write for the same collectors. The fleet's lines
are kept (`exporter.metrics.blocks`); whatever else there is, is little, and is written by prometheus-client itself. A
collector that fails is left out, and told of in the log.
"""

import threading
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from struct import Struct
from typing import NamedTuple, TypeVar

import structlog
from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.inventory.pool import Pool
from exporter.inventory.pool import Series as Shown
from exporter.metrics.families import CATALOGUE, Family
from exporter.metrics.fleet import SHOWN_FAILING, FleetCollector, add_address, add_helo, add_pool, add_times, shown
from exporter.state.address import AddressState
from exporter.state.helo import HeloState
from exporter.state.pool import BLOCK, FAILING, PoolState

# SECTION exporter.metrics.lines
# Samples as the lines of the exposition, octet for octet as prometheus-client writes them, in a tenth of the
# time.
#
# The rule of this file: the lines of a sample are the same in text 0.0.4, text 1.0.0 and OpenMetrics 1.0; what
# stands
# above them, HELP and TYPE, is not, and is left to prometheus-client. A sample that makes no line spoils no
# other.

log = structlog.get_logger()

LabelValues = tuple[str, ...]


class Lines(dict[Family, "FamilyLines"]):
    """Some families on their way, made as they are needed: stands in for `exporter.metrics.fleet.Scrape`."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[str, _Parts] = {}
        self._labels: dict[tuple[str, ...], _LabelTexts] = {}
        self._numbers = _Numbers()

    def __missing__(self, family: Family) -> "FamilyLines":
        texts = self._labels.get(family.labels)
        if texts is None:
            parts = [self._parts.setdefault(label, _Parts(label)) for label in family.labels]
            texts = self._labels[family.labels] = _LabelTexts(family.labels, parts)
        lines = self[family] = FamilyLines(family.name, texts, self._numbers)
        return lines

    def texts(self) -> Mapping[Family, bytes]:
        """The lines of each family that has any."""
        return {family: text for family, lines in self.items() if (text := lines.text())}


class FamilyLines:
    """The samples of one family. *texts* has those of label sets, *numbers* those of values: most are there again."""

    __slots__ = ("_lines", "_name", "_numbers", "_texts")

    def __init__(self, name: str, texts: "_LabelTexts", numbers: "_Numbers") -> None:
        self._name = name
        self._texts = texts
        self._numbers = numbers
        self._lines: list[str] = []

    def add(self, labels: LabelValues, value: float) -> None:
        """Add one gauge or counter; *labels* in the order of the declaration.

        One that cannot be a line is left out, and told of in the log.
        """
        try:
            self._lines.append(f"{self._name}{self._texts[labels]} {self._numbers[value]}\n")
        except Exception:  # whatever it is, the other samples must be shown
            log.exception("a sample cannot be shown", family=self._name, labels=ascii(labels), value=ascii(value))

    def text(self) -> bytes:
        """Every sample as a line."""
        try:
            return "".join(self._lines).encode()
        except UnicodeEncodeError:
            return b"".join(map(self._encoded, self._lines))

    def _encoded(self, line: str) -> bytes:
        try:
            return line.encode()
        except UnicodeEncodeError:
            log.exception("a sample cannot be shown", family=self._name, line=ascii(line))
            return b""


class _Parts(dict[str, str]):
    """The values of one label with its name, as the exposition has them: most stand in several families."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label

    def __missing__(self, value: str) -> str:
        part = self[value] = f'{self._label}="{escaped(value)}"'
        return part


class _LabelTexts(dict[LabelValues, str]):
    """The label values of a sample as the exposition has them: between braces, in the order of the labels' names."""

    def __init__(self, labels: tuple[str, ...], parts: Sequence[_Parts]) -> None:
        super().__init__()
        self._order = [(parts[place], place) for _, place in sorted(zip(labels, range(len(labels)), strict=True))]

    def __missing__(self, values: LabelValues) -> str:
        if len(values) != len(self._order):
            raise ValueError(f"{len(values)} label values for {len(self._order)} labels")
        shown = ",".join([part[values[place]] for part, place in self._order])
        text = self[values] = f"{{{shown}}}" if shown else ""
        return text


class _Numbers(dict[float, str]):
    """Values as Go writes them; 0.0 and -0.0 are one value here."""

    def __missing__(self, value: float) -> str:
        text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
        self[value] = text
        return text


def escaped(value: str) -> str:
    """A label value as the exposition has it between quotes."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value


# SECTION exporter.metrics.deflate
# Compressed pieces of a text that are stitched into one gzip member, so that only what changed is compressed
# anew.
#
# The rule of this file: a piece is compressed on its own and refers to nothing outside of it. Each ends at an
# octet's
# border (`Z_FULL_FLUSH`, RFC 1951 section 3.2.4), so that any sequence of pieces is a valid stream once a last
# empty
# block ends it. It is one member (RFC 1952) with one checksum, which is worked out from those of the pieces;
# several
# members would be read by Prometheus and gunzip, but curl and httpx stop after the first.

_LEVEL = 1  # a fifth of the time of level 6, for a tenth more octets: docs/performance.md
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, of no particular system
_LAST_BLOCK = b"\x03\x00"
_TRAILER = Struct("<II")

_POLYNOMIAL = 0xEDB88320  # of CRC-32, reflected as RFC 1952 section 8 has it: bit 31 is x^0
_ONE = 1 << 31


class Piece:
    """Some text, compressed. *length* and *crc* are those of the text; *shift* moves another checksum past it."""

    __slots__ = ("_digest", "_shift", "crc", "deflated", "length")

    def __init__(self, deflated: bytes, length: int, crc: int, digest: int | None = None) -> None:
        self.deflated = deflated
        self.length = length
        self.crc = crc
        self._digest = digest
        self._shift: int | None = None

    @classmethod
    def of(cls, text: bytes) -> "Piece":
        """Compress *text*."""
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = deflate.compress(text) + deflate.flush(zlib.Z_FULL_FLUSH)
        return cls(deflated, len(text), zlib.crc32(text), hash(text))

    @classmethod
    def joined(cls, pieces: Iterable["Piece"]) -> "Piece":
        """Several pieces as one."""
        deflated: list[bytes] = []
        length, crc = 0, 0
        for piece in pieces:
            deflated.append(piece.deflated)
            length += piece.length
            crc = _times(piece.shift, crc) ^ piece.crc
        return cls(b"".join(deflated), length, crc)

    @property
    def shift(self) -> int:
        """What a checksum is multiplied with to append this piece: x to the power of its bits."""
        if self._shift is None:
            self._shift = _power(8 * self.length)
        return self._shift

    def is_of(self, text: bytes) -> bool:
        """Whether this is *text* compressed. A piece that was joined does not know."""
        return self.length == len(text) and self._digest == hash(text)

    def text(self) -> bytes:
        """What was compressed."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.deflated)


def gzip_member(piece: Piece) -> bytes:
    """The one gzip member that holds *piece*."""
    return b"".join((_HEADER, piece.deflated, _LAST_BLOCK, _TRAILER.pack(piece.crc, piece.length & 0xFFFFFFFF)))


def _times(one: int, other: int) -> int:
    """Multiply two polynomials over GF(2), modulo that of CRC-32."""
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = one << 1 & 0xFFFFFFFF
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product


def _powers() -> Iterable[int]:
    """Raise x to the powers of 1, 2, 4, 8, ..."""
    power = _ONE >> 1
    for _ in range(48):
        yield power
        power = _times(power, power)


_POWERS = tuple(_powers())


@lru_cache(1024)
def _power(exponent: int) -> int:
    """Raise x to the power of *exponent*."""
    product = _ONE
    for power in _POWERS:
        if exponent & 1:
            product = _times(power, product)
        exponent >>= 1
        if not exponent:
            break
    return product


# SECTION exporter.metrics.sheets
# Some of the lines of a pool's addresses, compressed in blocks of neighbours, of which only what is stale is
# written.
#
# The rule of this file: a block is written when a scrape shows it, or ahead of that, when it has settled: when
# it is as
# it was a moment ago. The latter happens once between two scrapes, so that it never takes more time than they
# do.

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
            first, stop = number * BLOCK, min((number + 1) * BLOCK, self._state.pool.size)
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


# SECTION exporter.metrics.blocks
# The fleet's families as compressed text, of which only what changed since the last scrape is written anew.
#
# The rule of this file: families have to stay contiguous, so what is kept is one `Piece` for each family and
# block of
# neighbours. A block is written again when anything about it was recorded; of its families, those that came out
# with the
# same text keep their piece. An address that cannot be shown is left out, and told of in the log.

_HELO_BLOCK = 512
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
        self._sheets = (Sheet(state, state.data_versions, _add_address), Sheet(state, state.revisions, _add_times))

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
        for number, first in enumerate(range(0, len(states), _HELO_BLOCK)):
            some = states[first : first + _HELO_BLOCK]
            known, key = self._helos[number] if self._helos else None, list(map(_OF_HELO, some))
            if known is None or known.key != key:
                known = Block(key, written(self.state.pool, some, _add_helo, now, known))
            yield known

    def _address_blocks(self, now: float) -> Iterator[Pieces]:
        state, left = self.state, SHOWN_FAILING
        for sheet in self._sheets:
            sheet.begin()
        for number, first in enumerate(range(0, state.pool.size, BLOCK)):
            most = -1
            if state.pool.series is Shown.FAILING:
                most = min(left, state.healths.count(FAILING, first, min(first + BLOCK, state.pool.size)))
                left -= most
            for sheet in self._sheets:
                yield sheet.block(number, most, now)


def _add_address(lines: Lines, pool: Pool, state: AddressState, now: float) -> None:
    add_address(lines, pool, state, now)


def _add_times(lines: Lines, pool: Pool, state: AddressState, _now: float) -> None:
    add_times(lines, pool, state)


def _add_helo(lines: Lines, pool: Pool, state: HeloState, _now: float) -> None:
    add_helo(lines, pool.name, state)


# SECTION exporter.metrics.exposition

Encoder = Callable[[Collector], bytes]

_EOF = b"# EOF\n"  # what OpenMetrics has at its end
_RENAMING = ("escaping=dots", "escaping=values")
"""Schemes of escaping that change the names of our families. Nobody needs them; prometheus-client writes them."""


class Exposition:
    """Renders *fleet* and then the *collectors*. It has no registry in common with anybody else's."""

    def __init__(self, fleet: FleetCollector, *collectors: Collector) -> None:
        process = CollectorRegistry()
        ProcessCollector(registry=process)
        PlatformCollector(registry=process)
        GCCollector(registry=process)
        self._fleet = fleet
        self._text = FleetText(fleet)
        self._others: tuple[Collector, ...] = (*collectors, process)
        self._headers: dict[tuple[Family, bool], Piece] = {}
        self._lock = threading.Lock()

    def render(self, accept: str, *, compress: bool) -> tuple[bytes, str]:
        """The exposition and its content type, for the `Accept` header *accept*; gzip if *compress*."""
        encoder, content_type = choose_encoder(accept)
        is_open = content_type.startswith("application/openmetrics-text")
        with self._lock:
            pieces = [*self._fleet_pieces(encoder, content_type, is_open=is_open), *self._other_pieces(encoder)]
        if is_open:
            pieces.append(Piece.of(_EOF))
        if compress:
            return gzip_member(Piece.joined(pieces)), content_type
        return b"".join([piece.text() for piece in pieces]), content_type

    def writing_ahead(self) -> Iterator[bool]:
        """Write what the next scrape will show, as far as it has settled since this was last called: a part a step."""
        steps = self._text.writing_ahead()
        while True:
            with self._lock:
                if next(steps, None) is None:
                    return
            yield True

    def _fleet_pieces(self, encoder: Encoder, content_type: str, *, is_open: bool) -> Iterator[Piece]:
        if content_type.endswith(_RENAMING):
            yield from _written(encoder, self._fleet)
            return
        for family, piece in self._text.families():
            header = self._headers.get((family, is_open))
            if header is None:
                header = self._headers[family, is_open] = Piece.of(_without_end(encoder(_Empty(family))))
            yield header
            yield piece

    def _other_pieces(self, encoder: Encoder) -> Iterator[Piece]:
        for collector in self._others:
            yield from _written(encoder, collector)


class _Empty(Collector):
    """A family without any series: what prometheus-client writes of it is its header."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family.series().metric


def _written(encoder: Encoder, collector: Collector) -> Iterator[Piece]:
    try:
        yield Piece.of(_without_end(encoder(collector)))
    except Exception:  # whatever it is, the other families must be shown
        log.exception("a collector is broken", collector=type(collector).__name__)


def _without_end(text: bytes) -> bytes:
    return text.removesuffix(_EOF)
