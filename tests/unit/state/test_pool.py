"""The state of a pool over the samples of its addresses."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.state.address import health
from exporter.state.counters import PoolCounters
from exporter.state.pool import FAILING, HEALTHY, UNKNOWN, PoolState
from tests.factories import World
from tests.unit.web.pools import BROKEN, RIGHT, SILENT, pool

CODES = {None: UNKNOWN, True: HEALTHY, False: FAILING}

samples = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([RIGHT, BROKEN, SILENT])), max_size=12)


def record(state: PoolState, index: int, world: World, at: float = 1.0) -> None:
    """Take in one believed sample."""
    state.record(index, *run_check(report(state[index].target), world), at)


@given(samples)
def test_healths_are_the_health_of_each_address(taken):
    """Whatever was sampled, each octet says what `health` says of that address."""
    state = PoolState(pool("198.51.100.0/30"), PoolCounters())
    for index, world in taken:
        record(state, index, world)

    expect = state.pool.expect
    assert list(state.healths) == [CODES[health(state[index], expect)] for index in range(4)]


@given(samples)
def test_healths_follow_a_reload(taken):
    """A pool that inherits judges what it inherits by its own expectations."""
    old = PoolState(pool("198.51.100.0/30"), PoolCounters())
    for index, world in taken:
        record(old, index, world)

    new = PoolState(pool("198.51.100.0/29", expect=["helo-syntax"]), PoolCounters())
    new.copy_from(old)

    expect = new.pool.expect
    assert list(new.healths) == [CODES[health(new[index], expect)] for index in range(8)]
