"""The JSON API `/api/v1/`, which docs/openapi.yaml describes, and `/probe`.

A list is ``{"data": [...], "next": ...}``; *next* is the cursor of the next page, null at the end. A bad request gets
``{"error": "..."}`` with a 4xx.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import CheckName
from exporter.inventory.pool import Pool
from exporter.state.address import AddressState
from exporter.state.board import Board
from exporter.state.domain import DomainBoard
from exporter.state.journal import ChangeFilter
from exporter.state.pool import FAILING, HEALTHY, NOT_SAMPLED, UNKNOWN, UNSAMPLED, PoolState
from exporter.views.documents import (
    Json,
    address_documents,
    change_document,
    dispute_document,
    helo_name_document,
    listed_document,
    pool_document,
    printable,
    records_of,
    rfc3339,
)
from exporter.views.domains import coverage_of, domain_document, listed_domain
from exporter.views.outage import outage, status_document
from exporter.views.pools import listed, summarise
from exporter.views.sources import Sources
from exporter.web.access import Bucket, RateLimit
from exporter.web.search import (
    BadQueryError,
    NotConfiguredError,
    Search,
    Wanted,
    cursor_parameter,
    cursor_text,
    read_address,
    seconds_of,
    text_of,
    whole_number,
)

_HEALTHS = {"healthy": HEALTHY, "failing": FAILING, "unknown": UNKNOWN, NOT_SAMPLED: UNSAMPLED}
_DEFAULT_LIMIT = 100
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_ESCAPINGS = {"allow-utf-8", "underscores", "dots", "values"}
MAX_LIMIT = 500

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
_DEFAULT_SECONDS = 10.0
_LONGEST_SECONDS = 120.0

Sample = Callable[[Pool, Target, AddressState, float], Awaitable[AddressState]]
"""Samples a target of a pool, given what is known of it, within a number of seconds."""

Render = Callable[[Pool, AddressState, float, str], tuple[bytes, str]]
"""Gives the exposition of a sample and its content type, for its duration in seconds and an `Accept` header."""


class Api:
    """Serves the API."""

    def __init__(self, sources: Sources, search: Search) -> None:
        self._sources = sources
        self._search = search

    def routes(self) -> list[tuple[str, Handler]]:
        """Each path with its handler."""
        return [
            ("/api/v1/status", self._status),
            ("/api/v1/pools", self._pools),
            ("/api/v1/pools/{name}", self._pool),
            ("/api/v1/pools/{name}/helo-names", self._helo_names),
            ("/api/v1/addresses", self._addresses),
            ("/api/v1/addresses/{ip}", self._address),
            ("/api/v1/domains", self._domains),
            ("/api/v1/domains/{name}", self._domain),
            ("/api/v1/changes", self._changes),
            ("/api/v1/disagreements", self._disagreements),
        ]

    async def _status(self, _request: web.Request) -> web.Response:
        sources = self._sources
        return respond(status_document(sources.board, sources.domains, outage(sources.resolvers(), sources.now())))

    async def _pools(self, request: web.Request) -> web.Response:
        start, _ = cursor_parameter(request.query, "cursor")
        limit = _limit(request.query)
        lags = self._sources.lags()
        states = list(self._sources.board.pools.items())
        shown = states[start : start + limit]
        more = cursor_text((start + limit, 0)) if start + limit < len(states) else None
        data = [self._pool_document(name, state, lags) for name, state in shown]
        return respond({"data": data, "next": more})

    async def _pool(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        state = self._sources.board.pools.get(name)
        if state is None:
            return problem(404, "there is no such pool in the configuration")
        return respond(self._pool_document(name, state, self._sources.lags()))

    def _pool_document(self, name: str, state: PoolState, lags: Mapping[str, float]) -> Json:
        found = outage(self._sources.resolvers(), self._sources.now())
        document = pool_document(summarise(state, lags.get(name, 0.0)))
        return document | {"outage": found.sentence if found is not None and found.is_blind else None}

    async def _helo_names(self, request: web.Request) -> web.Response:
        state = self._sources.board.pools.get(request.match_info["name"])
        if state is None:
            return problem(404, "there is no such pool in the configuration")
        start, _ = cursor_parameter(request.query, "cursor")
        limit = _limit(request.query)
        helos = list(state.helos.values())
        more = cursor_text((start + limit, 0)) if start + limit < len(helos) else None
        data = [helo_name_document(state.pool, helo) for helo in helos[start : start + limit]]
        return respond({"data": data, "next": more})

    async def _addresses(self, request: web.Request) -> web.Response:
        health = text_of(request.query, "health")
        if health and health not in _HEALTHS:
            raise BadQueryError(f"health is none of {', '.join(_HEALTHS)}")
        pool = self._pool_parameter(request.query)
        wanted = Wanted(text_of(request.query, "q"), pool, _HEALTHS.get(health))
        found = await self._search.find(wanted, _limit(request.query), cursor_parameter(request.query, "cursor"))
        more = None if found.more is None else cursor_text(found.more)
        return respond({"data": [listed_document(one) for one in found.addresses], "next": more})

    async def _address(self, request: web.Request) -> web.Response:
        address = read_address(request.match_info["ip"])
        if address is None:
            return problem(404, "this is not an IPv4 or IPv6 address, like 192.0.2.10 or 2001:db8::10")
        found = self._sources.board.find(address)
        if found is None:
            return problem(404, "this address is in none of the configured pools")
        state, index = found
        return respond({"data": address_documents(listed(state, index), state.pool.expect), "next": None})

    async def _domains(self, request: web.Request) -> web.Response:
        start, _ = cursor_parameter(request.query, "cursor")
        limit = _limit(request.query)
        states = list(self._sources.domains.values())
        more = cursor_text((start + limit, 0)) if start + limit < len(states) else None
        return respond({"data": [listed_domain(state) for state in states[start : start + limit]], "next": more})

    async def _domain(self, request: web.Request) -> web.Response:
        state = self._sources.domains.find(request.match_info["name"])
        if state is None:
            return problem(404, "there is no such domain in the configuration")
        coverage = await asyncio.to_thread(coverage_of, self._sources, state)
        return respond(domain_document(state, coverage))

    async def _changes(self, request: web.Request) -> web.Response:
        before = whole_number(request.query, "cursor", 1, 10**16 - 1)
        limit = _limit(request.query)
        pool = self._pool_parameter(request.query)
        ip = text_of(request.query, "ip")
        address = read_address(ip)
        if ip and address is None:
            raise BadQueryError("ip is not an IPv4 or IPv6 address, like 192.0.2.10 or 2001:db8::10")
        check = text_of(request.query, "check") or None
        domain = text_of(request.query, "domain")
        state = self._sources.domains.find(domain)
        if domain and state is None:
            raise NotConfiguredError("domain is none of the configured domains")
        wanted = ChangeFilter(pool, address, None if state is None else state.settings.name, check)
        entries = await self._sources.changes(limit + 1, before=before, wanted=wanted)
        more = str(entries[limit - 1].number) if len(entries) > limit else None
        expect: dict[str, frozenset[CheckName]] = {
            name: state.pool.expect for name, state in self._sources.board.pools.items()
        }
        by_domain = {name: one.settings.expect for name, one in self._sources.domains.items()}
        return respond({"data": [change_document(entry, expect, by_domain) for entry in entries[:limit]], "next": more})

    async def _disagreements(self, request: web.Request) -> web.Response:
        start, _ = cursor_parameter(request.query, "cursor")
        limit = _limit(request.query)
        disputed = list(islice(self._sources.disputes, start, start + limit + 1))
        more = cursor_text((start + limit, 0)) if len(disputed) > limit else None
        return respond({"data": [dispute_document(*each) for each in disputed[:limit]], "next": more})

    def _pool_parameter(self, query: MultiMapping[str]) -> str | None:
        pool = text_of(query, "pool") or None
        if pool is not None and pool not in self._sources.board.pools:
            raise NotConfiguredError("pool is none of the configured pools")
        return pool


def _wanted(header: str) -> list[tuple[str, dict[str, str]]]:
    """The items of an `Accept` or `Accept-Encoding` header with their parameters, the most wanted first.

    Items with a quality of 0, or with none that can be read, are left out (RFC 9110 section 12.4.2).
    """
    found = []
    for item in header.split(","):
        name, *rest = item.split(";")
        parameters = {key.strip().lower(): value.strip(' "') for key, _, value in (one.partition("=") for one in rest)}
        quality = parameters.pop("q", "1")
        if _QUALITY.fullmatch(quality) and float(quality) > 0:
            found.append((float(quality), name.strip().lower(), parameters))
    return [(name, parameters) for _, name, parameters in sorted(found, key=lambda one: -one[0])]


def accepts_gzip(header: str) -> bool:
    """Whether an `Accept-Encoding` header allows gzip."""
    return any(name in {"gzip", "x-gzip"} for name, _ in _wanted(header))


def canonical_accept(header: str) -> str:
    """An `Accept` header that gets the same exposition as *header*; there are ten of them, whatever clients send."""
    for name, parameters in _wanted(header):
        version = parameters.get("version", "")
        if name == "application/openmetrics-text" and not version:
            return name
        if name in {"application/openmetrics-text", "text/plain"} and version.startswith("1."):
            escaping = parameters.get("escaping", "")
            return f"{name};version=1.0.0;escaping={escaping if escaping in _ESCAPINGS else 'underscores'}"
    return ""


def _limit(query: MultiMapping[str]) -> int:
    return whole_number(query, "limit", 1, MAX_LIMIT) or _DEFAULT_LIMIT


def respond(document: Any, status: int = 200) -> web.Response:
    """A JSON response, compressed if the client accepts that."""
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"
    response = web.Response(text=text, status=status, content_type="application/json", charset="utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.enable_compression()
    return response


def problem(status: int, what: str) -> web.Response:
    """An error as JSON."""
    return respond({"error": what}, status)


class CheckedKind(StrEnum):
    """What can be checked again."""

    ADDRESS = "address"
    HELO_NAME = "helo-name"
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class CheckAgain:
    """Samples configured subjects again when somebody asks for it.

    Attributes:
        board: the configured pools.
        domains: the configured domains.
        check: samples an address (by its index in the pool) or HELO name, past the cache.
        check_domain: the same for a domain.
        bucket: limits the rate.
    """

    board: Board
    domains: DomainBoard
    check: Callable[[PoolState, int | str], Awaitable[None]]
    check_domain: Callable[[DomainName], Awaitable[None]]
    bucket: Bucket = field(default_factory=lambda: Bucket(RateLimit(1.0, 10)))

    def paths(self) -> list[tuple[str, CheckedKind]]:
        """The path of each kind of subject, below which `/check` is."""
        return [
            ("/addresses/{ip}", CheckedKind.ADDRESS),
            ("/pools/{name}/helo-names/{helo}", CheckedKind.HELO_NAME),
            ("/domains/{name}", CheckedKind.DOMAIN),
        ]

    async def run(self, subject: CheckedKind, named: Mapping[str, str]) -> None:
        """Check the subject that the parts of a path name; returns when the result is recorded."""
        if subject is CheckedKind.ADDRESS:
            address = read_address(named["ip"])
            found = None if address is None else self.board.find(address)
            if found is None:
                raise NotConfiguredError("this address is in none of the configured pools")
            await self.check(*found)
        elif subject is CheckedKind.HELO_NAME:
            pool = self.board.pools.get(named["name"])
            if pool is None or named["helo"] not in pool.helos:
                raise NotConfiguredError("there is no such HELO name in the configuration")
            await self.check(pool, named["helo"])
        else:
            domain = self.domains.find(named["name"])
            if domain is None:
                raise NotConfiguredError("there is no such domain in the configuration")
            await self.check_domain(domain.settings.name)


@dataclass(frozen=True, slots=True)
class Probe:
    """Serves `/probe`: samples one configured target while Prometheus waits.

    Attributes:
        board: the configured pools.
        sample: samples a target.
        render: renders the result.
        offset_seconds: subtracted from the scrape timeout, so that the response arrives in time.
    """

    board: Board
    sample: Sample
    render: Render
    offset_seconds: float = 0.5

    async def serve(self, request: web.Request) -> web.Response:
        """Sample the target and serve the result: metrics, or with ``debug=true`` text for people."""
        debug = text_of(request.query, "debug")
        if debug not in {"", "true", "false"}:
            raise BadQueryError("debug is neither true nor false")
        timeout_seconds = self._timeout_of(request)
        state, index = self._find(text_of(request.query, "target"))
        known = state[index]
        target = _target(state, known.target, text_of(request.query, "helo"))
        loop = asyncio.get_running_loop()
        began = loop.time()
        sampled = await self.sample(state.pool, target, known, timeout_seconds)
        seconds = loop.time() - began
        accept = "" if debug == "true" else canonical_accept(request.headers.get("Accept", ""))
        body, content_type = self.render(state.pool, sampled, seconds, accept)
        if debug == "true":
            text = explain(state.pool, sampled, seconds, timeout_seconds) + "\n" + body.decode()
            return web.Response(text=text, headers={"Content-Type": "text/plain; charset=utf-8"})
        return web.Response(body=body, headers={"Content-Type": content_type, "Vary": "Accept"})

    def _timeout_of(self, request: web.Request) -> float:
        header = request.headers.get(TIMEOUT_HEADER)
        if header is None:
            return _DEFAULT_SECONDS
        seconds = seconds_of(header, TIMEOUT_HEADER, _LONGEST_SECONDS)
        return max(seconds - self.offset_seconds, seconds / 2)

    def _find(self, text: str) -> tuple[PoolState, int]:
        address = read_address(text)
        if address is None:
            raise BadQueryError("target is not an IPv4 or IPv6 address, like ?target=192.0.2.10")
        found = self.board.find(address)
        if found is None:
            raise BadQueryError("target is in none of the configured pools: only configured addresses are probed")
        return found


def _target(state: PoolState, configured: Target, helo: str) -> Target:
    """The configured target with only the HELO name *helo*, which must be configured for it or its pool."""
    if not helo:
        return configured
    name: HeloName | None = next((one for one in configured.helos if one.text == helo), None)
    if name is None and helo in state.helos:
        name = state.helos[helo].helo
    if name is None:
        raise BadQueryError("helo is not a configured HELO name of this address or its pool")
    return Target(configured.address, (name,))


def explain(pool: Pool, state: AddressState, seconds: float, timeout_seconds: float) -> str:
    """The sample as text: findings and evidence, in printable ASCII."""
    report = state.latest
    lines = [
        f"# {state.target.address} of the pool {pool.name}, sampled in {seconds:.3f} s of {timeout_seconds:g} s",
        *[f"# HELO {helo}" for helo in state.target.helos],
    ]
    for finding in report.findings if report is not None else ():
        expected = "" if finding.check in pool.expect else " (not expected to pass)"
        reason = f" ({finding.reason})" if finding.reason else ""
        subject = f" of {finding.subject}" if finding.subject else ""
        lines.append(f"# {finding.check}{subject}: {finding.result}{reason}{expected}")
        lines += [f"#   {line}" for line in (finding.sentence, *str(finding.fix or "").splitlines()) if line]
    for question, answer in state.evidence.items():
        records = ", ".join(records_of(answer)) or answer.status.value.upper()
        via = f" via {' '.join(answer.chain)}" if answer.chain else ""
        source = f" from {answer.server} at {rfc3339(answer.asked_at)}, TTL {answer.ttl} s" if answer.server else ""
        lines.append(f"# {question}: {records}{via}{source}")
    return "".join([f"{printable(line)}\n" for line in lines])
