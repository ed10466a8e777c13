"""What is known moves only with conclusive results, and gets worse only when two samples agree."""

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.receivers import Receiver
from exporter.checks.report import report
from exporter.checks.result import ADDRESS_CHECKS, CheckName, Finding, Reason, Result
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.state.address import AddressState
from exporter.state.board import Board
from exporter.state.known import (
    ReceiverOutcome,
    confirmed,
    failures,
    is_conclusive,
    slots,
    tally,
    update_known,
    update_known_domain,
    verdicts_worsen,
    worsens,
)
from tests.factories import World, target

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
def test_the_last_conclusive_finding_of_a_slot_is_known(history):
    """An unknown finding never replaces it."""
    known = {}
    for step in history:
        known, _ = update_known(known, step)

    for index, check in enumerate(CHECKS):
        conclusive = [step[index] for step in history if step[index].result is not Result.UNKNOWN]
        assert known.get((check, "")) == (conclusive[-1] if conclusive else None)


@given(st.lists(findings(), max_size=12))
def test_changes_add_up_to_what_is_known(history):
    """Applying all changes to the first conclusive findings gives the known ones, and no change is empty."""
    known, replayed = {}, {}
    for step in history:
        first = {(f.check, f.subject): f for f in step if f.result is not Result.UNKNOWN and (f.check, "") not in known}
        known, changes = update_known(known, step)
        replayed |= first
        for before, after in changes:
            assert (before.result, before.reason) != (after.result, after.reason)
            assert replayed[after.check, after.subject].result is before.result
            replayed[after.check, after.subject] = after

    assert {slot: f.result for slot, f in replayed.items()} == {slot: f.result for slot, f in known.items()}


@given(findings(), findings(), findings())
def test_a_new_failure_is_recorded_only_if_both_samples_have_it(before, first, second):
    """A new failure that only one of two samples has, with its reason, becomes unknown."""
    known, _ = update_known({}, before)

    for was, seen, again in zip(before, first, second, strict=True):
        recorded = confirmed(again, failures([*known.values(), *first]))
        reason = (again.result, again.reason)
        if again.result is not Result.FAIL or reason in {(was.result, was.reason), (seen.result, seen.reason)}:
            assert recorded is again
        else:
            assert (recorded.result, recorded.reason) == (Result.UNKNOWN, Reason.UNCONFIRMED)


@given(findings(), findings())
def test_only_a_new_failure_must_be_confirmed(before, now):
    """Passes, unknowns and known failures with the same reason are recorded at once."""
    known, _ = update_known({}, before)

    assert worsens(known.values(), now) == any(
        new.result is Result.FAIL and new != old for old, new in zip(before, now, strict=True)
    )


def test_a_slot_without_a_finding_is_dropped():
    """The failure of a domain that left the configuration is dropped; an unknown finding keeps the known one."""
    gone = Finding(CheckName.SPF_MAILFROM, Result.FAIL, "gone.example.org", Reason.SPF_FAIL)
    kept = Finding(CheckName.SPF_MAILFROM, Result.FAIL, "example.org", Reason.SPF_FAIL)
    unknown = Finding(CheckName.SPF_MAILFROM, Result.UNKNOWN, "example.org", Reason.TIMEOUT)
    known, _ = update_known({}, [gone, kept])
    after, changes = update_known(known, [unknown])

    assert after == {(CheckName.SPF_MAILFROM, "example.org"): kept}
    assert changes == ()


def test_a_known_failure_needs_no_confirmation():
    """After a single pass, the known failure is recorded at once, but not one with another reason."""
    was, passes = (
        finding(CheckName.FCRDNS, Result.FAIL, Reason.PTR_NXDOMAIN),
        finding(CheckName.FCRDNS, Result.PASS, None),
    )
    other = finding(CheckName.FCRDNS, Result.FAIL, Reason.FORWARD_MISMATCH)
    known, _ = update_known({}, [was])

    seen = failures([*known.values(), passes])
    assert confirmed(was, seen) is was
    unconfirmed = confirmed(other, seen)
    assert (unconfirmed.result, unconfirmed.reason, unconfirmed.subject) == (
        Result.UNKNOWN,
        Reason.UNCONFIRMED,
        other.subject,
    )
    assert confirmed(passes, seen) is passes


