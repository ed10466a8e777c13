"""Judges a scenario of the demo world as its pool is configured."""

from exporter.checks.authentication import Wanted
from exporter.checks.check import Check, parallel
from exporter.checks.dnsbl import Blocklist, dnsbl
from exporter.checks.report import Report, report
from exporter.checks.verdicts import CheckName
from exporter.demo.scenarios import DNSBLS, MAIL_FROM_DOMAINS, Scenario


def whole_report(scenario: Scenario) -> Check[Report]:
    """Everything that the pool of *scenario* is an example of, in one report."""
    domain, zone = MAIL_FROM_DOMAINS.get(scenario.pool), DNSBLS.get(scenario.pool)
    wanted = None if domain is None else Wanted(helo_spf_required=True, mail_from=(domain,))
    lists = [] if zone is None else [dnsbl(CheckName.DNSBL, scenario.target.address, Blocklist(zone))]
    found, *listings = yield from parallel([report(scenario.target, wanted=wanted), *lists])
    return found._replace(findings=found.findings + tuple(it.finding for it in listings))
