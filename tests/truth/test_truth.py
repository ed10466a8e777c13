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
