"""A short simulation, as a test; ``make truth`` is the long one."""

import pytest

from tests.truth.simulation import Plan, simulate


@pytest.mark.slow
@pytest.mark.parametrize(("apart", "liar"), [(True, 0), (False, 1)], ids=["resolvers", "servers-of-one-resolver"])
def test_every_fault_is_told_and_none_is_made_up(apart, liar):
    """Forty faults among 250 addresses, in 20% noise and with one liar of three: none missed, none late, none false."""
    outcome = simulate(Plan(addresses=250, faults=40, intervals=14, apart=apart, liar=liar, seed=7))

    assert outcome.complaints == []
    assert outcome.due >= 20
    assert outcome.lies > 100 < outcome.disputes
    assert len(outcome.kinds) == 10


@pytest.mark.slow
def test_an_outage_of_everything_withholds_verdicts_and_changes_none():
    """Half an hour without any resolver: an interval on nothing is known, nothing flips; one after it, all is known."""
    silences = tuple((place, 4.0, 10.0) for place in range(3))
    outcome = simulate(Plan(addresses=200, faults=0, intervals=14, liar=None, silences=silences))

    assert outcome.complaints == []
    assert outcome.unknown[5:10] == [200] * 5  # the latest round was over a little after the end of the interval
    assert max(outcome.unknown[:4] + outcome.unknown[11:]) <= 12  # what noise leaves open


@pytest.mark.slow
@pytest.mark.parametrize("apart", [True, False], ids=["resolvers", "servers-of-one-resolver"])
def test_the_others_stand_in_for_one_that_is_silent(apart):
    """While one of three says nothing for an hour, no fault is missed, and nothing stays unknown.

    An attempt is lost on the silent one, so that noise leaves up to one sample in ten open: two in a row of an address
    are bad luck, and three are not to be expected.
    """
    silences = ((0, 2.0, 14.0),)
    plan = Plan(addresses=200, faults=24, intervals=16, apart=apart, liar=None, silences=silences, patience=3)
    outcome = simulate(plan)

    assert outcome.complaints == []
    assert outcome.due >= 6
    assert max(outcome.unknown) <= 20
