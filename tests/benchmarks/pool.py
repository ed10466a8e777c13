"""Measures a pool of half a million addresses, as an operator would run it: ``make bench-pool``.

Knot on loopback serves the six networks that Microsoft 365 sends from; the exporter itself, started from its command
line, sweeps them; a real Prometheus scrapes 100,000 series from it and from node_exporter. Prints Markdown, and ends
with an error if an address was found wrongly. What is measured from inside is in `tests.benchmarks.pool_fleet`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from typing import Any

from tests.benchmarks import pool_world as world
from tests.benchmarks.pool_claim import show_claim
from tests.benchmarks.pool_prometheus import prometheus_scrapes
from tests.benchmarks.pool_service import RunningExporter
from tests.integration.servers.knot import Knot
from tests.integration.servers.process import free_port, wait_until

PARTS = ["loading", "sweep", "sampled", "claim", "table", "scrapes", "ring", "loop"]
SIZES = (1_000, 10_000, 100_000, world.SIZE)
POOLS = (1, 100)
SWEEP_SECONDS = 900.0
MEGABYTE = 1e6


def inside(mode: str, *options: object) -> dict[str, Any]:
    """Run one measurement of `pool_fleet` in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.pool_fleet", mode, *map(str, options)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=600).stdout
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return result


@contextmanager
def running(exporter: RunningExporter) -> Iterator[RunningExporter]:
    """Run it until the block ends."""
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.stop()


def load(networks: list[str]) -> dict[str, float]:
    """How long it takes to load and schedule, and how big it is then, beside an exporter of one address."""
    silent = f"127.0.0.1:{free_port()}"  # nobody listens there
    found: dict[str, float] = {}
    for name, some in (("idle", ["192.0.2.1/32"]), ("loaded", networks)):
        with running(RunningExporter(some, silent)) as exporter:
            found[f"{name}_seconds"] = time.monotonic() - exporter.began
            found[f"{name}_bytes"] = exporter.resident_bytes
    return found


def sweep(knot: Knot, networks: list[str]) -> dict[str, Any]:
    """Sweep everything once, and look at what was found."""
    with running(RunningExporter(networks, knot.address)) as exporter:
        rounds = 'maildns_pool_rounds_total{pool="microsoft-365"}'
        end = time.monotonic() + SWEEP_SECONDS
        while not exporter.value(rounds):
            if time.monotonic() > end:
                raise TimeoutError("the sweep does not end")
            time.sleep(2)
        seconds = time.monotonic() - exporter.began
        pool = json.loads(exporter.get("/api/v1/pools/microsoft-365"))
        result = {
            "cpu_seconds": exporter.cpu_seconds,
            "seconds": seconds,
            "resident_bytes": exporter.resident_bytes,
            "peak_bytes": exporter.peak_bytes,
            "lag": json.loads(exporter.get("/api/v1/pools/microsoft-365"))["lag_seconds"],
        }
        found = exporter.failing()
        wanted = {str(one): why for one in world.addresses(_parsed(networks)) if (why := world.reason(one))}
        result |= {
            "broken": len(wanted),
            "missed": len(wanted.keys() - found.keys()),
            "invented": len(found.keys() - wanted.keys()),
            "wrong_reason": sum(found[ip] != why for ip, why in wanted.items() if ip in found),
            "unknown": pool["unknown"],
        }
        return result


def sampled(knot: Knot, networks: list[str]) -> dict[str, Any]:
    """Sample one address of each /24, and look at what the first round found."""
    with running(RunningExporter(networks, knot.address, sample={"per_prefix": 1})) as exporter:
        rounds = 'maildns_pool_rounds_total{pool="microsoft-365"}'
        wait_until(lambda: bool(exporter.value(rounds)), "the first round ends", SWEEP_SECONDS)
        shown = exporter.get("/metrics")
        labels = 'pool="microsoft-365",prefix="{}"'
        named = [one for one in world.BROKEN_PREFIXES if f"{{{labels.format(one)}}}" in shown]
        within = [one for one in world.BROKEN_PREFIXES if any(one.subnet_of(part) for part in _parsed(networks))]
        return {"broken": len(within), "named": len(named), "cpu_seconds": exporter.cpu_seconds}


def _parsed(networks: list[str]) -> tuple[Any, ...]:
    return tuple(map(IPv4Network, networks))


def show_loading(networks: list[str]) -> None:
    """Print what loading takes."""
    found = load(networks)
    print("\n| Loading | idle | 458,752 addresses | over idle |\n|---|--:|--:|--:|")
    for label, key, unit, scale in (
        ("first scrape after", "seconds", "s", 1.0),
        ("resident", "octets", "MB", MEGABYTE),
    ):
        idle, loaded = found[f"idle_{key}"] / scale, found[f"loaded_{key}"] / scale
        print(f"| {label} | {idle:.1f} {unit} | {loaded:.1f} {unit} | {loaded - idle:.1f} {unit} |")


def show_sweep(knot: Knot, networks: list[str]) -> bool:
    """Print what a sweep takes and found; False if anything is wrong with that."""
    found = sweep(knot, networks)
    print("\n| Sweep | |\n|---|--:|")
    print(f"| processor time | {found['cpu_seconds']:.1f} s |")
    print(f"| by the clock, Knot and all else on the same cores | {found['seconds']:.0f} s |")
    print(f"| resident at its end; the most | {found['resident_bytes'] / MEGABYTE:.0f} MB; ", end="")
    print(f"{found['peak_bytes'] / MEGABYTE:.0f} MB |")
    for label in ("broken", "missed", "invented", "wrong_reason", "unknown"):
        print(f"| {label.replace('_', ' ')} | {found[label]:,} |")
    return not any(found[label] for label in ("missed", "invented", "wrong_reason", "unknown"))


