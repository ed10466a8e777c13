"""Measures what a fleet costs in this process, with its answers at hand; prints one JSON object a mode.

`fleet` builds pools and records a sample of each address; `scrapes` renders 100,000 series; `serve` shows them to a
real Prometheus, every address sampled anew between two scrapes; `ring` paces samples that cost nothing.
"""

import argparse
import asyncio
import gc
import gzip
import json
import resource
import statistics
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import judge
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.config.loader import parse
from exporter.inventory.build import build
from exporter.metrics.exposition import Exposition
from exporter.metrics.fleet import FleetCollector
from exporter.sampling.round import Round
from exporter.state.board import Board
from exporter.state.pool import PoolState
from exporter.web.scrapes import Scrapes

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
FIRST = int(IPv4Address("10.0.0.0"))
SERIES = 100_000
SERIES_EACH = 11
"""Series of an address that has one HELO name and never changed."""
ROUNDS = 5


def cpu_seconds() -> float:
    """Processor time of this process, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_octets() -> int:
    """Memory of this process that is resident."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def configuration(count: int, pools: int, helo: str = "", **settings: str) -> str:
    """Write a configuration of *count* addresses in *pools* pools; *settings* are merged into the pools' entries."""
    helo = f', helo: "{helo}"' if helo else ""
    more = "".join(f", {key}: {value}" for key, value in settings.items())
    lines = ["pools:"]
    for number in range(pools):
        first, stop = count * number // pools, count * (number + 1) // pools
        entries = ", ".join(f"{{network: {network}{helo}}}" for network in _networks(FIRST + first, FIRST + stop))
        lines.append(f"  - {{name: pool-{number}, expect: [fcrdns], addresses: [{entries}]{more}}}")
    return "\n".join(lines)


def _networks(first: int, stop: int) -> list[str]:
    """The fewest networks from *first* to before *stop*."""
    found = []
    while first < stop:
        bits = min((first & -first).bit_length() - 1, (stop - first).bit_length() - 1)
        found.append(f"{IPv4Address(first)}/{32 - bits}")
        first += 1 << bits
    return found


def answer(question: Question) -> Answer:
    """What a DNS in which every address is forward-confirmed says."""
    if question.rdtype == "PTR":
        octets = "-".join(question.name.split(".")[3::-1])
        return _answer(DomainName.trusted(f"mail-{octets}.outbound.example.test"))
    if question.rdtype == "AAAA":
        return Answer(Status.NODATA)
    return _answer(Address(bytes(map(int, question.name.split(".")[0].split("-")[1:]))))


def _answer(record: Any) -> Answer:
    return Answer._make((Status.ANSWER, (record,), (), 300, "127.0.0.1:53", 1.79e9, ()))


def sweep(state: PoolState, at: float) -> None:
    """Sample every address of a pool."""
    targets = state.pool.targets
    for index in range(state.pool.size):
        state.record(index, *judge(report(targets[index]), answer), at + index * 0.001)


def measured(act: Callable[[], Any]) -> float:
    """Processor time of doing something."""
    began = cpu_seconds()
    act()
    return cpu_seconds() - began


def measure_fleet(options: argparse.Namespace) -> dict[str, Any]:
    """Load, record, scrape: with *count* addresses in *pools* pools."""
    text = configuration(options.count, options.pools, series="failing")
    board = Board()
    idle = resident_octets()
    load = measured(lambda: board.adopt(build(parse(text, "benchmark"))))
    loaded = resident_octets()
    states = list(board.pools.values())
    record = measured(lambda: [sweep(state, 1.79e9) for state in states])
    exposition = Exposition(FleetCollector(board, dict, time.time))
    first = measured(lambda: exposition.render(OPENMETRICS, compress=True))
    again = min(measured(lambda: exposition.render(OPENMETRICS, compress=True)) for _ in range(ROUNDS))
    recorded = resident_octets()
    size = sum(state.pool.size for state in states)
    return {
        "addresses": size,
        "load_seconds": load,
        "load_octets": loaded - idle,
        "record_seconds": record / size,
        "octets": (recorded - idle) / size,
        "total_octets": recorded - idle,
        "first_scrape_seconds": first,
        "scrape_seconds": again,
    }


