"""The demo's configuration file."""

from exporter.checks.check import run_check
from exporter.checks.dnsbl import dnsbl
from exporter.checks.report import AuthenticationSettings, report
from exporter.checks.result import CheckName, Result
from exporter.config.load import parse
from exporter.demo.world import demo_configuration, demo_world, load_scenarios
from exporter.inventory.build import build, list_plans
from exporter.inventory.expansion import Trouble
from tests.unit.demo.judging import found_in, watched_pools, world_at


def test_it_watches_exactly_the_addresses_of_the_scenarios():
    """Each pool, address and HELO name of the scenarios is watched, and no other."""
    pools = watched_pools(demo_world(speed=0), demo_configuration(5353))
    watched = {(pool.name, target) for pool in pools for target in pool.targets}
    assert watched == {(scenario.pool, scenario.target) for scenario in load_scenarios()}


def test_its_pools_come_out_as_the_scenarios_say():
    """Each address has the results of the table, and no other check fails."""
    world = demo_world(speed=0)
    expected = {scenario.target: scenario.results for scenario in load_scenarios() if not scenario.at}
    configuration = parse(demo_configuration(5353), "demo.yml")
    lists = {plan.zone: plan.blocklist for plan in list_plans(configuration)}
    for pool in watched_pools(world, demo_configuration(5353)):
        wanted = AuthenticationSettings(pool.helo_spf_required, pool.mail_from_domains)
        for target in pool.targets:
            findings = list(run_check(report(target, suffix=pool.suffix, wanted=wanted), world.answer)[0].findings)
            for zone in pool.dnsbls:
                check = dnsbl(CheckName.DNSBL, target.address, lists[zone])
                findings.append(run_check(check, world.answer)[0].finding)
            assert {it.check for it in findings} >= set(expected[target])
            for it in findings:
                if it.check in expected[target]:
                    assert (it.result, it.reason) == expected[target][it.check], it.sentence
                else:
                    assert it.result is not Result.FAIL, it.sentence


def test_what_is_by_design_is_not_expected():
    """Every address of Microsoft's pool passes the expected checks, though no HELO name is its PTR name."""
    expect = {pool.name: pool.expect for pool in build(parse(demo_configuration(5353), "demo.yml"))}
    failing = {
        name: [it for it in load_scenarios() if it.pool == name and not it.at and set(it.reasons) & expect[name]]
        for name in expect
    }
    assert [name for name in failing if not failing[name]] == ["corporate", "microsoft-365", "provider"]


def test_it_asks_the_demos_own_server():
    """The demo asks no other server."""
    configuration = parse(demo_configuration(5353, interval="20s"), "demo.yml")
    (resolver,) = configuration.resolvers
    assert [str(server) for server in resolver.servers] == ["127.0.0.1:5353"]
    assert {pool.interval.seconds for pool in configuration.pools} == {20.0}


def test_one_of_its_pools_has_an_spf_record_that_grows():
    """The pool has a trouble, a range that cannot be enumerated, and later twice as many addresses."""
    configuration = parse(demo_configuration(5353), "demo.yml")
    found = {}
    for age in (0.0, 600.0, 1800.0):
        found[age] = found_in(world_at(age), configuration)["provider"]
    assert [one.addresses.size for one in found.values()] == [8, 16, 8]
    assert {one.troubles for one in found.values()} == {(Trouble.NOT_ENUMERABLE,)}
    assert {len(one.not_enumerable) for one in found.values()} == {1}