SPF = CheckName.SPF
PASS = Finding(SPF, Result.PASS, "example.org")
LOOP = Finding(SPF, Result.FAIL, "example.org", Reason.SPF_LOOP, "It goes in circles.")
LIMIT = Finding(SPF, Result.FAIL, "example.org", Reason.SPF_LOOKUP_LIMIT, "It takes 11.")
OPEN = Finding(SPF, Result.UNKNOWN, "example.org", Reason.TIMEOUT, "Nobody answered.")
KEY = Finding(CheckName.DKIM, Result.FAIL, "s1", Reason.DKIM_MISSING, "There is none.")

domain_groups = st.sampled_from([(PASS,), (LOOP,), (LIMIT,), (LOOP, LIMIT), (OPEN,), (LOOP, OPEN), (LIMIT, OPEN)])
"""The findings of one sample on one slot: a pass, failures, or partly unknown."""

SLOT = (SPF, "example.org")


def known_after(*samples):
    """What is known after some confirmed samples."""
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
        pytest.param((LOOP,), (LIMIT, OPEN), (LIMIT, LOOP), 1, id="none-goes-while-a-part-is-unknown"),
        pytest.param((LOOP,), (LOOP, OPEN), (LOOP,), 0, id="the-same-while-a-part-is-unknown"),
        pytest.param((PASS,), (LOOP, OPEN), (LOOP,), 1, id="a-failure-counts-while-a-part-is-unknown"),
    ],
)
def test_known_findings_of_a_domain(before, after, known, changes):
    """Each pair of samples, and what is known after it."""
    now, changed = update_known_domain(known_after(before) if before else {}, after)

    assert now[SLOT] == known
    assert len(changed) == changes


def test_a_change_has_the_findings_that_differ():
    """Of several failures, it has the one that was added or removed."""
    (came,) = update_known_domain(known_after((LOOP,)), (LOOP, LIMIT))[1]
    (went,) = update_known_domain(known_after((LOOP, LIMIT)), (LOOP,))[1]

    assert came == (LOOP, LIMIT)
    assert went == (LIMIT, LOOP)


@given(st.lists(domain_groups, max_size=6), domain_groups)
def test_an_unknown_part_removes_no_failure(samples, last):
    """While a part is unknown, every known failure stays, and nothing passes that did not pass before."""
    before = known_after(*samples)
    after, _ = update_known_domain(before, (*last, OPEN))

    failures = {one.reason for one in before.get(SLOT, ()) if one.result is Result.FAIL}
    assert failures <= {one.reason for one in after.get(SLOT, ())}
    if (PASS,) in after.values():
        assert (PASS,) in before.values()


@given(st.lists(domain_groups, max_size=6), domain_groups)
def test_only_a_new_failure_of_a_domain_must_be_confirmed(samples, findings):
    """Known failures and other findings need no second sample."""
    known = known_after(*samples)
    reasons = {one.reason for one in known.get(SLOT, ())}
    new = [one for one in findings if one.result is Result.FAIL and one.reason not in reasons]

    assert worsens(chain.from_iterable(known.values()), findings) == bool(new)


@given(st.lists(domain_groups, max_size=6), domain_groups, domain_groups)
def test_a_failure_of_a_domain_is_recorded_if_known_or_seen_twice(samples, first, second):
    """Any other failure becomes unknown."""
    known = known_after(*samples)
    seen = failures(chain(first, *known.values()))
    reasons = {one.reason for one in (*known.get(SLOT, ()), *first) if one.result is Result.FAIL}

    for finding in second:
        recorded = confirmed(finding, seen)
        if finding.result is Result.FAIL and finding.reason not in reasons:
            assert (recorded.result, recorded.reason) == (Result.UNKNOWN, Reason.UNCONFIRMED)
        else:
            assert recorded == finding


