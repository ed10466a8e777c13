"""checkdmarc, an independent checker, comes to the same SPF verdicts, or a section of an RFC says why not."""

import re
from itertools import product
from pathlib import Path

import pytest
from checkdmarc.spf import check_spf
from dns.resolver import Resolver

from exporter.checks.check import run_check
from exporter.checks.result import Result
from exporter.checks.spf.domain import spf_domain
from exporter.checks.txt_records import txt_line
from tests.conformance.spf.test_mistakes import MISTAKES
from tests.domains import overall
from tests.factories import World, name
from tests.integration.servers.knot import Knot
from tests.yaml_files import read_yaml

pytestmark = [pytest.mark.integration]

TABLE = Path("tests/conformance/spf/mistakes.yml")
WHOLE = (
    "v=spf1 ip4:203.0.113.7 ip6:2001:db8::1 -all",
    "v=spf1 ip4:198.51.100.0/24 include:_spf.example.net ~all",
    "v=spf1 mx a -all",
    "v=spf1 ip4:203.0.113.7 redirect=_spf.example.net",
    "V=SPF1 IP4:203.0.113.7 ?ALL",
)
EXPLAINED = {
    "RFC 5234 section 2.3": lambda zone, reasons: not reasons and "V=SPF1" in zone[0],
    "RFC 7208 section 5.1": lambda zone, reasons: reasons == {"spf-passes-all"},
    "RFC 7208 section 7.1": lambda zone, reasons: reasons == {"spf-syntax"} and re.search(r" (a|mx):[0-9]", zone[0]),
}
"""Why verdicts may differ: quoted strings of ABNF have no case; +all is valid, and lets everybody pass; a name ends in
a label that is not a number, and a term with another end is a syntax error."""


def corpus():
    """Records, each with every mistake, and those of the conformance table."""
    texts = [mistake(whole) for whole, mistake in product(WHOLE, MISTAKES)]
    lines = [txt_line("example.com", text.encode()) for text in dict.fromkeys([*WHOLE, *texts])]
    more = ["example.com. MX 10 mail.example.com.", "example.com. A 203.0.113.8", "mail.example.com. A 203.0.113.7"]
    return [[line, *more] for line in lines] + [it["zone"] for it in read_yaml(TABLE.read_text(encoding="utf-8"))]


def test_verdicts_agree_or_are_explained():
    """Each record is valid to both or to neither; every explanation is needed."""
    zones = {name(f"d{index}.example"): zone for index, zone in enumerate(corpus())}
    lines = {line.replace("example.com", domain) for domain, zone in zones.items() for line in zone}
    lines |= {'_spf.example.net. TXT "v=spf1 ip4:198.51.100.0/24 -all"'}
    lines = sorted(line for line in lines if not line.startswith("_spf.example.net") or "?all" not in line)
    world = World.parse("\n".join(lines))
    unexplained, used = [], set()
    with Knot({".": lines}) as knot:
        resolver = Resolver(configure=False)
        resolver.nameservers, resolver.port = [knot.host], knot.port
        for domain, zone in zones.items():
            report, _ = run_check(spf_domain(domain), world)
            theirs = check_spf(str(domain), resolver=resolver)
            if theirs["valid"] == (overall(report.findings) is Result.PASS):
                continue
            reasons = {it.reason.value for it in report.findings if it.reason}
            why = {section for section, is_it in EXPLAINED.items() if is_it(zone, reasons)}
            used |= why
            if not why:
                unexplained.append((zone, reasons, theirs.get("error")))

    assert unexplained == []
    assert used == set(EXPLAINED)
    assert len(zones) > 100
