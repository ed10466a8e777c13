"""Alerting and recording rules as data, from which the files for Prometheus and for Grafana are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RUNBOOKS = "https://github.com/maildns-exporter/maildns-exporter/blob/main/docs/runbooks"
"""Where docs/runbooks/ is published: one page per alert, named after it."""

Severity = Literal["critical", "warning", "info"]
"""critical pages somebody: mail is refused, or nobody is watching. warning opens a ticket. info is worth knowing."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule, with a comment for the rule file."""

    record: str
    expr: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alerting rule: fires for each series of *query* that is beyond *threshold*.

    Query and threshold are separate because Prometheus compares in PromQL and Grafana in an expression of its own.

    Attributes:
        name: The alert's name, which is also that of its runbook.
        query: PromQL for the value to compare.
        op: How the value compares with the threshold when the alert fires.
        threshold: The value to compare with.
        pending: How long the condition must last before the alert fires (`for`).
        keep_firing: How long the alert goes on after the condition ended; empty for not at all.
        severity: Who is notified, and how.
        summary: What is broken, in the same words for every instance.
        description: Template over `$labels` and `$value`: what is broken, what it means, what to do.
        comment: Why the rule is as it is, for readers of the rule file.
        without_data: What Grafana makes of a query without series; Prometheus has no such setting.
    """

    name: str
    query: str
    op: Literal[">", "<"] = ">"
    threshold: float = 0
    pending: str = "15m"
    keep_firing: str = "15m"
    severity: Severity
    summary: str
    description: str
    comment: str
    without_data: Literal["OK", "Alerting"] = "OK"

    @property
    def expr(self) -> str:
        """The whole condition, in PromQL."""
        return f"(\n{indented(self.query)}\n) {self.op} {self.threshold:g}"

    @property
    def runbook(self) -> str:
        """The URL of the alert's runbook."""
        return f"{RUNBOOKS}/{self.name}.md"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together: first the recordings, then the alerts that read them.

    Attributes:
        name: The group's name.
        recordings: Its recording rules, in the order of evaluation.
        alerts: Its alerting rules.
        interval: How often the group is evaluated.
    """

    name: str
    recordings: Sequence[Recording]
    alerts: Sequence[Alert]
    interval: str = "30s"


def indented(text: str, by: int = 2) -> str:
    """*text* with each line indented by *by* spaces."""
    return "\n".join(" " * by + line if line else line for line in text.splitlines())
