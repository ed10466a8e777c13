"""The committed dashboards: what the generator writes, and the conventions that all of them keep."""

import json
import re

import pytest

from dashboards.generator import style
from dashboards.generator.outputs import FOLDER, outputs
from exporter.web.pages import Pages
from tests.assets.dashboard_files import NAMES, load, panels

COLOURS = {
    value for name, value in vars(style).items() if name.isupper() and isinstance(value, str) and value[0] == "#"
} | {"#4A4A4A", "text", *style.SERIES}
PANELS = [pytest.param(panel, id=f"{name}: {panel['title']}") for name in NAMES for panel in panels(name)]


@pytest.mark.parametrize("path", list(outputs()), ids=str)
def test_committed_files_are_what_the_generator_writes(path):
    """Nobody edited them by hand, nobody forgot `python -m dashboards.generator`."""
    assert (FOLDER / path).read_text(encoding="utf-8") == outputs()[path]


def test_no_other_generated_file_is_left():
    """A file that the generator no longer writes is gone."""
    folders = {path.parent for path in outputs()}
    there = {file.relative_to(FOLDER) for folder in folders for file in (FOLDER / folder).glob("*") if file.is_file()}

    assert {path for path in there if path.suffix == ".json" or ".rules" in path.name} <= set(outputs())


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_explains_itself(panel):
    """Title, description, unit, and words for when there is no data."""
    assert panel["title"]
    assert panel["description"]
    if panel["type"] != "text":
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        assert len(defaults["noValue"]) > 4
        assert panel["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("panel", PANELS)
def test_colours_are_of_the_palette(panel):
    """Only colours that colour-blind people can tell apart, and never green against red."""
    found = set(re.findall(r"#[0-9A-Fa-f]{6}\b", str(panel)))

    assert found <= COLOURS
    assert not re.search(r"'color': '(red|green|yellow|orange)", str(panel))


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_keeps_the_conventions(name):
    """Fixed uid, tags, read-only, variables, a way to the other two and to the status page, a manual."""
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
    """Below the exporter's URL it is a path that the exporter serves."""
    served = [re.sub(r"\{\w+\}", "[^/]+", path) for path, _ in Pages(None, None, "").routes()]
    links = set(re.findall(r'"\$\{exporter\}(/[^"]*)"', json.dumps(load(name))))

    assert links
    for link in links:
        assert any(re.fullmatch(path, re.sub(r"\$\{.*?\}", "x", link)) for path in served), link


@pytest.mark.parametrize("name", NAMES)
def test_every_query_follows_the_variables(name):
    """Job and instance are matched by each selector, and rates use Grafana's interval."""
    for panel in panels(name):
        for target in panel.get("targets", []):
            selectors = re.findall(r"\b(?:maildns|scrape)_\w+(\{?)", target["expr"])
            assert set(selectors) == {"{"}
            assert target["expr"].count('job=~"$job", instance=~"$instance"') == len(selectors)
            assert set(re.findall(r"\[(.*?)\]", target["expr"])) <= {"$__rate_interval"} | {
                found for found in re.findall(r"\[(.*?)\]", target["expr"]) if found.startswith("0-9a-f")
            }


@pytest.mark.parametrize("name", NAMES)
def test_panels_do_not_overlap(name):
    """Each place of the grid is taken once, and no panel sticks out."""
    taken: set[tuple[int, int]] = set()
    for panel in load(name)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
