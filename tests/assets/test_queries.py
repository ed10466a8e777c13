"""Every query of a panel, a variable, an annotation or a rule uses only families and labels of the catalogue."""

import re

import pytest

from dashboards.generator.address_rules import ADDRESS_CHECKS
from dashboards.generator.domain_rules import DOMAIN_CHECKS
from dashboards.generator.outputs import FOLDER, GROUPS
from dashboards.generator.pool_rules import LOWER, RATIO, UPPER
from dashboards.generator.rules import REASONS
from exporter.checks import result
from exporter.checks.result import Reason
from tests.assets.dashboard_files import NAMES, all_queries, labels_in, load, panels
from tests.assets.promql import WrongQueryError, labels_of, metrics_of
from tests.yaml_files import read_yaml

RECORDINGS = [rule for group in GROUPS for rule in group.recordings]
ALERTS = [alert for group in GROUPS for alert in group.alerts]


@pytest.mark.parametrize("query", all_queries(), ids=str)
def test_a_panel_asks_for_what_exists(query):
    """Its metrics and labels, and the labels of its legend, are in the catalogue; it needs no recording rule."""
    labels = labels_of(query.expr)

    assert labels_in(query.target.get("legendFormat", "")) <= labels
    assert not {name for name in metrics_of(query.expr) if ":" in name}, "a dashboard must not need the recording rules"


@pytest.mark.parametrize("name", NAMES)
def test_every_column_of_a_table_is_a_label_or_a_value(name):
    """A column that no query returns would be missing without an error."""
    by_panel: dict[int, set[str]] = {}
    for query in all_queries():
        if query.dashboard == name and query.panel["type"] == "table":
            several = len(query.panel["targets"]) > 1
            value = f"Value #{query.target['refId']}" if several else "Value"
            by_panel.setdefault(query.panel["id"], set()).update(labels_of(query.expr), {value})
    for panel in panels(name):
        if panel["type"] == "table":
            assert _columns(panel) <= by_panel[panel["id"]], panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_variables_and_annotations_ask_for_what_exists(name):
    """`label_values(FAMILY{...}, LABEL)` names a family and its labels; annotations too."""
    dashboard = load(name)
    asked = [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    for query in asked:
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        assert label in labels_of(selector)
    for annotation in dashboard["annotations"]["list"]:
        labels_of(annotation["expr"])


@pytest.mark.parametrize("rule", RECORDINGS, ids=lambda rule: rule.record)
def test_a_recording_rule_is_named_after_its_labels(rule):
    """`level:metric:operations`, where the level lists the remaining labels; three shorter names are for people."""
    level, metric, operation = rule.record.split(":")
    if rule.record in (RATIO, LOWER, UPPER):
        assert labels_of(rule.expr) == {"job", "pool", "check"}
        assert (level, metric) == ("maildns", "pool_mismatch")
        return

    assert set(level.split("_")) == labels_of(rule.expr)
    assert operation
    assert metric.startswith("maildns_")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_describes_with_labels_that_it_has(alert):
    """Its expression returns every label of its description, and uses only what the catalogue has."""
    labels = labels_of(alert.expr)

    assert set(re.findall(r"\$labels\.(\w+)", alert.description)) <= labels
    assert "$" not in alert.summary


def test_every_check_of_an_address_has_alerts():
    """A new check needs alerts, or nobody notices its failures."""
    assert set(ADDRESS_CHECKS) == {check.value for check in result.ADDRESS_CHECKS}


def test_every_reason_of_a_failure_has_words():
    """An alert says what is wrong, for each reason of a failure that a domain or an address can have."""
    words = {reason for reasons in REASONS.values() for reason in reasons}
    known = {reason.value for reason in Reason}
    hints = {"monitoring", "testing", "tag", "reports", "subdomains", "short", "sha256"}

    assert words <= known
    assert {
        one for one in known - words if one.startswith(("ptr-", "forward-", "helo-", "dkim-", "dmarc-", "mx-"))
    } <= {one for one in known if one.rpartition("-")[2] in hints}


def test_every_check_of_a_domain_has_alerts():
    """A new check of domains needs an alert too."""
    assert set(DOMAIN_CHECKS) == {check.value for check in result.DOMAIN_CHECKS}


def test_the_alerts_for_grafana_need_no_recording_rule():
    """The queries contain the recorded expressions, and return the same labels."""
    text = (FOLDER / "grafana-alerting" / "maildns.alerts.yml").read_text(encoding="utf-8")
    rules = [rule for group in read_yaml(text)["groups"] for rule in group["rules"]]
    by_name = {alert.name: alert for alert in ALERTS}

    assert {rule["title"] for rule in rules} == set(by_name)
    for rule in rules:
        expr = rule["data"][0]["model"]["expr"]
        assert not {name for name in metrics_of(expr) if ":" in name}
        assert labels_of(expr) == labels_of(by_name[rule["title"]].query)


@pytest.mark.parametrize(
    "wrong",
    [
        "maildns_no_such_family",
        'maildns_fcrdns_match{helo="mail.example.org"}',
        "sum by (helo) (maildns_fcrdns_match)",
        "maildns_fcrdns_match and maildns_pool_addresses",
        "maildns_fcrdns_match and on (helo) maildns_helo_resolves",
        "maildns_dns_query_duration_seconds",
        "histogram_quantile(0.5, sum by (qtype) (rate(maildns_dns_query_duration_seconds_bucket[5m])))",
        'label_replace(maildns_pool_addresses, "prefix", "$1", "ip", "(.*)")',
    ],
)
def test_a_query_for_what_does_not_exist_is_refused(wrong):
    """The check above can fail."""
    with pytest.raises(WrongQueryError):
        labels_of(wrong)


def _columns(panel: dict) -> set[str]:
    (organize,) = [step for step in panel["transformations"] if step["id"] == "organize"]
    return set(organize["options"]["renameByName"])
