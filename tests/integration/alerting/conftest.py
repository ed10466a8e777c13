"""One running stack for the tests of this folder; none of them relies on what another one did to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.alerting.stack import Dns, Exporter, Webhook, alertmanager_config, hurried_rules
from tests.integration.servers.alertmanager import Alertmanager
from tests.integration.servers.process import wait_until
from tests.integration.servers.prometheus import Prometheus, Sample


@dataclass(frozen=True)
class Stack:
    """Two exporters: `healthy` watches a pool in which all is right, `demo` all of the demo world's pools.

    Each has a DNS of its own; Prometheus knows them by these job names.
    """

    healthy_dns: Dns
    demo_dns: Dns
    prometheus: Prometheus
    webhook: Webhook

    def alerts(self, job: str) -> dict[str, str]:
        """The state of each alert about *job*, pending or firing, by name."""
        return {
            alert["labels"]["alertname"]: alert["state"]
            for alert in self.prometheus.alerts()
            if alert["labels"].get("job") == job
        }

    def told(self, job: str) -> set[str]:
        """The names of the alerts about *job* that somebody was told of, whatever test it was."""
        return {one["labels"]["alertname"] for one in self.webhook.heard if one["labels"].get("job") == job}

    def until(self, promql: str, what: str) -> list[Sample]:
        """Wait until a query has a result."""
        found: list[Sample] = []
        wait_until(lambda: bool(found) or bool(found.extend(self.prometheus.query(promql)) or found), what)
        return found


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, with Alertmanager paging the webhook."""
    rules = hurried_rules(tmp_path_factory.mktemp("rules"))
    with (
        Dns() as healthy_dns,
        Dns() as demo_dns,
        Exporter(healthy_dns, ["corporate"]) as healthy,
        Exporter(demo_dns) as demo,
        Webhook() as webhook,
        Alertmanager(alertmanager_config(webhook)) as alertmanager,
        Prometheus(
            [],
            interval="2s",
            rule_files=[rules],
            alertmanagers=[alertmanager.address],
            config={"scrape_configs": [_job("healthy", healthy), _job("demo", demo)]},
        ) as prometheus,
    ):
        yield Stack(healthy_dns, demo_dns, prometheus, webhook)


def _job(name: str, exporter: Exporter) -> dict[str, Any]:
    pace = {"scrape_interval": "3s", "scrape_timeout": "3s"}  # a scrape that is late on a busy machine leaves a gap
    return {"job_name": name, **pace, "static_configs": [{"targets": [exporter.address]}]}
