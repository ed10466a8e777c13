"""`/metrics`: every family, in the format that the scraper asks for, as prometheus-client would write it.

The text of the fleet is kept compressed: one `Deflated` for each family and block of addresses. A scrape writes only
the blocks that changed, and joins all of them into one gzip member.
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

from exporter.inventory.pool import Pool, Series
from exporter.metrics.families import CATALOGUE, Family
from exporter.metrics.fleet import FleetCollector, shown
from exporter.state.address import AddressState
from exporter.state.pool import FAILING, PoolState

log = structlog.get_logger()

LabelValues = tuple[str, ...]
Encoder = Callable[[Collector], bytes]
Texts = Mapping[Family, "Deflated"]
T = TypeVar("T")

_EOF = b"# EOF\n"  # the last line of OpenMetrics
_RENAMING = ("escaping=dots", "escaping=values")
"""Escaping schemes that change the names of our families. They are rare, so prometheus-client writes them."""

_HELO_BLOCK = 512
"""How many HELO names make a block."""

_HELO_KEY = attrgetter("helo.text", "resolves", "addresses", "confirmed_addresses", "addresses_outside_pool")
"""Everything that the lines of a HELO name show."""


class Exposition:
    """Renders *fleet* and then *collectors*, from any thread. A collector that raises is logged and left out."""

    def __init__(self, fleet: FleetCollector, *collectors: Collector, helo_block: int = _HELO_BLOCK) -> None:
        process = CollectorRegistry()
        ProcessCollector(registry=process)
        PlatformCollector(registry=process)
        GCCollector(registry=process)
        self._fleet = fleet
        self._text = FleetText(fleet, helo_block)
        self._others: tuple[Collector, ...] = (*collectors, process)
        self._headers: dict[tuple[Family, bool], Deflated] = {}
        self._lock = threading.Lock()

    def render(self, accept: str, *, compress: bool) -> tuple[bytes, str]:
        """The exposition and its content type, for the `Accept` header *accept*; gzip if *compress*."""
        encoder, content_type = choose_encoder(accept)
        is_open = content_type.startswith("application/openmetrics-text")
        with self._lock:
            texts = list(self._fleet_texts(encoder, content_type, is_open=is_open))
            for collector in self._others:
                texts += _encoded(encoder, collector)
        if is_open:
            texts.append(Deflated.of(_EOF))
        if compress:
            return gzip_member(Deflated.joined(texts)), content_type
        return b"".join([one.text() for one in texts]), content_type

    def writing_ahead(self) -> Iterator[bool]:
        """Write blocks for the next scrape, one a step: those that changed, but not since the last call."""
        steps = self._text.writing_ahead()
        while True:
            with self._lock:
                if next(steps, None) is None:
                    return
            yield True

    def _fleet_texts(self, encoder: Encoder, content_type: str, *, is_open: bool) -> Iterator["Deflated"]:
        if content_type.endswith(_RENAMING):
            yield from _encoded(encoder, self._fleet)
            return
        for family, text in self._text.families():
            header = self._headers.get((family, is_open))
            if header is None:
                header = self._headers[family, is_open] = Deflated.of(_without_end(encoder(_Empty(family))))
            yield header
            yield text


class _Empty(Collector):
    """A family without series: prometheus-client writes its header only."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family.series().metric


def _encoded(encoder: Encoder, collector: Collector) -> Iterator["Deflated"]:
    try:
        yield Deflated.of(_without_end(encoder(collector)))
    except Exception:  # any error: the other families must be shown
        log.exception("a collector failed and its metrics are missing", collector=type(collector).__name__)


def _without_end(text: bytes) -> bytes:
    return text.removesuffix(_EOF)


