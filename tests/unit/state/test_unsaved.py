"""What is not saved yet is a set: nothing is missed, nothing is in it twice."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.state.counters import PoolCounters
from exporter.state.dirty import Dirty
from exporter.state.pool import PoolState
from tests.unit.web.pools import BROKEN, RIGHT, SILENT, pool

notes = st.lists(st.tuples(st.integers(0, 9), st.booleans()))


@given(notes, st.integers(1, 12))
def test_what_has_news_is_taken_once_and_before_it_is_forgotten(noted, limit):
    """Taking until nothing is left gives each address with news once, however often it was noted."""
    unsaved = Dirty(10)
    for index, is_changed in noted:
        unsaved.note(index, is_changed=is_changed)

    taken = []
    while some := unsaved.take(limit):
        assert len(some) <= limit
        taken += some
    news = {index for index, is_changed in noted if is_changed}

    assert taken == sorted(news)
    assert unsaved.take_sampled() == sorted({index for index, _ in noted} - news)
    assert not unsaved.is_any


def test_what_could_not_be_saved_is_there_again():
    """A full disk loses nothing."""
    unsaved = Dirty(4)
    unsaved.note(2, is_changed=True)
    unsaved.add_helo("mail.example.org", is_changed=True)

    unsaved.put_back(unsaved.take(4), unsaved.take_helos(all_of_them=False))

    assert (unsaved.take(4), unsaved.take_helos(all_of_them=False)) == ([2], ["mail.example.org"])


def test_what_was_unsaved_of_addresses_that_stay_is_unsaved_after_a_reload():
    """News is news in its new place, a mere sample is one there too, and what left the pool is forgotten."""
    before, after = pool("198.51.100.0/30", "198.51.100.8/30"), pool("198.51.100.4/30", "198.51.100.8/30")
    old, new = Dirty(8), Dirty(8)
    for index, is_changed in ((1, True), (5, True), (6, False)):
        old.note(index, is_changed=is_changed)

    new.carry(old, after.source.runs(before.source))

    assert (new.take(8), new.take_sampled()) == ([5], [6])


def test_a_sample_that_finds_what_was_known_is_no_news():
    """Only its time has to be written; an outage is news once, and so is its end."""
    state = PoolState(pool("198.51.100.0/30"), PoolCounters())
    state.dirty = Dirty(4)
    news = []
    for at, world in enumerate([RIGHT, RIGHT, SILENT, SILENT, RIGHT, BROKEN, BROKEN]):
        state.record(1, *run_check(report(state[1].target), world), float(at))
        news.append(bool(state.dirty.take(4)))
        state.dirty.take_sampled()

    assert news == [True, False, True, False, True, True, False]
