"""Fixes of the conformance tables, applied to a zone of a real name server: they heal, and break nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from exporter.checks.check import Check
from exporter.checks.dmarc import dmarc
from exporter.checks.inbound import mta_sts, mx, tls_rpt
from exporter.checks.report import report
from exporter.checks.result import Fix, Result
from exporter.cli.trace import answered
from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import Endpoint, ResolverSettings
from tests.conformance.test_conformance import cases, targeted
from tests.factories import name
from tests.integration.servers.knot import Knot

pytestmark = pytest.mark.integration

DOMAIN_CHECKS: dict[str, Callable[..., Check[Any]]] = {"mx": mx, "mta-sts": mta_sts, "tls-rpt": tls_rpt, "dmarc": dmarc}
CASES = [it.values[0] for file in ("iprev.yaml", "helo.yaml", "mx.yaml") for it in cases(file)]


def absolute(zone: str) -> list[str]:
    """The lines of a case with absolute names."""
    lines = []
    for line in zone.splitlines():
        owner, rdtype, rdata = line.split(None, 2)
        ends = rdtype in {"PTR", "CNAME", "MX"} and not rdata.endswith(".")
        lines.append(f"{owner.removesuffix('.')}. {rdtype} {rdata}{'.' if ends else ''}")
    return lines


def check_of(case: dict[str, Any]) -> Check[Any]:
    """The check that the case is about."""
    if "check" in case:
        return DOMAIN_CHECKS[case["check"]](name("example.com"))
    return report(targeted(case))


def results(found: Any) -> dict[tuple[str, str], tuple[Result, Fix | None]]:
    """The result and the fix of each finding."""
    findings = getattr(found, "findings", None) or (found.finding,)
    return {(one.check, one.subject): (one.result, one.fix) for one in findings}


async def test_each_fix_heals_and_breaks_nothing():
    """Each fix that publishes or removes records ends in a pass, and no other check of the case turns worse."""
    applied = 0
    with Knot({}) as knot:
        for case in CASES:
            lines = absolute(case["zone"])
            if "!" in case["zone"] or "suffix" in case:
                continue
            before = results(await sampled(knot, case, lines))
            for failing, (_, fix) in before.items():
                if fix is None or not (fix.records or fix.replaces):
                    continue
                assert set(fix.replaces) <= set(lines), case["case"]
                assert not set(fix.records) & set(lines), "what is there is not listed"
                after = results(
                    await sampled(knot, case, [it for it in lines if it not in fix.replaces] + list(fix.records))
                )
                assert after[failing][0] is Result.PASS, (case["case"], failing, fix)
                worse = [
                    it for it, (result, _) in after.items() if before[it][0] is Result.PASS and result is Result.FAIL
                ]
                assert worse == [], (case["case"], fix)
                applied += 1
    assert applied > 20


async def sampled(knot: Knot, case: dict[str, Any], lines: list[str]) -> Any:
    """Serve these records, and check them without a cache that knows the ones before."""
    knot.publish(".", lines)
    resolvers = Resolvers((ResolverSettings(servers=(Endpoint("udp", knot.host, knot.port),)),))
    await resolvers.start()
    try:
        return (await answered(check_of(case), resolvers))[0]
    finally:
        await resolvers.close()