class FleetText:
    """The families of *fleet* as compressed text. Not thread-safe."""

    def __init__(self, fleet: FleetCollector, helo_block: int = _HELO_BLOCK) -> None:
        self._fleet = fleet
        self._helo_block = helo_block
        self._pools: dict[str, _PoolText] = {}
        self._sums: Texts = {}
        self._joined: dict[Family, tuple[list[Deflated], Deflated]] = {}

    def families(self) -> Iterator[tuple[Family, "Deflated"]]:
        """Every family that the current generation has a series of, with its lines, in the order of the catalogue."""
        fleet = self._fleet
        now, lags, pools = fleet.now(), fleet.lags(), fleet.board.pools
        fleet.count_dropped(pools)
        self._pools = {name: self._of(name, state) for name, state in pools.items()}
        sums = Lines()
        found: dict[Family, list[Deflated]] = {}
        for name, state in pools.items():
            try:
                fleet.add_pool(sums, state, lags.get(name, 0.0), fleet.dropped[name])
            except Exception:
                log.exception("a pool cannot be shown", pool=name)
            for texts in self._pools[name].blocks(now):
                for family, text in texts.items():
                    found.setdefault(family, []).append(text)
        self._sums = compressed(sums, self._sums)
        for family, text in self._sums.items():
            found.setdefault(family, []).insert(0, text)
        self._joined = {family: self._join(family, found[family]) for family in CATALOGUE if family in found}
        return iter([(family, joined) for family, (_, joined) in self._joined.items()])

    def writing_ahead(self) -> Iterator[bool]:
        """See `Exposition.writing_ahead`. Pools that were never scraped are left out."""
        for text in tuple(self._pools.values()):
            yield from text.writing_ahead(self._fleet.now())

    def _of(self, name: str, state: PoolState) -> "_PoolText":
        known = self._pools.get(name)
        return known if known is not None and known.state is state else _PoolText(self._fleet, state, self._helo_block)

    def _join(self, family: Family, texts: list["Deflated"]) -> tuple[list["Deflated"], "Deflated"]:
        known = self._joined.get(family)
        if known is not None and known[0] == texts:  # compares identities: unchanged texts are kept
            return known
        return texts, texts[0] if len(texts) == 1 else Deflated.joined(texts)


class _PoolText:
    """The blocks of one pool: its HELO names, then its addresses."""

    def __init__(self, fleet: FleetCollector, state: PoolState, helo_block: int) -> None:
        self.state = state
        self._fleet = fleet
        self._helo_block = helo_block
        self._helos: list[_Written] = []
        self._helo_revision = -1
        self._results = AddressBlocks(state, state.data_versions, fleet.add_address)
        self._times = AddressBlocks(state, state.revisions, fleet.add_times)

    def blocks(self, now: float) -> Iterator[Texts]:
        """The text of each block, up to date."""
        yield from self._helo_blocks(now)
        if self.state.pool.series is not Series.NONE:
            yield from self._address_blocks(now)

    def writing_ahead(self, now: float) -> Iterator[bool]:
        """Write changed blocks of addresses, one a step. Pools that show only failing addresses are cheap anyway."""
        if self.state.pool.series is Series.ALL:
            yield from self._results.writing_ahead(now)
            yield from self._times.writing_ahead(now)

    def _helo_blocks(self, now: float) -> Iterator[Texts]:
        revision = self.state.helo_revision
        if revision != self._helo_revision:
            self._helos = list(self._written_helos(now))
            self._helo_revision = revision
        return (block.texts for block in self._helos)

    def _written_helos(self, now: float) -> Iterator["_Written"]:
        states = list(self.state.helos.values())
        for number, first in enumerate(range(0, len(states), self._helo_block)):
            some = states[first : first + self._helo_block]
            known, key = self._helos[number] if self._helos else None, list(map(_HELO_KEY, some))
            if known is None or known.key != key:
                known = _Written(key, written(self.state.pool, some, self._fleet.add_helo, now, known))
            yield known

    def _address_blocks(self, now: float) -> Iterator[Texts]:
        state, left = self.state, self._fleet.shown_failing
        block, size = state.block_size, state.pool.size
        self._results.begin()
        self._times.begin()
        for number, first in enumerate(range(0, size, block)):
            count = -1
            if state.pool.series is Series.FAILING:
                count = min(left, state.healths.count(FAILING, first, min(first + block, size)))
                left -= count
            yield self._results.block(number, count, now)
            yield self._times.block(number, count, now)


class _Written(NamedTuple):
    """The text of a block; *key* identifies the version of the state that it shows."""

    key: object
    texts: Texts
    depends_on_time: bool = False


