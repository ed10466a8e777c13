"""Fixes of the conformance tables, applied to a zone of a real name server: they heal, and break nothing else."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dns.rdata
import pytest

from exporter.checks.check import Check
from exporter.checks.dkim import dkim
from exporter.checks.dmarc import dmarc
from exporter.checks.inbound import mta_sts, mx, tls_rpt
from exporter.checks.report import report
from exporter.checks.result import Fix, Result
from exporter.checks.spf.domain import spf_domain
from exporter.cli.trace import answered
from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import Endpoint, ResolverSettings
from tests.conformance.test_conformance import cases, targeted
from tests.factories import name
from tests.integration.servers.knot import Knot
from tests.yaml_files import read_yaml

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


MISTAKES: dict[str, Callable[..., Check[Any]]] = {
    "dmarc": dmarc,
    "dkim": lambda domain: dkim("s1", domain),
    "mta_sts": mta_sts,
    "tls_rpt": tls_rpt,
    "spf": spf_domain,
}
HOST = ["mta-sts.example.com. A 192.0.2.80"]


def mistakes() -> list[tuple[str, str, list[str], str | None]]:
    """The tables of broken records: check, domain, lines and reason, each case under names of its own."""
    found = []
    for check in MISTAKES:
        for case in read_yaml(Path(f"tests/conformance/{check}/mistakes.yml").read_text(encoding="utf-8")):
            texts = [case.get("domain", "example.com"), *case["zone"], *(HOST if check == "mta_sts" else [])]
            renamed = [
                text.replace("example.com", f"c{len(found)}.example").replace("example.net", f"n{len(found)}.example")
                for text in texts
            ]
            found.append((check, renamed[0], renamed[1:], case.get("reason")))
    return found


def record(line: str) -> tuple[str, str, str | bytes]:
    """What a line publishes, however its text is divided into strings."""
    owner, rdtype, rdata = line.split(None, 2)
    return owner, rdtype, b"".join(dns.rdata.from_text("IN", "TXT", rdata).strings) if rdtype == "TXT" else rdata


def applied(fix: Fix, lines: Iterable[str]) -> list[str]:
    """The lines with a fix applied. Records that a wildcard stands for cannot be removed, and need not be."""
    left = list(lines)
    for gone in map(record, fix.replaces):
        same = [line for line in left if record(line) == gone]
        assert same or any(line.startswith("*.") for line in left), fix
        left = [line for line in left if line not in same[:1]]
    return [*left, *fix.records]


async def test_each_repair_of_a_broken_record_heals():
    """A zone with every broken record of the tables, and the same with every fix: no fault is left that had a fix."""
    cases = mistakes()
    lines = {index: zone for index, (_, _, zone, _) in enumerate(cases)}
    fixed = 0
    with Knot({"example.": [line for zone in lines.values() for line in zone]}) as knot:
        for (index, zone), found in zip(lines.items(), await examined(knot, cases), strict=True):
            faults = [*(getattr(found, "findings", None) or (found.finding,)), *getattr(found, "hints", ())]
            fixes = [
                it.fix for it in faults if it.reason == cases[index][3] and it.fix and it.fix.records + it.fix.replaces
            ]
            lines[index] = applied(fixes[0], zone) if fixes else zone
            fixed += len(fixes)
            cases[index] = (*cases[index][:3], cases[index][3] if fixes else None)
        knot.publish("example.", [line for zone in lines.values() for line in zone])
        for (_, domain, _, reason), found in zip(cases, await examined(knot, cases), strict=True):
            faults = [*(getattr(found, "findings", None) or (found.finding,)), *getattr(found, "hints", ())]
            assert reason is None or reason not in [it.reason for it in faults], domain
            assert not reason or Result.FAIL not in [getattr(it, "result", None) for it in faults], domain
    assert fixed > 100


async def examined(knot: Knot, cases: Iterable[tuple[str, str, list[str], str | None]]) -> list[Any]:
    """The report of each case, without a cache that knows earlier records."""
    resolvers = Resolvers((ResolverSettings(servers=(Endpoint("udp", knot.host, knot.port),)),))
    await resolvers.start()
    try:
        return [(await answered(MISTAKES[check](name(domain)), resolvers))[0] for check, domain, *_ in cases]
    finally:
        await resolvers.close()
