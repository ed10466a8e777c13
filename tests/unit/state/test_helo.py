"""The state of a HELO name: only a conclusive sample changes its numbers, and a new failure only if seen twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.helo import HeloName
from exporter.checks.helo_name import helo_name
from exporter.checks.result import CheckName, Reason, Result
from exporter.state.helo import HeloState
from tests.examples import examples
from tests.factories import World
from tests.strategies import OURS, outages, worlds

HELO = HeloName.parse("mail.example.org")
CONFIRMED = "1.2.0.192.in-addr.arpa PTR mail.example.org\n"
INSIDE = "mail.example.org A 192.0.2.1\n"
OUTSIDE = "mail.example.org A 192.0.2.9\n"


def follow(helo):
    """The check of a HELO name, in a pool that has `OURS`."""
    return helo_name(helo, lambda it: it in OURS)


def sample(zone):
    """The report on the name in a zone with these records."""
    return run_check(follow(HELO), World.parse(zone))[0]


def after(*zones):
    """The state after confirmed samples in these zones, one a second."""
    state = HeloState(HELO)
    for second, zone in enumerate(zones, 1):
        state = state.observe(sample(zone), float(second))
    return state


def numbers(state):
    """Whether it resolves, and its addresses: all, confirmed, outside the pool, inside the pool."""
    known = (state.resolves, state.addresses, state.confirmed_addresses)
    return (*known, state.addresses_outside_pool, state.pool_addresses)


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        pytest.param((), (None, None, None, None, None), id="nothing-is-known-at-first"),
        pytest.param(("",), (False, 0, 0, 0, 0), id="no-such-name"),
        pytest.param((CONFIRMED + INSIDE,), (True, 1, 1, 0, 1), id="right"),
        pytest.param((CONFIRMED + INSIDE + OUTSIDE,), (True, 2, 1, 1, 1), id="a-stranger-that-is-not-confirmed"),
        pytest.param((OUTSIDE,), (True, 1, 0, 1, 0), id="only-a-stranger"),
        pytest.param(
            ("mail.example.org A !timeout\nmail.example.org AAAA !timeout",), (None,) * 5, id="no-answer-no-number"
        ),
        pytest.param(
            (CONFIRMED + INSIDE, "mail.example.org A !timeout\nmail.example.org AAAA !timeout"),
            (True, 1, 1, 0, 1),
            id="no-answer-changes-nothing",
        ),
        pytest.param(
            (CONFIRMED + INSIDE, f"{INSIDE}{OUTSIDE}mail.example.org AAAA !timeout"),
            (True, 1, 1, 0, 1),
            id="an-incomplete-answer-is-not-counted",
        ),
        pytest.param(
            (CONFIRMED + INSIDE, f"{INSIDE}{OUTSIDE}1.2.0.192.in-addr.arpa PTR !servfail"),
            (True, 2, 1, 1, 1),
            id="addresses-count-while-confirmation-is-unknown",
        ),
        pytest.param((CONFIRMED + INSIDE, ""), (False, 0, 0, 0, 0), id="gone"),
    ],
)
def test_each_number_is_the_last_conclusive_one(zones, expected):
    """An unknown number keeps its value; it is None until there is an answer."""
    assert numbers(after(*zones)) == expected


@given(worlds(), worlds(), st.data())
@examples(30)
def test_an_outage_makes_no_wrong_number(first, second, data):
    """If answers are lost, each number is the one before or the one that all answers would give."""
    helo = HeloName.parse("mta1.example.org")
    (was, _), (would_be, evidence) = run_check(follow(helo), first), run_check(follow(helo), second)
    silent, _ = run_check(follow(helo), second.without_answers_to(data.draw(outages(list(evidence)))))
    before = HeloState(helo).observe(was, 1.0)

    found = zip(*[numbers(before.observe(it, 2.0)) for it in (was, would_be, silent)], strict=True)

    assert all(kept in {known, wanted} for known, wanted, kept in found)


def test_the_latest_report_may_be_inconclusive():
    """Its report and time are stored, but the known findings change only with conclusive ones."""
    state = after(CONFIRMED + INSIDE, "mail.example.org A !timeout")

    assert state.helo == HELO
    assert state.latest == sample("mail.example.org A !timeout")
    assert state.sampled_at == 2.0
    assert {check: finding.result for (check, _), finding in state.known.items()} == {
        CheckName.HELO_SYNTAX: Result.PASS,
        CheckName.HELO_RESOLVES: Result.PASS,
        CheckName.FCRDNS: Result.PASS,
    }


def test_a_report_is_changed_if_it_differs_from_the_one_before():
    """The first report is not; one with another address is, even with the same findings."""
    state = after(CONFIRMED + INSIDE)
    more = "2.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.2"

    assert not HeloState(HELO).is_changed(sample(""))
    assert not state.is_changed(sample(CONFIRMED + INSIDE))
    assert state.is_changed(sample(CONFIRMED + INSIDE + more))
    assert state.is_changed(sample(INSIDE))


def test_a_new_failure_must_be_confirmed():
    """A known failure and a pass need no confirmation."""
    assert HeloState(HELO).worsens(sample(""))
    assert after(CONFIRMED + INSIDE).worsens(sample(INSIDE))
    assert not after("").worsens(sample(""))
    assert not after("").worsens(sample(CONFIRMED + INSIDE))


def test_a_failure_of_only_the_second_sample_is_not_recorded():
    """If the name is missing in one of two lookups, its findings are unknown and its numbers stay."""
    state = after(CONFIRMED + INSIDE)
    recorded = state.confirmed([sample(CONFIRMED + INSIDE)], sample(""))

    assert (recorded.resolves, recorded.addresses) == (None, ())
    assert [finding.reason for finding in recorded.findings] == [None, Reason.UNCONFIRMED, Reason.UNCONFIRMED]
    assert numbers(state.observe(recorded, 2.0)) == numbers(state)


def test_a_failure_of_both_samples_is_recorded():
    """Then the second report counts unchanged."""
    state = after(CONFIRMED + INSIDE)

    assert state.confirmed([sample("")], sample("")) == sample("")
    assert state.confirmed([sample("")], sample(CONFIRMED + INSIDE)) == sample(CONFIRMED + INSIDE)
