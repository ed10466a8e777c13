"""Measures this exporter's own engine, in a process of its own; prints one JSON object.

The path is the real one: `exporter.checks.report` by `CheckRun`, over a `Resolver` with its cache, the verdict kept.
"""

import argparse
import asyncio
import gc
import json
import math
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.check import CheckRun
from exporter.checks.names import DomainName
from exporter.checks.report import Report, Target, report
from exporter.cli import serve
from exporter.dns.resolver import Resolver
from exporter.dns.settings import ResolverSettings, parse_endpoint
from tests.integration import sweep
from tests.integration.kinds import DOMAIN
from tests.integration.running import longest_callback


def cpu_seconds() -> float:
    """Processor time of this process, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes() -> int:
    """Memory of this process that is resident."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def run_checks(resolver: Resolver, targets: Sequence[Target], in_flight: int) -> list[str]:
    """Check these targets, *in_flight* at a time; the verdicts in the order in which they came."""
    verdicts: list[str] = []
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = iter(targets)
    ask = resolver.ask

    def done(result: Report, evidence: Any) -> None:
        verdicts.append(result.iprev.verdict)
        if len(verdicts) == len(targets):
            finished.set_result(None)
        else:
            start()

    def start() -> None:
        target = next(waiting, None)
        if target is not None:
            CheckRun(report(target), ask, done, finished.set_exception).start()

    for _ in range(in_flight):
        start()
    await finished
    return verdicts


def targets_from(first: int, count: int) -> list[Target]:
    """Build what the inventory would hold of the sweep's addresses."""
    start = int(sweep.FIRST)
    return [Target(Address((start + number).to_bytes(4, "big"))) for number in range(first, first + count)]


async def measure_sweep(resolver: Resolver, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a sweep: processor time and wall time of each check."""
    targets = targets_from(0, options.count)
    await run_checks(resolver, targets_from(sweep.ALL - 500, 500), 100)
    resolver.cache.clear()
    cpu, wall = cpu_seconds(), time.perf_counter()
    verdicts = await run_checks(resolver, targets, options.in_flight)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    return {"verdicts": Counter(verdicts), "cpu_seconds": cpu, "wall_seconds": wall}


async def measure_hold(resolver: Resolver, options: argparse.Namespace) -> dict[str, Any]:
    """Find out how long one callback held the loop, at most, during a sweep."""
    targets = targets_from(0, options.count)
    with longest_callback() as longest:
        await run_checks(resolver, targets, options.in_flight)
    return {"longest_seconds": longest.seconds, "by": longest.name}


async def measure_hits(resolver: Resolver, options: argparse.Namespace) -> dict[str, Any]:
    """Measure a question whose answer is in the cache."""
    questions = [Question(DomainName(f"mail-{number:06x}.{DOMAIN}"), "A") for number in range(1_000)]
    for question in questions:
        await resolver.resolve(question)
    hits: list[Any] = []
    cpu = cpu_seconds()
    for _ in range(options.count // len(questions)):
        hits.clear()
        for question in questions:
            resolver.ask(question, lambda asked, answer: hits.append(answer))
    cpu = cpu_seconds() - cpu
    asked = options.count // len(questions) * len(questions)
    return {"hit_seconds": cpu / asked, "hits": sum(resolver.statistics.cache_hits.values()), "asked": asked}


async def measure_memory(resolver: Resolver, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the memory of a cache of 100,000 answers, then of 2,000 questions in flight besides."""
    await run_checks(resolver, targets_from(sweep.ALL - 200, 200), 100)
    resolver.cache.clear()
    targets = targets_from(0, 50_500)
    idle = resident_bytes()
    await run_checks(resolver, targets, 100)  # as many as before: what is in flight is not the cache's
    cached = resident_bytes()
    os.kill(options.server_pid, signal.SIGSTOP)
    try:
        for number in range(options.in_flight):
            resolver.ask(Question(DomainName(f"silent-{number}.{DOMAIN}"), "A"), lambda asked, answer: None)
        await asyncio.sleep(0.5)
        in_flight, busy = resolver.in_flight, resident_bytes()
    finally:
        os.kill(options.server_pid, signal.SIGCONT)
    entries = len(resolver.cache)
    return {
        "idle": idle,
        "cached": cached,
        "busy": busy,
        "entries": entries,
        "in_flight": in_flight,
        "entry_bytes": (cached - idle) / entries,
    }


MODES = {"sweep": measure_sweep, "hold": measure_hold, "hits": measure_hits, "memory": measure_memory}


async def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=MODES)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--server-pid", type=int, default=0)
    parser.add_argument("--count", type=int, default=sweep.ALL)
    parser.add_argument("--in-flight", type=int, default=500)
    options = parser.parse_args()
    settings = ResolverSettings(
        servers=(parse_endpoint(f"127.0.0.1:{options.port}"),),
        max_queries_per_second=math.inf,
        max_in_flight=options.in_flight,
        timeout_seconds=1,
        canary=None,
    )
    serve.tune_garbage_collector()  # as in service
    resolver = Resolver(settings)
    await resolver.start()
    try:
        print(json.dumps(await MODES[options.mode](resolver, options)))
    finally:
        await resolver.close()


if __name__ == "__main__":
    asyncio.run(main())