class AddressBlocks:
    """What *add* writes of the addresses of *state*, by block. *versions* has the version of each block's data.

    A block is written when a scrape shows it, or ahead of the scrape once its version stays the same between two calls
    of `writing_ahead`. The latter happens once between two scrapes, so that it never takes more time than scrapes do.
    """

    def __init__(
        self, state: PoolState, versions: Sequence[int], add: Callable[["Lines", Pool, AddressState, float], None]
    ) -> None:
        self._state = state
        self._versions = versions
        self._add = add
        self._blocks: dict[int, _Written] = {}
        self._seen: Sequence[int] = ()
        self._ahead: set[int] = set()

    def begin(self) -> None:
        """Begin a scrape: afterwards, blocks may be written ahead of the next one."""
        self._ahead.clear()

    def block(self, number: int, count: int, now: float) -> Texts:
        """The text of a block, up to date. It shows *count* failing addresses, or all addresses if that is negative."""
        version = self._versions[number]
        if count == 0 or not version:
            self._blocks.pop(number, None)
            return {}
        known = self._blocks.get(number)
        if known is None or known.depends_on_time or known.key != (version, count):
            block = self._state.block_size
            first, stop = number * block, min((number + 1) * block, self._state.pool.size)
            some = list(shown(self._state, first, stop, count))
            known = self._blocks[number] = _Written(
                (version, count),
                written(self._state.pool, some, self._add, now, known),
                any(one.may_be_flapping for one in some),
            )
        return known.texts

    def writing_ahead(self, now: float) -> Iterator[bool]:
        """Write each outdated block that has not changed since the last call, one per step, with all its addresses."""
        seen, self._seen = self._seen, array("Q", self._versions)
        settled = [number for number, pair in enumerate(zip(seen, self._seen, strict=False)) if pair[0] == pair[1]]
        for number in settled:
            if number not in self._ahead and self._is_outdated(number):
                self._ahead.add(number)
                self.block(number, -1, now)
                yield True

    def _is_outdated(self, number: int) -> bool:
        """Whether a block has to be written. One that depends on the time has to be written in the scrape anyway."""
        version, known = self._versions[number], self._blocks.get(number)
        if known is None:
            return bool(version)
        return known.key != (version, -1) and not known.depends_on_time


def written(
    pool: Pool,
    some: Iterable[T],
    add: Callable[["Lines", Pool, T, float], None],
    now: float,
    before: _Written | None,
) -> Texts:
    """What *add* writes of *some*. Text that is the same as *before* is not compressed again."""
    lines = Lines()
    for one in some:
        try:
            add(lines, pool, one, now)
        except Exception:  # any error: the others must be shown
            log.exception("an address or HELO name cannot be shown", pool=pool.name, state=ascii(one))
    return compressed(lines, {} if before is None else before.texts)


def compressed(lines: "Lines", before: Texts) -> Texts:
    """The lines of each family, compressed unless they are the same as *before*."""
    texts: dict[Family, Deflated] = {}
    for family, text in lines.texts().items():
        known = before.get(family)
        texts[family] = known if known is not None and known.is_of(text) else Deflated.of(text)
    return texts


class Lines(dict[Family, "FamilyLines"]):
    """The samples of some families as lines, byte for byte as prometheus-client writes them, in a tenth of its time.

    The lines are the same in text 0.0.4, text 1.0.0 and OpenMetrics 1.0. HELP and TYPE are not, and are not included.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pairs: dict[str, _LabelPairs] = {}
        self._labels: dict[tuple[str, ...], _LabelTexts] = {}
        self._numbers = _Numbers()

    def __missing__(self, family: Family) -> "FamilyLines":
        texts = self._labels.get(family.labels)
        if texts is None:
            pairs = [self._pairs.setdefault(label, _LabelPairs(label)) for label in family.labels]
            texts = self._labels[family.labels] = _LabelTexts(family.labels, pairs)
        lines = self[family] = FamilyLines(family.name, texts, self._numbers)
        return lines

    def texts(self) -> Mapping[Family, bytes]:
        """The lines of each family that has any."""
        return {family: text for family, lines in self.items() if (text := lines.text())}


class FamilyLines:
    """The samples of one family as lines. *texts* and *numbers* cache how label sets and values are written."""

    __slots__ = ("_lines", "_name", "_numbers", "_texts")

    def __init__(self, name: str, texts: "_LabelTexts", numbers: "_Numbers") -> None:
        self._name = name
        self._texts = texts
        self._numbers = numbers
        self._lines: list[str] = []

    def add(self, labels: LabelValues, value: float) -> None:
        """Add a gauge or counter; *labels* in the order of the declaration. Log and leave out an invalid sample."""
        try:
            self._lines.append(f"{self._name}{self._texts[labels]} {self._numbers[value]}\n")
        except Exception:  # any error: the other samples must be shown
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


class _LabelPairs(dict[str, str]):
    """`label="value"` for each value of one label. Most values are used in several families."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label

    def __missing__(self, value: str) -> str:
        pair = self[value] = f'{self._label}="{escaped(value)}"'
        return pair


