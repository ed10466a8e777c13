"""The HTML pages: values for the templates, their filters, and the map of a pool.

Templates escape everything, and every page works without its script.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from exporter import __version__
from exporter.checks.receivers import by_design
from exporter.checks.result import Result
from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRanges
from exporter.state.domain import DomainState
from exporter.state.journal import ChangeFilter
from exporter.state.pool import FAILING, UNKNOWN, UNSAMPLED, PoolState
from exporter.views.chain import chain, draw
from exporter.views.documents import EVIDENCE_NOT_KEPT, percentage, predicted, printable, records_of
from exporter.views.domains import coverage_of, domain_document, grouped_findings
from exporter.views.outage import outage
from exporter.views.pools import fleet, listed, next_sample, summarise, worst
from exporter.views.sources import Sources
from exporter.web.search import Search, Wanted, cursor_parameter, read_address, text_of, whole_number

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")

_PROBLEMS_EACH = 8
_PAGE = 50
_LATEST_CHANGES = 10
_HELO_NAMES = 50
_DOMAINS = 100
_DISPUTES = 50

SMALL = 1024
"""In a pool of up to this many addresses, each has a cell."""
MAX_CELLS = 4096
"""The maximum of cells in a map. A pool that needs more gets shorter prefixes."""
_STALE_INTERVALS = 3.0
_WIDTHS = {4: 32, 6: 128}

_LINKS = 200
_DENSE = 512
"""More cells than this are drawn small."""

_SIGNS = {
    1: "M4 4h2v2h-2z",
    2: "M3 3h4v4h-4z",
    3: "M2 2h6v6h-6z",
    4: "M2 3l1-1 2 2 2-2 1 1-2 2 2 2-1 1-2-2-2 2-1-1 2-2z",
}
"""The sign in a failing cell of ten by ten, so that colour is not the only difference: a growing spot, then a cross."""
_NUMBER = re.compile(r"\d+")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """Serves the pages. Every link begins with *base*, which has no slash at the end."""

    def __init__(self, sources: Sources, search: Search, base: str) -> None:
        self._sources = sources
        self._base = base
        self._maps = Maps()
        self._search = search

    def routes(self) -> list[tuple[str, Handler]]:
        """Each path with its handler."""
        return [
            ("/", self._fleet),
            ("/pools/{name}", self._pool),
            ("/addresses/{ip}", self._address),
            ("/domains/{name}", self._domain),
            ("/search", self._find),
            ("/changes", self._changes),
            ("/exporter", self._exporter),
        ]

    async def not_found(self, what: str) -> web.Response:
        """The 404 page."""
        return await self._page("not_found.html", status=404, what=what)

    async def _fleet(self, _request: web.Request) -> web.Response:
        sources = self._sources
        pools = fleet(sources.board, sources.lags())
        return await self._page(
            "fleet.html",
            pools=pools,
            size=sum(pool.size for pool in pools),
            failing=sum(pool.failing for pool in pools),
            unknown=sum(pool.unknown for pool in pools),
            not_sampled=sum(pool.not_sampled for pool in pools),
            problems=worst(sources.board, _PROBLEMS_EACH),
            each=_PROBLEMS_EACH,
            entries=sources.journal.latest(_LATEST_CHANGES),
            disputed=len(sources.disputes),
            domains=sorted(sources.domains.values(), key=_urgency),
            ill_domains=sum(state.is_healthy is False for state in sources.domains.values()),
            well_domains=sum(state.is_healthy is True for state in sources.domains.values()),
            shown_domains=_DOMAINS,
        )

    async def _pool(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        state = self._sources.board.pools.get(name)
        if state is None:
            return await self.not_found("There is no such pool in the configuration.")
        start = cursor_parameter(request.query, "from")
        wanted = Wanted(pool=name, health=FAILING)
        number = list(self._sources.board.pools).index(name)
        found = await self._search.find(wanted, _PAGE, max(start, (number, 0)))
        return await self._page(
            "pool.html",
            pool=summarise(state, self._sources.lags().get(name, 0.0)),
            settings=state.pool,
            found=found,
            helos=list(state.helos.values())[:_HELO_NAMES],
            more_helos=max(0, len(state.helos) - _HELO_NAMES),
            map=draw_map(self._maps.shades(state, self._sources.now())),
            is_small=state.pool.size <= SMALL,
        )

    async def _address(self, request: web.Request) -> web.Response:
        address = read_address(request.match_info["ip"])
        found = None if address is None else self._sources.board.find(address)
        if found is None:
            return await self.not_found("This address is in none of the configured pools.")
        pool, index = found
        one = listed(pool, index)
        state = one.state
        return await self._page(
            "address.html",
            one=one,
            state=state,
            pool=pool.pool,
            next_sample=next_sample(pool, index),
            drawing=draw(chain(state.target, state.evidence, pool.pool.expect)) if state.evidence else None,
            groups=_grouped(pool, index),
            receivers=predicted(state) if state.latest else [],
            evidence_not_kept=EVIDENCE_NOT_KEPT,
            entries=await self._sources.changes(_LATEST_CHANGES, wanted=ChangeFilter(address=address)),
        )

    async def _domain(self, request: web.Request) -> web.Response:
        state = self._sources.domains.find(request.match_info["name"])
        if state is None:
            return await self.not_found("There is no such domain in the configuration.")
        known = domain_document(state, await asyncio.to_thread(coverage_of, self._sources, state))
        name = state.settings.name
        return await self._page(
            "domain.html",
            name=name,
            state=state,
            groups=grouped_findings(state),
            hints=[hint for hints in state.hints.values() for hint in hints],
            records=known,
            coverage=known["spf_coverage"],
            entries=await self._sources.changes(_LATEST_CHANGES, wanted=ChangeFilter(domain=name)),
        )

    async def _find(self, request: web.Request) -> web.StreamResponse:
        query = text_of(request.query, "q")
        address = read_address(query)
        if address is not None and self._sources.board.find(address) is not None:
            raise web.HTTPFound(f"{self._base}/addresses/{quote(str(address), safe=':')}")
        domain = self._sources.domains.find(query)
        if domain is not None:
            raise web.HTTPFound(f"{self._base}/domains/{quote(domain.settings.name)}")
        pool = text_of(request.query, "pool") or None
        start = cursor_parameter(request.query, "from")
        found = await self._search.find(Wanted(query, pool), _PAGE, start)
        return await self._page("search.html", query=query, pool=pool, found=found, is_first=start == (0, 0))

    async def _changes(self, request: web.Request) -> web.Response:
        before = whole_number(request.query, "before", 1, 10**16 - 1)
        entries = await self._sources.changes(_PAGE + 1, before=before)
        more = entries[_PAGE - 1].number if len(entries) > _PAGE else None
        return await self._page(
            "changes.html",
            entries=entries[:_PAGE],
            more=more,
            is_first=before is None,
            keeps=self._sources.storage() is not None,
        )

    async def _exporter(self, _request: web.Request) -> web.Response:
        sources = self._sources
        return await self._page(
            "exporter.html",
            resolvers=list(sources.resolvers()),
            pools=sorted(fleet(sources.board, sources.lags()), key=lambda one: one.name),
            loop_lag=sources.loop_lag(),
            configuration=await sources.configuration(),
            journal=len(sources.journal),
            disputes=list(islice(sources.disputes, _DISPUTES)),
            disputed=len(sources.disputes),
            storage=sources.storage(),
        )

    async def _page(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        await asyncio.to_thread(environment)
        now = self._sources.now()
        common = {"base": self._base, "now": now, "outage": outage(self._sources.resolvers(), now)}
        text = render(template, {**values, **common})
        response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
        response.headers["Cache-Control"] = "no-store"
        response.enable_compression()
        return response


def _urgency(state: DomainState) -> int:
    return {False: 0, None: 1, True: 2}[state.is_healthy]


def _grouped(pool: PoolState, index: int) -> Mapping[str, list[Any]]:
    """The findings of the latest sample: expected failures, unknown results, other failures, passes."""
    state, expect = pool[index], pool.pool.expect
    groups: dict[str, list[Any]] = {"failing": [], "unknown": [], "aside": [], "passing": []}
    for finding in state.latest.findings if state.latest is not None else ():
        known = state.known.get((finding.check, finding.subject))
        if finding.result is Result.PASS:
            groups["passing"].append((finding, None))
        elif finding.result is Result.UNKNOWN:
            groups["unknown"].append((finding, known))
        else:
            groups["failing" if finding.check in expect else "aside"].append((finding, None))
    return groups


def render(template: str, values: Mapping[str, Any]) -> str:
    """Render a page."""
    return environment().get_template(template).render(values)


@cache
def environment() -> "Environment":
    """The compiled templates. The first call imports Jinja2, which takes a while."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "iso": iso,
        "clock": clock,
        "duration": duration,
        "number": number,
        "percent": percent,
        "share": percentage,
        "printable": printable,
        "records": records_of,
        "breakable": breakable,
    }
    made.globals |= {"version": __version__, "by_design": by_design}
    for name in made.list_templates():
        made.get_template(name)
    return made


