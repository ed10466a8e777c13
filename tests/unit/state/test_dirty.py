"""What is not saved yet."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.state.counters import PoolCounters
from exporter.state.dirty import Dirty
from exporter.state.pool import PoolState
from tests.unit.web.pools import BROKEN, RIGHT, SILENT, pool

samples = st.lists(st.tuples(st.integers(0, 9), st.booleans()))


@given(samples, st.integers(1, 12))
def test_each_changed_address_is_taken_once(added, limit):
    """However often an address was added, taking until nothing is left returns it once."""
    dirty = Dirty(10)
    for index, is_changed in added:
        dirty.add(index, is_changed=is_changed)

    taken = []
    while some := dirty.take(limit):
        assert len(some) <= limit
        taken += some
    changed = {index for index, is_changed in added if is_changed}

    assert taken == sorted(changed)
    assert dirty.take_sampled() == sorted({index for index, _ in added} - changed)
    assert dirty.changed == 0


def test_what_could_not_be_saved_is_dirty_again():
    """A full disk loses nothing."""
    dirty = Dirty(4)
    dirty.add(2, is_changed=True)
    dirty.helos.add("mail.example.org", is_changed=True)

    dirty.put_back(dirty.take(4))
    dirty.helos.add_all(dirty.helos.take(with_sampled=False))

    assert (dirty.take(4), dirty.helos.take(with_sampled=False)) == ([2], ["mail.example.org"])


def test_a_reload_keeps_addresses_that_stay_dirty():
    """A changed or sampled address is so at its new index, and addresses that left are forgotten."""
    before, after = pool("198.51.100.0/30", "198.51.100.8/30"), pool("198.51.100.4/30", "198.51.100.8/30")
    old, new = Dirty(8), Dirty(8)
    for index, is_changed in ((1, True), (5, True), (6, False)):
        old.add(index, is_changed=is_changed)

    new.copy(old, after.source.runs(before.source))

    assert (new.take(8), new.take_sampled()) == ([5], [6])


def test_a_sample_with_the_known_results_is_no_change():
    """Only its time has to be saved. The beginning of an outage is one change, and its end is another."""
    state = PoolState(pool("198.51.100.0/30"), PoolCounters())
    state.dirty = Dirty(4)
    changed = []
    for at, world in enumerate([RIGHT, RIGHT, SILENT, SILENT, RIGHT, BROKEN, BROKEN]):
        state.record(1, *run_check(report(state[1].target), world), float(at))
        changed.append(bool(state.dirty.take(4)))
        state.dirty.take_sampled()

    assert changed == [True, False, True, False, True, True, False]
