"""Writes the list of runbooks. The pages themselves are written by people."""

from collections.abc import Sequence

from dashboards.generator.rules import Group

_HEAD = """\
# Runbooks

A page for each alert of [maildns.rules.yml](../../dashboards/prometheus/maildns.rules.yml): what it means, who notices,
how to confirm it, how to fix it, and when it is by design. This list is written by `python -m dashboards.generator`.

*critical*: somebody gets up, mail is refused or nobody is watching. *warning*: a ticket. *info*: worth knowing.

| Alert | Severity | Says |
|---|---|---|
"""


def index(groups: Sequence[Group]) -> str:
    """The page that lists them."""
    return _HEAD + "".join(
        f"| [{alert.name}]({alert.name}.md) | {alert.severity} | {alert.summary} |\n"
        for group in groups
        for alert in group.alerts
    )
