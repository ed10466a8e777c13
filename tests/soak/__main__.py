"""`make soak`: many addresses, 40 scrapers, reloads without end and an outage at once; prints a table.

The exporter is a process of its own, and runs as an operator runs it.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.servers.process import free_port, wait_until
from tests.soak.load import Measured, Reader, Scraper, reload_over_and_over
from tests.soak.reloads import Step, steps
from tests.soak.report import Run, report, watched_lines

_ROOT = Path(__file__).parents[2]
_SCRAPERS = 40
_OUTAGE = (0.4, 0.6)
"""Between which shares of the run no query is answered."""
_POLL_SECONDS = 0.1


def soak(options: argparse.Namespace) -> int:
    """Run it, print the table, and say whether everything was within its bounds."""
    with tempfile.TemporaryDirectory() as name, _nameserver() as (server, port):
        folder = Path(name)
        turns = steps(f"127.0.0.1:{port}", options.addresses, options.interval)
        path, watch = folder / "maildns.yml", folder / "watch"
        path.write_text(turns[0].text)
        listen = free_port()
        url = f"http://127.0.0.1:{listen}"
        flags = [f"--config.file={path}", f"--web.listen-address=127.0.0.1:{listen}", "--web.enable-lifecycle"]
        command = [sys.executable, "-m", "tests.soak.watched", str(watch), *flags, "--web.max-requests=64"]
        with (folder / "log").open("wb") as log:
            began = time.monotonic()
            exporter = subprocess.Popen([*command, "--log.level=error"], stdout=log, stderr=log, env=_environment())
            try:
                wait_until(lambda: _is_ready(url), "the first round", 1_800)
                since = time.monotonic() - began
                measured = _bear(options, url, path, turns, server)
            finally:
                exporter.terminate()
                ended = exporter.wait(60)
        lines = watched_lines(watch, since)
        sys.stderr.write((folder / "log").read_text()[-4000:])
    title = f"{options.addresses} addresses every {options.interval}, {_SCRAPERS} scrapers, "
    title += f"{lines[-1]['at'] - lines[0]['at']:.0f} s"
    return report(Run(title, measured, lines, ended, options.reloads or 1))


def _bear(options: argparse.Namespace, url: str, path: Path, turns: list[Step], server: int) -> Measured:
    """Let it bear everything at once until the run is over."""
    measured = Measured()
    over = _progress(options, measured)
    reader = Reader(measured, turns)
    seconds = options.scrape_seconds
    scrapers = [
        Scraper(url, seconds, seconds * number / _SCRAPERS, measured, None if number else reader)
        for number in range(_SCRAPERS)
    ]
    arguments = (url, path, turns, options.reload_seconds, measured, lambda: over() >= 1.0)
    reloader = threading.Thread(target=reload_over_and_over, args=arguments)
    for scraper in scrapers:
        scraper.start()
    reloader.start()
    try:
        while over() < _OUTAGE[0]:
            time.sleep(_POLL_SECONDS)
        os.kill(server, signal.SIGSTOP)
        while over() < _OUTAGE[1]:
            time.sleep(_POLL_SECONDS)
    finally:
        os.kill(server, signal.SIGCONT)
    reloader.join()
    for scraper in scrapers:
        scraper.stop()
    return measured


def _progress(options: argparse.Namespace, measured: Measured) -> Callable[[], float]:
    """How much of the run is over: of its reloads, if they are counted, else of its time."""
    if options.reloads:
        return lambda: measured.reloads / options.reloads
    began = time.monotonic()
    return lambda: (time.monotonic() - began) / (options.minutes * 60)


@contextmanager
def _nameserver() -> Iterator[tuple[int, str]]:
    """Its process id and its port."""
    command = [sys.executable, "-m", "tests.soak.nameserver"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())
    assert server.stdout is not None
    try:
        yield server.pid, server.stdout.readline().strip()
    finally:
        server.send_signal(signal.SIGCONT)
        server.terminate()
        server.wait(60)
        server.stdout.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT)}


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=30):
            return True
    except OSError:
        return False


def main() -> int:
    """Read the flags."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long, unless reloads are counted")
    parser.add_argument("--reloads", type=int, default=0, help="end after so many")
    parser.add_argument("--addresses", type=int, default=100_000)
    parser.add_argument("--interval", default="5m")
    parser.add_argument("--scrape-seconds", type=float, default=5.0)
    parser.add_argument("--reload-seconds", type=float, default=0.25, help="the pause between two")
    return soak(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
