"""The index of names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Question
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.state.counters import PoolCounters
from exporter.state.pool import PoolState
from exporter.state.store import SIZES
from exporter.web.search import NameIndex
from tests.factories import World
from tests.unit.web.pools import SILENT, pool

LABELS = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=3).map(".".join)


def record(state, index, ptr_names):
    """Take in a sample that finds these PTR names; none means that the DNS is silent."""
    question = Question(state[index].target.address.reverse_name, "PTR")
    world = World({question: frozenset(map(DomainName, ptr_names))}) if ptr_names else SILENT
    state.record(index, *run_check(report(state[index].target), world), 1.0)


SMALL_BLOCKS = SIZES._replace(search_block=4)  # several blocks in a small pool


@given(
    st.lists(st.tuples(st.integers(0, 15), st.lists(LABELS, max_size=3)), max_size=20),
    st.lists(LABELS, min_size=1, max_size=3),
    st.tuples(st.integers(0, 16), st.integers(0, 16)),
)
async def test_the_index_finds_what_looking_at_every_address_finds(samples, needles, bounds):
    """Whatever was sampled between two searches, and wherever they begin and end."""
    state, index = PoolState(pool("198.51.100.0/28"), PoolCounters(), sizes=SMALL_BLOCKS), NameIndex()
    for number, (place, ptr_names) in enumerate(samples or [(0, [])]):
        record(state, place, ptr_names)
        needle = needles[number % len(needles)]
        expected = [
            at
            for at in range(*bounds)
            if any(needle in name for name in (state[at].iprev.ptr_names if state[at].iprev else ()))
            or any(needle in helo.text for helo in state[at].target.helos)
        ]
        assert [at async for at in index.find(state, needle, *bounds)] == expected


@pytest.mark.parametrize("needle", ["a b", "a\nb", "\t"])
async def test_a_needle_with_white_space_matches_no_name(needle):
    """Not even where one name ends and the next begins."""
    state, index = PoolState(pool("198.51.100.0/30"), PoolCounters(), sizes=SMALL_BLOCKS), NameIndex()
    record(state, 0, ["a", "b"])

    assert [at async for at in index.find(state, needle, 0, 4)] == []
