"""Measures the DNS engine against its peers, side by side: ``python -m tests.benchmarks.engine``.

Knot on loopback serves 131,072 addresses. Each client checks as many of them as it can in a few seconds, in a process
of its own, round after round in turn, on the same ground (`tests.benchmarks.ground`); what counts is the median of its
processor time for each check, user and system, and of its checks a second by the clock.
Prints a Markdown table. Peers from PyPI are installed into an environment of the benchmark's own.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.ground import Ground, lost, make_room
from tests.benchmarks.peer_exporters import BlackboxExporter, DnsExporter, measure
from tests.integration import sweep
from tests.integration.servers.knot import Knot
from tests.integration.servers.tools import require

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "build" / "benchmark-peers"
PEERS = ("dnspython", "pycares", "dns-exporter", "httpx", "h2")  # the last two: what dns-exporter imports besides
COUNTS = {"ours": sweep.ALL, "pycares": 30_000, "dnspython": 8_000, "blackbox": 3_000, "dns-exporter": 600}
LABELS = {
    "ours": "maildns-exporter: question, resolver, cache, verdict, result kept",
    "pycares": "pycares",
    "dnspython": "dnspython's asynchronous resolver",
    "blackbox": BlackboxExporter.label,
    "dns-exporter": DnsExporter.label,
}


def install_peers() -> Path:
    """Make the peers' environment, where it is not made yet; the folder of its programs."""
    programs = ENVIRONMENT / "bin"
    if not (programs / "dns_exporter").exists():
        venv.create(ENVIRONMENT, with_pip=True)
        install = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
    return programs


def run_json(command: Sequence[str], ground: Ground) -> dict[str, Any]:
    """Run a measurement in a process of its own, on the clients' ground, and read what it prints."""
    finished = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=ground.enter)
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return result


def ours(mode: str, knot: Knot, ground: Ground, *options: str) -> dict[str, Any]:
    """Measure the engine in one of its modes."""
    here = [
        sys.executable,
        "-m",
        "tests.benchmarks.ours",
        mode,
        "--port",
        str(knot.port),
        "--server-pid",
        str(knot.pid),
    ]
    return run_json([*here, *options], ground)


