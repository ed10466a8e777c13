"""The committed dashboards: they are what the generator writes, and they keep the conventions."""

import json
import re

import pytest

from dashboards.generator import style
from dashboards.generator.outputs import FOLDER, outputs
from exporter.checks.result import Reason
from exporter.web.pages import Pages
from tests.assets.dashboard_files import NAMES, load, panels

COLOURS = {
    value for name, value in vars(style).items() if name.isupper() and isinstance(value, str) and value[0] == "#"
} | {"text", *style.SERIES}
PANELS = [pytest.param(panel, id=f"{name}: {panel['title']}") for name in NAMES for panel in panels(name)]


@pytest.mark.parametrize("path", list(outputs()), ids=str)
def test_committed_files_are_what_the_generator_writes(path):
    """Nobody edited them by hand, and nobody forgot to run `python -m dashboards.generator`."""
    assert (FOLDER / path).read_text(encoding="utf-8") == outputs()[path]


def test_no_other_generated_file_is_left():
    """A file that the generator no longer writes is gone."""
    folders = {path.parent for path in outputs()}
    there = {file.relative_to(FOLDER) for folder in folders for file in (FOLDER / folder).glob("*") if file.is_file()}

    assert {path for path in there if path.suffix == ".json" or ".rules" in path.name} <= set(outputs())


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_explains_itself(panel):
    """It has a title, a description, a unit, and a text for when there is no data."""
    assert panel["title"]
    assert panel["description"]
    if panel["type"] != "text":
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        assert len(defaults["noValue"]) > 4
        assert panel["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("panel", PANELS)
def test_colours_are_of_the_palette(panel):
    """All colours are ones that colour-blind people can distinguish; no green against red."""
    found = set(re.findall(r"#[0-9A-Fa-f]{6}\b", str(panel)))

    assert found <= COLOURS
    assert not re.search(r"'color': '(red|green|yellow|orange)", str(panel))


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_keeps_the_conventions(name):
    """Fixed uid, tags, read-only, variables, links to the other three and to the status page, an explanation."""
    dashboard = load(name)
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}

    assert dashboard["uid"] == f"maildns-{name}"
    assert "maildns" in dashboard["tags"]
    assert dashboard["editable"] is False
    assert variables["datasource"]["type"] == "datasource"
    for chosen in ("job", "instance", "pool"):
        assert variables[chosen]["multi"]
        assert variables[chosen]["allValue"] == ".+"
    others = {f"/d/maildns-{other}" for other in NAMES if other != name}
    assert {link["url"] for link in dashboard["links"]} == others | {"${exporter}/"}
    assert "How to read this" in [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]


@pytest.mark.parametrize("name", NAMES)
def test_a_link_to_the_status_page_leads_to_a_page(name):
    """The exporter serves the path."""
    served = [re.sub(r"\{\w+\}", "[^/]+", path) for path, _ in Pages(None, None, "").routes()]
    links = set(re.findall(r'"\$\{exporter\}(/[^"]*)"', json.dumps(load(name))))

    assert links
    for link in links:
        assert any(re.fullmatch(path, re.sub(r"\$\{.*?\}", "x", link)) for path in served), link


@pytest.mark.parametrize("name", NAMES)
def test_every_query_follows_the_variables(name):
    """Each selector matches job and instance, and rates use Grafana's interval."""
    for panel in panels(name):
        for target in panel.get("targets", []):
            selectors = re.findall(r"\b(?:maildns|scrape)_\w+(\{?)", target["expr"])
            assert set(selectors) == {"{"}
            assert target["expr"].count('job=~"$job", instance=~"$instance"') == len(selectors)
            assert set(re.findall(r"\[(.*?)\]", target["expr"])) <= {"$__rate_interval", "$__range", "6h:1m"} | {
                found for found in re.findall(r"\[(.*?)\]", target["expr"]) if found.startswith("0-9a-f")
            }


@pytest.mark.parametrize("name", NAMES)
def test_the_first_view_is_small(name):
    """At most twelve panels, less than 45 units high, are open; the others are in rows that are closed and named."""
    shown = load(name)["panels"]
    open_panels = [panel for panel in shown if panel["type"] != "row"]
    closed = [panel for panel in shown if panel.get("collapsed")]

    assert 6 <= len(open_panels) <= 12
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in shown) < 45
    assert shown[-len(closed) :] == closed
    assert all(row["panels"] and row["title"] for row in closed)


def test_titles_are_unique():
    """A panel that somebody searches for is found, on one dashboard; and each panel has an id of its own."""
    titles = [panel["title"] for name in NAMES for panel in panels(name) if panel["type"] not in {"text", "stat"}]

    assert len(titles) == len(set(titles))
    for name in NAMES:
        own = [panel["title"] for panel in panels(name)]
        assert len(own) == len(set(own)), name
        ids = [panel["id"] for panel in [*load(name)["panels"], *panels(name)] if panel["type"] == "row"]
        ids += [panel["id"] for panel in panels(name)]
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", [panel for panel in PANELS if panel.values[0]["type"] == "table"])
def test_the_columns_of_a_table_fit(panel):
    """In a window of 1,300 pixels none is cut: a column without a width gets 150."""
    widths = dict.fromkeys(
        next(one for one in panel["transformations"] if one["id"] == "organize")["options"]["renameByName"].values(),
        150,
    )
    for override in panel["fieldConfig"]["overrides"]:
        for one in override["properties"]:
            if one["id"] == "custom.width":
                widths[override["matcher"]["options"]] = one["value"]

    assert sum(widths.values()) <= panel["gridPos"]["w"] * 1300 / 24 - 30, widths


def test_limits_are_drawn():
    """Where a value has a limit, a dashed line shows it: the ten lookups of SPF, lag of samples and of the loop."""
    lines = {
        panel["title"]: [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]][1:]
        for name in NAMES
        for panel in panels(name)
        if "'thresholdsStyle': {'mode': 'dashed'}" in str(panel)
    }

    assert lines == {
        "SPF lookups over time (limit 10)": [10],
        "Sampling lag by pool": [300],
        "Event loop lag over time": [1],
    }


@pytest.mark.parametrize("name", NAMES)
def test_panels_do_not_overlap(name):
    """Each cell of the grid belongs to one panel, and no panel exceeds the grid."""
    taken: set[tuple[int, int]] = set()
    for panel in load(name)["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert grid["x"] + grid["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_reason_of_a_failure_has_a_short_text():
    """`REASONS` has the reasons for failures of addresses: those that come before the reasons of domains."""
    reasons = list(Reason)

    assert list(style.REASONS) == reasons[: reasons.index(Reason.SPF_LOOP)]


def test_the_text_of_a_reason_fits_its_column():
    """The column shows about forty characters."""
    assert all(0 < len(text) <= 40 for text in style.REASONS.values())