def show_sampled(knot: Knot, networks: list[str]) -> bool:
    """Print what the first round of a sampled pool finds; False if a wholly broken prefix is not named."""
    found = sampled(knot, networks)
    print(
        f"\nSampled, one address of each /24: the first round named {found['named']} of the {found['broken']} ", end=""
    )
    print(f"wholly broken prefixes, after {found['cpu_seconds']:.1f} s of processor time since the start.")
    return bool(found["named"] == found["broken"])


def show_table() -> None:
    """Print what a fleet takes by its size, in one pool and in a hundred."""
    print("\n| Addresses | pools | load | per sample | octets an address | scrape, all new | nothing new |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for count in SIZES:
        for pools in POOLS:
            one = inside("fleet", "--count", count, "--pools", pools)
            print(
                f"| {count:,} | {pools} | {one['load_seconds'] * 1e3:.0f} ms | {one['record_seconds'] * 1e6:.0f} µs "
                f"| {one['octets']:,.0f} | {one['first_scrape_seconds'] * 1e3:.1f} ms "
                f"| {one['scrape_seconds'] * 1e3:.1f} ms |",
                flush=True,
            )


def show_scrapes(seconds: float) -> None:
    """Print what 100,000 series take."""
    one = inside("scrapes")
    reference = one["reference_seconds"]
    print(f"\n| {one['series']:,} series | exporter's processor time | to prometheus-client |\n|---|--:|--:|")
    for label, key in (
        ("prometheus-client, custom collector", "reference"),
        ("every address turned", "turned"),
        ("every address sampled anew", "sampled"),
        ("nothing changed", "unchanged"),
    ):
        print(f"| {label} | {one[f'{key}_seconds'] * 1e3:.1f} ms | {one[f'{key}_seconds'] / reference:.4f} |")
    print(f"\nThe octets are {'those' if one['same'] else 'NOT those'} of prometheus-client.")
    found = prometheus_scrapes(seconds)
    print("\n| Prometheus' scrape of the same | median | to node_exporter ", end="")
    print("| processor time of the exporter | to node_exporter | written ahead |")
    print("|---|--:|--:|--:|--:|--:|")
    for job, label, base in (
        ("node_exporter", "node_exporter, textfile collector", "node_exporter"),
        ("node_exporter_turned", "the same, every address turned", "node_exporter_turned"),
        ("reference", "prometheus-client, custom collector", "node_exporter"),
        ("turned", "every address turned", "node_exporter_turned"),
        ("sampled", "every address sampled anew", "node_exporter"),
        ("still", "nothing changed", "node_exporter"),
    ):
        if job in found:
            one, peer = found[job], found.get(base)
            by_clock = f"{one.time / peer.time:.3f}" if peer else ""
            by_cpu = f"{one.cpu / peer.cpu:.2f}" if peer else ""
            print(f"| {label} | {one.time:.3f} s | {by_clock} | {one.cpu:.3f} s | {by_cpu} | {one.ahead:.3f} s |")


def show_loop(networks: int) -> None:
    """Print what blocks the event loop, and for how long."""
    command = [sys.executable, "-m", "tests.benchmarks.pool_loop", "--networks", str(networks)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=1800).stdout
    print("\n| What is done | longest callback | longest from turn to turn |\n|---|--:|--:|")
    for what, one in json.loads(printed.splitlines()[-1]).items():
        print(f"| {what} | {one['callback'] * 1e3:.1f} ms | {one['turn'] * 1e3:.1f} ms |")


def show_ring() -> None:
    """Print what pacing takes."""
    one = inside("ring")
    print(f"\nPacing 100,000 samples a minute: {one['share_of_a_core']:.2%} of a core, ", end="")
    print(f"late by {one['late_seconds'] * 1e3:.0f} ms at the 99th percentile.")


def main() -> None:
    """Measure, print, and end with 1 if the sweep found anything wrongly."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--networks", type=int, default=len(world.NETWORKS), help="how many of the six are swept")
    parser.add_argument("--seconds", type=float, default=190.0, help="how long Prometheus scrapes")
    options = parser.parse_args()
    wanted = options.only or PARTS
    networks = [str(network) for network in world.NETWORKS[-options.networks :]]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start.")
    if "loading" in wanted:
        show_loading(networks)
    is_right = True
    if "sweep" in wanted or "sampled" in wanted:
        knot = Knot(world.zones())
        knot.start()
        try:
            is_right = "sweep" not in wanted or show_sweep(knot, networks)
            is_right &= "sampled" not in wanted or show_sampled(knot, networks)
        finally:
            knot.stop()
    if "claim" in wanted:
        is_right &= show_claim()
    if "table" in wanted:
        show_table()
    if "scrapes" in wanted:
        show_scrapes(options.seconds)
    if "ring" in wanted:
        show_ring()
    if "loop" in wanted:
        show_loop(options.networks)
    sys.exit(not is_right)


if __name__ == "__main__":
    main()