class _LabelTexts(dict[LabelValues, str]):
    """The label values of a sample as the exposition has them: between braces, sorted by the names of the labels."""

    def __init__(self, labels: tuple[str, ...], pairs: Sequence[_LabelPairs]) -> None:
        super().__init__()
        self._order = [(pairs[index], index) for _, index in sorted(zip(labels, range(len(labels)), strict=True))]

    def __missing__(self, values: LabelValues) -> str:
        if len(values) != len(self._order):
            raise ValueError(f"{len(values)} label values for {len(self._order)} labels")
        joined = ",".join([pairs[values[index]] for pairs, index in self._order])
        text = self[values] = f"{{{joined}}}" if joined else ""
        return text


class _Numbers(dict[float, str]):
    """Values as Go writes them. 0.0 and -0.0 are written alike."""

    def __missing__(self, value: float) -> str:
        text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
        self[value] = text
        return text


def escaped(value: str) -> str:
    """A label value as the exposition has it between quotes."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return value


_LEVEL = 1  # a fifth of the time of level 6, for a tenth more bytes: docs/performance.md
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, of no particular system
_LAST_BLOCK = b"\x03\x00"
_TRAILER = Struct("<II")

_POLYNOMIAL = 0xEDB88320  # of CRC-32, reflected as in RFC 1952 section 8: bit 31 is x^0
_ONE = 1 << 31


class Deflated:
    """Some text, compressed so that it can be joined with others without compressing it again.

    It refers to nothing outside of it and ends at a byte boundary (`Z_FULL_FLUSH`, RFC 1951 section 3.2.4). So any
    sequence of them, ended by an empty last block, is a valid stream. That is one gzip member (RFC 1952), whose
    checksum is computed from the checksums of the texts. Prometheus and gunzip would read several members, but curl
    and httpx stop after the first.

    Attributes:
        data: The compressed text.
        length: Length of the text in bytes.
        crc: CRC-32 of the text.
    """

    __slots__ = ("_digest", "_shift", "crc", "data", "length")

    def __init__(self, data: bytes, length: int, crc: int, digest: int | None = None) -> None:
        self.data = data
        self.length = length
        self.crc = crc
        self._digest = digest
        self._shift: int | None = None

    @classmethod
    def of(cls, text: bytes) -> "Deflated":
        """Compress *text*."""
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        data = deflate.compress(text) + deflate.flush(zlib.Z_FULL_FLUSH)
        return cls(data, len(text), zlib.crc32(text), hash(text))

    @classmethod
    def joined(cls, texts: Iterable["Deflated"]) -> "Deflated":
        """Several texts as one."""
        data: list[bytes] = []
        length, crc = 0, 0
        for one in texts:
            data.append(one.data)
            length += one.length
            crc = _times(one.shift, crc) ^ one.crc
        return cls(b"".join(data), length, crc)

    @property
    def shift(self) -> int:
        """The factor that moves another checksum past this text: x to the power of its number of bits."""
        if self._shift is None:
            self._shift = _power(8 * self.length)
        return self._shift

    def is_of(self, text: bytes) -> bool:
        """Whether this is *text* compressed. Always false for the result of `joined`."""
        return self.length == len(text) and self._digest == hash(text)

    def text(self) -> bytes:
        """The text, uncompressed."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.data)


def gzip_member(text: Deflated) -> bytes:
    """*text* as one gzip member."""
    return b"".join((_HEADER, text.data, _LAST_BLOCK, _TRAILER.pack(text.crc, text.length & 0xFFFFFFFF)))


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
