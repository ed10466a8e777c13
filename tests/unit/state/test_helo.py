"""What is held of a HELO name: numbers that only a conclusive sample moves, for the worse only when seen twice."""

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

SAID = HeloName.parse("mail.example.org")
CONFIRMED = "1.2.0.192.in-addr.arpa PTR mail.example.org\n"
INSIDE = "mail.example.org A 192.0.2.1\n"
OUTSIDE = "mail.example.org A 192.0.2.9\n"


def follow(helo):
    """The check of a HELO name, in a pool that has `OURS`."""
    return helo_name(helo, lambda it: it in OURS)


def sample(zone):
    """What the name comes to in a world of these records."""
    return run_check(follow(SAID), World.parse(zone))[0]


def after(*zones):
    """The state after samples in these worlds, one a second, from the first second on; each is believed."""
    state = HeloState(SAID)
    for second, zone in enumerate(zones, 1):
        state = state.observe(sample(zone), float(second))
    return state


def numbers(state):
    """Whether it resolves; its addresses, those that are confirmed, those outside of the pool, those inside of it."""
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
            ("mail.example.org A !timeout\nmail.example.org AAAA !timeout",), (None,) * 5, id="silence-says-nothing"
        ),
        pytest.param(
            (CONFIRMED + INSIDE, "mail.example.org A !timeout\nmail.example.org AAAA !timeout"),
            (True, 1, 1, 0, 1),
            id="silence-leaves-all-as-it-was",
        ),
        pytest.param(
            (CONFIRMED + INSIDE, f"{INSIDE}{OUTSIDE}mail.example.org AAAA !timeout"),
            (True, 1, 1, 0, 1),
            id="half-of-the-addresses-are-not-counted",
        ),
        pytest.param(
            (CONFIRMED + INSIDE, f"{INSIDE}{OUTSIDE}1.2.0.192.in-addr.arpa PTR !servfail"),
            (True, 2, 1, 1, 1),
            id="addresses-are-counted-while-it-is-open-which-are-confirmed",
        ),
        pytest.param((CONFIRMED + INSIDE, ""), (False, 0, 0, 0, 0), id="gone"),
    ],
)
def test_each_number_is_the_last_conclusive_one(zones, expected):
    """What the DNS left open is as it was before; None until there was an answer."""
    assert numbers(after(*zones)) == expected


@given(worlds(), worlds(), st.data())
@examples(30)
def test_an_outage_moves_no_number_to_what_it_never_was(first, second, data):
    """With answers lost, each number is the one from before or the one that all answers would have given."""
    helo = HeloName.parse("mta1.example.org")
    (was, _), (would_be, evidence) = run_check(follow(helo), first), run_check(follow(helo), second)
    silent, _ = run_check(follow(helo), second.without_answers_to(data.draw(outages(list(evidence)))))
    before = HeloState(helo).observe(was, 1.0)

    found = zip(*[numbers(before.observe(it, 2.0)) for it in (was, would_be, silent)], strict=True)

    assert all(kept in {known, wanted} for known, wanted, kept in found)


def test_a_sample_is_the_latest_whatever_it_came_to():
    """Its report and time are remembered, and what is held of each check moves on a conclusive finding only."""
    state = after(CONFIRMED + INSIDE, "mail.example.org A !timeout")

    assert state.helo == SAID
    assert state.latest == sample("mail.example.org A !timeout")
    assert state.sampled_at == 2.0
    assert {check: finding.result for (check, _), finding in state.known.items()} == {
        CheckName.HELO_SYNTAX: Result.PASS,
        CheckName.HELO_RESOLVES: Result.PASS,
        CheckName.FCRDNS: Result.PASS,
    }


def test_news_is_what_differs_from_the_sample_before():
    """The first sample is none; another address is, though every finding is as it was."""
    state = after(CONFIRMED + INSIDE)
    more = "2.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.2"

    assert not HeloState(SAID).is_changed(sample(""))
    assert not state.is_changed(sample(CONFIRMED + INSIDE))
    assert state.is_changed(sample(CONFIRMED + INSIDE + more))
    assert state.is_changed(sample(INSIDE))


def test_a_failure_that_is_not_held_wants_confirming():
    """One that is held, and a pass, are taken as they come."""
    assert HeloState(SAID).worsens(sample(""))
    assert after(CONFIRMED + INSIDE).worsens(sample(INSIDE))
    assert not after("").worsens(sample(""))
    assert not after("").worsens(sample(CONFIRMED + INSIDE))


def test_a_failure_that_only_the_second_sample_saw_is_not_believed():
    """A name that is gone in one of two lookups leaves every number as it was, and its findings open."""
    state = after(CONFIRMED + INSIDE)
    believed = state.confirmed(sample(CONFIRMED + INSIDE), sample(""))

    assert (believed.resolves, believed.addresses) == (None, ())
    assert [finding.reason for finding in believed.findings] == [None, Reason.UNCONFIRMED, Reason.UNCONFIRMED]
    assert numbers(state.observe(believed, 2.0)) == numbers(state)


def test_a_failure_that_both_samples_saw_is_believed():
    """Then the second one counts, as it is."""
    state = after(CONFIRMED + INSIDE)

    assert state.confirmed(sample(""), sample("")) == sample("")
    assert state.confirmed(sample(""), sample(CONFIRMED + INSIDE)) == sample(CONFIRMED + INSIDE)
