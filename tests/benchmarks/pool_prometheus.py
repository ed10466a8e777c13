"""Has a real Prometheus scrape 100,000 series, from this exporter, from node_exporter, and from prometheus-client.

All of them are scraped in turn in one run, so that whatever else the machine does, it does to
all of them.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.pool_service import cpu_seconds, node_exporter, node_exporter_program
from tests.benchmarks.pool_shown import SHOWN, TEXTFILES, write_textfiles
from tests.integration.servers.process import free_port, wait_until
from tests.integration.servers.prometheus import Prometheus

_PACES = {**SHOWN, "node_exporter": 21, "node_exporter_turned": 27}


class Shown(NamedTuple):
    """By scrape, in seconds: the median *time* that Prometheus took for it, and the processor time of its exporter.

    *ahead* is what that took before it was asked.
    """

    time: float
    cpu: float
    ahead: float = 0.0


def prometheus_scrapes(seconds: float) -> dict[str, Shown]:
    """What a real Prometheus' scrapes of the same series take, by what shows them, each in its process.

    There are two of node_exporter: one's textfile stays, the other's turns between two scrapes, as `turned` does.
    """
    with tempfile.TemporaryDirectory() as name:
        processes: dict[str, subprocess.Popen[bytes]] = {}
        ports: dict[str, int] = {}
        turning = Path(name) / "node_exporter_turned"
        try:
            for show in SHOWN:
                ports[show] = free_port()
                serve = [sys.executable, "-m", "tests.benchmarks.pool_shown", show, f"--port={ports[show]}"]
                processes[show] = subprocess.Popen(serve)
            if program := node_exporter_program():
                write_textfiles(Path(name))
                for each in ("node_exporter", turning.name):
                    ports[each] = free_port()
                    (Path(name) / each).mkdir()
                    _show(Path(name), Path(name) / each, 0)
                    processes[each] = node_exporter(program, ports[each], Path(name) / each)
            for port in ports.values():
                wait_until(partial(_listens, port), "the fleet is shown", 120)
            prometheus = Prometheus([], config={"scrape_configs": [_job(each, port) for each, port in ports.items()]})
            prometheus.start()
            try:
                before = {each: cpu_seconds(process.pid) for each, process in processes.items()}
                for number in range(round(seconds / _PACES[turning.name])):
                    if turning.exists():
                        _show(Path(name), turning, number % 2)
                    time.sleep(_PACES[turning.name])
                spent = {each: cpu_seconds(process.pid) - before[each] for each, process in processes.items()}
                window = f"scrape_duration_seconds[{round(seconds)}s]"
                scrapes = {one.labels["job"]: one.value for one in prometheus.query(f"count_over_time({window})")}
                taken = {one.labels["job"]: one.value for one in prometheus.query(f"quantile_over_time(0.5, {window})")}
            finally:
                prometheus.stop()
            found = {show: Shown(taken[show], *_asked(ports[show])) for show in SHOWN}
            for each in ports.keys() - found.keys():
                found[each] = Shown(taken[each], spent[each] / scrapes[each])
            return found
        finally:
            for process in processes.values():
                process.terminate()
                process.wait(timeout=60)


def _show(texts: Path, folder: Path, number: int) -> None:
    """Have node_exporter show one of the `TEXTFILES` from now on, all of it at once."""
    copy = folder / "next"
    shutil.copy(texts / TEXTFILES[number], copy)
    copy.replace(folder / "fleet.prom")


def _job(name: str, port: int) -> dict[str, Any]:
    pace = f"{_PACES[name]}s"
    targets = [{"targets": [f"127.0.0.1:{port}"]}]
    return {"job_name": name, "static_configs": targets, "scrape_interval": pace, "scrape_timeout": pace}


def _asked(port: int) -> tuple[float, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cpu", timeout=60) as answer:
        found = json.load(answer)
    return found["scrape"], found["ahead"]


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
