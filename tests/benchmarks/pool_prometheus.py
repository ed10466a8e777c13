"""Has a real Prometheus scrape 100,000 series, from this exporter, from node_exporter, and from prometheus-client.

The rule of this file: all of them are scraped in turn in one run, so that whatever else the machine does, it does to
all of them.
"""

import json
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
from tests.benchmarks.pool_shown import SCRAPE_SECONDS, SHOWN
from tests.integration.servers.process import free_port, wait_until
from tests.integration.servers.prometheus import Prometheus


class Shown(NamedTuple):
    """By scrape, in seconds: the median *time* that Prometheus took for it, and the processor time of its exporter.

    *ahead* is what that took before it was asked.
    """

    time: float
    cpu: float
    ahead: float = 0.0


def prometheus_scrapes(seconds: float) -> dict[str, Shown]:
    """What a real Prometheus' scrapes of the same series take, by what shows them, each in its process."""
    node_port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        processes, jobs = {}, []
        try:
            for show in SHOWN:
                port = free_port()
                serve = [sys.executable, "-m", "tests.benchmarks.pool_shown", show, f"--port={port}"]
                textfile = [f"--textfile={folder}/fleet.prom"] if show == "still" else []
                processes[show] = subprocess.Popen([*serve, *textfile])
                jobs.append(_job(show, port))
            if program := node_exporter_program():
                processes["node_exporter"] = node_exporter(program, node_port, Path(folder))
                jobs.append(_job("node_exporter", node_port))
            for job in jobs:
                wait_until(partial(_listens, _target(job)), "the fleet is shown", 120)
            pace = f"{SCRAPE_SECONDS:.0f}s"
            config = {"scrape_configs": jobs, "global": {"scrape_interval": pace, "scrape_timeout": pace}}
            prometheus = Prometheus([], config=config)
            prometheus.start()
            try:
                before = {name: cpu_seconds(process.pid) for name, process in processes.items()}
                time.sleep(seconds)
                spent = {name: cpu_seconds(process.pid) - before[name] for name, process in processes.items()}
                window = f"scrape_duration_seconds[{round(seconds)}s]"
                scrapes = {one.labels["job"]: one.value for one in prometheus.query(f"count_over_time({window})")}
                taken = {one.labels["job"]: one.value for one in prometheus.query(f"quantile_over_time(0.5, {window})")}
            finally:
                prometheus.stop()
            found = {show: Shown(taken[show], *_asked(_target(job))) for show, job in zip(SHOWN, jobs, strict=False)}
            if "node_exporter" in scrapes:
                cpu = spent["node_exporter"] / scrapes["node_exporter"]
                found["node_exporter"] = Shown(taken["node_exporter"], cpu)
            return found
        finally:
            for process in processes.values():
                process.terminate()
                process.wait(timeout=60)


def _asked(target: str) -> tuple[float, float]:
    with urllib.request.urlopen(f"http://{target}/cpu", timeout=60) as answer:
        found = json.load(answer)
    return found["scrape"], found["ahead"]


def _target(job: dict[str, Any]) -> str:
    (target,) = job["static_configs"][0]["targets"]
    return str(target)


def _job(name: str, port: int) -> dict[str, Any]:
    return {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}


def _listens(target: str) -> bool:
    host, port = target.split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0
