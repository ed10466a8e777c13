"""The layout shows the architecture, and stays readable."""

import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = sorted(Path("exporter").rglob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_file_has_one_subject_and_says_so(source):
    """Under 300 lines, with a docstring that says what the file is for."""
    text = source.read_text()

    assert text.count("\n") <= 300
    assert text.lstrip("r").startswith('"""')


@pytest.mark.parametrize(
    "heavy", ["aiohttp.client", "dns.resolver", "dns.asyncresolver", "dns.query", "ssl", "exporter.demo", "pydantic"]
)
def test_importing_the_package_costs_nothing(heavy):
    """`import exporter` and the checks load nothing that judging does not need."""
    code = f"import sys, exporter, exporter.checks.report; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("unneeded", ["dns.resolver", "dns.asyncresolver", "dns.query", "exporter.demo"])
def test_serving_imports_only_what_it_needs(unneeded):
    """dnspython's resolver alone would take a third of the time to the first scrape."""
    code = f"import sys, exporter.cli.serve; sys.exit({unneeded!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
