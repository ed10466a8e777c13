"""The state of one domain over its samples."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.result import CheckName, Reason, Result
from exporter.state.domain import DomainState
from tests.domains import EVERYTHING, KEY, SETTINGS, SILENT, SOUND, ZONE, sample, without
from tests.factories import World
from tests.strategies import outages

ALL = replace(SETTINGS, expect=EVERYTHING)
NO_SPF = without("example.org TXT")
NO_KEY = without("s2._domainkey")
OPEN_RECORD = World.parse(ZONE.replace("mx include:spf.example.net -all", "+all"))
WEAKER = World.parse(ZONE.replace("p=reject", "p=none; t=y"))
WORLDS = (SOUND, NO_SPF, NO_KEY, OPEN_RECORD, WEAKER, SILENT)
REPORTS = {id(world): sample(world) for world in WORLDS}
QUESTIONS = sorted(sample(SOUND)[1])


def sampled(*worlds, settings=ALL):
    """The state after a confirmed sample in each of these worlds, one a second."""
    state = DomainState(settings)
    for second, world in enumerate(worlds, start=1):
        state, _ = state.observe(*REPORTS.get(id(world)) or sample(world), float(second))
    return state


def shown(state):
    """Everything that gauges show."""
    policy = state.dmarc and (state.dmarc.record, state.dmarc.policy, state.dmarc.subdomain_policy)
    return (state.known, state.hints, state.spf and state.spf.records, state.dkim, policy, state.is_healthy)


def test_verdicts_outlive_an_outage():
    """Inconclusive samples keep everything that is known, and its times."""
    state = sampled(SOUND, SILENT, SILENT)

    assert state.is_healthy is True
    assert state.spf.lookups == 2
    assert state.dmarc.policy == "reject"
    assert state.dkim["s1"].bits == 256
    assert (state.sampled_at, state.concluded_at, state.changed_at) == (3.0, 1.0, 0.0)


@given(st.lists(st.sampled_from(WORLDS), max_size=5))
def test_outages_leave_no_trace_in_what_is_shown(worlds):
    """What is known at the end is the same without the outages."""
    with_outages = sampled(*worlds)
    without_outages = sampled(*[world for world in worlds if world is not SILENT])

    assert shown(with_outages)[:-1] == shown(without_outages)[:-1]
    if any(world is not SILENT for world in worlds):
        assert with_outages.is_healthy == without_outages.is_healthy


@given(st.sampled_from([SOUND, NO_SPF, NO_KEY, OPEN_RECORD, WEAKER]), outages(QUESTIONS))
def test_lost_answers_change_no_verdict(world, lost):
    """If answers are lost in the next sample of the same world, nothing known changes."""
    before = sampled(world)
    after, changes = before.observe(*sample(world.without_answers_to(lost), ALL), 2.0)

    assert changes == ()
    assert shown(after) == shown(before)


def test_nothing_is_known_before_the_first_conclusive_sample():
    """Neither healthy nor unhealthy: unknown."""
    assert DomainState(ALL).is_healthy is None
    assert sampled(SILENT).is_healthy is None
    assert sampled(SILENT).passes(CheckName.SPF) is None


@pytest.mark.parametrize(
    ("world", "expect", "healthy"),
    [
        pytest.param(NO_SPF, EVERYTHING, False, id="spf-is-missing"),
        pytest.param(NO_SPF, EVERYTHING - {CheckName.SPF}, True, id="spf-is-not-expected"),
        pytest.param(NO_KEY, frozenset({CheckName.DKIM}), False, id="one-key-of-two"),
        pytest.param(without("_mta-sts", "_smtp"), SETTINGS.expect, True, id="mta-sts-is-not-expected"),
        pytest.param(NO_SPF, frozenset(), True, id="nothing-is-expected"),
    ],
)
def test_health_follows_the_expectations(world, expect, healthy):
    """Only the checks that are expected of the domain decide."""
    assert sampled(world, settings=replace(SETTINGS, expect=expect)).is_healthy is healthy


def test_problems_name_check_reason_and_selector_once():
    """Each expected check that fails, for each of its reasons."""
    state = sampled(World.parse("example.org TXT v=spf1 -all\nexample.org TXT v=spf1 mx -all"))

    assert [(one.check, one.reason, one.subject) for one in state.problems] == [
        ("spf", "spf-several-records", "example.org"),
        ("dkim", "dkim-missing", "s1"),
        ("dkim", "dkim-missing", "s2"),
        ("dmarc", "dmarc-missing", "example.org"),
        ("mx", "mx-missing", "example.org"),
        ("mta-sts", "mta-sts-missing", "example.org"),
        ("tls-rpt", "tls-rpt-missing", "example.org"),
    ]


def test_a_failure_that_is_not_seen_twice_is_unknown():
    """Failures that only the second sample has become unknown; the others are recorded."""
    state = sampled(SOUND)
    first, second = sample(NO_KEY)[0], sample(without("s2._domainkey", "example.org TXT"))[0]
    report = state.confirmed([first], second)

    assert {(one.check, one.result) for one in report.findings if one.result is not Result.PASS} == {
        ("dkim", "fail"),
        ("spf", "unknown"),
    }
    assert report.spf.findings[0].reason is Reason.UNCONFIRMED
    after, _ = state.observe(report, {}, 2.0)
    assert after.spf is state.spf


def test_another_published_record_is_a_change_even_if_it_passes():
    """Another policy, key, range or record must be verified, too: the resolver could be lying."""
    state = sampled(SOUND)
    other_key = KEY.replace("11qY", "22qY")

    assert not state.is_changed(sample(SOUND)[0])
    assert not state.is_changed(sample(SILENT)[0])
    for ours, theirs in (
        ("p=reject", "p=quarantine"),
        (f"s1._domainkey.example.org TXT {KEY}", f"s1._domainkey.example.org TXT {other_key}"),
        ("ip4:198.51.100.0/28", "ip4:198.51.100.0/27"),
        ("v=spf1 mx include", "v=spf1 include"),
    ):
        assert state.is_changed(sample(World.parse(ZONE.replace(ours, theirs)))[0]), theirs


def test_other_settings_keep_what_is_known_of_the_rest():
    """A removed selector loses its key, a new one is unknown, and the rest stays."""
    state = sampled(NO_KEY).reconfigure(replace(ALL, selectors=("s1", "s3")))

    assert set(state.dkim) == {"s1"}
    assert state.problems == ()
    assert state.passes(CheckName.SPF) is True
    assert state.is_healthy is None

    again = sampled(NO_KEY).reconfigure(replace(ALL, expect=frozenset({CheckName.DKIM})))
    assert again.is_healthy is False


def test_a_change_has_its_domain_and_selector():
    """A break and a fix are one change each."""
    state = sampled(SOUND)
    state, broke = state.observe(*sample(NO_KEY), 2.0)
    state, again = state.observe(*sample(NO_KEY), 3.0)
    state, fixed = state.observe(*sample(SOUND), 4.0)

    assert [(change.domain, change.after.subject, change.after.result) for change in broke] == [
        ("example.org", "s2", Result.FAIL)
    ]
    assert again == ()
    assert [change.after.result for change in fixed] == [Result.PASS]
    assert state.changed_at == 4.0