def shown_fleet() -> tuple[PoolState, FleetCollector]:
    """As many addresses as have 100,000 series, all sampled."""
    board = Board()
    helo = "mail-{octet1}-{octet2}-{octet3}-{octet4}.outbound.example.test"
    text = configuration(SERIES // SERIES_EACH, 1, helo, series="all", receivers="[]")
    board.adopt(build(parse(text, "benchmark")))
    (state,) = board.pools.values()
    sweep(state, 1.79e9)
    return state, FleetCollector(board, dict, time.time)


def measure_scrapes(_options: argparse.Namespace) -> dict[str, Any]:
    """Render 100,000 series: all changed, nothing changed, and as prometheus-client does it."""
    state, collector = shown_fleet()
    exposition = Exposition(collector)
    registry = CollectorRegistry()
    registry.register(collector)
    changed, unchanged, reference = [], [], []
    for number in range(ROUNDS):
        sweep(state, 1.79e9 + 100 * number)
        changed.append(measured(lambda: exposition.render(OPENMETRICS, compress=True)))
        unchanged.append(measured(lambda: exposition.render(OPENMETRICS, compress=True)))
        reference.append(measured(lambda: gzip.compress(generate_latest(registry))))
    body = exposition.render(OPENMETRICS, compress=False)[0]
    return {
        "series": sum(not line.startswith(b"#") for line in body.splitlines()),
        "same": body.startswith(generate_latest(registry).removesuffix(b"# EOF\n")),
        "changed_seconds": statistics.median(changed),
        "unchanged_seconds": statistics.median(unchanged),
        "reference_seconds": statistics.median(reference),
    }


async def serve(options: argparse.Namespace) -> None:
    """Serve 100,000 series on /metrics: `changed` (all are sampled anew after a scrape), `still`, `reference`."""
    state, collector = shown_fleet()
    exposition = Exposition(collector)
    registry = CollectorRegistry()
    registry.register(collector)
    rounds = iter(range(1, 10**6))
    kept: set[asyncio.Task[None]] = set()
    taken: list[float] = []

    def render(accept: str, compress: bool) -> tuple[bytes, str]:  # as `Scrapes` has it
        began = time.thread_time()
        try:
            if options.show != "reference":
                return exposition.render(accept, compress=compress)
            return gzip.compress(generate_latest(registry)), f"{OPENMETRICS};charset=utf-8"
        finally:
            taken.append(time.thread_time() - began)

    async def cpu(_request: web.Request) -> web.Response:
        return web.json_response(statistics.median(taken))

    async def sample() -> None:
        await asyncio.sleep(0.5)
        sweep(state, 1.79e9 + 100 * next(rounds))

    async def handler(request: web.Request) -> web.Response:
        body, content_type = await scrapes.get(request.headers.get("Accept", ""), compress=True)
        if options.show == "changed":
            task = asyncio.create_task(sample())
            kept.add(task)
            task.add_done_callback(kept.discard)
        return web.Response(body=body, headers={"Content-Type": content_type, "Content-Encoding": "gzip"})

    scrapes = Scrapes(render)
    app = web.Application()
    app.router.add_get("/metrics", handler)
    app.router.add_get("/cpu", cpu)
    if options.textfile:
        await asyncio.to_thread(Path(options.textfile).write_bytes, exposition.render("", compress=False)[0])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.port).start()
    await asyncio.Event().wait()


async def measure_ring(options: argparse.Namespace) -> dict[str, Any]:
    """Pace 100,000 samples a minute that are over at once: what that takes of a core."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    late: list[float] = []

    class Nothing:
        def __init__(self, index: int, finished: Callable[[], None]) -> None:
            self._due = running.began + options.seconds * index / options.count
            self._finished = finished

        def start(self) -> None:
            late.append(loop.time() - self._due)
            self._finished()

        def give_up(self) -> None: ...

        def drop(self) -> None: ...

    running = Round(
        range(options.count),
        Nothing,
        lambda _: ended.set(),
        at_once=0,
        span_seconds=options.seconds,
        limit=500,
        deadline_seconds=60.0,
    )
    began = cpu_seconds()
    running.begin()
    await ended.wait()
    cpu = cpu_seconds() - began
    return {"share_of_a_core": cpu / options.seconds, "late_seconds": statistics.quantiles(late, n=100)[98]}


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["fleet", "scrapes", "serve", "ring"])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--pools", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--textfile", default="")
    parser.add_argument("--show", choices=["changed", "still", "reference"], default="still")
    options = parser.parse_args()
    if options.mode == "serve":
        asyncio.run(serve(options))
    elif options.mode == "ring":
        print(json.dumps(asyncio.run(measure_ring(options))))
    else:
        print(json.dumps({"fleet": measure_fleet, "scrapes": measure_scrapes}[options.mode](options)))


if __name__ == "__main__":
    main()
