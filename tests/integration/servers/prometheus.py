"""Prometheus itself: it scrapes what a test runs, and answers PromQL about it."""

import asyncio
import os
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.integration.servers.http import get_json, is_ok
from tests.integration.servers.process import DEADLINE_SECONDS, Server
from tests.integration.servers.tools import require


class Sample(NamedTuple):
    """One element of an instant vector."""

    labels: Mapping[str, str]
    value: float


def promtool(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool: ``check metrics`` on *stdin*, ``check rules``, ``test rules``, ``check config``."""
    command = [require("promtool"), *map(str, arguments)]
    # A quarter of its work is collecting garbage, of which it makes little in the second that it lives.
    environment = {**os.environ, "GOGC": "400"}
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=300, env=environment
    )


class Prometheus(Server):
    """Prometheus on a port of its own.

    *targets* are ``host:port`` to scrape every *interval*; *scrape* is merged into their scrape configuration
    (``metrics_path``, ``basic_auth`` ...), *config* into the whole; *rule_files* are loaded and evaluated.
    """

    def __init__(
        self,
        targets: Sequence[str],
        *,
        interval: str = "1s",
        scrape: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        rule_files: Sequence[str | Path] = (),
        alertmanagers: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._prometheus = require("prometheus")
        job = {"job_name": "maildns", "static_configs": [{"targets": list(targets)}], **(scrape or {})}
        self._config: dict[str, Any] = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(Path(file).resolve()) for file in rule_files],
            "scrape_configs": [job] if targets else [],
            **(config or {}),
        }
        if alertmanagers:
            self._config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]}

    @property
    def url(self) -> str:
        """Where it serves its API."""
        return f"http://{self.address}"

    def command(self) -> list[str]:
        """Write prometheus.yml."""
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(self._config))
        return [
            self._prometheus,
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address={self.address}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ]

    def answers(self) -> bool:
        """Whether it is ready to serve queries."""
        return is_ok(f"{self.url}/-/ready")

    def query(self, promql: str, *, at: float | None = None) -> list[Sample]:
        """Evaluate an instant query, now or at a Unix time. A scalar comes as one sample without labels."""
        query = {"query": promql, "time": str(time.time() if at is None else at)}
        data = get_json(f"{self.url}/api/v1/query?{urllib.parse.urlencode(query)}")["data"]
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(one["metric"], float(one["value"][1])) for one in data["result"]]

    def targets(self) -> list[dict[str, Any]]:
        """The targets that it scrapes, with their health and last error."""
        active: list[dict[str, Any]] = get_json(f"{self.url}/api/v1/targets")["data"]["activeTargets"]
        return active

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are pending or firing."""
        alerts: list[dict[str, Any]] = get_json(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return alerts

    async def wait_for(
        self,
        promql: str,
        condition: Callable[[list[Sample]], bool] = bool,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> list[Sample]:
        """Evaluate a query until its result meets the condition (not being empty, unless said otherwise).

        Leaves the event loop free, so that what is scraped may run in it.
        """
        end = time.monotonic() + deadline_seconds
        while True:
            result = await asyncio.to_thread(self.query, promql)
            if condition(result):
                return result
            if time.monotonic() > end:
                raise TimeoutError(f"{promql} is still {result[:20]}, its targets {self.targets()}")
            await asyncio.sleep(0.1)
