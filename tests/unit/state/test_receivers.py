"""What is held of receivers' verdicts over the samples of an address, and how a pool adds them up."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.receivers import Receiver
from exporter.checks.report import report
from exporter.checks.result import CheckName
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.state.address import AddressState
from exporter.state.board import Board
from exporter.state.known import ReceiverOutcome, tally, verdicts_worsen
from tests.factories import World, target

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
    """The state after a sample, confirmed in another world where it has to be."""
    judged, evidence = run_check(report(state.target, policies=POLICIES, before=state.predicted()), world)
    if state.worsens(judged):
        second, evidence = run_check(
            report(state.target, policies=POLICIES, before=state.predicted()), confirming or world
        )
        judged = state.confirmed(judged, second)
    return state.observe(judged, evidence, 1.0)[0]


def after(*worlds, state=None):
    """The state after samples in these worlds."""
    state = state or AddressState(MTA)
    for world in worlds:
        state = one_sample(state, world)
    return state


def shares(state):
    """The share of each receiver that is held."""
    return {verdict.receiver.value: verdict.share for row in state.receivers for verdict in row}


def test_a_verdict_outlives_an_outage():
    """Through inconclusive samples the last conclusive share of each receiver stands."""
    assert shares(after(RIGHT, SILENT)) == {"gmail": 1.0, "strict-helo-equals-ptr": 1.0}
    assert shares(after(BROKEN, SILENT)) == {"gmail": 0.0, "strict-helo-equals-ptr": 0.0}


def test_nothing_is_held_before_there_is_anything():
    """An outage from the start leaves every receiver unknown."""
    assert shares(after(SILENT)) == {}


@given(st.lists(st.sampled_from(WORLDS), max_size=6))
def test_outages_leave_no_trace(worlds):
    """Taking the outages out of a history changes nothing of what is held."""
    assert shares(after(*worlds)) == shares(after(*[world for world in worlds if world is not SILENT]))


def test_a_refusal_that_was_predicted_once_is_not_believed():
    """A failure has to be seen twice, also by receivers; an improvement is believed at once."""
    right = after(RIGHT)

    assert shares(one_sample(right, BROKEN, confirming=RIGHT)) == shares(right)
    assert shares(one_sample(right, BROKEN, confirming=SILENT)) == shares(right)
    assert shares(one_sample(right, RIGHT, confirming=BROKEN)) == shares(right)
    assert shares(one_sample(right, BROKEN, confirming=BROKEN)) == shares(after(BROKEN))
    assert shares(one_sample(after(BROKEN), RIGHT)) == shares(right)


def test_a_second_refusal_that_the_first_lookup_did_not_have_is_not_believed():
    """Two lookups that fail for different receivers confirm neither of what only one of them saw."""
    state = one_sample(after(RIGHT), RENAMED, confirming=BROKEN)

    assert shares(state) == {"gmail": 1.0, "strict-helo-equals-ptr": 0.0}


def test_one_receiver_that_accepts_less_wants_confirming():
    """However many others accept as before; more, the same, and what is not conclusive, do not."""
    right, renamed, broken, silent = (
        run_check(report(MTA, policies=POLICIES), world)[0].receivers for world in (RIGHT, RENAMED, BROKEN, SILENT)
    )

    assert verdicts_worsen(right, renamed)
    assert verdicts_worsen(right, broken)
    assert verdicts_worsen((), renamed)
    assert not any(verdicts_worsen(known, now) for known, now in [(broken, right), (right, silent), ((), right)])
    assert not any(verdicts_worsen(same, same) for same in (right, renamed, broken, silent))


def test_the_same_object_is_kept_while_nothing_changes():
    """A pool can tell by identity that it has nothing to add up anew, in an outage too."""
    state = after(RIGHT)

    assert after(RIGHT, state=state).receivers is state.receivers
    assert after(SILENT, SILENT, state=state).receivers is state.receivers


def test_a_new_helo_name_starts_anew_and_the_others_stay():
    """A reload keeps what is held of each name that stays, in whatever order."""
    two = after(RIGHT).retarget(target("192.0.2.10", "new.example.org", "mail.example.org"))

    assert [[verdict.share for verdict in row] for row in two.receivers] == [[], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("world", "expect", "gmail", "strict"),
    [
        (RIGHT, MICROSOFT, "accept", "accept"),
        (RENAMED, MICROSOFT, "accept", "by-design"),
        (RENAMED, frozenset(CheckName), "accept", "refuse"),
        (BROKEN, MICROSOFT, "refuse", "refuse"),
    ],
)
def test_what_a_receiver_makes_of_an_address(world, expect, gmail, strict):
    """A refusal is by design where nothing that the profile expects would have spared it."""
    assert tally(after(world).receivers, POLICIES, expect) == Counter(
        {(POLICIES[0], ReceiverOutcome(gmail)): 1, (POLICIES[1], ReceiverOutcome(strict)): 1}
    )


def test_of_several_names_the_worst_counts():
    """One name that is refused makes the address refused; one that is unknown outweighs acceptance."""
    two = target("192.0.2.10", "mail.example.org", "x.example.org")
    both = after(RIGHT, state=AddressState(two))
    one = after(RIGHT).retarget(two)

    assert tally(both.receivers, POLICIES[1:], frozenset(CheckName)) == {(POLICIES[1], ReceiverOutcome.REFUSE): 1}
    assert tally(one.receivers, POLICIES[1:], frozenset(CheckName)) == {}


CONFIGURATION = """
receivers: [gmail, strict-helo-equals-ptr]
pools:
  - name: a
    addresses: [{ip: 192.0.2.10, helo: mail.example.org}, {ip: 192.0.2.11, helo: mail.example.org}, {ip: 192.0.2.12}]
"""


def counted(pool):
    """The counts that are not 0."""
    return {(one.value, outcome.value): count for (one, outcome), count in pool.receiver_results().items() if count}


def test_a_pool_adds_up_and_the_outcomes_sum_to_its_size():
    """Whatever comes and goes, each receiver's four counts are the pool's size, and a reload keeps what is held."""
    board = Board()
    board.publish(build(parse(CONFIGURATION, "test")))
    pool = board.pools["a"]
    assert counted(pool) == {("gmail", "unknown"): 3, ("strict-helo-equals-ptr", "unknown"): 3}

    for world in (RIGHT, BROKEN, SILENT, RIGHT, RENAMED):
        judged, evidence = run_check(report(pool[0].target, policies=pool.pool.receivers), world)
        pool.record(0, judged, evidence, 1.0)
        assert {sum(c for (it, _), c in pool.receiver_results().items() if it is one) for one in POLICIES} == {3}
    assert counted(pool) == {
        ("gmail", "accept"): 1,
        ("gmail", "unknown"): 2,
        ("strict-helo-equals-ptr", "by-design"): 1,
        ("strict-helo-equals-ptr", "unknown"): 2,
    }

    board.publish(build(parse(CONFIGURATION.replace("gmail, ", ""), "test")))
    assert counted(board.pools["a"]) == {
        ("strict-helo-equals-ptr", "by-design"): 1,
        ("strict-helo-equals-ptr", "unknown"): 2,
    }


def test_a_pool_without_helo_names_has_no_receivers():
    """There is nothing to predict, so there is nothing to show."""
    (pool,) = build(parse("pools: [{name: a, addresses: [{ip: 192.0.2.10}]}]", "test"))

    assert pool.receivers == ()
