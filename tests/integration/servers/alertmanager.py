"""Alertmanager: receives what Prometheus fires, and says what it made of it."""

from collections.abc import Mapping
from typing import Any

import yaml

from tests.integration.servers.http import get_json, is_ok
from tests.integration.servers.process import Server
from tests.integration.servers.tools import require

_SILENT: Mapping[str, Any] = {
    "route": {"receiver": "nobody", "group_wait": "0s", "group_interval": "1s"},
    "receivers": [{"name": "nobody"}],
}


class Alertmanager(Server):
    """Alertmanager on a port of its own; *config* is its configuration, by default one that notifies nobody."""

    def __init__(self, config: Mapping[str, Any] = _SILENT) -> None:
        super().__init__()
        self._config = config
        self._alertmanager = require("prometheus-alertmanager")

    @property
    def url(self) -> str:
        """Where it serves its API."""
        return f"http://{self.address}"

    def command(self) -> list[str]:
        """Write alertmanager.yml."""
        (self.folder / "alertmanager.yml").write_text(yaml.safe_dump(dict(self._config)))
        return [
            self._alertmanager,
            f"--config.file={self.folder}/alertmanager.yml",
            f"--storage.path={self.folder}/data",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    def answers(self) -> bool:
        """Whether it is ready."""
        return is_ok(f"{self.url}/-/ready")

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it holds, with their labels, annotations and status."""
        alerts: list[dict[str, Any]] = get_json(f"{self.url}/api/v2/alerts")
        return alerts

    def post(self, *labels: Mapping[str, str]) -> None:
        """Fire alerts with these labels, as Prometheus would."""
        get_json(f"{self.url}/api/v2/alerts", [{"labels": dict(one)} for one in labels])
