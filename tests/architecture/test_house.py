"""The layout shows the architecture, and stays readable."""

import functools
import subprocess
import sys

import pytest


@functools.cache
def loaded_by(modules):
    """Every module that a process of its own has loaded after importing these."""
    code = f"import sys, {modules}; print(*sys.modules, sep=chr(10))"
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300)
    found = set(process.stdout.splitlines())
    assert "exporter" in found
    return found


@pytest.mark.parametrize(
    "heavy", ["aiohttp.client", "dns.resolver", "dns.asyncresolver", "dns.query", "ssl", "exporter.demo", "pydantic"]
)
def test_importing_the_package_costs_nothing(heavy):
    """`import exporter` and the checks load nothing that judging does not need."""
    assert heavy not in loaded_by("exporter, exporter.checks.report")


@pytest.mark.parametrize("unneeded", ["dns.resolver", "dns.asyncresolver", "dns.query", "exporter.demo"])
def test_serving_imports_only_what_it_needs(unneeded):
    """dnspython's resolver alone would take a third of the time to the first scrape."""
    assert unneeded not in loaded_by("exporter.cli.serve")
