"""`make soak`: many addresses, 40 scrapers, reloads without end and an outage at once; prints a table.

The rule of this file: the exporter is a process of its own, started as an operator starts it.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import yaml

from tests.integration.servers.process import free_port, wait_until
from tests.soak.load import Measured, Scraper, percentile, reload_over_and_over

_ROOT = Path(__file__).parents[2]
_BAD = "pools: [{name: big, interval: 3}]\n"
_SCRAPERS = 40
_LAG_BOUND_SECONDS = 0.1
_MEMORY_BOUND_MIB = 300
_SPARE_DESCRIPTORS = 20


def configurations(server: str, addresses: int, interval: str) -> list[tuple[str, bool, frozenset[str]]]:
    """What is reloaded in turn: text, whether it is good, and the pools that it has."""
    blocks = max(1, addresses // 256)
    big = [{"network": f"10.{block >> 8}.{block & 255}.0/24"} for block in range(blocks)]
    resolver = {"name": "soak", "servers": [server], "max_queries_per_second": 5000, "max_in_flight": 512}
    resolver |= {"timeout": "1s", "attempts": 2}

    def text(**pools: list[dict[str, str]]) -> str:
        listed = [{"name": name, "interval": interval, "addresses": entries} for name, entries in pools.items()]
        return yaml.safe_dump({"resolvers": [resolver], "pools": listed})

    few = [{"ip": f"10.255.0.{last}", "helo": f"mta-10-255-0-{last}.example.org"} for last in range(1, 11)]
    return [
        (text(big=big), True, frozenset({"big"})),
        (_BAD, False, frozenset()),
        (text(big=big, small=few), True, frozenset({"big", "small"})),
        (text(big=big, small=few[:3]), True, frozenset({"big", "small"})),
        (text(big=big, renamed=few[:3]), True, frozenset({"big", "renamed"})),
    ]


def soak(options: argparse.Namespace) -> int:
    """Run it, print the table, and say whether everything was within its bounds."""
    program = [sys.executable, "-m"]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    server = subprocess.Popen([*program, "tests.soak.nameserver"], stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "maildns.yml")
        steps = configurations(f"127.0.0.1:{server.stdout.readline().strip()}", options.addresses, options.interval)
        path.write_text(steps[0][0])
        flags = [f"--config.file={path}", f"--web.listen-address=127.0.0.1:{port}", "--web.enable-lifecycle"]
        with Path(folder, "log").open("wb") as log:
            command = [*program, "exporter", *flags, "--web.max-requests=64", "--log.level=error"]
            exporter = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            try:
                wait_until(lambda: _is_ready(url), "the first round", 1_800)
                measured = _bear(options, url, path, steps, server.pid)
            finally:
                for process in (exporter, server):
                    process.send_signal(signal.SIGCONT)
                    process.terminate()
                ended = exporter.wait(60)
                server.wait(60)
    return report(options, measured, ended)


def _bear(
    options: argparse.Namespace, url: str, path: Path, steps: list[tuple[str, bool, frozenset[str]]], server: int
) -> Measured:
    """Let it bear everything at once for the time that was asked for."""
    measured = Measured()
    seconds = options.minutes * 60
    sets = [pools for _, is_good, pools in steps if is_good]
    scrapers = [Scraper(url, options.scrape_seconds, measured, sets, number) for number in range(_SCRAPERS)]
    over = threading.Event()
    texts = [(text, is_good) for text, is_good, _ in steps]
    reloader = threading.Thread(
        target=reload_over_and_over, args=(url, path, texts, options.reload_seconds, measured, over.is_set)
    )
    for scraper in scrapers:
        scraper.start()
    reloader.start()
    time.sleep(seconds * 0.4)
    os.kill(server, signal.SIGSTOP)  # the outage
    time.sleep(seconds * 0.2)
    os.kill(server, signal.SIGCONT)
    time.sleep(seconds * 0.4)
    over.set()
    reloader.join()
    for scraper in scrapers:
        scraper.stop()
    return measured


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=30):
            return True
    except OSError:
        return False


def report(options: argparse.Namespace, measured: Measured, ended: int) -> int:
    """Print the table; 1 if something was out of bounds."""
    lag = percentile(measured.lags, 99)
    memory = max(measured.memory) / 2**20
    first, last = measured.descriptors[0], measured.descriptors[-1]
    rows = [
        ("event loop lag, 99th percentile", f"{lag * 1000:.0f} ms", lag < _LAG_BOUND_SECONDS),
        ("memory, at most", f"{memory:.0f} MiB", memory < _MEMORY_BOUND_MIB),
        ("descriptors, first and last", f"{first:.0f}, {last:.0f}", last <= first + _SPARE_DESCRIPTORS),
        ("scrapes that failed", f"{len(measured.failed)} of {len(measured.scrape_seconds)}", not measured.failed),
        ("a scrape, 99th percentile", f"{percentile(measured.scrape_seconds, 99):.2f} s", True),
        ("scrapes of mixed generations", str(len(measured.mixed)), not measured.mixed),
        ("reloads, refused as bad", f"{measured.reloads}, {measured.refused}", measured.reloads > 0),
        ("counters that fell", str(len(measured.lost)), not measured.lost),
        ("samples of the pool that stays", f"{measured.samples:.0f}", measured.samples > 0),
        ("verdicts that changed", f"{measured.changes:.0f}", not measured.changes),
        ("exit status", str(ended), ended == 0),
    ]
    lines = [f"{options.addresses} addresses every {options.interval}, {_SCRAPERS} scrapers, {options.minutes} minutes"]
    lines += [f"  {'ok  ' if is_right else 'FAIL'} {what}: {figure}" for what, figure, is_right in rows]
    print("\n".join([*lines, *measured.failed[:5], *measured.mixed[:5], *measured.lost[:5]]))
    return int(not all(is_right for *_, is_right in rows))


def main() -> int:
    """Read the flags."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--addresses", type=int, default=100_000)
    parser.add_argument("--interval", default="5m")
    parser.add_argument("--scrape-seconds", type=float, default=5.0)
    parser.add_argument("--reload-seconds", type=float, default=0.25)
    return soak(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