def clients(
    knot: Knot, programs: Path, counts: dict[str, int], ground: Ground
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Build the measurement of each client."""
    peer = [str(programs / "python"), str(ROOT / "tests/benchmarks/peer_clients.py")]

    def library(name: str) -> Callable[[], dict[str, Any]]:
        return lambda: run_json([*peer, name, "--port", str(knot.port), "--count", str(counts[name])], ground)

    def blackbox() -> dict[str, Any]:
        with BlackboxExporter(require("prometheus-blackbox-exporter"), knot.port) as exporter:
            ground.place(exporter.pid)
            return measure(exporter, counts["blackbox"])

    def dns_exporter() -> dict[str, Any]:
        with DnsExporter(str(programs / "dns_exporter"), knot.port) as exporter:
            ground.place(exporter.pid)
            return measure(exporter, counts["dns-exporter"])

    return {
        "ours": lambda: ours("sweep", knot, ground, "--count", str(counts["ours"])),
        "pycares": library("pycares"),
        "dnspython": library("dnspython"),
        "blackbox": blackbox,
        "dns-exporter": dns_exporter,
    }


def check_verdicts(name: str, result: dict[str, Any], count: int) -> None:
    """See to it that a client did the work: a share of failures as the world has it, and hardly a lost answer."""
    verdicts = result.get("verdicts")
    if verdicts is None:
        return
    expected = sum(sweep.verdict(number) == "pass" for number in range(count))
    if sum(verdicts.values()) != count or abs(verdicts.get("pass", 0) - expected) > count * 0.002:
        raise RuntimeError(f"{name} did not do the work: {verdicts}, {expected} of {count} should pass")


def versions(programs: Path) -> str:
    """Say what was measured."""
    listed = subprocess.run(
        [str(programs / "python"), "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
    )
    pypi = {one["name"].lower().replace("_", "-"): one["version"] for one in json.loads(listed.stdout)}
    package = "prometheus-blackbox-exporter"
    debian = subprocess.run(
        ["dpkg-query", "-W", "-f=${Version}", package], check=True, capture_output=True, text=True
    ).stdout
    knot = subprocess.run([require("knotd"), "--version"], check=True, capture_output=True, text=True).stdout.split()[
        -1
    ]
    peers = ", ".join(f"{name} {pypi[name]}" for name in PEERS[:3])
    return f"Python {platform.python_version()}, {peers}, {package} {debian}, Knot {knot}, {os.cpu_count()} cores"


def table(results: dict[str, list[dict[str, Any]]], counts: dict[str, int]) -> str:
    """Write the comparison as a Markdown table."""
    costs = {
        name: statistics.median(one["cpu_seconds"] / counts[name] * 1e6 for one in rounds)
        for name, rounds in results.items()
    }
    lines = [
        "| Client | checks a round | CPU per check | to ours | checks a second | queries lost |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, rounds in results.items():
        rate = statistics.median(counts[name] / one["wall_seconds"] for one in rounds)
        lines.append(
            f"| {LABELS[name]} | {counts[name]:,} | {costs[name]:,.1f} µs | {costs[name] / costs['ours']:,.1f} "
            f"| {rate:,.0f} | {sum(one['lost'] for one in rounds):,} |"
        )
    return "\n".join(lines)


def engine_table(knot: Knot, ground: Ground, count: int) -> str:
    """Measure what only the engine has, and write it as a Markdown table."""
    hold = ours("hold", knot, ground, "--count", str(min(count, 60_000)))
    hits = ours("hits", knot, ground, "--count", "400000")
    memory = ours("memory", knot, ground, "--in-flight", "2000")
    over_idle = (memory["busy"] - memory["idle"]) / 1024**2
    return "\n".join(
        [
            "| Engine | measured |",
            "|---|--:|",
            f"| longest hold of the event loop, 500 in flight | {hold['longest_seconds'] * 1000:.1f} ms |",
            f"| a question whose answer is in the cache | {hits['hit_seconds'] * 1e6:.2f} µs |",
            f"| {memory['entries']:,} answers in the cache, each | {memory['entry_bytes']:.0f} octets |",
            f"| those and {memory['in_flight']:,} questions in flight, over idle | {over_idle:.1f} MiB |",
        ]
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of checks")
    parser.add_argument("--only", choices=list(LABELS), nargs="*", default=list(LABELS))
    parser.add_argument("--checks", type=int, help="the same number of checks for each, instead")
    options = parser.parse_args()
    counts = {name: options.checks or max(100, int(count * options.scale)) for name, count in COUNTS.items()}
    programs = install_peers()
    results: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    ground = Ground()
    with Knot(sweep.zones(sweep.ALL)) as knot:
        room = make_room(knot)
        measured = clients(knot, programs, counts, ground)
        for _ in range(options.rounds):
            for name in options.only:
                before = lost(knot)
                result = measured[name]()
                check_verdicts(name, result, counts[name])
                results[name].append({**result, "lost": lost(knot) - before})
                cost, rate = result["cpu_seconds"] / counts[name], counts[name] / result["wall_seconds"]
                print(f"{name}: {cost * 1e6:.1f} µs a check, {rate:,.0f} checks a second", file=sys.stderr)
        print(f"`python -m tests.benchmarks.engine {' '.join(sys.argv[1:])}`".replace(" `", "`"))
        print(f"\n{versions(programs)}; {ground}; Knot's sockets hold {room:,} octets\n")
        if "ours" in options.only:
            print(table(results, counts))
            print(f"\n{engine_table(knot, ground, counts['ours'])}")


if __name__ == "__main__":
    main()
