"""What is held of findings of which a check may have several."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason
from exporter.checks.result import Reason, Result
from exporter.state.known import confirmed_domain, domain_worsens, is_conclusive, slots, update_known_domain

SPF = DomainCheckName.SPF
PASS = DomainFinding(SPF, Result.PASS, "example.org")
LOOP = DomainFinding(SPF, Result.FAIL, "example.org", DomainReason.SPF_LOOP, "It goes in circles.")
LIMIT = DomainFinding(SPF, Result.FAIL, "example.org", Reason.SPF_LOOKUP_LIMIT, "It takes 11.")
OPEN = DomainFinding(SPF, Result.UNKNOWN, "example.org", Reason.TIMEOUT, "Nobody answered.")
KEY = DomainFinding(DomainCheckName.DKIM, Result.FAIL, "s1", DomainReason.DKIM_MISSING, "There is none.")

groups = st.sampled_from([(PASS,), (LOOP,), (LIMIT,), (LOOP, LIMIT), (OPEN,), (LOOP, OPEN), (LIMIT, OPEN)])
"""What one sample can say of one slot: a pass, or failures, or some of it unknown."""

SLOT = (SPF, "example.org")


def held_after(*samples):
    """What is held after some samples, each believed."""
    known = {}
    for findings in samples:
        known, _ = update_known_domain(known, findings)
    return known


@pytest.mark.parametrize(
    ("before", "after", "known", "changes"),
    [
        pytest.param((), (PASS,), (PASS,), 0, id="the-first-is-no-change"),
        pytest.param((PASS,), (LOOP, LIMIT), (LOOP, LIMIT), 1, id="several-failures-are-one-change"),
        pytest.param((LOOP, LIMIT), (LIMIT,), (LIMIT,), 1, id="one-of-two-is-fixed"),
        pytest.param((LOOP,), (LIMIT,), (LIMIT,), 1, id="another-reason"),
        pytest.param((LOOP,), (PASS,), (PASS,), 1, id="fixed"),
        pytest.param((LOOP,), (LOOP,), (LOOP,), 0, id="the-same"),
        pytest.param((PASS,), (OPEN,), (PASS,), 0, id="unknown-moves-nothing"),
        pytest.param((LOOP,), (LIMIT, OPEN), (LIMIT, LOOP), 1, id="while-it-is-open-none-goes"),
        pytest.param((LOOP,), (LOOP, OPEN), (LOOP,), 0, id="while-it-is-open-the-same"),
        pytest.param((PASS,), (LOOP, OPEN), (LOOP,), 1, id="a-failure-stands-whatever-is-open"),
    ],
)
def test_what_is_held(before, after, known, changes):
    """Each pair of samples, and what stands after it."""
    now, changed = update_known_domain(held_after(before) if before else {}, after)

    assert now[SLOT] == known
    assert len(changed) == changes


def test_a_change_is_told_by_what_differs():
    """Of several failures, the one that came, or that went."""
    (came,) = update_known_domain(held_after((LOOP,)), (LOOP, LIMIT))[1]
    (went,) = update_known_domain(held_after((LOOP, LIMIT)), (LOOP,))[1]

    assert came == (LOOP, LIMIT)
    assert went == (LIMIT, LOOP)


@given(st.lists(groups, max_size=6), groups)
def test_what_is_open_takes_no_failure_away(samples, last):
    """Whatever was held and whatever comes, with something open: every failure is still there, no pass is new."""
    before = held_after(*samples)
    after, _ = update_known_domain(before, (*last, OPEN))

    failures = {one.reason for one in before.get(SLOT, ()) if one.result is Result.FAIL}
    assert failures <= {one.reason for one in after.get(SLOT, ())}
    if (PASS,) in after.values():
        assert (PASS,) in before.values()


@given(st.lists(groups, max_size=6), groups)
def test_only_a_failure_that_is_not_held_has_to_be_confirmed(samples, findings):
    """What is held already, or no failure, needs no second look; anything else does."""
    known = held_after(*samples)
    reasons = {one.reason for one in known.get(SLOT, ())}
    new = [one for one in findings if one.result is Result.FAIL and one.reason not in reasons]

    assert domain_worsens(known, findings) == bool(new)


@given(st.lists(groups, max_size=6), groups, groups)
def test_a_failure_is_believed_when_it_is_held_or_failed_twice(samples, first, second):
    """Any other is told as unknown, and moves nothing."""
    known = held_after(*samples)
    reasons = {one.reason for one in known.get(SLOT, ())}
    failed_before = any(one.result is Result.FAIL for one in first)

    for finding in second:
        helo = confirmed_domain(known, first, finding)
        if finding.result is Result.FAIL and finding.reason not in reasons and not failed_before:
            assert (helo.result, helo.reason) == (Result.UNKNOWN, Reason.UNCONFIRMED)
        else:
            assert helo == finding


def test_slots_are_kept_apart():
    """A key of its own, whatever the domain's SPF says."""
    assert slots((LOOP, KEY, LIMIT)) == {SLOT: (LOOP, LIMIT), (DomainCheckName.DKIM, "s1"): (KEY,)}
    assert is_conclusive((LOOP, KEY))
    assert not is_conclusive((LOOP, OPEN))
