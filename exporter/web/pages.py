"""The HTML pages: values for the templates, their filters, and the map of a pool.

Templates escape everything, and every page works without its script.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from exporter import __version__
from exporter.checks.receivers import by_design
from exporter.checks.result import Result, causes
from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRanges
from exporter.state.domain import DomainState
from exporter.state.journal import ChangeFilter
from exporter.state.pool import FAILING, UNKNOWN, UNSAMPLED, PoolState
from exporter.state.spf_coverage import FAMILIES, ByFamily
from exporter.views.chain import chain, draw
from exporter.views.documents import EVIDENCE_NOT_KEPT, consequences, percentage, predicted, printable, records_of
from exporter.views.domains import coverage_of, domain_document, grouped_findings
from exporter.views.outage import outage
from exporter.views.pools import Estimate, PoolSummary, fleet, listed, next_sample, summarise, worst
from exporter.views.sources import Sources
from exporter.web.search import Search, Wanted, cursor_parameter, read_address, text_of, unwrapped, whole_number

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
_MANY_IPV6 = 1 << 20
_MANY_PREFIXES = 10_000
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
        seen = outage(sources.resolvers(), sources.now())
        return await self._page(
            "fleet.html",
            headline=headline(tallies(pools, sources.domains.values()), is_blind=seen is not None and seen.is_blind),
            pools=pools,
            failing=sum(pool.failing for pool in pools),
            problems=worst(sources.board, _PROBLEMS_EACH),
            each=_PROBLEMS_EACH,
            entries=sources.journal.latest(_LATEST_CHANGES),
            disputed=len(sources.disputes),
            failing_domains=[state for state in sources.domains.values() if state.is_healthy is False],
            other_domains=sorted(
                [state for state in sources.domains.values() if state.is_healthy is not False],
                key=lambda state: state.is_healthy is True,
            ),
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
            consequences=consequences(state.latest.findings, pool.pool.expect) if state.latest else {},
            receivers=predicted(state) if state.latest else [],
            evidence_not_kept=EVIDENCE_NOT_KEPT,
            entries=await self._sources.changes(_LATEST_CHANGES, wanted=ChangeFilter(address=address)),
        )

    async def _domain(self, request: web.Request) -> web.Response:
        state = self._sources.domains.find(request.match_info["name"])
        if state is None:
            return await self.not_found("There is no such domain in the configuration.")
        coverage = await asyncio.to_thread(coverage_of, self._sources, state)
        known = domain_document(state, coverage)
        name = state.settings.name
        return await self._page(
            "domain.html",
            name=name,
            state=state,
            groups=grouped_findings(state),
            hints=[hint for hints in state.hints.values() for hint in hints],
            records=known,
            coverage=known["spf_coverage"],
            ranges=coverage,
            entries=await self._sources.changes(_LATEST_CHANGES, wanted=ChangeFilter(domain=name)),
        )

    async def _find(self, request: web.Request) -> web.StreamResponse:
        query = text_of(request.query, "q")
        wanted = unwrapped(query)
        pool = text_of(request.query, "pool") or None
        start = cursor_parameter(request.query, "from")
        is_first = start == (0, 0) and pool is None and bool(wanted)
        self._redirect_to_match(wanted)
        found = await self._search.find(Wanted(query, pool), _PAGE, start)
        board, domains = self._sources.board, self._sources.domains
        return await self._page(
            "search.html",
            query=query,
            pool=pool,
            found=found,
            is_first=start == (0, 0),
            pools=[name for name in board.pools if is_first and wanted.lower() in name.lower()][:_PAGE],
            domains=[domains[name] for name in domains if is_first and wanted.lower() in name][:_PAGE],
        )

    def _redirect_to_match(self, wanted: str) -> None:
        """Raise the redirect to the address, domain or pool with exactly that name, if there is one."""
        address = read_address(wanted)
        domain = self._sources.domains.find(wanted)
        if address is not None and self._sources.board.find(address) is not None:
            raise web.HTTPFound(f"{self._base}/addresses/{quote(str(address), safe=':')}")
        if domain is not None:
            raise web.HTTPFound(f"{self._base}/domains/{quote(domain.settings.name)}")
        for name in self._sources.board.pools:
            if name.lower() == wanted.lower():
                raise web.HTTPFound(f"{self._base}/pools/{quote(name)}")

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
        common = {
            "base": self._base,
            "now": now,
            "outage": outage(self._sources.resolvers(), now),
            "reload": await self._sources.configuration(),
        }
        text = render(template, {**values, **common})
        response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
        response.headers["Cache-Control"] = "no-store"
        response.enable_compression()
        return response


@dataclass(frozen=True, slots=True)
class Tally:
    """How many addresses, sampled pools or domains there are.

    Attributes:
        noun: What is counted, in the singular.
        size: How many there are: *healthy*, *failing*, not sampled, and unknown ones.
        healthy: How many are healthy.
        failing: How many are failing.
        not_sampled: How many have no sample.
    """

    noun: str
    size: int
    healthy: int
    failing: int
    not_sampled: int

    def count(self, value: int) -> str:
        """So many of the noun: ``1 address``, ``24 addresses``."""
        return f"{number(value)} {self.noun if value == 1 else self.plural}"

    @property
    def plural(self) -> str:
        """The noun in the plural."""
        return f"{self.noun}es" if self.noun.endswith("s") else f"{self.noun}s"

    def part(self, value: int) -> str:
        """A part of them as the subject of a sentence: ``the only address``, ``all 24 addresses``, ``1 of 24 ...``."""
        if value < self.size:
            return f"{number(value)} of {self.count(self.size)}"
        named = {1: f"the only {self.noun}", 2: f"both {self.plural}"}
        return named.get(value, f"all {number(value)} {self.plural}")


@dataclass(frozen=True, slots=True)
class Headline:
    """What the first page says first.

    Attributes:
        kind: ``good``, ``bad`` or ``open``.
        text: The headline.
        details: Sentences about what is not known, and about sampled pools.
    """

    kind: str
    text: str
    details: tuple[str, ...]


def tallies(pools: Iterable[PoolSummary], domains: Iterable[DomainState]) -> list[Tally]:
    """Addresses of which each is sampled, pools that are sampled in part, and domains; none of which there are none."""
    whole = [pool for pool in pools if not pool.is_drawn]
    drawn = [pool for pool in pools if pool.is_drawn]
    states = list(domains)
    healths = Counter(state.is_healthy for state in states)
    fresh = sum(state.latest is None for state in states)
    verdicts = Counter(pool.state for pool in drawn)
    counted = [
        Tally(
            "address",
            *[sum(getattr(pool, key) for pool in whole) for key in ("size", "healthy", "failing", "not_sampled")],
        ),
        Tally(
            "sampled pool", len(drawn), verdicts["healthy"], verdicts["failing"], sum(not pool.rounds for pool in drawn)
        ),
        Tally("domain", len(states), healths[True], healths[False], fresh),
    ]
    return [one for one in counted if one.size]


def headline(counted: Sequence[Tally], *, is_blind: bool) -> Headline:
    """The headline about all of *counted*: green only if each of them is healthy, and the DNS can be believed."""
    failing = [one for one in counted if one.failing]
    details = []
    for one in counted:
        unknown = one.size - one.healthy - one.failing - one.not_sampled
        if one.not_sampled and one.not_sampled < one.size:
            details.append(f"{one.count(one.not_sampled)} {_verb(one.not_sampled, 'is', 'are')} not sampled yet.")
        if unknown:
            its = _verb(unknown, "it", "them")
            details.append(
                f"{one.count(unknown)} {_verb(unknown, 'is', 'are')} unknown: the DNS has not answered for {its} yet."
            )
    if failing:
        total = sum(one.failing for one in failing)
        text = f"{_joined([one.part(one.failing) for one in failing])} {_verb(total, 'needs', 'need')} fixing"
        if not is_blind:
            details[:0] = [
                f"{_capital(one.part(one.healthy))} {_verb(one.healthy, 'is', 'are')} healthy."
                for one in counted
                if one.healthy and not one.failing
            ]
        return Headline("bad", _capital(text), tuple(details))
    healthy = [one for one in counted if one.healthy]
    if not healthy:
        if all(one.size == one.not_sampled for one in counted):
            return Headline("open", "Nothing is known yet: the first samples are under way", ())
        return Headline("open", "Nothing is known: the DNS does not answer", tuple(details))
    total = sum(one.healthy for one in healthy)
    text = f"{_joined([one.part(one.healthy) for one in healthy])} "
    if is_blind:
        text += f"{_verb(total, 'was', 'were')} healthy when the DNS last answered"
    else:
        text += f"{_verb(total, 'is', 'are')} healthy"
    is_whole = all(one.healthy == one.size for one in counted)
    return Headline("good" if is_whole and not is_blind else "open", _capital(text), tuple(details))


def _verb(count: int, singular: str, plural: str) -> str:
    return singular if count == 1 else plural


def _joined(subjects: Sequence[str]) -> str:
    return " and ".join([", ".join(subjects[:-1]), subjects[-1]]) if len(subjects) > 1 else subjects[0]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _grouped(pool: PoolState, index: int) -> Mapping[str, list[Any]]:
    """The findings of the latest sample: expected failures, unknown results, other failures, passes.

    Failures that only follow from another one are left out.
    """
    state, expect = pool[index], pool.pool.expect
    follow = causes(state.latest.findings, expect) if state.latest is not None else {}
    groups: dict[str, list[Any]] = {"failing": [], "unknown": [], "aside": [], "passing": []}
    for finding in state.latest.findings if state.latest is not None else ():
        known = state.known.get((finding.check, finding.subject))
        if finding.result is Result.PASS:
            groups["passing"].append((finding, None))
        elif finding.result is Result.UNKNOWN:
            groups["unknown"].append((finding, known))
        elif (finding.check, finding.subject) not in follow:
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
        "passing": passing,
        "amount": amount,
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


def passing(estimate: Estimate, word: str = "") -> str:
    """The share that passes, a *word*, and its 95% interval: ``99.0% confirmed, 98.4 to 99.4%``.

    The share and the lower end are rounded down: nothing but 100% is shown as 100%.
    """
    share, lower, upper = (100 * (1 - end) for end in (estimate.share, estimate.upper, estimate.lower))
    digits = 3 if 99.9 < share < 100 else 1
    scale = 10**digits
    low, middle = (f"{floor(round(end * scale, 6)) / scale:.{digits}f}" for end in (lower, share))
    high = f"{ceil(round(upper * scale, 6)) / scale:.{digits}f}"
    text = f"{middle.removesuffix('.0') if share == 100 else middle}%{word}"
    return text if upper - lower < 1e-9 else f"{text}, {low} to {high}%"


def amount(ranges: ByFamily) -> str:
    """How many addresses *ranges* have, in words. IPv6 addresses by the million are counted as prefixes."""
    few, many = (sum(last - first + 1 for first, last in ranges[family]) for family in FAMILIES)
    amounts = [f"{number(few)} {'address' if few == 1 else 'addresses'}"] if few or not many else []
    if not many:
        return amounts[0]
    if many < _MANY_IPV6:
        amounts.append(f"{number(many)} IPv6 {'address' if many == 1 else 'addresses'}")
    else:
        length = next((length for length in (64, 48, 32) if many >> (128 - length) < _MANY_PREFIXES), 16)
        if many < 1 << 64:
            length = 129 - many.bit_length()
        count, rest = divmod(many, 1 << (128 - length))
        prefixes = f"one /{length}" if count == 1 else f"{number(count)} /{length} networks"
        amounts.append(f"{'more than ' if rest else ''}{prefixes} of IPv6")
    return " and ".join(amounts)


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