def iso(seconds: float) -> str:
    """A Unix time for `datetime` attributes of HTML."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(seconds: float) -> str:
    """A Unix time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """A duration for people: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def number(value: float) -> str:
    """A count, with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(part: float, whole: float) -> float:
    """A share as the width of a bar, from 0 to 100; at least 1 unless it is 0, so that it is visible."""
    if not whole or not part:
        return 0.0
    return round(max(1.0, 100 * part / whole), 2)


def breakable(name: str) -> list[str]:
    """A name, split after its dots, where a browser may break the line."""
    labels = name.split(".")
    return [f"{label}." for label in labels[:-1]] + labels[-1:]


@dataclass(frozen=True, slots=True)
class Cell:
    """A prefix, and the addresses of the pool in it: *count* of them from index *first*."""

    network: IPv4Network | IPv6Network
    first: int
    count: int

    @property
    def label(self) -> str:
        """The prefix, or the address if it is a single one."""
        whole = self.network.prefixlen == self.network.max_prefixlen
        return str(self.network.network_address) if whole else str(self.network)


@dataclass(frozen=True, slots=True)
class Shade:
    """The current state of a cell.

    Attributes:
        cell: the prefix.
        failing: its failing addresses.
        unknown: its addresses without a known health.
        level: 0 for healthy, 1 to 4 for up to 1 %, 10 %, 50 % and more failing; None if nothing is known, or if it was
            not sampled for three intervals.
    """

    cell: Cell
    failing: int
    unknown: int
    level: int | None


