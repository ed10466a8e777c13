"""MTA-STS and TLS reporting as data: what RFC 8461 and RFC 8460 make of each zone."""

from pathlib import Path

import pytest

from exporter.checks.check import run_check
from exporter.checks.inbound import mta_sts, tls_rpt
from tests.factories import World, name
from tests.yaml_files import read_yaml

HERE = Path(__file__).parent
DOMAIN = name("example.com")
CASES = [
    pytest.param(check, case, id=f"{check.__name__}-{case['id']}")
    for check in (mta_sts, tls_rpt)
    for case in read_yaml((HERE / check.__name__ / "mistakes.yml").read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("check", "case"), CASES)
def test_a_mistake_is_explained_and_repaired(check, case):
    """The sentence names the mistake, the fix is the record repaired and in its place, and it ends the fault."""
    world = World.parse("\n".join([*case["zone"], "mta-sts.example.com. A 192.0.2.80"]))
    found = run_check(check(DOMAIN), world)[0].finding

    assert (found.result, found.reason) == (case.get("result", "fail"), case.get("reason"))
    for text in case.get("says", []):
        assert text in found.sentence
    if "fix" in case:
        assert list(found.fix.records) == case["fix"]
    if found.fix:
        assert run_check(check(DOMAIN), world.apply(found.fix))[0].finding.reason is None
