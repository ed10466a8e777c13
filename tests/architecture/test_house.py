"""The layout stays small and free of cycles, imports stay cheap, and the words are the field's own."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import house, words


@functools.cache
def loaded_by(modules):
    """Every module that a process of its own has loaded after importing these."""
    code = f"import sys, {modules}; print(*sys.modules, sep=chr(10))"
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300)
    found = set(process.stdout.splitlines())
    assert "exporter" in found
    return found


HEAVY = "aiohttp.client dns.resolver dns.asyncresolver dns.query ssl exporter.demo publicsuffixlist pydantic"


@pytest.mark.parametrize("heavy", HEAVY.split())
def test_importing_the_package_costs_nothing(heavy):
    """`import exporter` and the checks load nothing that judging does not need."""
    assert heavy not in loaded_by("exporter, exporter.checks.report")


@pytest.mark.parametrize("unneeded", ["dns.resolver", "dns.asyncresolver", "dns.query", "exporter.demo"])
def test_serving_imports_only_what_it_needs(unneeded):
    """dnspython's resolver alone would take a third of the time to the first scrape."""
    assert unneeded not in loaded_by("exporter.cli.serve")


def test_the_package_stays_within_its_size():
    """Few files, few lines, and few modules that only one other module needs."""
    assert len(house.SOURCES) <= house.MAX_FILES
    assert house.lines() <= house.MAX_LINES
    assert len(house.single_importers()) <= house.MAX_SINGLE_IMPORTERS


def test_imports_have_no_cycle():
    """Not even one that an import inside a function hides."""
    assert house.cycle() == []


def test_a_class_has_a_name_of_its_own():
    """A reader who searches for a class finds one."""
    assert house.shared_class_names() == []


def test_a_class_with_many_fields_documents_them():
    """More than three fields need a section `Attributes:`."""
    assert house.undocumented_fields() == []


def test_no_banned_word_is_left():
    """Code, documents, dashboards and the chart use the field's words."""
    assert words.banned([Path(folder) for folder in words.FOLDERS]) == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('"""What a mend replaces."""', "mend"),
        ("is_news = True", "news"),
        ("class VoiceBox: ...", "Voice"),
        ("# Whoever reads it", "Whoever"),
        ("held = 1", "held"),
    ],
)
def test_a_banned_word_is_found(tmp_path, line, word):
    """In prose and inside names, in either case."""
    path = tmp_path / "some.py"
    path.write_text(line + "\n")

    assert [found.split("'")[1] for found in words.banned_prose(path)] == [word]


@pytest.mark.parametrize(
    "line", ["def turn(): ...", "def f(place): ...", "self.agenda_items = 1", "class PlainWords: ..."]
)
def test_a_banned_name_is_found(tmp_path, line):
    """In whatever a file defines: functions, parameters, variables, attributes and classes."""
    path = tmp_path / "some.py"
    path.write_text(line + "\n")

    assert list(words.banned_names(path))


def test_the_architecture_names_files_that_exist():
    """Each path in docs/architecture.md is in the tree."""
    text = Path("docs/architecture.md").read_text()
    paths = set(re.findall(r"`((?:exporter|dashboards|helm|tests|docs|deploy)/[\w./-]+)`", text))

    assert len(paths) > 40
    assert [path for path in sorted(paths) if not Path(path).exists()] == []
