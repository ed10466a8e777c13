"""DKIM key records as data: what the RFCs make of each."""

from pathlib import Path

import pytest

from exporter.checks.answers import Text
from exporter.checks.check import run_check
from exporter.checks.dkim import dkim
from exporter.checks.result import Reason
from tests.factories import World, name, question
from tests.yaml_files import read_yaml

CASES = read_yaml(Path(__file__).with_name("keys.yml").read_text(encoding="utf-8"))
MISTAKES = read_yaml(Path(__file__).with_name("mistakes.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_key(case):
    """The result, the reason, the size and the hints are those of the case, and its fix, if any, fixes."""
    asked = question("s1._domainkey.example.org", "TXT")
    world = World({asked: frozenset({Text(case["record"].encode())})})
    report, _ = run_check(dkim("s1", name("example.org")), world)

    assert (report.finding.result, report.finding.reason) == (case["result"], case.get("reason"))
    assert report.bits == case.get("bits")
    assert [hint.reason for hint in report.hints] == case.get("hints", [])
    assert report.is_revoked == (report.finding.reason is Reason.DKIM_REVOKED)
    for helo in (report.finding, *report.hints):
        if helo.fix and helo.fix.records:
            fixed, _ = run_check(dkim("s1", name("example.org")), world.apply(helo.fix))
            assert helo.reason not in {fixed.finding.reason, *[hint.reason for hint in fixed.hints]}


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case["id"])
def test_a_mistake_is_explained_and_repaired(case):
    """The sentence names the mistake, the fix is the record repaired and in its place, and it ends the fault."""
    world = World.parse("\n".join(case["zone"]))
    report, _ = run_check(dkim("s1", name("example.com")), world)
    found = report.finding

    assert (found.result, found.reason) == (case.get("result", "fail"), case.get("reason"))
    for text in case.get("says", []):
        assert text in found.sentence
    if "fix" in case:
        assert list(found.fix.records) == case["fix"]
    if "removes" in case:
        assert list(found.fix.replaces) == case["removes"]
    if found.fix and (found.fix.records or found.fix.replaces):
        fixed, _ = run_check(dkim("s1", name("example.com")), world.apply(found.fix))
        assert fixed.finding.reason is None
