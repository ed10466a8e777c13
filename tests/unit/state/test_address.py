"""The state of one address over its samples."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.checks.result import ADDRESS_CHECKS, CheckName, Finding, Reason, Result
from exporter.state.address import AddressState, health, problems, shown_ptr, without_followers
from tests.factories import SERVFAIL, World, target

MTA = target("192.0.2.10", "mail.example.org")
EVERYTHING = frozenset(ADDRESS_CHECKS)

RIGHT = World.parse(
    """
    10.2.0.192.in-addr.arpa PTR mail.example.org
    mail.example.org A 192.0.2.10
    """
)
BROKEN = World.parse("mail.example.org A 192.0.2.10")
SILENT = World.parse(
    """
    10.2.0.192.in-addr.arpa PTR !servfail
    mail.example.org A !servfail
    mail.example.org AAAA !servfail
    """
)
WORLDS = (RIGHT, BROKEN, SILENT)


def sampled(*worlds: World, subject=MTA) -> AddressState:
    """The state after a confirmed sample in each of these worlds, one a second."""
    state = AddressState(subject)
    for second, world in enumerate(worlds, start=1):
        state = state.observe(*run_check(report(subject), world), float(second))[0]
    return state


def test_a_verdict_outlives_an_outage():
    """Inconclusive samples keep the last conclusive verdict and its time."""
    state = sampled(RIGHT, SILENT, SILENT)

    assert health(state, EVERYTHING) is True
    assert state.iprev is not None
    assert (state.sampled_at, state.concluded_at, state.changed_at) == (3.0, 1.0, 0.0)
    assert not state.latest.is_conclusive


def test_no_time_is_later_than_the_sample_after_the_clock_was_set_back():
    """Neither the last conclusion nor the last change is later than the sample."""
    state = sampled(RIGHT, BROKEN)
    assert (state.sampled_at, state.concluded_at, state.changed_at) == (2.0, 2.0, 2.0)

    later, _ = state.observe(*run_check(report(MTA), SILENT), 1.0)

    assert (later.sampled_at, later.concluded_at, later.changed_at) == (1.0, 1.0, 1.0)


@given(st.lists(st.sampled_from(WORLDS), max_size=8))
def test_outages_leave_no_trace_in_what_is_known(worlds):
    """What is known at the end is the same without the outages."""
    with_outages = sampled(*worlds)
    without = sampled(*[world for world in worlds if world is not SILENT])

    syntax = {(CheckName.HELO_SYNTAX, "mail.example.org")}  # no lookup is needed to judge it
    assert {slot: with_outages.known[slot] for slot in with_outages.known.keys() - syntax} == {
        slot: without.known[slot] for slot in without.known.keys() - syntax
    }
    assert with_outages.iprev == without.iprev


def test_nothing_is_known_before_the_first_conclusive_sample():
    """Neither healthy nor unhealthy: unknown."""
    never = AddressState(MTA)
    assert (never.sampled_at, never.concluded_at, never.changed_at) == (0.0, 0.0, 0.0)
    assert health(never, EVERYTHING) is None
    assert health(sampled(SILENT), EVERYTHING) is None


@pytest.mark.parametrize(
    ("expect", "healthy"),
    [
        pytest.param(frozenset(ADDRESS_CHECKS), False, id="all"),
        pytest.param(frozenset({CheckName.HELO_RESOLVES, CheckName.HELO_SYNTAX}), True, id="what-passes"),
        pytest.param(frozenset({CheckName.FCRDNS}), False, id="what-fails"),
        pytest.param(frozenset(), True, id="nothing"),
    ],
)
def test_health_follows_the_expectations(expect, healthy):
    """Only the checks that the pool expects decide."""
    assert health(sampled(BROKEN), expect) is healthy


def test_problems_name_check_and_reason_once():
    """A missing PTR fails three expected checks, of which two only follow from the first."""
    found = problems(sampled(BROKEN), EVERYTHING)

    assert [(finding.check, finding.reason) for finding in found] == [(CheckName.FCRDNS, Reason.PTR_NXDOMAIN)]
    found = problems(sampled(BROKEN), EVERYTHING - {CheckName.FCRDNS})
    assert [finding.check for finding in found] == [CheckName.HELO_PTR_MATCH, CheckName.HELO_ALIGNED]
    assert problems(sampled(BROKEN, RIGHT), EVERYTHING) == ()


def test_an_unconfirmed_failure_makes_the_verdict_inconclusive():
    """If its failure is not confirmed, the verdict is temperror, so that no gauge changes."""
    first, _ = run_check(report(MTA), SILENT)
    second, _ = run_check(report(MTA), BROKEN)

    recorded = sampled(RIGHT).confirmed([first], second)

    assert recorded.findings[0].reason is Reason.UNCONFIRMED
    assert not recorded.is_conclusive


def test_each_change_is_returned_once():
    """A break and a fix are one change each per check; an outage between them is none."""
    state = sampled(RIGHT, SILENT)
    state, broke = state.observe(*run_check(report(MTA), BROKEN), 3.0)
    state, again = state.observe(*run_check(report(MTA), BROKEN), 4.0)
    state, fixed = state.observe(*run_check(report(MTA), RIGHT), 5.0)

    assert [(change.after.check, change.after.result) for change in broke if change.after.check == "fcrdns"] == [
        (CheckName.FCRDNS, Result.FAIL)
    ]
    assert again == ()
    assert {change.after.result for change in fixed} == {Result.PASS}
    assert state.changed_at == 5.0


def test_another_helo_name_keeps_what_is_known_of_the_address():
    """After a reload with other HELO names, the verdict of the address stays and results on old names are dropped."""
    state = sampled(RIGHT).retarget(target("192.0.2.10", "other.example.org"))

    assert list(state.known) == [(CheckName.FCRDNS, "")]
    assert state.iprev is not None


def test_results_on_a_domain_survive_its_removal_as_a_helo_name():
    """Only results on it as a HELO name are dropped, not those as a sender domain or a list."""
    name = "mail.example.org"
    domain = Finding(CheckName.SPF_MAILFROM, Result.FAIL, name, Reason.SPF_FAIL)
    listed = Finding(CheckName.DNSBL, Result.PASS, name)
    state = sampled(RIGHT)
    known = {**state.known, (domain.check, name): domain, (listed.check, name): listed}

    after = replace(state, known=known).retarget(target("192.0.2.10", "other.example.org"))

    assert list(after.known) == [(CheckName.FCRDNS, ""), (CheckName.SPF_MAILFROM, name), (CheckName.DNSBL, name)]
    assert after.latest is None
    assert state.retarget(MTA) is state


RENAMED = World.parse(
    "10.2.0.192.in-addr.arpa PTR a.example.org\na.example.org A 192.0.2.10\n"
    "10.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.10"
)


@pytest.mark.parametrize(
    ("before", "now", "is_changed"),
    [
        pytest.param((), RIGHT, False, id="the-first-sample"),
        pytest.param((RIGHT,), RIGHT, False, id="the-same-again"),
        pytest.param((RIGHT,), BROKEN, True, id="a-failure"),
        pytest.param((BROKEN,), RIGHT, True, id="a-fix"),
        pytest.param((RIGHT,), RENAMED, True, id="another-ptr-name-though-every-check-passes"),
        pytest.param((RENAMED, SILENT), RENAMED, False, id="what-was-known-before-an-outage"),
        pytest.param((RIGHT, SILENT), RENAMED, True, id="a-name-that-changed-during-an-outage"),
        pytest.param((RIGHT,), SILENT, False, id="an-outage"),
        pytest.param((SILENT,), RIGHT, False, id="the-first-conclusive-sample"),
    ],
)
def test_a_report_is_changed_if_a_conclusive_result_differs(before, now, is_changed):
    """PTR names count, too. Unknown results, and results where nothing was known, do not."""
    assert sampled(*before).is_changed(run_check(report(MTA), now)[0]) is is_changed


@pytest.mark.parametrize(
    ("known", "healthy"),
    [
        pytest.param(None, True, id="a-list-that-never-answered"),
        pytest.param(Result.PASS, True, id="not-listed"),
        pytest.param(Result.FAIL, False, id="listed"),
    ],
)
def test_a_block_list_that_never_answers_does_not_count(known, healthy):
    """The other checks decide. If there are none, the health is unknown."""
    zone, reasons = "zen.example.org", {Result.PASS: None, Result.FAIL: Reason.DNSBL_LISTED, None: None}
    silent = Finding(CheckName.DNSBL, Result.UNKNOWN, zone, Reason.DNSBL_BLOCKED)
    state = sampled(RIGHT)
    latest = state.latest._replace(findings=(*state.latest.findings, silent))
    slots = {} if known is None else {(CheckName.DNSBL, zone): Finding(CheckName.DNSBL, known, zone, reasons[known])}
    state = replace(state, latest=latest, known={**state.known, **slots})

    assert health(state, EVERYTHING) is healthy
    assert health(state, frozenset({CheckName.DNSBL})) is (None if known is None else healthy)


def test_a_ptr_name_that_keeps_changing_is_flapping_until_it_stays():
    """Four changes within six hours make a name unfit for a label; six quiet hours make it fit again."""
    rotating = [
        World.parse(f"10.2.0.192.in-addr.arpa PTR {name}.example.org\n{name}.example.org A 192.0.2.10")
        for name in "abcde"
    ]
    state = sampled(*rotating)

    assert not sampled(*rotating[:4]).is_flapping(now=5.0)
    assert (sampled(*rotating[:4]).may_be_flapping, state.may_be_flapping) == (False, True)
    assert state.renamed_at == (2.0, 3.0, 4.0, 5.0)
    assert state.is_flapping(now=6.0)
    assert state.is_flapping(now=6 * 3600.0 + 1.9)
    assert not state.is_flapping(now=6 * 3600.0 + 2.0)
    assert sampled(*rotating, rotating[0]).renamed_at == (3.0, 4.0, 5.0, 6.0)
    assert shown_ptr(state.iprev) == "e.example.org"


def test_servfail_is_no_missing_ptr():
    """SERVFAIL never counts as a missing PTR record, the most common false alarm of such tools."""
    state = sampled(RIGHT.without_answers_to({}), World(outages=dict.fromkeys(RIGHT.records, SERVFAIL.status)))

    assert problems(state, EVERYTHING) == ()


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        pytest.param("mail.example.org A 192.0.2.10", "mail.example.org", id="the-confirmed-one"),
        pytest.param("", "a.example.org", id="else-the-first"),
    ],
)
def test_one_ptr_name_is_shown_for_an_address(zone, shown):
    """A confirmed name comes before others; without PTR names there is none."""
    reverse = "10.2.0.192.in-addr.arpa PTR"
    state = sampled(World.parse(f"{reverse} a.example.org\n{reverse} mail.example.org\n{zone}"))

    assert shown_ptr(state.iprev) == shown
    assert shown_ptr(sampled(BROKEN).iprev) is None


def test_a_change_that_follows_from_another_is_not_reported():
    """A lost PTR record and its return are one change each, though three checks change."""
    state = sampled(RIGHT)
    for world, result in ((BROKEN, Result.FAIL), (RIGHT, Result.PASS)):
        after, changes = state.observe(*run_check(report(MTA), world), 2.0)
        reported = without_followers(changes, state.known, after.known)

        assert len(changes) == 3
        assert [(change.after.check, change.after.result) for change in reported] == [(CheckName.FCRDNS, result)]
        state = after
