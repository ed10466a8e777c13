"""The words of the alerting rules, from which the files for Prometheus and for Grafana are both written.

The rule of this file: an alert is a value and the threshold that it must not pass. Prometheus compares in PromQL,
Grafana in an expression of its own; keeping the two apart is what lets one source serve both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RUNBOOKS = "https://github.com/maildns-exporter/maildns-exporter/blob/main/docs/runbooks"
"""Where the pages of docs/runbooks are published: a page for each alert, named after it."""

Severity = Literal["critical", "warning", "info"]
"""critical: somebody gets up; mail is refused, or nobody is watching. warning: a ticket. info: worth knowing."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule; *why* becomes a comment."""

    record: str
    expr: str
    why: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule: fires for each series of *value* that is beyond *threshold* for as long as *lasts*.

    Once it fires it goes on for *keeps_firing* after the last sign of it ("" for not at all), so that what comes and
    goes is one alert. *name* is the runbook's name too. *summary* is the same for every instance; *description* is a
    template over `$labels` and `$value` that says who is concerned, what was expected and what to do. *without_data*
    is what Grafana makes of a query without any series; Prometheus has no such thing.
    """

    name: str
    value: str
    op: Literal[">", "<"]
    threshold: float
    lasts: str
    keeps_firing: str
    severity: Severity
    summary: str
    description: str
    why: str
    without_data: Literal["OK", "Alerting"] = "OK"

    @property
    def expr(self) -> str:
        """The whole condition, in PromQL."""
        return f"(\n{indented(self.value)}\n) {self.op} {self.threshold:g}"

    @property
    def runbook(self) -> str:
        """The address of the alert's page."""
        return f"{RUNBOOKS}/{self.name}.md"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in this order, so that alerts see what was just recorded."""

    name: str
    interval: str
    recordings: Sequence[Recording]
    alerts: Sequence[Alert]


def indented(text: str, by: int = 2) -> str:
    """*text* with each line further to the right."""
    return "\n".join(" " * by + line if line else line for line in text.splitlines())
