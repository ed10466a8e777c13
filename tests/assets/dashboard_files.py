"""The committed dashboards, as the tests look at them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dashboards.generator.outputs import FOLDER

NAMES = ("fleet", "domains", "address", "exporter")


@dataclass(frozen=True)
class PanelQuery:
    """One query of one panel."""

    dashboard: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def expr(self) -> str:
        """The PromQL, with the dashboard's variables in it."""
        return str(self.target["expr"])

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel['title']} ({self.target['refId']})"


def load(name: str) -> dict[str, Any]:
    """One dashboard."""
    dashboard: dict[str, Any] = json.loads((FOLDER / "grafana" / f"{name}.json").read_text(encoding="utf-8"))
    return dashboard


def panels(name: str) -> Iterator[dict[str, Any]]:
    """Its panels but for rows, those in collapsed rows included."""
    for panel in load(name)["panels"]:
        yield from panel.get("panels", [])
        if panel["type"] != "row":
            yield panel


def queries(name: str) -> Iterator[PanelQuery]:
    """The queries of all its panels."""
    for panel in panels(name):
        for target in panel.get("targets", []):
            yield PanelQuery(name, panel, target)


def all_queries() -> list[PanelQuery]:
    """The queries of all dashboards."""
    return [query for name in NAMES for query in queries(name)]


def labels_in(template: str) -> set[str]:
    """The labels that a legend names."""
    return set(re.findall(r"\{\{(\w+)\}\}", template))
