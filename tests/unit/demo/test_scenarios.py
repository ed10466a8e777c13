"""The addresses of the demo world have the results of their table."""

import pytest

from exporter.checks.answers import Question, Status
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.result import ADDRESS_CHECKS, IprevVerdict, Reason, Result
from exporter.demo.world import demo_world, load_domain_scenarios, load_scenarios
from tests.unit.demo.judging import whole_report, world_at

SCENARIOS = load_scenarios()

_NOT_IN_THE_WORLD = {
    Reason.NETWORK,  # a closed port: the server's, not a name's
    Reason.TLS,  # the world is served over UDP and TCP
    Reason.MALFORMED,  # its servers speak properly, if at all
    Reason.DNSSEC_BOGUS,  # nothing in it is signed
    Reason.LOCAL_DATA,  # its server has no hosts file
    Reason.CANARY,  # it has one resolver, and that is honest
    Reason.DNSBL_PENDING,  # is about time
    Reason.UNCONFIRMED,  # is about two samples, not about one
    Reason.DISAGREEMENT,  # it has one resolver
}


def judged(world, scenario):
    """The verdict, and the result and reason of each check, as `Scenario` has them."""
    found, _ = run_check(whole_report(scenario), world.answer)
    return found.iprev.verdict, {finding.check: (finding.result, finding.reason) for finding in found.findings}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: f"{it.target.address}@{it.at:g}")
def test_every_scenario_comes_out_as_expected(scenario):
    """Verdict, results and reasons are those of the table."""
    assert judged(world_at(scenario.at), scenario) == (scenario.iprev, scenario.results), scenario.what


def test_the_table_has_every_way_to_go_wrong():
    """Each verdict occurs, and, here or among the domains, each reason that the DNS alone can cause."""
    assert {it.iprev for it in SCENARIOS} == set(IprevVerdict)
    of_domains = {reason for it in load_domain_scenarios() for *_, reason in (*it.faults, *it.hints)}
    of_addresses = {reason for it in SCENARIOS for reason in it.reasons.values()}
    assert of_addresses | of_domains == set(Reason) - _NOT_IN_THE_WORLD
    assert {check for it in SCENARIOS for check in it.reasons} == {
        check for check in ADDRESS_CHECKS if any(check in it.results for it in SCENARIOS)
    }


def test_each_address_is_in_the_table_once_for_each_age():
    """Every address has a scenario at the start, and everything is as it was after an episode."""
    starts = [it.target.address for it in SCENARIOS if not it.at]
    assert len(set(starts)) == len(starts)
    assert {it.target.address for it in SCENARIOS} == set(starts)
    world = world_at(1200)
    for scenario in SCENARIOS:
        if not scenario.at:
            assert judged(world, scenario) == (scenario.iprev, scenario.results), scenario.what


@pytest.mark.parametrize(
    "scenario",
    [it for it in SCENARIOS if any(result is Result.FAIL for result, _ in it.results.values())],
    ids=lambda it: f"{it.target.address}@{it.at:g}",
)
def test_publishing_a_fix_makes_its_check_pass(scenario):
    """The records of a fix work as a replacement and as an addition."""
    found, _ = run_check(whole_report(scenario), world_at(scenario.at).answer)
    for finding in found.findings:
        assert (finding.fix is not None) == (finding.result is Result.FAIL)
        if finding.fix is None or not finding.fix.records:
            continue
        replaced, added = world_at(scenario.at), world_at(scenario.at)
        replaced.apply(finding.fix.records)
        added.withdraw(finding.fix.replaces)
        added.add(finding.fix.records)
        for world in (replaced, added):
            _, results = judged(world, scenario)
            assert results[finding.check] == (Result.PASS, None), finding.fix


def test_microsofts_example_is_that_of_its_article():
    """KB 3019655: both addresses are confirmed by their own names, and the HELO name has ten other addresses."""
    world = demo_world(speed=0)
    helo = DomainName("na01-bn1-obe.outbound.protection.outlook.com")
    pool = world.answer(Question(helo, "A")).addresses
    assert [str(it) for it in pool] == [f"207.46.163.{it}" for it in range(149, 159)]
    for scenario in (it for it in SCENARIOS if it.pool == "microsoft-365"):
        ptr = world.answer(Question(scenario.target.address.reverse_name, "PTR"))
        (name,) = ptr.names
        assert world.answer(Question(name, "A")).addresses == (scenario.target.address,)
        assert name != helo
        if str(scenario.target.address) in {"157.56.110.65", "207.46.163.150"}:
            expected = {"157.56.110.65": "mail-bn1on0065", "207.46.163.150": "mail-bn1lp0150"}
            assert name.split(".")[0] == expected[str(scenario.target.address)]


def test_a_canary_finds_what_it_looks_for():
    """The root has name servers, and names below "invalid" do not exist."""
    world = demo_world(speed=0)
    assert world.answer(Question(DomainName("."), "NS")).status is Status.ANSWER
    assert world.answer(Question(DomainName("canary.invalid"), "A")).status is Status.NXDOMAIN
