"""States survive the conversion to text and back."""

import sqlite3
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.helo import HeloName
from exporter.checks.helo_name import helo_name
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver
from exporter.checks.report import Target, report
from exporter.checks.result import CheckName
from exporter.state.address import AddressState
from exporter.state.counters import PoolCounters
from exporter.state.domain import DomainState
from exporter.state.helo import HeloState
from exporter.state.pool import PoolState
from exporter.state.storage.codec import (
    MAX_BYTES,
    RowTemplates,
    address_state,
    address_text,
    domain_state,
    domain_text,
    helo_state,
    helo_text,
)
from exporter.state.storage.database import MIGRATIONS
from exporter.state.storage.tables import StateReader, pool_id, save_addresses
from exporter.state.store import DetailLimit, StateBuilder
from tests.domains import EVERYTHING, SETTINGS, SILENT, SOUND, ZONE, sample, without
from tests.factories import World
from tests.strategies import HELOS, OURS, outages, targets, worlds
from tests.unit.state.test_store import TWO_NAMES, record, samples, the_pool

NOW = 1000.0


@st.composite
def histories(draw):
    """An address after a few samples in different worlds, some with outages."""
    state = AddressState(draw(targets))
    policies = draw(st.sampled_from([(), tuple(Receiver)]))
    for at in range(draw(st.integers(1, 3))):
        world = draw(worlds())
        judged, evidence = run_check(report(state.target, policies=policies), world)
        if draw(st.booleans()):
            lost = draw(outages(list(evidence)))
            judged, evidence = run_check(report(state.target, policies=policies), world.without_answers_to(lost))
        state, _ = state.observe(judged, evidence, float(at + 1))
    return state


@given(histories())
def test_an_address_comes_back_as_it_was(state):
    """Except for the evidence, and the predictions that rest on it."""
    known = replace(state, evidence={}, latest=state.latest._replace(receivers=()))
    receivers = tuple(tuple(verdict for verdict in row if verdict.is_conclusive) for row in state.receivers)

    again = address_state(address_text(state), state.target.address, state.sampled_at, NOW)

    assert again == replace(known, receivers=receivers)
    assert again.predicted() is None


@given(histories())
def test_no_time_of_an_address_is_in_the_future(state):
    """Not even if the clock was set back while the exporter was down."""
    again = address_state(address_text(state), state.target.address, 900.0, 0.5)

    times = [again.sampled_at, again.concluded_at, again.changed_at, *again.renamed_at]
    assert max(times) <= 0.5


@given(worlds(), st.sampled_from(HELOS), st.data())
def test_a_helo_name_comes_back_as_it_was(world, helo, data):
    """Its numbers, its addresses and its findings, after an outage, too."""
    state = HeloState(helo)
    judged, evidence = run_check(helo_name(helo, OURS.__contains__), world)
    state = state.observe(judged, 1.0)
    if evidence:
        lost = data.draw(outages(list(evidence)))
        state = state.observe(run_check(helo_name(helo, OURS.__contains__), world.without_answers_to(lost))[0], 2.0)

    assert helo_state(helo_text(state), helo, state.sampled_at, NOW) == state


@given(histories(), st.data())
def test_damaged_text_of_an_address_is_refused_or_read(state, data):
    """After a change of one byte, the result is a `ValueError` or a state."""
    text = address_text(state)
    index = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:index] + data.draw(st.characters(max_codepoint=127)) + text[index + 1 :]
    try:
        address_state(damaged, state.target.address, 1.0, NOW)
    except ValueError:
        return


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "[1,2,3,4,5,6,7,8,9]", "[[],[],[0],null,null,0,0,[],[]]", "[" * 5000]
)
def test_other_text_is_refused(text):
    """The error is always a `ValueError`."""
    with pytest.raises(ValueError, match="not what was written"):
        address_state(text, OURS[0], 1.0, NOW)


ALL = replace(SETTINGS, expect=EVERYTHING)
BEGINNINGS = tuple(sorted({line.split()[0] + " " + line.split()[1] for line in ZONE.split("\n") if line.strip()}))
HOSTILE = World.parse(
    ZONE.replace("p=reject", 'p=none; t=y; sp=zzz; x=\\"\x01')
    .replace("-all", "exists:%{ir}.example.net +all")
    .replace("k=ed25519", "k=rsa; t=y")
)
QUESTIONS = sorted(sample(SOUND)[1])


@st.composite
def domain_histories(draw):
    """A domain after a few samples, in zones that are incomplete or hostile, some with outages."""
    state = DomainState(ALL)
    for at in range(draw(st.integers(1, 2))):
        gone = draw(st.sets(st.sampled_from(BEGINNINGS), max_size=4))
        world = draw(st.sampled_from([SOUND, HOSTILE, SILENT, without(*gone)]))
        if draw(st.booleans()):
            world = world.without_answers_to(draw(outages(QUESTIONS)))
        state, _ = state.observe(*sample(world, ALL), float(at + 1))
    return state


