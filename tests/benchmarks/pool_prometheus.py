"""Has a real Prometheus scrape 100,000 series, from this exporter, from node_exporter, and from prometheus-client.

The rule of this file: all of them are scraped in turn in one run, so that whatever else the machine does, it does to
all of them.
"""

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.pool_service import cpu_seconds, node_exporter, node_exporter_program
from tests.integration.servers.process import free_port, wait_until
from tests.integration.servers.prometheus import Prometheus


def prometheus_scrapes(seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """The median time of a real Prometheus' scrapes of the same series, by what shows them, each in its process.

    And the processor time that each took to show them: per scrape.
    """
    node_port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        processes, jobs = {}, []
        try:
            for show in ("changed", "still", "reference"):
                port = free_port()
                serve = [sys.executable, "-m", "tests.benchmarks.pool_fleet", "serve", f"--port={port}"]
                textfile = f"--textfile={folder}/fleet.prom" if show == "still" else "--textfile="
                processes[show] = subprocess.Popen([*serve, f"--show={show}", textfile])
                jobs.append(_job(show, port))
            if program := node_exporter_program():
                processes["node_exporter"] = node_exporter(program, node_port, Path(folder))
                jobs.append(_job("node_exporter", node_port))
            for job in jobs:
                wait_until(partial(_listens, _target(job)), "the fleet is shown", 120)
            config = {"scrape_configs": jobs, "global": {"scrape_interval": "20s", "scrape_timeout": "20s"}}
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
            cpu = {job["job_name"]: _asked(_target(job)) for job in jobs if job["job_name"] != "node_exporter"}
            if "node_exporter" in scrapes:
                cpu["node_exporter"] = spent["node_exporter"] / scrapes["node_exporter"]
            return taken, cpu
        finally:
            for process in processes.values():
                process.terminate()
                process.wait(timeout=60)


def _asked(target: str) -> float:
    with urllib.request.urlopen(f"http://{target}/cpu", timeout=60) as answer:
        return float(answer.read())


def _target(job: dict[str, Any]) -> str:
    (target,) = job["static_configs"][0]["targets"]
    return str(target)


def _job(name: str, port: int) -> dict[str, Any]:
    return {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}


def _listens(target: str) -> bool:
    host, port = target.split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) == 0
