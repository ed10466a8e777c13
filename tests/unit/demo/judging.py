"""The demo world at an age, its pools, and the report on a scenario, for tests."""

from exporter.checks.check import Check, parallel, run_check
from exporter.checks.dnsbl import Blocklist, dnsbl
from exporter.checks.report import AuthenticationSettings, Report, report
from exporter.checks.result import CheckName
from exporter.cli.subjects import Expansions, pools_of
from exporter.config.configuration import Configuration
from exporter.config.load import parse
from exporter.demo.world import DNSBLS, MAIL_FROM_DOMAINS, Scenario, World, demo_world
from exporter.inventory.expansion import expand, expansion
from exporter.inventory.pool import Pool
from tests.fakes import FakeClock


def world_at(seconds: float) -> World:
    """The demo world at an age in seconds. It stands still."""
    clock = FakeClock()
    world = demo_world(clock=clock)
    clock.seconds = seconds
    return world


def watched_pools(world: World, text: str) -> tuple[Pool, ...]:
    """The pools of a configuration, with the addresses that SPF records in *world* name."""
    configuration = parse(text, "demo.yml")
    return pools_of(configuration, found_in(world, configuration))


def found_in(world: World, configuration: Configuration) -> Expansions:
    """The expansions of the SPF records of pools in *world*."""
    domains = {pool.name: pool.spf for pool in configuration.pools if pool.spf is not None}
    judged = {name: run_check(expand(domain, ()), world.answer) for name, domain in domains.items()}
    return {name: expansion(compiled, (), evidence) for name, (compiled, evidence) in judged.items()}


def whole_report(scenario: Scenario) -> Check[Report]:
    """The report on a scenario with all checks of its pool."""
    domain, zone = MAIL_FROM_DOMAINS.get(scenario.pool), DNSBLS.get(scenario.pool)
    wanted = None if domain is None else AuthenticationSettings(helo_spf_required=True, mail_from=(domain,))
    lists = [] if zone is None else [dnsbl(CheckName.DNSBL, scenario.target.address, Blocklist(zone))]
    found, *listings = yield from parallel([report(scenario.target, wanted=wanted), *lists])
    return found._replace(findings=found.findings + tuple(it.finding for it in listings))
