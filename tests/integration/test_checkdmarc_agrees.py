"""checkdmarc, an independent DMARC checker, comes to the same verdicts, or a section of an RFC says why not."""

from itertools import product
from pathlib import Path

import pytest
from checkdmarc.dmarc import check_dmarc
from dns.resolver import Resolver

from exporter.checks.check import run_check
from exporter.checks.dmarc import dmarc
from exporter.checks.result import Result
from exporter.checks.txt_records import txt_line
from tests.domains import overall
from tests.factories import World, name
from tests.integration.servers.knot import Knot
from tests.mistakes import ADDRESSES, SEPARATORS, SPELLING
from tests.yaml_files import read_yaml

pytestmark = [pytest.mark.integration]

TABLE = Path("tests/conformance/dmarc/mistakes.yml")
WHOLE = (
    "v=DMARC1; p=reject; rua=mailto:d@reports.example,mailto:e@reports.example",
    "v=DMARC1; p=none; sp=quarantine; np=reject; adkim=s; aspf=r; fo=1:d; ruf=mailto:f@reports.example",
    "V = DMARC1; rua=mailto:d@reports.example; p=QUARANTINE; t=y; psd=n; x=1",
    "v=DMARC1",
    "v=DMARC1; p=reject; pct=0; ri=3600; rf=afrf",
    "v=DMARC1; rua=mailto:d@reports.example",
)
VALUES = ("p=all", "sp=all", "np=", "t=maybe", "psd=x", "adkim=x", "aspf=strict", "fo=", "fo=0:1", "fo=d:d", "p=none")

EXPLAINED = {
    "RFC 9989 section 4.8": lambda ours: ours[0] == "pass" and "dmarc-bad-tag" in ours[2],
    "RFC 9989 section 4.10.1": lambda ours: ours[1] == {"dmarc-policy"},
    "RFC 9990 section 4": lambda ours: ours[1] == {"dmarc-reports-unauthorised"},
}
"""Why verdicts may differ: what receivers cannot read they ignore, and the rest counts; a record without a policy and
without report addresses is not applied; reports to hosts that do not accept them are lost, which is a fault for us."""


def corpus():
    """Records, each with every mistake, with every odd value, and those of the conformance table."""
    texts = [mistake(whole) for whole, mistake in product(WHOLE, (*SPELLING, *SEPARATORS, *ADDRESSES))]
    texts += [f"{whole}; {value}" for whole, value in product(WHOLE[:3], VALUES)]
    lines = [txt_line("_dmarc.example.com", text.encode()) for text in dict.fromkeys([*WHOLE, *texts])]
    zones = [case["zone"] for case in read_yaml(TABLE.read_text(encoding="utf-8")) if "domain" not in case]
    return [[line] for line in lines] + [zone for zone in zones if all(line.startswith("_dmarc") for line in zone)]


def ours_of(domain, world):
    """Our verdict, the reasons, the hints, and the policy."""
    report, _ = run_check(dmarc(domain), world)
    reasons = {it.reason.value for it in report.findings if it.reason is not None}
    return overall(report.findings).value, reasons, {it.reason.value for it in report.hints}, report.policy


def test_verdicts_agree_or_are_explained():
    """Each record is valid to both, with the same policy, or to neither; every explanation is needed."""
    zones = {name(f"d{index}.example"): zone for index, zone in enumerate(corpus())}
    lines = [line.replace("example.com", domain) for domain, zone in zones.items() for line in zone]
    lines += ["reports.example. MX 10 mx.reports.example.", '*._report._dmarc.reports.example. TXT "v=DMARC1;"']
    world = World.parse("\n".join(lines))
    unexplained, used = [], set()
    with Knot({"example.": lines}) as knot:
        resolver = Resolver(configure=False)
        resolver.nameservers, resolver.port = [knot.host], knot.port
        for domain, zone in zones.items():
            ours = ours_of(domain, world)
            theirs = check_dmarc(str(domain), resolver=resolver, ignore_unrelated_records=True)
            policy = theirs["tags"]["p"]["value"] if theirs["valid"] else None
            agree = theirs["valid"] == (ours[0] == Result.PASS) and (ours[0] != Result.PASS or policy == ours[3])
            why = {section for section, is_it in EXPLAINED.items() if is_it(ours)}
            why |= {"RFC 9989 section 4.10"} if len(zone) > 1 else set()  # a broken record beside one that counts
            if not agree and not why:
                unexplained.append((zone, ours, theirs.get("error"), policy))
            elif not agree:
                used |= why

    assert unexplained == []
    assert used == {*EXPLAINED, "RFC 9989 section 4.10"}
    assert len(zones) > 200
