"""The runbooks: a page for each alert, an alert for each page, each with the same five parts."""

import json
import re
from collections.abc import Iterator

import pytest

from dashboards.generator.outputs import FOLDER, GROUPS

RUNBOOKS = FOLDER.parent / "docs" / "runbooks"
ALERTS = {alert.name: alert for group in GROUPS for alert in group.alerts}
PAGES = sorted(page for page in RUNBOOKS.glob("*.md") if page.stem != "README")
PARTS = ["Who notices", "Confirm", "Fix", "By design?"]


def test_each_alert_has_a_page_and_each_page_an_alert():
    """Nobody is sent to a page that is not there."""
    assert {page.stem for page in PAGES} == set(ALERTS)
    assert {alert.runbook.rpartition("/")[2] for alert in ALERTS.values()} == {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_all_its_parts(page):
    """What it means, who notices, how to confirm it (with a command), how to fix it, whether it is by design."""
    text = page.read_text(encoding="utf-8")

    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == PARTS
    if ALERTS[page.stem].severity == "critical":
        confirm = text.partition("## Confirm")[2].partition("\n## ")[0]
        assert "```console" in confirm


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page):
    """Every relative link is a page."""
    for link in re.findall(r"\]\(([\w.]+)\)", page.read_text(encoding="utf-8")):
        assert (RUNBOOKS / link).is_file()


def titles(part: object) -> Iterator[str]:
    """Whatever a dashboard calls its panels, rows, columns and itself."""
    if isinstance(part, dict):
        yield from [part["title"]] if isinstance(part.get("title"), str) else []
        yield from part.get("renameByName", {}).values()
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from titles(one)


SHOWN = {
    title.rpartition(" / ")[2]
    for file in (FOLDER / "grafana").glob("*.json")
    for title in titles(json.loads(file.read_text(encoding="utf-8")))
} | {"Targets"}
"""And the page of Prometheus itself."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_what_is_there(page):
    """Whatever stands in italics with a capital is a dashboard, or a panel, row or column of one."""
    text = page.read_text(encoding="utf-8")

    assert set(re.findall(r"(?<![*\w])\*([A-Z][^*\n]+)\*(?!\*)", text)) <= SHOWN


def test_the_list_of_pages_is_complete():
    """README.md names each alert with its severity and its summary."""
    text = (RUNBOOKS / "README.md").read_text(encoding="utf-8")

    for alert in ALERTS.values():
        assert f"| [{alert.name}]({alert.name}.md) | {alert.severity} | {alert.summary} |" in text
