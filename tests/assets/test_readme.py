"""The examples of dashboards/README.md are valid for the programs that read them."""

import re

import pytest

from dashboards.generator.outputs import DATASOURCE_UID, FOLDER, GRAFANA_FOLDER
from tests.integration.servers.prometheus import promtool
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
