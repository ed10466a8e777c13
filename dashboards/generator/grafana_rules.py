"""Writes rule groups as Grafana-managed alerts, in Grafana's file provisioning format.

The rule of this file: the alerts are those of Prometheus, and need none of its rules loaded: what the recording rules
would have recorded is written out in the query. A query gives values, an expression reduces each series to its last
one, another compares it with the threshold.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from dashboards.generator.rules import Alert, Group, indented

DATASOURCE_UID = "prometheus"
FOLDER = "Outbound mail DNS"
_EXPRESSION = "__expr__"
_RANGE_SECONDS = 600
_OPERATORS = {">": "gt", "<": "lt"}

HEADER = f"""\
# Grafana-managed alerts for maildns-exporter. Written by `python -m dashboards.generator`: change it there.
# They are those of dashboards/prometheus/, and need no recording rules. The data source's uid is "{DATASOURCE_UID}".
"""


def provisioning_file(groups: Sequence[Group]) -> str:
    """The whole file."""
    recorded = {rule.record: rule.expr for group in groups for rule in group.recordings}
    lines = [line for group in groups if group.alerts for line in _group(group, recorded)]
    return HEADER + "apiVersion: 1\ngroups:\n" + "\n".join(lines) + "\n"


def written_out(expr: str, recorded: Mapping[str, str]) -> str:
    """*expr* with the expressions of recording rules in place of their names, a range of one as a subquery."""
    for name, recording in recorded.items():
        if name in expr:
            expr = re.sub(rf"{re.escape(name)}\[(\w+)\]", rf"{name}[\1:1m]", expr)
            expr = expr.replace(name, f"({written_out(recording, recorded)})")
    return expr


def _group(group: Group, recorded: Mapping[str, str]) -> Iterator[str]:
    yield "  - orgId: 1"
    yield f"    name: {group.name}"
    yield f"    folder: {FOLDER}"
    yield f"    interval: {group.interval}"
    yield "    rules:"
    for alert in group.alerts:
        yield from _alert(alert, recorded)


def _alert(rule: Alert, recorded: Mapping[str, str]) -> Iterator[str]:
    yield f"      # {rule.why}"
    yield f"      - uid: {_uid(rule.name)}"
    yield f"        title: {rule.name}"
    yield "        condition: C"
    yield f"        for: {rule.lasts}"
    if rule.keeps_firing:
        yield f"        keepFiringFor: {rule.keeps_firing}"
    yield f"        noDataState: {rule.without_data}"
    yield f"        execErrState: {'Error' if rule.without_data == 'Alerting' else 'KeepLast'}"
    yield "        labels:"
    yield f"          severity: {rule.severity}"
    yield "        annotations:"
    yield f"          summary: {json.dumps(rule.summary)}"
    yield f"          description: {json.dumps(rule.description.replace('$value', '$values.B.Value'))}"
    yield f"          runbook_url: {json.dumps(rule.runbook)}"
    yield "        data:"
    yield from _query(written_out(rule.value, recorded))
    yield from _expression("B", {"type": "reduce", "expression": "A", "reducer": "last"})
    evaluator = {"type": _OPERATORS[rule.op], "params": [rule.threshold]}
    yield from _expression("C", {"type": "threshold", "expression": "B", "conditions": [{"evaluator": evaluator}]})


def _query(expr: str) -> Iterator[str]:
    yield "          - refId: A"
    yield "            relativeTimeRange:"
    yield f"              from: {_RANGE_SECONDS}"
    yield "              to: 0"
    yield f"            datasourceUid: {DATASOURCE_UID}"
    yield "            model:"
    yield "              refId: A"
    yield f"              datasource: {{type: prometheus, uid: {DATASOURCE_UID}}}"
    yield "              instant: true"
    yield "              range: false"
    yield "              expr: |-"
    yield indented(expr, 16)


def _expression(ref: str, model: Mapping[str, object]) -> Iterator[str]:
    yield f"          - refId: {ref}"
    yield f"            datasourceUid: {_EXPRESSION}"
    yield "            model:"
    yield f"              refId: {ref}"
    yield f"              datasource: {{type: {_EXPRESSION}, uid: {_EXPRESSION}}}"
    for key, value in model.items():
        yield f"              {key}: {json.dumps(value) if isinstance(value, list) else value}"


def _uid(name: str) -> str:
    """A fixed uid from a name in camel case: at most 40 characters of lower case and hyphens, as Grafana demands."""
    words = re.findall("[A-Z][a-z]*", name.removeprefix("MailDns"))
    return "-".join(["maildns", *words]).lower()
