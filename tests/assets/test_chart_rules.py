"""The chart installs the project's rules, alerts and dashboards, with the changes in the values only."""

import json
import shutil
import subprocess

import helm_python
import pytest
import yaml

from tests.assets import charts
from tests.assets.charts import CHART, ROOT, ci_values, render
from tests.integration.servers.prometheus import promtool
from tests.integration.servers.tools import require
from tests.yaml_files import read_yaml

RULES = [
    rule
    for path in sorted((ROOT / "dashboards" / "prometheus").glob("*.rules.yml"))
    for group in read_yaml(path.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}


def installed(values):
    """The groups of the PrometheusRule, and its alerts by name."""
    groups = charts.one(render({"prometheusRule": {"enabled": True, **values}}), "PrometheusRule")["spec"]["groups"]
    return groups, {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_unchanged_rules_are_the_projects_own():
    """A PrometheusRule has the same rules in the same order."""
    groups, _ = installed({})

    assert [rule for group in groups for rule in group["rules"]] == RULES


def test_every_alert_can_be_disabled():
    """With all alerts disabled, only recording rules remain, and no group is empty."""
    groups, alerts = installed({"alerts": {name: {"enabled": False} for name in ALERTS}})

    assert not alerts
    assert [rule for group in groups for rule in group["rules"]] == [rule for rule in RULES if "record" in rule]
    assert all(group["rules"] for group in groups)


def test_an_alert_is_changed_as_asked_and_no_other():
    """Labels and annotations are merged, durations and the expression replaced. Other keys stay."""
    name, other = list(ALERTS)[:2]
    change = {"expr": "vector(1)", "for": "1h", "labels": {"severity": "info"}, "annotations": {"summary": "Ours."}}
    _, alerts = installed({"alertLabels": {"team": "mail"}, "alerts": {name: change}})

    before = ALERTS[name]
    assert alerts[name] == {
        **before,
        "expr": "vector(1)",
        "for": "1h",
        "labels": {**before["labels"], "severity": "info", "team": "mail"},
        "annotations": {**before["annotations"], "summary": "Ours."},
    }
    assert alerts[other] == {**ALERTS[other], "labels": {**ALERTS[other]["labels"], "team": "mail"}}


@pytest.mark.parametrize("threshold", [0, 3, 0.25, -1, 2000000])
def test_a_threshold_replaces_the_number_at_the_end_of_the_expression(threshold):
    """This works for every alert whose expression ends in a number."""
    comparing = [name for name, rule in ALERTS.items() if rule["expr"].rstrip()[-1].isdigit()]
    assert comparing
    _, alerts = installed({"alerts": {name: {"threshold": threshold} for name in comparing}})

    for name in comparing:
        before, after = ALERTS[name]["expr"].rstrip(), alerts[name]["expr"]
        head, number = after.rsplit(maxsplit=1)
        assert before.startswith(head)
        assert float(number) == threshold


def test_an_alert_without_a_number_has_no_threshold(tmp_path):
    """If the expression does not end in a number, the error says to set `expr`."""
    folder = tmp_path / "maildns-exporter"
    shutil.copytree(charts.released(), folder)
    rule = {"alert": "Gone", "expr": "up unless maildns_build_info"}
    (folder / "files" / "rules" / "more.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))

    with pytest.raises(helm_python.HelmError, match="does not end in a number: set expr"):
        render({"prometheusRule": {"enabled": True, "alerts": {"Gone": {"threshold": 1}}}}, folder)


@pytest.mark.parametrize("section", ["prometheusRule", "dashboards", "grafanaAlerts"])
def test_a_git_checkout_has_no_rules_and_says_so(section, tmp_path):
    """If `make chart` was not run, an error names the key and the command. No empty object is installed."""
    folder = tmp_path / "maildns-exporter"
    shutil.copytree(CHART, folder, ignore=shutil.ignore_patterns("files"))

    assert render({}, folder)
    with pytest.raises(helm_python.HelmError, match=rf"{section}.enabled: this chart has no files/.* run `make chart`"):
        render({section: {"enabled": True}}, folder)


@pytest.mark.parametrize("values", [{}, ci_values("alerts")["prometheusRule"]], ids=["defaults", "changed"])
def test_promtool_accepts_the_rules(values, tmp_path):
    """promtool finds no error in the rules of the PrometheusRule, and has no recommendation."""
    groups, _ = installed(values)
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": groups}))

    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", file)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_dashboards_are_unchanged():
    """Each dashboard has a ConfigMap with the label and the folder that Grafana's sidecar reads."""
    objects = render({"dashboards": {"enabled": True, "annotations": {"grafana_folder": "Post"}}})
    maps = [
        found for found in charts.of_kind(objects, "ConfigMap") if "grafana_dashboard" in found["metadata"]["labels"]
    ]
    files = sorted((ROOT / "dashboards" / "grafana").glob("*.json"))

    assert [json.loads(text) for found in maps for text in found["data"].values()] == [
        json.loads(file.read_text()) for file in files
    ]
    assert len({found["metadata"]["name"] for found in maps}) == len(files)
    for found in maps:
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found["metadata"]["annotations"] == {"grafana_folder": "Post"}


def test_alerts_for_grafana_are_unchanged():
    """They are in one ConfigMap with the label that Grafana's sidecar reads."""
    (found,) = [
        found
        for found in charts.of_kind(render({"grafanaAlerts": {"enabled": True}}), "ConfigMap")
        if found["metadata"]["labels"].get("grafana_alert") == "1"
    ]

    assert {name: read_yaml(text) for name, text in found["data"].items()} == {
        file.name: read_yaml(file.read_text()) for file in (ROOT / "dashboards" / "grafana-alerting").glob("*.yml")
    }


@pytest.mark.parametrize("values", [{"enabled": True}, ci_values("unbound")["unbound"]], ids=["defaults", "more"])
def test_unbound_accepts_its_configuration(values, tmp_path):
    """unbound-checkconf finds no error in unbound.conf."""
    maps = charts.of_kind(render({"unbound": values}), "ConfigMap")
    (text,) = [found["data"]["unbound.conf"] for found in maps if "unbound.conf" in found["data"]]
    file = tmp_path / "unbound.conf"
    file.write_text(text)

    checked = subprocess.run(
        [require("unbound-checkconf"), file], capture_output=True, text=True, check=False, timeout=300
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
