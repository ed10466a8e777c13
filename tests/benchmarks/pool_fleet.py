"""Measures what a fleet costs in this process, with its answers at hand; prints one JSON object a mode.

`fleet` builds pools and records a sample of each address; `scrapes` renders 100,000 series; `ring` paces samples that
cost nothing.
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
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.metrics.exposition import Exposition
from exporter.metrics.fleet import FleetCollector
from exporter.sampling.schedule import Round
from exporter.state.board import Board
from exporter.state.pool import PoolState

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
FIRST = int(IPv4Address("10.0.0.0"))
SERIES = 100_000
SERIES_EACH = 12
"""Series of an address that has one HELO name and changed once."""
ROUNDS = 5


def cpu_seconds() -> float:
    """Processor time of this process, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes() -> int:
    """Memory of this process that is resident."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def configuration(count: int, pools: int, helo: str = "", **settings: str) -> str:
    """Write a configuration of *count* addresses in *pools* pools; *settings* are merged into the pools' entries."""
    helo = f', helo: "{helo}"' if helo else ""
    more = "".join(f", {key}: {value}" for key, value in {"expect": "[fcrdns]", **settings}.items())
    lines = ["pools:"]
    for number in range(pools):
        first, stop = count * number // pools, count * (number + 1) // pools
        entries = ", ".join(f"{{network: {network}{helo}}}" for network in _networks(FIRST + first, FIRST + stop))
        lines.append(f"  - {{name: pool-{number}, addresses: [{entries}]{more}}}")
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
    """What a DNS in which every address is forward-confirmed, and says its own name, says."""
    if question.rdtype == "PTR":
        octets = "-".join(question.name.split(".")[3::-1])
        return _answer(DomainName.trusted(f"mail-{octets}.outbound.example.test"))
    if question.rdtype == "AAAA":
        return Answer(Status.NODATA)
    return _answer(Address(bytes(map(int, question.name.split(".")[0].split("-")[1:]))))


def broken(question: Question) -> Answer:
    """What one says in which every address has one PTR record more, and none is forward-confirmed."""
    told = answer(question)
    if question.rdtype == "PTR":
        return told._replace(records=(*told.records, DomainName.trusted("old.example.test")))
    return told if question.rdtype == "AAAA" else _answer(Address(b"\xc0\x00\x02\x01"))


def _answer(record: Any) -> Answer:
    return Answer._make((Status.ANSWER, (record,), (), 300, "127.0.0.1:53", 1.79e9, ()))


def sweep(state: PoolState, at: float, ask: Callable[[Question], Answer] = answer) -> None:
    """Sample every address of a pool."""
    for index in range(state.pool.size):
        sample(state, index, at + index * 0.001, ask)


def sample(state: PoolState, index: int, at: float, ask: Callable[[Question], Answer] = answer) -> None:
    """Sample one address of a pool."""
    state.record(index, *run_check(report(state.pool.targets[index]), ask), at)


def measured(act: Callable[[], Any]) -> float:
    """Processor time of doing something."""
    began = cpu_seconds()
    act()
    return cpu_seconds() - began


def measure_fleet(options: argparse.Namespace) -> dict[str, Any]:
    """Load, record, scrape: with *count* addresses in *pools* pools."""
    text = configuration(options.count, options.pools, series="failing")
    board = Board()
    idle = resident_bytes()
    load = measured(lambda: board.publish(build(parse(text, "benchmark"))))
    loaded = resident_bytes()
    states = list(board.pools.values())
    record = measured(lambda: [sweep(state, 1.79e9) for state in states])
    exposition = Exposition(FleetCollector(board, dict, time.time))
    first = measured(lambda: exposition.render(OPENMETRICS, compress=True))
    again = min(measured(lambda: exposition.render(OPENMETRICS, compress=True)) for _ in range(ROUNDS))
    recorded = resident_bytes()
    size = sum(state.pool.size for state in states)
    return {
        "addresses": size,
        "load_seconds": load,
        "load_bytes": loaded - idle,
        "record_seconds": record / size,
        "octets": (recorded - idle) / size,
        "total_bytes": recorded - idle,
        "first_scrape_seconds": first,
        "scrape_seconds": again,
    }


def shown_fleet() -> tuple[PoolState, FleetCollector]:
    """As many addresses as have 100,000 series, all of which were broken once; nothing is expected of them.

    So the series stay the same ones, whatever happens to their values.
    """
    board = Board()
    helo = "mail-{octet1}-{octet2}-{octet3}-{octet4}.outbound.example.test"
    text = configuration(SERIES // SERIES_EACH, 1, helo, series="all", receivers="[]", expect="[]")
    board.publish(build(parse(text, "benchmark")))
    (state,) = board.pools.values()
    sweep(state, 1.78e9, broken)
    sweep(state, 1.79e9)
    return state, FleetCollector(board, dict, time.time)


def measure_scrapes(_options: argparse.Namespace) -> dict[str, Any]:
    """Render 100,000 series: all turned, all sampled anew, nothing changed, and as prometheus-client does it."""
    state, collector = shown_fleet()
    exposition = Exposition(collector)
    registry = CollectorRegistry()
    registry.register(collector)
    render = partial(exposition.render, OPENMETRICS, compress=True)
    turned, sampled, unchanged, reference = [], [], [], []
    for number in range(ROUNDS):
        sweep(state, 1.79e9 + 300 * number, broken)
        turned.append(measured(render))
        sweep(state, 1.79e9 + 300 * number + 100)
        turned.append(measured(render))
        sweep(state, 1.79e9 + 300 * number + 200)
        sampled.append(measured(render))
        unchanged.append(measured(render))
        reference.append(measured(lambda: gzip.compress(generate_latest(registry))))
    body = exposition.render(OPENMETRICS, compress=False)[0]
    return {
        "series": sum(not line.startswith(b"#") for line in body.splitlines()),
        "same": body.startswith(generate_latest(registry).removesuffix(b"# EOF\n")),
        "turned_seconds": statistics.median(turned),
        "sampled_seconds": statistics.median(sampled),
        "unchanged_seconds": statistics.median(unchanged),
        "reference_seconds": statistics.median(reference),
    }


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
        spread_seconds=options.seconds,
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
    parser.add_argument("mode", choices=["fleet", "scrapes", "ring"])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--pools", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    if options.mode == "ring":
        print(json.dumps(asyncio.run(measure_ring(options))))
    else:
        print(json.dumps({"fleet": measure_fleet, "scrapes": measure_scrapes}[options.mode](options)))


if __name__ == "__main__":
    main()
