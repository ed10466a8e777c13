"""Writes rule groups as a rule file for Prometheus (2.42 or later, for `keep_firing_for`).

The rule of this file: what comes out is meant to be read. Expressions keep their lines, each rule has its reason above.
"""

import json
from collections.abc import Iterator, Sequence

from dashboards.generator.rules import Alert, Group, Recording, indented

HEADER = """\
# Recording rules and alerts for maildns-exporter. Written by `python -m dashboards.generator`: change it there.
# Each alert has a page in docs/runbooks/. How to load this, and a route with inhibition: dashboards/README.md.
"""


def rule_file(groups: Sequence[Group]) -> str:
    """The whole file."""
    return HEADER + "groups:\n" + "\n".join(line for group in groups for line in _group(group)) + "\n"


def _group(group: Group) -> Iterator[str]:
    yield f"  - name: {group.name}"
    yield f"    interval: {group.interval}"
    yield "    rules:"
    for recording in group.recordings:
        yield from _recording(recording)
    for alert in group.alerts:
        yield from _alert(alert)


def _recording(rule: Recording) -> Iterator[str]:
    yield f"      # {rule.why}"
    yield f"      - record: {rule.record}"
    yield from _expr(rule.expr)


def _alert(rule: Alert) -> Iterator[str]:
    yield f"      # {rule.why}"
    yield f"      - alert: {rule.name}"
    yield from _expr(rule.expr)
    yield f"        for: {rule.lasts}"
    if rule.keeps_firing:
        yield f"        keep_firing_for: {rule.keeps_firing}"
    yield "        labels:"
    yield f"          severity: {rule.severity}"
    yield "        annotations:"
    yield f"          summary: {json.dumps(rule.summary)}"
    yield f"          description: {json.dumps(rule.description)}"
    yield f"          runbook_url: {json.dumps(rule.runbook)}"


def _expr(expr: str) -> Iterator[str]:
    yield "        expr: |-"
    yield indented(expr, 10)
