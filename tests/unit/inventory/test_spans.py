"""Positions as ranges are the same as positions one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.inventory.ranges import IndexRanges

marks = st.lists(st.booleans(), max_size=60).map(bytes)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)).map(lambda ends: range(*ends)), max_size=6))
def test_ranges_one_after_the_other(ranges):
    """Each place has the number that a list of all of them would have there."""
    spans = IndexRanges(ranges)
    numbers = [number for one in ranges for number in one]

    assert ([*spans], len(spans)) == (numbers, len(numbers))
    assert [spans[place] for place in range(len(spans))] == numbers
    assert spans[1:5] == numbers[1:5]
    with pytest.raises(IndexError):
        spans[len(numbers)]


@given(marks)
def test_what_is_marked(marked):
    """The marked places, in their order: each once."""
    assert [*IndexRanges.where(marked)] == [place for place, mark in enumerate(marked) if mark]
