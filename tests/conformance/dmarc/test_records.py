"""DMARC as data: what RFC 9989 makes of each zone."""

from pathlib import Path

import pytest

from exporter.checks.check import run_check
from exporter.checks.dmarc import dmarc
from exporter.checks.result import Result
from tests.domains import overall
from tests.factories import World, name
from tests.yaml_files import read_yaml

CASES = read_yaml(Path(__file__).with_name("records.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_record(case):
    """Result, reasons, policy and where they come from are those of the case, and its fixes fix."""
    world = World.parse("\n".join(case["zone"]))
    report, evidence = run_check(dmarc(name(case["domain"])), world)

    assert overall(report.findings) == case["result"]
    assert [it.reason for it in report.findings if it.reason] == case.get("reasons", [])
    for key in ("policy", "effective_policy", "record_domain", "organizational_domain"):
        if key in case:
            assert getattr(report, key) == case[key], key
    if "hints" in case:
        assert [it.reason for it in report.hints] == case["hints"]
    if "asked" in case:
        assert len([it for it in evidence if it.name.startswith("_dmarc.")]) == case["asked"]
    for helo in (*report.findings, *report.hints):
        if helo.fix and helo.fix.records:
            fixed, _ = run_check(dmarc(name(case["domain"])), world.apply(helo.fix))
            assert helo.reason not in [it.reason for it in (*fixed.findings, *fixed.hints)]


def test_the_cases_cover_every_result():
    """Pass, fail and unknown are all there."""
    assert {case["result"] for case in CASES} == set(Result)
