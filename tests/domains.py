"""A domain for tests: its zone when all is right, and zones with one thing wrong."""

from exporter.checks.check import run_check
from exporter.checks.domain_report import domain_report
from exporter.checks.result import DOMAIN_CHECKS, Result
from exporter.config.configuration import DomainSettings
from exporter.config.model import EXPECTED
from exporter.config.values import Duration
from tests.factories import World, name

DOMAIN = name("example.org")
KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
SETTINGS = DomainSettings(DOMAIN, Duration(900_000), EXPECTED, ("s1", "s2"))
EVERYTHING = frozenset(DOMAIN_CHECKS)

ZONE = f"""
    example.org MX 10 mx.example.org
    mx.example.org A 192.0.2.25
    example.org TXT v=spf1 mx include:spf.example.net -all
    spf.example.net TXT v=spf1 ip4:198.51.100.0/28 ip6:2001:db8::/64 -all
    s1._domainkey.example.org TXT {KEY}
    s2._domainkey.example.org TXT {KEY}
    _dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:dmarc@example.org
    _mta-sts.example.org TXT v=STSv1; id=1;
    mta-sts.example.org A 192.0.2.80
    _smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:tls@example.org
"""
SOUND = World.parse(ZONE)
SILENT = World.parse(
    """
    example.org TXT !servfail
    example.org MX !servfail
    s1._domainkey.example.org TXT !servfail
    s2._domainkey.example.org TXT !servfail
    _dmarc.example.org TXT !servfail
    _mta-sts.example.org TXT !servfail
    _smtp._tls.example.org TXT !servfail
    """
)


def without(*beginnings: str) -> World:
    """The zone without the lines that begin so."""
    return World.parse("\n".join([line for line in ZONE.splitlines() if not line.strip().startswith(beginnings)]))


def sample(world: World, settings: DomainSettings = SETTINGS):
    """What one sample in *world* comes to, and its evidence."""
    return run_check(domain_report(settings.name, settings.selectors), world)


def overall(findings):
    """The result of several findings: one fail is a fail, or else one unknown is unknown."""
    results = {finding.result for finding in findings}
    return next((result for result in (Result.FAIL, Result.UNKNOWN) if result in results), Result.PASS)
