"""Shows 100,000 series to a real Prometheus, and counts the processor time that this takes.

Between two scrapes every address is sampled once, evenly and in order, as rounds go: `sampled`, when each is as it
was, and three lines in twelve are others; `turned`, when each breaks or fixes, and seven are. In `still` nothing
happens, `reference` is what prometheus-client does.
"""

import argparse
import asyncio
import gzip
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from exporter.metrics.exposition import Exposition
from exporter.state.pool import PoolState
from exporter.web.server import Rendered, Scrapes
from tests.benchmarks.pool_fleet import OPENMETRICS, answer, broken, sample, shown_fleet, sweep

SHOWN = {"turned": 23, "sampled": 25, "still": 19, "reference": 29}
"""Every how many seconds each is scraped: none as often as another, so that no two always meet."""
TEXTFILES = ("well.prom.new", "turned.prom.new")
"""Names that node_exporter passes over, until one is copied to where it looks."""
_STEP_SECONDS = 0.05


class Timed:
    """A rendering, with the processor time that its scrapes took, and all that was written ahead of them."""

    def __init__(self, exposition: Exposition, registry: CollectorRegistry | None) -> None:
        self._exposition = exposition
        self._registry = registry
        self.scrapes: list[float] = []
        self.ahead = 0.0

    def render(self, accept: str, *, compress: bool) -> Rendered:
        """All of it; as prometheus-client does it, if there is a registry."""
        began = time.thread_time()
        if self._registry is None:
            rendered = self._exposition.render(accept, compress=compress)
        else:
            rendered = gzip.compress(generate_latest(self._registry)), f"{OPENMETRICS};charset=utf-8"
        self.scrapes.append(time.thread_time() - began)
        return rendered

    def writing_ahead(self) -> Iterator[bool]:
        """What is written between scrapes."""
        steps = iter(()) if self._registry else self._exposition.writing_ahead()
        while True:
            began = time.thread_time()
            is_made = next(steps, False)
            self.ahead += time.thread_time() - began
            if not is_made:
                return
            yield True

    def seconds(self) -> dict[str, float]:
        """By scrape, but for the first one: the median of what it took, and the mean of what was done ahead."""
        return {"scrape": statistics.median(self.scrapes[1:]), "ahead": self.ahead / len(self.scrapes)}


async def keep_sampling(state: PoolState, seconds: float, *, turning: bool) -> None:
    """Sample each address once in so many *seconds*, evenly and in order; every round may turn all."""
    began, done = time.monotonic(), 0
    while True:
        await asyncio.sleep(_STEP_SECONDS)
        due = int((time.monotonic() - began) / seconds * state.pool.size)
        for number in range(done, due):
            rounds, index = divmod(number, state.pool.size)
            ask = broken if turning and rounds % 2 == 0 else answer
            sample(state, index, time.time(), ask)
        done = due


def write_textfiles(folder: Path) -> None:
    """Write the same series for node_exporter, as `TEXTFILES` in *folder*: when all is well, and when all is turned."""
    state, collector = shown_fleet()
    exposition = Exposition(collector)
    for name, ask in zip(TEXTFILES, (answer, broken), strict=True):
        sweep(state, time.time(), ask)
        (folder / name).write_bytes(exposition.render("", compress=False)[0])


async def serve(show: str, port: int) -> None:
    """Show it on /metrics, and what that took on /cpu."""
    state, collector = shown_fleet()
    exposition = Exposition(collector)
    registry = CollectorRegistry()
    registry.register(collector)
    timed = Timed(exposition, registry if show == "reference" else None)
    scrapes = Scrapes(timed)

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = await scrapes.get(request.headers.get("Accept", ""), compress=True)
        return web.Response(body=body, headers={"Content-Type": content_type, "Content-Encoding": "gzip"})

    async def cpu(_request: web.Request) -> web.Response:
        return web.json_response(timed.seconds())

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/cpu", cpu)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    if show in {"sampled", "turned"}:
        await keep_sampling(state, SHOWN[show], turning=show == "turned")
    await asyncio.Event().wait()


def main() -> None:
    """Show what the command line says, until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("show", choices=SHOWN)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.show, options.port))


if __name__ == "__main__":
    main()
