"""What is held moves only on what is conclusive, and for the worse only when it was seen twice."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.state.known import confirmed_findings, merged, update_known, worsens

CHECKS = (CheckName.FCRDNS, CheckName.HELO_RESOLVES)
REASONS = {
    Result.PASS: [None],
    Result.FAIL: [Reason.PTR_NXDOMAIN, Reason.FORWARD_MISMATCH],
    Result.UNKNOWN: [Reason.TIMEOUT],
}


def finding(check: CheckName, result: Result, reason: Reason | None) -> Finding:
    return Finding(check, result, reason=reason)


@st.composite
def findings(draw: st.DrawFn) -> tuple[Finding, ...]:
    """One finding for each of two checks."""
    results = [draw(st.sampled_from(list(Result))) for _ in CHECKS]
    return tuple(
        finding(check, result, draw(st.sampled_from(REASONS[result])))
        for check, result in zip(CHECKS, results, strict=True)
    )


@given(st.lists(findings(), max_size=12))
def test_a_slot_holds_its_last_conclusive_finding(history):
    """Whatever comes, what is held of a check is the last finding of it that was not unknown."""
    known = {}
    for step in history:
        known, _ = update_known(known, step)

    for place, check in enumerate(CHECKS):
        conclusive = [step[place] for step in history if step[place].result is not Result.UNKNOWN]
        assert known.get((check, "")) == (conclusive[-1] if conclusive else None)


@given(st.lists(findings(), max_size=12))
def test_changes_tell_the_whole_story(history):
    """Replaying the changes over the first conclusive finding gives what is held, and no change is empty."""
    known, told = {}, {}
    for step in history:
        first = {(f.check, f.subject): f for f in step if f.result is not Result.UNKNOWN and (f.check, "") not in known}
        known, changes = update_known(known, step)
        told |= first
        for before, after in changes:
            assert (before.result, before.reason) != (after.result, after.reason)
            assert told[after.check, after.subject].result is before.result
            told[after.check, after.subject] = after

    assert {slot: f.result for slot, f in told.items()} == {slot: f.result for slot, f in known.items()}


@given(findings(), findings(), findings())
def test_a_new_failure_is_believed_only_when_both_samples_have_it(before, first, second):
    """A failure that is not held and that only one of two samples saw comes out as unknown."""
    known, _ = update_known({}, before)

    for was, seen, again, believed_ in zip(
        before, first, second, confirmed_findings(known, first, second), strict=True
    ):
        is_held = (was.result, was.reason) == (again.result, again.reason)
        if again.result is not Result.FAIL or is_held or seen.result is Result.FAIL:
            assert believed_ is again
        else:
            assert (believed_.result, believed_.reason) == (Result.UNKNOWN, Reason.UNCONFIRMED)


@given(findings(), findings())
def test_only_a_failure_that_is_not_held_wants_confirming(before, now):
    """Passes, unknowns and failures that are known already, reason and all, are taken as they come."""
    known, _ = update_known({}, before)

    assert worsens(known, now) == any(
        new.result is Result.FAIL and new != old for old, new in zip(before, now, strict=True)
    )


def test_what_is_not_judged_any_more_is_not_held():
    """A domain that left the configuration takes its failure along; an unknown one keeps what is held."""
    gone = Finding(CheckName.SPF_MAILFROM, Result.FAIL, "gone.example.org", Reason.SPF_FAIL)
    kept = Finding(CheckName.SPF_MAILFROM, Result.FAIL, "example.org", Reason.SPF_FAIL)
    unknown = Finding(CheckName.SPF_MAILFROM, Result.UNKNOWN, "example.org", Reason.TIMEOUT)
    known, _ = update_known({}, [gone, kept])
    after, changes = update_known(known, [unknown])

    assert after == {(CheckName.SPF_MAILFROM, "example.org"): kept}
    assert changes == ()


def test_a_failure_that_is_held_needs_no_second_witness():
    """It passed for a moment and fails as it did: that is believed at once, and with another reason it is not."""
    was, passes = (
        finding(CheckName.FCRDNS, Result.FAIL, Reason.PTR_NXDOMAIN),
        finding(CheckName.FCRDNS, Result.PASS, None),
    )
    other = finding(CheckName.FCRDNS, Result.FAIL, Reason.FORWARD_MISMATCH)
    known, _ = update_known({}, [was])

    assert confirmed_findings(known, [passes], [was]) == (was,)
    (doubted,) = confirmed_findings(known, [passes], [other])
    assert (doubted.result, doubted.reason, doubted.subject) == (Result.UNKNOWN, Reason.UNCONFIRMED, other.subject)
    assert confirmed_findings(known, [was], [passes]) == (passes,)


@given(st.lists(findings(), min_size=1, max_size=4))
def test_of_several_samples_one_failure_is_one(several):
    """The first failure of each check counts; without any, the latest sample does."""
    for place, found in enumerate(merged(several)):
        mine = [sample[place] for sample in several]
        failing = [one for one in mine if one.result is Result.FAIL]
        assert found is (failing[0] if failing else mine[-1])