class Maps:
    """Caches the cells of each pool until its addresses change."""

    def __init__(self) -> None:
        self._cells: dict[str, tuple[Pool, tuple[Cell, ...]]] = {}

    def shades(self, state: PoolState, now: float) -> list[Shade]:
        """The state of a pool's cells at Unix time *now*."""
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
    """Split ranges at the borders of prefixes. Ranges in one prefix share a cell."""
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
    packed = (prefix << _WIDTHS[family] - length).to_bytes(_WIDTHS[family] // 8, "big")
    return Cell(ip_network((packed, length)), first, end - first)


def _shade(state: PoolState, cell: Cell, stale_before: float) -> Shade:
    end = cell.first + cell.count
    failing = state.healths.count(FAILING, cell.first, end)
    unknown = state.healths.count(UNKNOWN, cell.first, end) + state.healths.count(UNSAMPLED, cell.first, end)
    if unknown == cell.count or _is_stale(state, cell, stale_before):
        return Shade(cell, failing, unknown, None)
    share = failing / cell.count
    return Shade(cell, failing, unknown, sum(share > limit for limit in (0, 0.01, 0.1, 0.5)))


def _is_stale(state: PoolState, cell: Cell, stale_before: float) -> bool:
    """Whether its last address was sampled too long ago. Rounds go through the pool in order."""
    return 0.0 < state.sampled_at(cell.first + cell.count - 1) < stale_before


@dataclass(frozen=True, slots=True)
class Spot:
    """A failing cell and its position in the drawing, in pixels."""

    x: int
    y: int
    shade: Shade

    @property
    def text(self) -> str:
        """The text of its tooltip."""
        cell = self.shade.cell
        share = f"{self.shade.failing} of {cell.count} " if cell.count > 1 else ""
        return f"{cell.label}: {share}failing"


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """The map of a pool as SVG; sizes in pixels.

    Attributes:
        width: of the drawing.
        height: of the drawing.
        step: the distance between two cells.
        size: the width of a cell.
        paths: one path for all cells of a level, by level: "none", "0" to "4". One path is small for 4,000 cells.
        spots: the worst failing cells, each an element with a link.
    """

    width: int
    height: int
    step: int
    size: int
    paths: tuple[tuple[str, str], ...]
    spots: tuple[Spot, ...]

    @property
    def signs(self) -> list[tuple[int, str]]:
        """The path of the sign of each failing level, in the first cell."""
        scale = self.size / 10
        return [
            (level, f"M1 1m{_NUMBER.sub(lambda number: f'{int(number[0]) * scale:g}', sign[1:])}")
            for level, sign in _SIGNS.items()
        ]


def draw_map(shades: Sequence[Shade]) -> MapDrawing:
    """Draw the cells; the worst of the failing ones are spots."""
    dense = len(shades) > _DENSE
    step, columns = (12, 80) if dense else (30, 32)
    failing = [number for number, shade in enumerate(shades) if shade.failing and shade.level]
    failing.sort(key=lambda number: -shades[number].failing / shades[number].cell.count)
    spots = set(failing[:_LINKS])
    paths: dict[str, list[str]] = {}
    size = step - 2
    for number, shade in enumerate(shades):
        if number not in spots:
            y, x = divmod(number, columns)
            level = "none" if shade.level is None else str(shade.level)
            paths.setdefault(level, []).append(f"M{x * step + 1} {y * step + 1}h{size}v{size}h-{size}z")
    return MapDrawing(
        columns * step,
        max(1, -(-len(shades) // columns)) * step,
        step,
        size,
        tuple([(level, "".join(cells)) for level, cells in sorted(paths.items())]),
        tuple([Spot(n % columns * step + 1, n // columns * step + 1, shades[n]) for n in sorted(spots)]),
    )
