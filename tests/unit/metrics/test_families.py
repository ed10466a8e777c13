"""The catalogue of families: its names keep the rules of Prometheus, and docs/metrics.md documents all of them."""

import re
from pathlib import Path

import pytest

from exporter.metrics.families import CATALOGUE

PAGE = Path("docs/metrics.md")
ROW = re.compile(r"^\| `(maildns_\w+)` \| (\w+) \| ([\w, ]*) ?\| \S.*\|$", re.MULTILINE)


def documented():
    return [
        (name, kind, tuple(filter(None, labels.replace(" ", "").split(","))))
        for name, kind, labels in ROW.findall(PAGE.read_text())
    ]


def test_every_family_is_documented_with_its_type_and_labels_and_no_other():
    """The tables of the page together are the catalogue."""
    assert sorted(documented()) == sorted((family.name, family.kind, family.labels) for family in CATALOGUE)


def test_the_queries_of_the_page_name_families_that_exist():
    """A reader can paste each query."""
    queries = re.findall(r"```promql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    used = {name for query in queries for name in re.findall(r"\bmaildns_\w+", query)}

    assert used
    assert used <= {family.name for family in CATALOGUE}


SAMPLE = re.compile(r"^(maildns_\w+)\{(\w+=.*)\} [0-9.]+$", re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_samples_in_documents_have_the_labels_of_their_family(page):
    """As a scrape shows them."""
    samples = SAMPLE.findall(Path(page).read_text())
    labels = {family.name: set(family.labels) for family in CATALOGUE}

    assert samples
    for name, pairs in samples:
        assert set(re.findall(r"(\w+)=\"", pairs)) == labels[name]


def test_names_keep_the_rules_of_prometheus():
    """Only counters end in _total, no label is reserved by Prometheus, and each HELP is one sentence."""
    for family in CATALOGUE:
        assert family.name.startswith("maildns_")
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert not {"instance", "job", "type", "le"} & set(family.labels), family.name
        assert re.fullmatch(r"\S(?:(?!\. ).)*\.", family.help), family.name
