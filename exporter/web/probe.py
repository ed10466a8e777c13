"""`/probe`: one configured target, sampled now, for the scrape that waits.

The rule of this file: what is not in the configuration is not asked for, and the answer is there before Prometheus
gives up.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from exporter.checks.helo import HeloName
from exporter.checks.report import Target
from exporter.inventory.pool import Pool
from exporter.state.address import AddressState
from exporter.state.board import Board
from exporter.state.pool import PoolState
from exporter.web.documents import moment, printable, records_of
from exporter.web.query import BadQueryError, seconds_of, text_of
from exporter.web.search import read_address

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
_DEFAULT_SECONDS = 10.0
_LONGEST_SECONDS = 120.0

Sample = Callable[[Pool, Target, AddressState, float], Awaitable[AddressState]]
"""Samples a target of a pool, of which something is known already, within some seconds."""

Render = Callable[[Pool, AddressState, float, str], tuple[bytes, str]]
"""The exposition and its content type of what a sample that took some seconds led to, for an `Accept` header."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Serves `/probe`. *offset_seconds* is taken off the time that the scraper gives."""

    board: Board
    sample: Sample
    render: Render
    offset_seconds: float = 0.5

    async def serve(self, request: web.Request) -> web.Response:
        """Sample, and show what came of it: as metrics, or with ``debug=true`` as text for people."""
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
        accept = "" if debug == "true" else request.headers.get("Accept", "")
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
        place = self.board.find(address)
        if place is None:
            raise BadQueryError("target is in none of the configured pools: only what is configured is probed")
        return place


def _target(state: PoolState, configured: Target, helo: str) -> Target:
    """The configured target, with the one HELO name that is asked for, if that is configured for it or its pool."""
    if not helo:
        return configured
    said: HeloName | None = next((one for one in configured.helos if one.text == helo), None)
    if said is None and helo in state.helos:
        said = state.helos[helo].said
    if said is None:
        raise BadQueryError("helo is no configured HELO name of this address, nor of its pool")
    return Target(configured.address, (said,))


def explain(pool: Pool, state: AddressState, seconds: float, timeout_seconds: float) -> str:
    """The sample in words: verdict, findings, evidence. Printable ASCII only."""
    report = state.latest
    lines = [
        f"# {state.target.address} of the pool {pool.name}, sampled in {seconds:.3f} s of {timeout_seconds:g} s",
        *[f"# HELO {said}" for said in state.target.helos],
    ]
    for finding in report.findings if report is not None else ():
        expected = "" if finding.check in pool.expect else " (not expected to pass)"
        reason = f" ({finding.reason})" if finding.reason else ""
        subject = f" of {finding.subject}" if finding.subject else ""
        lines.append(f"# {finding.check}{subject}: {finding.result}{reason}{expected}")
        lines += [f"#   {line}" for line in (finding.sentence, *str(finding.mend or "").splitlines()) if line]
    for question, answer in state.evidence.items():
        said = ", ".join(records_of(answer)) or answer.status.value.upper()
        via = f" via {' '.join(answer.chain)}" if answer.chain else ""
        source = f" from {answer.server} at {moment(answer.asked_at)}, TTL {answer.ttl} s" if answer.server else ""
        lines.append(f"# {question}: {said}{via}{source}")
    return "".join([f"{printable(line)}\n" for line in lines])
