"""Builders of scraped series, minute by minute, for promtool's tests of the rules.

A fleet is healthy by default. So a test adds only what breaks, and fails if any other alert fires.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dashboards.generator.outputs import FOLDER, GROUPS
from dashboards.generator.rules import Alert

RULES = FOLDER / "prometheus" / "maildns.rules.yml"
ALERTS = {alert.name: alert for group in GROUPS for alert in group.alerts}
MINUTES = 3000
WHO = {"job": "maildns", "instance": "exporter:10047"}

SUBJECTS = {"fcrdns": "mail.example.org", "helo": "mail.example.org", "spf": "example.org", "dnsbl": "bl.example.org"}
"""What the checks of an address are about besides it, by the first part of their names."""

Series = dict[str, str]
"""The values of each series in promtool's notation, one a minute."""


@dataclass(frozen=True)
class Firing:
    """One alert that must fire, with its labels (without `severity`) and its value."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    value: str = "1"


def series(family: str, values: str, /, **labels: str) -> Series:
    """One series of the exporter at `WHO`, unless *labels* name another."""
    labels = {**WHO, **labels}
    text = ", ".join(f'{name}="{value}"' for name, value in labels.items() if value)
    return {f"{family}{{{text}}}": values}


def always(value: float) -> str:
    """The same value from the first minute to the last."""
    return f"{value:g}x{MINUTES}"


def between(begins: int, ends: int, inside: float, outside: float | None = None) -> str:
    """*inside* from the minute *begins* until before *ends*, *outside* (or no series) before and after."""
    lasts = f"{inside:g}x{ends - begins - 1}"
    if outside is None:
        return f"_x{begins} {lasts} stale"
    return f"{outside:g}x{begins - 1} {lasts} {outside:g}x{MINUTES - ends}"


def watcher(**labels: str) -> Series:
    """A healthy exporter, with one resolver of one server."""
    return {
        **series("up", always(1), **labels),
        **series("maildns_build_info", always(1), version="1", python="3", **labels),
        **series("maildns_config_last_reload_successful", always(1), **labels),
        **series("maildns_resolver_up", always(1), resolver="local", server="127.0.0.1:53", **labels),
        **series("maildns_canary_ok", always(1), resolver="local", server="127.0.0.1:53", **labels),
    }


def info(name: str, alert: str = "addresses", threshold: float = 0.1, **labels: str) -> Series:
    """What alerts about a pool are about, and what they carry."""
    labels = {"pool": name, "severity": "critical", "alert": alert} | labels
    return {
        **series("maildns_pool_info", always(1), **labels),
        **series("maildns_pool_alert_threshold_ratio", always(threshold), pool=name),
    }


def watched_by(alert: str, threshold: float, fleet: Series) -> Series:
    """The *fleet* with another way to alert about the pool corporate."""
    others = {name: values for name, values in fleet.items() if not name.startswith("maildns_pool_info")}
    return others | info("corporate", alert, threshold)


def web_info(external_url: str, grafana_url: str) -> Series:
    """The URLs that the exporter was told."""
    return series("maildns_web_info", always(1), external_url=external_url, grafana_url=grafana_url)


def pool(name: str, ips: Iterable[str], *, size: int | None = None, **labels: str) -> Series:
    """A pool whose addresses are forward-confirmed and sampled every minute; *size* if it has more than *ips*."""
    ips = list(ips)
    size = len(ips) if size is None else size
    labels = {"pool": name, **labels}
    found: Series = {
        **info(name),
        **series("maildns_pool_addresses", always(size), **labels),
        **series("maildns_pool_results", always(size), check="fcrdns", result="pass", **labels),
        **series("maildns_pool_results", always(0), check="fcrdns", result="fail", **labels),
        **series("maildns_pool_results", always(0), check="fcrdns", result="unknown", **labels),
        **series("maildns_pool_results", always(0), check="fcrdns", result="not-sampled", **labels),
        **series("maildns_pool_oldest_sample_timestamp_seconds", f"0+60x{MINUTES}", **labels),
        **series("maildns_pool_interval_seconds", always(60), **labels),
        **series("maildns_pool_rounds_total", f"1+1x{MINUTES}", **labels),
        **series("maildns_sampling_lag_seconds", always(0), **labels),
        **series("maildns_series_dropped_total", always(0), **labels),
    }
    for check in ("fcrdns", "helo-resolves", "spf-mailfrom", "dnsbl"):
        found |= series("maildns_pool_check_expected", always(1), check=check, **labels)
    for ip in ips:
        found |= series("maildns_fcrdns_match", always(1), ip=ip, **labels)
        found |= series("maildns_fcrdns_conclusive", always(1), ip=ip, **labels)
        found |= series("maildns_last_sample_timestamp_seconds", f"0+60x{MINUTES}", ip=ip, **labels)
    return found


def problems(
    name: str,
    ips: Iterable[str],
    begins: int,
    ends: int,
    *,
    check: str = "fcrdns",
    reason: str = "ptr-nxdomain",
    subject: str = "",
) -> Series:
    """Series of addresses that fail a check from one minute until another."""
    about = {"check": check, "reason": reason, "subject": subject or SUBJECTS.get(check.partition("-")[0], "")}
    found: Series = {}
    for ip in ips:
        labels = {"pool": name, "ip": ip}
        found |= series("maildns_address_problem", between(begins, ends, 1), **about, **labels)
        if check == "fcrdns":
            found |= series("maildns_fcrdns_match", between(begins, ends, 0, 1), **labels)
    return found


def unit_test(scraped: Series, expected: Mapping[int, Iterable[Firing]]) -> dict[str, Any]:
    """A unit test for promtool: at each of those minutes exactly the *expected* alerts fire."""
    checks = []
    urls = {name: url for key in scraped for name, url in re.findall(r'(external_url|grafana_url)="([^"]+)"', key)}
    for minute, firing in expected.items():
        wanted = list(firing)
        for alert in ALERTS.values():
            shown = [_expected(alert, one, urls) for one in wanted if one.name == alert.name]
            checks.append({"eval_time": f"{minute}m", "alertname": alert.name, "exp_alerts": shown})
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in scraped.items()],
        "alert_rule_test": checks,
    }


def write_tests(folder: Path, tests: Iterable[dict[str, Any]]) -> Path:
    """A file of unit tests for promtool."""
    file = folder / "rules.test.yml"
    content = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": list(tests)}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def _expected(alert: Alert, firing: Firing, urls: Mapping[str, str]) -> dict[str, Any]:
    def fill(found: re.Match[str]) -> str:
        return firing.value if found[1] == "$value" else firing.labels.get(found[1].removeprefix("$labels."), "")

    def choose(found: re.Match[str]) -> str:
        """The text of the first branch of an if or with that applies."""
        for branch in re.split(r"\{\{ else ?", "{{ " + found[0].removeprefix("{{ ").removesuffix("{{ end }}")):
            condition, _, words = branch.removeprefix("{{ ").partition("}}")
            label = re.search(r"\$labels\.(\w+)", condition)
            value = firing.labels.get(label[1], "") if label else ""
            wanted = re.search(r'"(.*)"', condition)
            if label is None or (value == wanted[1] if wanted else value):
                return words.replace("{{ . }}", value)
        return ""

    def text(template: str) -> str:
        chosen = re.sub(r"\{\{ ((?:if|with) .*?) \}\}(.*?)\{\{ end \}\}", choose, template)
        return re.sub(r"\{\{ (\S+)(?: \| \w+)? \}\}", fill, chosen)

    links = {"status_page": ("external_url", alert.page), "dashboard": ("grafana_url", alert.dashboard)}
    return {
        "exp_labels": {"severity": alert.severity, **firing.labels},
        "exp_annotations": {
            "summary": alert.summary,
            "description": text(alert.description),
            "runbook_url": alert.runbook,
            **{name: urls[key] + text(path) if key in urls else "" for name, (key, path) in links.items()},
        },
    }
