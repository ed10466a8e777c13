"""What is written of many addresses at once is what would be written of each alone."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.state.counters import PoolCounters
from exporter.state.pool import PoolState
from exporter.state.storage.codec import RowTemplates, StateReader, address_text, pool_id, save_addresses
from exporter.state.storage.database import MIGRATIONS
from exporter.state.store import DetailLimit, StateBuilder
from tests.unit.state.test_compact import TWO_NAMES, record, samples, the_pool

ODD = ['a"b.example.org', "100%.example.org", "a\\000b.example.org", "%(ptr)s.example.org", "\\u0001ptr.example.org"]


@given(samples, st.integers(0, 4))
def test_a_text_is_to_the_letter_what_the_state_would_give(taken, details):
    """Whatever was sampled, for every address that is kept in numbers; the same patterns serve all of them."""
    state, patterns = PoolState(the_pool(), PoolCounters(), DetailLimit(details)), RowTemplates()
    record(state, taken)

    for index in range(state.pool.size):
        outline = state.compact_row(index)
        if outline is not None:
            assert patterns.text(state.pool.targets[index], outline) == address_text(state[index])
        else:
            assert not state.is_sampled(index) or state[index].evidence


@pytest.mark.parametrize("name", ODD)
def test_any_name_is_written_as_it_is(name):
    """Signs that mean something to JSON, or to the pattern, are signs of a name like others."""
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
    record(state, [(0, TWO_NAMES)])
    outline = state.compact_row(0)
    assert outline is not None
    target = Target(state.pool.targets[0].address, (HeloName(name, None),))
    both = (DomainName.trusted(name), DomainName.trusted("other.example.org"))

    for names in ((both, both), (both, both[:1]), (both[:1], ()), ((), ())):
        changed = outline._replace(ptr_names=names[0], confirmed_names=names[1])
        made = StateBuilder(outline.form).state(target, names, outline.times)
        assert RowTemplates().text(target, changed) == address_text(made)


@given(samples)
def test_what_is_written_of_a_big_pool_is_read_back(taken):
    """All that is known, by way of the tables; and nothing of an address of which nothing is."""
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
    record(state, taken)
    with sqlite3.connect(":memory:") as connection:
        for script in MIGRATIONS:
            connection.executescript(script)
        number = pool_id(connection, state.pool.name)
        save_addresses(connection, number, state, range(state.pool.size), lambda: None)
        again = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
        for chunk in StateReader(connection, 1e9, 0.0).addresses(again.pool):
            for index, known in chunk:
                again.restore(index, known)
        rows = connection.execute("SELECT count(*) FROM addresses").fetchone()
    connection.close()

    for index in range(state.pool.size):
        assert again.sampled_at(index) == state.sampled_at(index)
        assert address_text(again[index]) == address_text(state[index])
    assert rows == (len({index for index, _ in taken}),)
