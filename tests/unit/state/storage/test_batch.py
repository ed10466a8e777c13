"""What is taken to be saved in one transaction: what matters most comes first, and nothing twice."""

from collections import deque
from dataclasses import replace

import pytest

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.state.counters import PoolCounters
from exporter.state.dirty import Dirty
from exporter.state.journal import Journal
from exporter.state.pool import PoolState
from exporter.state.storage import writer
from exporter.state.storage.key_values import KeyValueTable
from tests.unit.web.pools import BROKEN, RIGHT, pool


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Four addresses fit into a transaction."""
    monkeypatch.setattr(writer, "_ROWS", 4)


def sampled(network, broken, name="corporate"):
    """A pool of eight addresses, all of them news; those at the places in *broken* fail."""
    state = PoolState(replace(pool(network), name=name), PoolCounters())
    state.dirty = Dirty(state.pool.size)
    for index in range(state.pool.size):
        judged, evidence = run_check(report(state[index].target), BROKEN if index in broken else RIGHT)
        state.record(index, judged, evidence, 1000.0 + index)
    return state


def batches(states, changes=()):
    """The places that go into each transaction, by pool."""
    waiting, found = deque(changes), []
    while True:
        taken = writer.take(states, KeyValueTable(), waiting, [], with_times=False)
        if taken.is_empty:
            return found
        found.append([[*indexes] for state in states for owner, indexes, _ in taken.pools if owner is state])


def test_what_fails_is_written_before_the_rest():
    """Of two pools that are all news, the failures of both are in the first transaction."""
    states = [sampled("198.51.100.0/29", {5, 6}, "first"), sampled("198.51.100.8/29", {7}, "second")]

    assert batches(states) == [[[5, 6, 0], [7]], [[1, 2, 3, 4]], [[7], [0, 1, 2]], [[3, 4, 5, 6]]]


def test_what_changed_is_written_with_the_change():
    """The journal and what is known of the address never contradict each other for longer than they must."""
    state, journal = sampled("198.51.100.0/29", set()), Journal()
    found = [change for world in (BROKEN, RIGHT) for change in _recorded(state, 6, world)]
    entries = [journal.write("corporate", change) for change in found]

    assert len(entries) > 1
    assert batches([state], entries) == [[[6, 0, 1, 2]], [[3, 4, 5, 7]]]


def _recorded(state, index, world):
    judged, evidence = run_check(report(state[index].target), world)
    return state.record(index, judged, evidence, 2000.0)


def test_what_fits_goes_in_its_order():
    """Nothing is put before anything else where all of it is written at once."""
    state = sampled("198.51.100.0/30", {2})

    assert batches([state]) == [[[0, 1, 2, 3]]]
