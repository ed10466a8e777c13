"""Judges a scenario of the demo world as its pool is configured, and says which pools there are."""

from exporter.checks.check import Check, parallel, run_check
from exporter.checks.dnsbl import Blocklist, dnsbl
from exporter.checks.report import AuthenticationSettings, Report, report
from exporter.checks.result import CheckName
from exporter.cli.subjects import Expansions, pools_of
from exporter.config.configuration import Configuration
from exporter.config.load import parse
from exporter.demo.world import DNSBLS, MAIL_FROM_DOMAINS, Scenario, World
from exporter.inventory.expansion import expand, expansion
from exporter.inventory.pool import Pool


def watched_pools(world: World, text: str) -> tuple[Pool, ...]:
    """The pools of a configuration, those too that SPF records of *world* name."""
    configuration = parse(text, "demo.yml")
    return pools_of(configuration, found_in(world, configuration))


def found_in(world: World, configuration: Configuration) -> Expansions:
    """What the SPF records of pools come to in *world*."""
    domains = {pool.name: pool.spf for pool in configuration.pools if pool.spf is not None}
    judged = {name: run_check(expand(domain, ()), world.answer) for name, domain in domains.items()}
    return {name: expansion(compiled, (), evidence) for name, (compiled, evidence) in judged.items()}


def whole_report(scenario: Scenario) -> Check[Report]:
    """Everything that the pool of *scenario* is an example of, in one report."""
    domain, zone = MAIL_FROM_DOMAINS.get(scenario.pool), DNSBLS.get(scenario.pool)
    wanted = None if domain is None else AuthenticationSettings(helo_spf_required=True, mail_from=(domain,))
    lists = [] if zone is None else [dnsbl(CheckName.DNSBL, scenario.target.address, Blocklist(zone))]
    found, *listings = yield from parallel([report(scenario.target, wanted=wanted), *lists])
    return found._replace(findings=found.findings + tuple(it.finding for it in listings))