def test_slots_are_separate():
    """The DKIM key and the SPF record are different slots."""
    assert slots((LOOP, KEY, LIMIT)) == {SLOT: (LOOP, LIMIT), (CheckName.DKIM, "s1"): (KEY,)}
    assert is_conclusive((LOOP, KEY))
    assert not is_conclusive((LOOP, OPEN))


MTA = target("192.0.2.10", "mail.example.org")
POLICIES = (Receiver.GMAIL, Receiver.STRICT_HELO_EQUALS_PTR)
MICROSOFT = frozenset({CheckName.FCRDNS, CheckName.HELO_RESOLVES})

RIGHT = World.parse("10.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.10")
RENAMED = World.parse(
    "10.2.0.192.in-addr.arpa PTR x.example.org\nx.example.org A 192.0.2.10\nmail.example.org A 192.0.2.10"
)
BROKEN = World.parse("mail.example.org A 192.0.2.10")
SILENT = World.parse(
    "10.2.0.192.in-addr.arpa PTR !servfail\nmail.example.org A !servfail\nmail.example.org AAAA !timeout"
)
WORLDS = (RIGHT, RENAMED, BROKEN, SILENT)


def one_sample(state, world, confirming=None):
    """The state after a sample, confirmed in another world if necessary."""
    judged, evidence = run_check(report(state.target, policies=POLICIES, before=state.predicted()), world)
    if state.worsens(judged):
        second, evidence = run_check(
            report(state.target, policies=POLICIES, before=state.predicted()), confirming or world
        )
        judged = state.confirmed([judged], second)
    return state.observe(judged, evidence, 1.0)[0]


def after(*worlds, state=None):
    """The state after samples in these worlds."""
    state = state or AddressState(MTA)
    for world in worlds:
        state = one_sample(state, world)
    return state


def shares(state):
    """The known share of each receiver."""
    return {verdict.receiver.value: verdict.share for row in state.receivers for verdict in row}


def test_a_verdict_outlives_an_outage():
    """Inconclusive samples keep the last conclusive share of each receiver."""
    assert shares(after(RIGHT, SILENT)) == {"gmail": 1.0, "strict-helo-equals-ptr": 1.0}
    assert shares(after(BROKEN, SILENT)) == {"gmail": 0.0, "strict-helo-equals-ptr": 0.0}


def test_an_outage_from_the_start_leaves_receivers_unknown():
    """There is no verdict before the first conclusive one."""
    assert shares(after(SILENT)) == {}


@given(st.lists(st.sampled_from(WORLDS), max_size=6))
def test_outages_leave_no_trace(worlds):
    """The known verdicts are the same without the outages."""
    assert shares(after(*worlds)) == shares(after(*[world for world in worlds if world is not SILENT]))


def test_a_refusal_that_was_predicted_once_is_not_recorded():
    """A refusal has to be predicted twice; an improvement is recorded at once."""
    right = after(RIGHT)

    assert shares(one_sample(right, BROKEN, confirming=RIGHT)) == shares(right)
    assert shares(one_sample(right, BROKEN, confirming=SILENT)) == shares(right)
    assert shares(one_sample(right, RIGHT, confirming=BROKEN)) == shares(right)
    assert shares(one_sample(right, BROKEN, confirming=BROKEN)) == shares(after(BROKEN))
    assert shares(one_sample(after(BROKEN), RIGHT)) == shares(right)


def test_different_refusals_do_not_confirm_each_other():
    """A refusal that only one of two samples predicts is not recorded."""
    state = one_sample(after(RIGHT), RENAMED, confirming=BROKEN)

    assert shares(state) == {"gmail": 1.0, "strict-helo-equals-ptr": 0.0}


def test_one_receiver_that_accepts_less_must_be_confirmed():
    """One is enough. A larger share, the same share and an inconclusive verdict need no confirmation."""
    right, renamed, broken, silent = (
        run_check(report(MTA, policies=POLICIES), world)[0].receivers for world in (RIGHT, RENAMED, BROKEN, SILENT)
    )

    assert verdicts_worsen(right, renamed)
    assert verdicts_worsen(right, broken)
    assert verdicts_worsen((), renamed)
    assert not any(verdicts_worsen(known, now) for known, now in [(broken, right), (right, silent), ((), right)])
    assert not any(verdicts_worsen(same, same) for same in (right, renamed, broken, silent))


