"""The examples of dashboards/README.md, copied as a newcomer would: they find one another, and every rule works."""

from pathlib import Path
from typing import Any

import pytest

from dashboards.generator.outputs import FOLDER
from tests.integration.alerting.stack import Dns, Exporter, hurried_rules
from tests.integration.servers.alertmanager import Alertmanager
from tests.integration.servers.http import get_json
from tests.integration.servers.process import wait_until
from tests.integration.servers.prometheus import Prometheus
from tests.yaml_files import read_yaml

pytestmark = pytest.mark.integration

README = (FOLDER / "README.md").read_text(encoding="utf-8")


def test_copied_examples_watch_the_exporter_and_tell_alertmanager(tmp_path: Path):
    """Only ports and the folder are ours, and the pace: Prometheus scrapes, evaluates each rule, knows whom to tell."""
    route = read_yaml((FOLDER / "prometheus" / "alertmanager.yml").read_text(encoding="utf-8"))
    with Dns() as dns, Exporter(dns, ["corporate"]) as exporter, Alertmanager(route) as alertmanager:
        ours = {
            "/etc/prometheus/maildns.rules.yml": str(hurried_rules(tmp_path)),
            "localhost:10047": exporter.address,
            "localhost:9093": alertmanager.address,
            "30s": "1s",
        }
        with Prometheus([], config=_example("/etc/prometheus/prometheus.yml", ours)) as prometheus:
            wait_until(lambda: [one["health"] for one in prometheus.targets()] == ["up"], "the exporter is scraped")
            wait_until(lambda: set(_health_of_rules(prometheus)) == {"ok"}, "each rule was evaluated")
            wait_until(lambda: _known_alertmanagers(prometheus) == 1, "Alertmanager is known")
            size = 'job_pool:maildns_pool_addresses:sum{job="maildns", pool="corporate"} > 0'
            wait_until(lambda: bool(prometheus.query(size)), "what was scraped is recorded")


def _example(path: str, ours: dict[str, str]) -> dict[str, Any]:
    _, _, rest = README.partition(f"```yaml\n# {path}\n")
    text, _, _ = rest.partition("```")
    for theirs, replacement in ours.items():
        assert theirs in text
        text = text.replace(theirs, replacement)
    config: dict[str, Any] = read_yaml(text)
    return config


def _health_of_rules(prometheus: Prometheus) -> list[str]:
    groups = get_json(f"{prometheus.url}/api/v1/rules")["data"]["groups"]
    return [rule["health"] for group in groups for rule in group["rules"]]


def _known_alertmanagers(prometheus: Prometheus) -> int:
    return len(get_json(f"{prometheus.url}/api/v1/alertmanagers")["data"]["activeAlertmanagers"])