@given(domain_histories())
def test_a_domain_comes_back_as_it_was(state):
    """Reports, keys, ranges, hints, known findings, evidence and times."""
    assert domain_state(domain_text(state), ALL, state.sampled_at, NOW) == state


@settings(max_examples=20)
@given(domain_histories())
def test_no_time_of_a_domain_is_in_the_future(state):
    """Not even if the clock was set back while the exporter was down."""
    again = domain_state(domain_text(state), ALL, 900.0, 0.5)

    times = [again.sampled_at, again.concluded_at, again.changed_at]
    assert max([*times, *[answer.asked_at for answer in again.evidence.values()]]) <= 0.5


@settings(max_examples=40)
@given(domain_histories(), st.sets(st.sampled_from(["s1", "s2", "s3"])))
def test_selectors_that_left_are_dropped(state, selectors):
    """As on a reload, only what is known of the other selectors is kept."""
    now = replace(ALL, selectors=tuple(sorted(selectors)))

    assert domain_state(domain_text(state), now, state.sampled_at, NOW) == state.reconfigure(now)


@settings(max_examples=60)
@given(domain_histories(), st.data())
def test_damaged_text_of_a_domain_is_refused_or_read(state, data):
    """After a change of one byte, the result is a `ValueError` or a state."""
    text = domain_text(state)
    index = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:index] + data.draw(st.characters(max_codepoint=127)) + text[index + 1 :]
    try:
        domain_state(damaged, ALL, 1.0, NOW)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("max_bytes", "is_left"), [(MAX_BYTES, (True, True)), (25_000, (False, True)), (10_000, (False, False))]
)
def test_the_text_of_a_domain_has_a_maximum(max_bytes, is_left):
    """For a huge record, first the evidence is left out, then the reports, but never the known findings."""
    networks = " ".join(f"ip4:10.{one // 128}.{one % 128 * 2}.0/24" for one in range(500))
    zone = ZONE.replace("v=spf1 ip4:198.51.100.0/28 ip6:2001:db8::/64 -all", f"v=spf1 {networks} -all")
    state, _ = DomainState(ALL).observe(*sample(World.parse(zone), ALL), 1.0)

    text = domain_text(state, max_bytes)
    again = domain_state(text, ALL, 1.0, NOW)

    assert len(text) <= max_bytes
    assert (again.known, again.dkim, again.dmarc) == (state.known, state.dkim, state.dmarc)
    assert again.passes(CheckName.SPF) is True
    assert (again.evidence == state.evidence, again.spf == state.spf) == is_left
    assert (again.latest == state.latest) is is_left[1]
    assert again.is_healthy is (True if is_left[1] else None)


ODD = ['a"b.example.org', "100%.example.org", "a\\000b.example.org", "%(ptr)s.example.org", "\\u0001ptr.example.org"]


@given(samples, st.integers(0, 4))
def test_a_template_writes_exactly_the_text_of_the_state(taken, details):
    """For every compact address, with the same templates for all."""
    state, templates = PoolState(the_pool(), PoolCounters(), DetailLimit(details)), RowTemplates()
    record(state, taken)

    for index in range(state.pool.size):
        row = state.compact_row(index)
        if row is not None:
            assert templates.text(state.pool.targets[index], row) == address_text(state[index])
        else:
            assert not state.is_sampled(index) or state[index].evidence


@pytest.mark.parametrize("name", ODD)
def test_names_with_special_characters_are_written_correctly(name):
    """Characters that are special in JSON or in the template."""
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
    record(state, [(0, TWO_NAMES)])
    row = state.compact_row(0)
    assert row is not None
    target = Target(state.pool.targets[0].address, (HeloName(name, None),))
    both = (DomainName.trusted(name), DomainName.trusted("other.example.org"))

    for names in ((both, both), (both, both[:1]), (both[:1], ()), ((), ())):
        changed = row._replace(ptr_names=names[0], confirmed_names=names[1])
        made = StateBuilder(row.result).state(target, names, row.times)
        assert RowTemplates().text(target, changed) == address_text(made)


@given(samples)
def test_a_big_pool_is_read_back_as_it_was_written(taken):
    """Through the tables, with no row for an address that was never sampled."""
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
    record(state, taken)
    with sqlite3.connect(":memory:") as connection:
        for script in MIGRATIONS:
            connection.executescript(script)
        number = pool_id(connection, state.pool.name)
        save_addresses(connection, number, state, range(state.pool.size), lambda: None)
        again = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
        for step in StateReader(connection, 1e9, 0.0).addresses(again.pool):
            for index, known in step:
                again.restore(index, known)
        rows = connection.execute("SELECT count(*) FROM addresses").fetchone()
    connection.close()

    for index in range(state.pool.size):
        assert again.sampled_at(index) == state.sampled_at(index)
        assert address_text(again[index]) == address_text(state[index])
    assert rows == (len({index for index, _ in taken}),)
