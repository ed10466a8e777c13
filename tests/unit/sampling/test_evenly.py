"""Two orders in one: each keeps its own, and the main one its moments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sampling.schedule import Evenly

sizes = st.integers(0, 60)


@given(sizes, sizes)
def test_each_item_comes_once_and_in_its_own_order(main, others):
    """Nothing is lost or doubled, whichever of the two is longer or empty."""
    mixed = [*Evenly(range(main), range(-others, 0))]

    assert [item for item in mixed if item >= 0] == [*range(main)]
    assert [item for item in mixed if item < 0] == [*range(-others, 0)]


@given(st.integers(1, 60), sizes)
def test_a_main_item_keeps_its_moment_whatever_comes_besides(main, others):
    """It is at the same share of the whole as if it were alone, or one place before."""
    order = Evenly(range(main), range(-others, 0))

    for place, item in enumerate(order):
        if item >= 0:
            assert item / main - 1 / len(order) < place / len(order) <= item / main


@given(sizes, st.integers(1, 60))
def test_the_others_are_spread_too(main, others):
    """Each of them comes in its own share of the whole."""
    order = Evenly(range(main), range(-others, 0))

    for place, item in enumerate(order):
        if item < 0:
            number = item + others
            assert number / others - 1 / len(order) <= place / len(order) < (number + 1) / others


def test_it_is_a_sequence():
    """A part of it is the same as a part of all its items; what is outside is an error."""
    order = Evenly(range(10), range(-3, 0))

    assert [*order[4:9]] == [*order][4:9]
    assert len(order) == 13
    for place in (-1, 13):
        with pytest.raises(IndexError):
            order[place]
