"""The examples of dashboards/README.md are valid for the programs that read them, and do what the text says."""

import re
import shlex
import subprocess

import pytest

from dashboards.generator.outputs import DATASOURCE_UID, FOLDER, GRAFANA_FOLDER, GROUPS
from tests.integration.servers.prometheus import promtool
from tests.integration.servers.tools import require
from tests.yaml_files import read_yaml

README = (FOLDER / "README.md").read_text(encoding="utf-8")
EXAMPLES = {
    path.removesuffix(":"): text for path, text in re.findall(r"```yaml\n# (\S+)[^\n]*\n(.*?)```", README, re.DOTALL)
}


@pytest.mark.parametrize("path", re.findall(r"^\| `(\S+)` \|", README, re.MULTILINE))
def test_every_file_of_the_table_exists(path):
    """The instructions name only files that exist."""
    assert (FOLDER / path).is_file() or (FOLDER / path.removeprefix("dashboards/")).is_file()


def test_the_example_for_prometheus_is_a_good_configuration(tmp_path):
    """With the rule file where the example puts it."""
    config = EXAMPLES["/etc/prometheus/prometheus.yml"]
    rules = FOLDER / "prometheus" / "maildns.rules.yml"
    file = tmp_path / "prometheus.yml"
    file.write_text(config.replace("/etc/prometheus/maildns.rules.yml", str(rules)), encoding="utf-8")

    outcome = promtool("check", "config", file)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "rules found" in outcome.stdout


def test_the_example_for_grafana_has_the_data_source_of_the_alerts():
    """Copied as they are, the alerts find their data source, and the dashboards' folder is the alerts'."""
    (source,) = read_yaml(EXAMPLES["/etc/grafana/provisioning/datasources/prometheus.yml"])["datasources"]
    (provider,) = read_yaml(EXAMPLES["/etc/grafana/provisioning/dashboards/maildns.yml"])["providers"]

    assert source["uid"] == DATASOURCE_UID
    assert source["type"] == "prometheus"
    assert provider["folder"] == GRAFANA_FOLDER


def test_the_example_policies_name_contact_points_that_exist():
    """Every receiver is one of the contact points."""
    config = read_yaml(EXAMPLES["/etc/grafana/provisioning/alerting/policies.yml"])
    points = {point["name"] for point in config["contactPoints"]}

    for policy in config["policies"]:
        assert {policy["receiver"], *[route["receiver"] for route in policy["routes"]]} <= points


def test_the_text_names_the_alerts_that_page():
    """All of them, and no other."""
    [named] = re.findall(r"^These alerts page: (.*)$", README, re.MULTILINE)
    critical = {alert.name for group in GROUPS for alert in group.alerts if alert.severity == "critical"}

    assert set(re.findall(r"`(MailDns\w+)`", named)) == critical


ALERTMANAGER = (FOLDER / "prometheus" / "alertmanager.yml").read_text(encoding="utf-8")
ROUTED = {
    ("critical", ""): "pager",
    ("warning", ""): "ticket",
    ("info", ""): "nobody",
    ("critical", "team=newsletters"): "newsletters",
    ("critical", "team=relay"): "relay-pager",
    ("warning", "team=relay"): "relay-ticket",
    ("info", "team=relay"): "nobody",
    ("critical", "environment=staging"): "ticket",
    ("info", "environment=staging"): "nobody",
    ("critical", "environment=production"): "pager",
}
"""The receiver of an alert by its severity and a further label."""


@pytest.fixture(scope="module")
def routes(tmp_path_factory):
    """The delivered file, with the routes and the receivers that the README adds."""
    added = EXAMPLES["alertmanager.yml"]
    receivers = "".join(f"  - name: {name}\n" for name in ("relay-ticket", "relay-pager"))
    file = tmp_path_factory.mktemp("alertmanager") / "alertmanager.yml"
    file.write_text(ALERTMANAGER.replace("  routes:\n", f"  routes:\n{added}", 1) + receivers, encoding="utf-8")
    return file


@pytest.mark.parametrize(("labels", "receiver"), ROUTED.items(), ids=" ".join)
def test_added_routes_lose_no_page_and_notify_nobody_of_info(routes, labels, receiver):
    """A team gets what is critical and what is not; everything else goes where the delivered file sends it."""
    severity, *more = filter(None, labels)
    chosen = _amtool(f"--config.file={routes}", "alertname=MailDnsListed", f"severity={severity}", *more)

    assert chosen == receiver


def test_the_command_that_tries_a_route_prints_what_the_text_says(routes):
    """With the file where the reader has it."""
    [(command, receiver)] = re.findall(r"`amtool config routes test (.*?)` prints `(.*?)`", README)

    assert _amtool(*shlex.split(command.replace("=alertmanager.yml", f"={routes}"))) == receiver


def _amtool(*arguments):
    command = [require("amtool"), "config", "routes", "test", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
