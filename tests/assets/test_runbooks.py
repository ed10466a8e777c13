"""The runbooks: one page per alert, each with the same sections."""

import json
import re
from collections.abc import Iterator

import pytest

from dashboards.generator.outputs import FOLDER, GROUPS

RUNBOOKS = FOLDER.parent / "docs" / "runbooks"
ALERTS = {alert.name: alert for group in GROUPS for alert in group.alerts}
PAGES = sorted(page for page in RUNBOOKS.glob("*.md") if page.stem != "README")
SECTIONS = ["Impact", "Confirm", "Fix"]


def test_each_alert_has_a_page_and_each_page_an_alert():
    """The link of each alert leads to a page."""
    assert {page.stem for page in PAGES} == set(ALERTS)
    assert {alert.runbook.rpartition("/")[2] for alert in ALERTS.values()} == {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_all_its_sections(page):
    """What is broken, the impact, how to confirm it (with a command), how to fix it; sometimes when it is by design."""
    text = page.read_text(encoding="utf-8")

    assert text.startswith(f"# {page.stem}\n\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) in (SECTIONS, [*SECTIONS, "By design?"])
    if ALERTS[page.stem].severity == "critical":
        confirm = text.partition("## Confirm")[2].partition("\n## ")[0]
        assert "```console" in confirm


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page):
    """Every relative link names a page."""
    for link in re.findall(r"\]\(([\w.]+)\)", page.read_text(encoding="utf-8")):
        assert (RUNBOOKS / link).is_file()


def titles(node: object) -> Iterator[str]:
    """The titles of a dashboard, its rows, panels and columns."""
    if isinstance(node, dict):
        yield from [node["title"]] if isinstance(node.get("title"), str) else []
        yield from node.get("renameByName", {}).values()
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from titles(one)


SHOWN = {
    title.rpartition(" / ")[2]
    for file in (FOLDER / "grafana").glob("*.json")
    for title in titles(json.loads(file.read_text(encoding="utf-8")))
} | {"Targets"}
"""The titles on the dashboards, and a page of Prometheus."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_what_is_there(page):
    """Text in italics that begins with a capital is the title of a dashboard, row, panel or column."""
    text = page.read_text(encoding="utf-8")

    assert set(re.findall(r"(?<![*\w])\*([A-Z][^*\n]+)\*(?!\*)", text)) <= SHOWN


def test_the_list_of_pages_is_complete():
    """README.md names each alert with its severity and its summary."""
    text = (RUNBOOKS / "README.md").read_text(encoding="utf-8")

    for alert in ALERTS.values():
        assert f"| [{alert.name}]({alert.name}.md) | {alert.severity} | {alert.summary} |" in text
