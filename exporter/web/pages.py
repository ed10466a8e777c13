"""The pages: fleet, pool, address, search, changes, exporter.

The rule of this file: it gathers what a page shows and hands it to a template; it words nothing itself. Every page
works without the script.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

from aiohttp import web

from exporter.checks.verdicts import Result
from exporter.state.domain import DomainState
from exporter.state.journal import Which
from exporter.state.pool import FAILING, PoolState
from exporter.web.cells import SMALL, Maps
from exporter.web.chain import chain
from exporter.web.documents import EVIDENCE_NOT_KEPT
from exporter.web.domains import domain_document, grouped_findings, lists_of
from exporter.web.drawing import draw
from exporter.web.fleet import fleet, listed, summarise, worst
from exporter.web.map_drawing import draw_map
from exporter.web.predictions import predicted
from exporter.web.query import place_parameter, text_of, whole_number
from exporter.web.rendering import environment, render
from exporter.web.search import Search, Wanted, read_address
from exporter.web.sources import Sources

_PROBLEMS_EACH = 8
_PAGE = 50
_LATEST_CHANGES = 10
_HELO_NAMES = 50
_DOMAINS = 100
_DISPUTES = 50

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """Serves the pages. *base* is the path that every link begins with, without a slash at its end."""

    def __init__(self, sources: Sources, search: Search, base: str) -> None:
        self._sources = sources
        self._base = base
        self._maps = Maps()
        self._search = search

    def routes(self) -> list[tuple[str, Handler]]:
        """Each path, with what serves it."""
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
        """The page for what is not there."""
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
            problems=worst(sources.board, _PROBLEMS_EACH),
            each=_PROBLEMS_EACH,
            entries=sources.journal.latest(_LATEST_CHANGES),
            resolvers=[server for resolver in sources.resolvers() for server in resolver.servers],
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
        start = place_parameter(request.query, "from")
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
        place = None if address is None else self._sources.board.find(address)
        if place is None:
            return await self.not_found("This address is in none of the configured pools.")
        pool, index = place
        one = listed(pool, index)
        state = one.state
        return await self._page(
            "address.html",
            one=one,
            state=state,
            pool=pool.pool,
            drawing=draw(chain(state.target, state.evidence, pool.pool.expect)) if state.evidence else None,
            groups=_grouped(pool, index),
            receivers=predicted(state) if state.latest else [],
            evidence_not_kept=EVIDENCE_NOT_KEPT,
            entries=await self._sources.changes(_LATEST_CHANGES, wanted=Which(address=address)),
        )

    async def _domain(self, request: web.Request) -> web.Response:
        state = self._sources.domains.find(request.match_info["name"])
        if state is None:
            return await self.not_found("There is no such domain in the configuration.")
        known = domain_document(state, await asyncio.to_thread(lists_of, self._sources, state))
        name = state.settings.name
        return await self._page(
            "domain.html",
            name=name,
            state=state,
            groups=grouped_findings(state),
            hints=[hint for hints in state.hints.values() for hint in hints],
            records=known,
            lists=known["lists"],
            entries=await self._sources.changes(_LATEST_CHANGES, wanted=Which(domain=name)),
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
        start = place_parameter(request.query, "from")
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
        text = render(template, {**values, "base": self._base, "now": self._sources.now()})
        response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
        response.headers["Cache-Control"] = "no-store"
        response.enable_compression()
        return response


def _urgency(state: DomainState) -> int:
    return {False: 0, None: 1, True: 2}[state.is_healthy]


def _grouped(pool: PoolState, index: int) -> Mapping[str, list[Any]]:
    """The findings of the latest sample: the expected failures, what is not known, the other failures, the passes."""
    state, expect = pool[index], pool.pool.expect
    groups: dict[str, list[Any]] = {"failing": [], "unknown": [], "aside": [], "passing": []}
    for finding in state.latest.findings if state.latest is not None else ():
        held = state.held.get((finding.check, finding.subject))
        if finding.result is Result.PASS:
            groups["passing"].append((finding, None))
        elif finding.result is Result.UNKNOWN:
            groups["unknown"].append((finding, held))
        else:
            groups["failing" if finding.check in expect else "aside"].append((finding, None))
    return groups
