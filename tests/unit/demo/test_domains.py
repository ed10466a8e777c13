"""The domains of the demo world have the results of their table."""

import pytest

from exporter.checks.check import run_check
from exporter.checks.domain_report import domain_report
from exporter.checks.result import CheckName, Reason, Result
from exporter.config.load import parse
from exporter.demo.world import demo_configuration, load_domain_scenarios
from tests.unit.demo.judging import world_at

SCENARIOS = load_domain_scenarios()
EXTRAS = {CheckName.MTA_STS, CheckName.TLS_RPT}


def examined(scenario, world):
    """The report on the domain of a scenario."""
    return run_check(domain_report(scenario.domain, scenario.selectors), world.answer)[0]


def shown(scenario, found):
    """Findings or hints as in the table, without checks that the table leaves out."""
    return {
        (one.check, one.subject if one.check is CheckName.DKIM else "", one.reason)
        for one in found
        if one.reason is not None and (scenario.is_strict or one.check not in EXTRAS)
    }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: f"{it.domain}@{it.at:g}")
def test_every_domain_comes_out_as_expected(scenario):
    """Failures and hints are exactly those of the table."""
    report = examined(scenario, world_at(scenario.at))

    assert shown(scenario, report.findings) == scenario.faults, scenario.what
    assert shown(scenario, report.hints) == scenario.hints, scenario.what


def test_the_table_has_every_way_in_which_spf_goes_wrong():
    """Each reason of SPF that a record can cause occurs here too, not only for addresses."""
    reasons = {reason for it in SCENARIOS for *_, reason in (*it.faults, *it.hints)}
    of_records = {reason for reason in Reason if reason.startswith("spf-")} - {
        Reason.SPF_FAIL,  # these four are about an address, not about a record
        Reason.SPF_SOFTFAIL,
        Reason.SPF_NEUTRAL,
    }

    assert of_records <= reasons


@pytest.mark.parametrize(
    "scenario", [it for it in SCENARIOS if it.faults or it.hints], ids=lambda it: f"{it.domain}@{it.at:g}"
)
def test_publishing_a_fix_ends_what_it_is_for(scenario):
    """Each failure has a fix. Applying the records of a fix removes its finding or hint."""
    report = examined(scenario, world_at(scenario.at))
    for finding in report.findings:
        assert (finding.fix is not None) == (finding.result is Result.FAIL), finding
    for one in (*report.findings, *report.hints):
        if one.fix is None or not (one.fix.records or one.fix.replaces):
            continue
        world = world_at(scenario.at)
        world.withdraw(one.fix.replaces)
        world.add(one.fix.records)
        after = examined(scenario, world)
        still = {(it.check, it.subject, it.reason) for it in (*after.findings, *after.hints)}
        assert (one.check, one.subject, one.reason) not in still, one.fix


def test_the_configuration_watches_exactly_these_domains():
    """They have the selectors and the expected checks of the table."""
    domains = parse(demo_configuration(5353), "demo.yml").domains

    assert [(one.name, one.selectors) for one in domains] == [
        (it.domain, it.selectors) for it in SCENARIOS if not it.at
    ]
    for one, scenario in zip(domains, [it for it in SCENARIOS if not it.at], strict=True):
        assert (one.expect >= EXTRAS) == scenario.is_strict
