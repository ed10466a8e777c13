"""What one transaction saves: the most urgent first, and nothing twice."""

from collections import deque
from dataclasses import replace

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.state.counters import PoolCounters
from exporter.state.dirty import Dirty
from exporter.state.journal import Journal
from exporter.state.pool import PoolState
from exporter.state.storage.key_values import KeyValueTable
from exporter.state.storage.writer import take_batch
from tests.unit.web.pools import BROKEN, RIGHT, pool


def sampled(network, broken, name="corporate"):
    """A pool of addresses that all changed; those with an index in *broken* fail."""
    state = PoolState(replace(pool(network), name=name), PoolCounters())
    state.dirty = Dirty(state.pool.size)
    state.dirty.is_restored = True
    for index in range(state.pool.size):
        judged, evidence = run_check(report(state[index].target), BROKEN if index in broken else RIGHT)
        state.record(index, judged, evidence, 1000.0 + index)
    return state


def batches(states, changes=()):
    """The indexes in each transaction of four addresses, by pool."""
    waiting, found = deque(changes), []
    while True:
        taken = take_batch(states, KeyValueTable(), waiting, [], with_times=False, max_addresses=4)
        if taken.is_empty:
            return found
        found.append([[*indexes] for state in states for owner, indexes, _ in taken.pools if owner is state])


def test_failing_addresses_are_written_first():
    """The failures of both pools are in the first transaction."""
    states = [sampled("198.51.100.0/29", {5, 6}, "first"), sampled("198.51.100.8/29", {7}, "second")]

    assert batches(states) == [[[5, 6, 0], [7]], [[1, 2, 3, 4]], [[7], [0, 1, 2]], [[3, 4, 5, 6]]]


def test_a_change_is_written_with_its_address():
    """The journal and the state of the address do not contradict each other in the file."""
    state, journal = sampled("198.51.100.0/29", set()), Journal()
    found = [change for world in (BROKEN, RIGHT) for change in _recorded(state, 6, world)]
    entries = [journal.write("corporate", change) for change in found]

    assert len(entries) > 1
    assert batches([state], entries) == [[[6, 0, 1, 2]], [[3, 4, 5, 7]]]


def _recorded(state, index, world):
    judged, evidence = run_check(report(state[index].target), world)
    return state.record(index, judged, evidence, 2000.0)


def test_addresses_that_fit_are_written_in_order():
    """No address comes first if all are written at once."""
    state = sampled("198.51.100.0/30", {2})

    assert batches([state]) == [[[0, 1, 2, 3]]]