def test_the_same_object_is_kept_while_nothing_changes():
    """A pool compares by identity to see that it has nothing to count, during an outage, too."""
    state = after(RIGHT)

    assert after(RIGHT, state=state).receivers is state.receivers
    assert after(SILENT, SILENT, state=state).receivers is state.receivers


def test_a_new_helo_name_has_no_verdict_and_the_others_stay():
    """A reload keeps the verdicts on each name that stays, in any order."""
    two = after(RIGHT).retarget(target("192.0.2.10", "new.example.org", "mail.example.org"))

    assert [[verdict.share for verdict in row] for row in two.receivers] == [[], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("world", "expect", "gmail", "strict"),
    [
        (RIGHT, MICROSOFT, "accept", "accept"),
        (RENAMED, MICROSOFT, "accept", "by-design"),
        (RENAMED, frozenset(ADDRESS_CHECKS), "accept", "refuse"),
        (BROKEN, MICROSOFT, "refuse", "refuse"),
    ],
)
def test_the_outcome_of_an_address(world, expect, gmail, strict):
    """A refusal is by design if it would happen even if every expected check passed."""
    assert tally(after(world).receivers, POLICIES, expect) == Counter(
        {(POLICIES[0], ReceiverOutcome(gmail)): 1, (POLICIES[1], ReceiverOutcome(strict)): 1}
    )


def test_of_several_names_the_worst_counts():
    """One refused name makes the address refused; an unknown one counts more than an accepted one."""
    two = target("192.0.2.10", "mail.example.org", "x.example.org")
    both = after(RIGHT, state=AddressState(two))
    one = after(RIGHT).retarget(two)

    assert tally(both.receivers, POLICIES[1:], frozenset(ADDRESS_CHECKS)) == {(POLICIES[1], ReceiverOutcome.REFUSE): 1}
    assert tally(one.receivers, POLICIES[1:], frozenset(ADDRESS_CHECKS)) == {}


CONFIGURATION = """
receivers: [gmail, strict-helo-equals-ptr]
pools:
  - name: a
    addresses: [{ip: 192.0.2.10, helo: mail.example.org}, {ip: 192.0.2.11, helo: mail.example.org}, {ip: 192.0.2.12}]
"""


def counted(pool):
    """The counts that are not 0."""
    return {(one.value, outcome.value): count for (one, outcome), count in pool.receiver_results().items() if count}


def test_the_outcomes_of_a_pool_add_up_to_its_size():
    """The five counts of each receiver add up to the pool's size, and a reload keeps them."""
    board = Board()
    board.publish(build(parse(CONFIGURATION, "test")))
    pool = board.pools["a"]
    assert counted(pool) == {("gmail", "not-sampled"): 3, ("strict-helo-equals-ptr", "not-sampled"): 3}

    for world in (RIGHT, BROKEN, SILENT, RIGHT, RENAMED):
        judged, evidence = run_check(report(pool[0].target, policies=pool.pool.receivers), world)
        pool.record(0, judged, evidence, 1.0)
        assert {sum(c for (it, _), c in pool.receiver_results().items() if it is one) for one in POLICIES} == {3}
    assert counted(pool) == {
        ("gmail", "accept"): 1,
        ("gmail", "not-sampled"): 2,
        ("strict-helo-equals-ptr", "by-design"): 1,
        ("strict-helo-equals-ptr", "not-sampled"): 2,
    }

    board.publish(build(parse(CONFIGURATION.replace("gmail, ", ""), "test")))
    assert counted(board.pools["a"]) == {
        ("strict-helo-equals-ptr", "by-design"): 1,
        ("strict-helo-equals-ptr", "not-sampled"): 2,
    }


def test_a_pool_without_helo_names_has_no_receivers():
    """There is nothing to predict."""
    (pool,) = build(parse("pools: [{name: a, addresses: [{ip: 192.0.2.10}]}]", "test"))

    assert pool.receivers == ()
