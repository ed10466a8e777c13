"""DMARC as data: what RFC 9989 makes of each zone."""

from pathlib import Path

import pytest

from exporter.checks.check import run_check
from exporter.checks.dmarc import dmarc
from exporter.checks.result import Result
from tests.domains import overall
from tests.factories import World, name
from tests.yaml_files import read_yaml

HERE = Path(__file__).parent
CASES = read_yaml((HERE / "records.yml").read_text(encoding="utf-8"))
MISTAKES = read_yaml((HERE / "mistakes.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", [*CASES, *MISTAKES], ids=lambda case: case["id"])
def test_record(case):
    """Result, reasons, policy and where they come from are those of the case, and its fixes fix."""
    world = World.parse("\n".join(case["zone"]))
    domain = name(case.get("domain", "example.com"))
    report, evidence = run_check(dmarc(domain), world)

    assert overall(report.findings) == case.get("result", "fail")
    reasons = case.get("reasons", [case["reason"]] if "result" not in case else [])
    assert [it.reason for it in report.findings if it.reason] == reasons
    for key in ("policy", "effective_policy", "record_domain", "organizational_domain"):
        if key in case:
            assert getattr(report, key) == case[key], key
    if "hints" in case:
        assert [it.reason for it in report.hints] == case["hints"]
    if "asked" in case:
        assert len([it for it in evidence if it.name.startswith("_dmarc.")]) == case["asked"]
    for one in (*report.findings, *report.hints):
        if one.fix and one.fix.records:
            fixed, _ = run_check(dmarc(domain), world.apply(one.fix))
            assert one.reason not in [it.reason for it in (*fixed.findings, *fixed.hints)]


@pytest.mark.parametrize("case", [it for it in MISTAKES if "reason" in it], ids=lambda case: case["id"])
def test_a_mistake_is_explained_and_repaired(case):
    """The sentence names the mistake, and the fix is the record repaired, in place of what is there."""
    world = World.parse("\n".join(case["zone"]))
    report, _ = run_check(dmarc(name(case.get("domain", "example.com"))), world)
    one = next(it for it in (*report.findings, *report.hints) if it.reason == case["reason"])

    for text in case.get("says", []):
        assert text in one.sentence
    assert one.fix is not None
    if "fix" in case:
        assert list(one.fix.records) == case["fix"]
    if "warns" in case:
        assert bool(one.fix.warning) == case["warns"]


def test_the_cases_cover_every_result():
    """Pass, fail and unknown are all there."""
    assert {case["result"] for case in CASES} == set(Result)
