"""A compact pool knows everything that a full one knows, except sentences."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Question
from exporter.checks.check import run_check
from exporter.checks.names import DomainName
from exporter.checks.receivers import DEFAULT_RECEIVERS
from exporter.checks.report import report, spf_passes
from exporter.checks.result import CheckName, Finding, Result
from exporter.config.templates import HeloTemplate
from exporter.inventory.ranges import AddressRanges
from exporter.state.board import DETAILED_ADDRESSES, FULL_ADDRESSES, Board
from exporter.state.counters import PoolCounters
from exporter.state.pool import FAILING, PoolState
from exporter.state.store import DETAILS_NOT_KEPT, CompactStates, DetailLimit, Sizes, interned
from tests.factories import World
from tests.unit.web.pools import BROKEN, RIGHT, SILENT, pool

SIZE = 8
TWO_NAMES = World.parse(
    "\n".join(
        f"{host}.100.51.198.in-addr.arpa PTR {name}\n{name} A {address}"
        for host in range(SIZE)
        for name, address in ((f"mta{host}.example.org", f"198.51.100.{host}"), ("other.example.org", "192.0.2.9"))
    )
)
HALF_SILENT = World.parse("\n".join(f"mta{host}.example.org A !servfail" for host in range(SIZE)))

samples = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.sampled_from([RIGHT, BROKEN, SILENT, TWO_NAMES, HALF_SILENT])), max_size=30
)


SMALL = Sizes(names_block=3, open_blocks=1, results=3, objects_per_step=2, columns_per_step=3)
"""So small that blocks are compressed, results are dropped and steps end all the time."""


def state_of(made, limit=None):
    """A pool without samples; compact with a *limit*."""
    return PoolState(made, PoolCounters(), limit, SMALL)


def copy(new, old):
    """Run all steps of a reload."""
    for _ in new.copying(old):
        pass


def the_pool(expect=None):
    """Eight addresses with HELO names, whose receivers are predicted."""
    return dataclasses.replace(pool("198.51.100.0/29", expect=expect), receivers=DEFAULT_RECEIVERS)


def record(state, taken):
    """Record samples. Return what changed, without sentences."""
    found = []
    for at, (index, world) in enumerate(taken, 1):
        judged, evidence = run_check(report(state[index].target, policies=DEFAULT_RECEIVERS), world)
        found += [
            (change.target, *[(it.check, it.result, it.reason) for it in (change.before, change.after)])
            for change in state.record(index, judged, evidence, float(at))
        ]
    return found


def facts(state):
    """Everything that is known of a pool, except sentences."""
    addresses = []
    for index in range(state.pool.size):
        one = state[index]
        names = None if one.iprev is None else (one.iprev.ptr_names, one.iprev.confirmed_names)
        addresses.append((interned(one), names, one.sampled_at, one.concluded_at, one.changed_at))
        assert state.is_sampled(index) == (one.latest is not None)
        assert state.sampled_at(index) == one.sampled_at
        assert state.ptr_names(index) == (names[0] if names else ())
    sampled = filter(state.sampled_at, range(state.pool.size))
    assert state.stalest() == min(sampled, key=state.sampled_at, default=None)
    counted = (state.results(), state.receiver_results(), bytes(state.healths), state.name_changes)
    return addresses, counted, state.oldest_sample(), [one.target for one in state.sampled()]


@given(samples, st.integers(0, 4))
def test_a_compact_pool_knows_what_a_full_one_knows(taken, limit):
    """With any samples in any order, and any limit on details."""
    full, small = (state_of(the_pool(), one) for one in (None, DetailLimit(limit)))

    assert record(small, taken) == record(full, taken)
    assert facts(small) == facts(full)


@given(samples, samples, st.booleans(), st.booleans())
def test_a_reload_copies_the_same(before, after, was_compact, is_compact):
    """From full to compact and back, with other expectations and other HELO names."""
    expect = ["fcrdns", "helo-syntax"]
    reference = state_of(the_pool(expect))
    full = state_of(the_pool())
    record(full, before)
    copy(reference, full)
    old = state_of(the_pool(), DetailLimit(1) if was_compact else None)
    record(old, before)
    new = state_of(the_pool(expect), DetailLimit(1) if is_compact else None)
    copy(new, old)

    assert facts(new)[0] == facts(reference)[0]
    assert record(new, after) == record(reference, after)
    assert facts(new) == facts(reference)


some_networks = st.sets(st.integers(0, 7), min_size=1).map(
    lambda numbers: tuple(f"198.51.100.{4 * number}/30" for number in sorted(numbers))
)


some_names = st.lists(
    st.sampled_from(["mta{octet4}.example.org", "mx{octet4}.example.org", "constant.example.org"]), unique=True
).map(lambda texts: tuple(map(HeloTemplate.parse, texts)))


def named(made, names):
    """The same pool with these HELO names."""
    return dataclasses.replace(made, source=AddressRanges([one._replace(helo=names) for one in made.source]))


@given(some_networks, some_networks, some_names, some_names, st.data())
def test_addresses_that_stay_are_copied_to_their_new_index(before, after, names_before, names_after, data):
    """Networks and HELO names change. Compact and full pools then have the same states and counts."""
    taken = data.draw(
        st.lists(st.tuples(st.integers(0, 4 * len(before) - 1), st.sampled_from([RIGHT, BROKEN, SILENT])))
    )
    found = []
    for limit in (None, 3):
        details = None if limit is None else DetailLimit(limit)
        old, new = (
            state_of(named(pool(*networks), names), details)
            for networks, names in ((before, names_before), (after, names_after))
        )
        record(old, taken)
        copy(new, old)
        assert [*new.unsampled()] == [index for index in range(new.pool.size) if not new.is_sampled(index)]
        assert sum(new.revisions) or not any(new.sampled())
        found.append(facts(new))

    assert found[0] == found[1]


@pytest.mark.parametrize("names", [(), ("mx{octet4}.example.org",)], ids=["alike", "with-other-names"])
def test_a_big_pool_is_copied_in_short_steps(names):
    """No step copies more addresses than `Sizes` allows, so that the event loop runs in between."""
    old = state_of(pool("198.51.100.0/28"), DetailLimit(0))
    made = (
        named(old.pool, tuple(map(HeloTemplate.parse, names))) if names else pool("198.51.100.0/28", expect=["dnsbl"])
    )
    new = state_of(made, DetailLimit(0))

    assert len([*new.copying(old)]) == -(-16 // 3)


def test_a_generation_is_made_in_steps_and_seen_as_a_whole():
    """Meanwhile readers see the old generation, and what is recorded in unchanged pools is not lost."""
    stays, grows = pool("198.51.100.0/29"), dataclasses.replace(pool("198.51.100.8/29"), name="grows")
    bigger = dataclasses.replace(pool(f"10.0.0.0/{32 - FULL_ADDRESSES.bit_length()}", "198.51.100.8/29"), name="grows")
    board = Board()
    board.publish([stays, grows])
    before = board.pools
    reference = state_of(stays)
    for step, _ in enumerate(board.publishing([stays, bigger])):
        assert board.pools is before
        for state in (before["test"], reference):
            record(state, [(step % 8, BROKEN)])

    assert board.pools["test"] is before["test"]
    assert (board.pools["grows"].pool, board.changed([stays, grows])) == (bigger, {"grows"})
    assert facts(before["test"])[0] == facts(reference)[0]


@pytest.mark.parametrize("full", [0, FULL_ADDRESSES], ids=["compact", "full"])
def test_addresses_keep_what_is_known_of_them_in_another_pool(full):
    """A pool is renamed, and another one gets two of its addresses."""
    made, other = pool("198.51.100.0/29"), dataclasses.replace(pool("198.51.100.8/29"), name="other")
    board = Board(full_addresses=full)
    board.publish([made, other])
    record(board.pools["test"], [(index, BROKEN) for index in range(8)])
    before = [board.pools["test"][index] for index in range(8)]
    renamed = dataclasses.replace(pool("198.51.100.0/30", "198.51.100.4/31"), name="renamed")
    grown = dataclasses.replace(pool("198.51.100.6/31", "198.51.100.8/29"), name="other")
    board.publish([renamed, grown])

    after = [board.pools["renamed"][index] for index in range(6)] + [board.pools["other"][index] for index in (0, 1)]
    assert [interned(one) for one in after] == [interned(one) for one in before]
    assert [one.target for one in after] == [one.target for one in before]
    assert (board.pools["other"].healths.count(FAILING), board.pools["renamed"].healths.count(FAILING)) == (2, 6)


@pytest.mark.parametrize("full", [0, FULL_ADDRESSES], ids=["compact", "full"])
def test_failing_addresses_stay_so_with_other_helo_names(full):
    """What fails whatever the server says is known before the next sample."""
    made = pool("198.51.100.0/29")
    board = Board(full_addresses=full)
    board.publish([made])
    record(board.pools["test"], [(index, BROKEN) for index in range(8)])
    board.publish([named(made, (HeloTemplate.parse("mx{octet4}.example.org"),))])

    state = board.pools["test"]
    assert (state.healths.count(FAILING), len(state.unsampled())) == (8, 8)
    assert all(state[index].evidence for index in range(8))


@given(samples, samples, st.booleans())
def test_what_is_recorded_during_a_conversion_is_not_lost(before, after, is_compact):
    """In both directions, with a sample between any two steps."""
    reference, converted = (state_of(the_pool(), DetailLimit(2) if is_compact else None) for _ in range(2))
    record(reference, before)
    record(converted, before)
    for step, _ in enumerate(converted.converting(None if is_compact else DetailLimit(2))):
        for state in (reference, converted):
            record(state, after[step : step + 1])

    assert facts(converted)[0] == facts(reference)[0]


def test_copied_addresses_keep_their_details():
    """The evidence of a failing address is copied if the limit allows it."""
    old = state_of(pool("198.51.100.0/29"), DetailLimit(4))
    record(old, [(5, BROKEN), (6, BROKEN)])
    new = state_of(pool("198.51.100.4/30"), DetailLimit(1))
    copy(new, old)

    assert [bool(state.evidence) for state in new.sampled()] == [True, False]


@given(samples, samples, st.lists(st.sampled_from([None, 0, 2]), max_size=4))
def test_a_conversion_changes_nothing_that_is_known(before, after, limits):
    """A reload may convert a pool again and again, with any limit."""
    full, converted = state_of(the_pool()), state_of(the_pool())
    record(full, before)
    record(converted, before)
    for limit in limits:
        for _ in converted.converting(None if limit is None else DetailLimit(limit)):
            pass

    assert record(converted, after) == record(full, after)
    assert facts(converted)[0] == facts(full)[0]
    assert facts(converted)[2:] == facts(full)[2:]


def test_failing_addresses_keep_their_details():
    """They have evidence and sentences up to the limit; passing ones have neither."""
    state = state_of(the_pool(), DetailLimit(2))
    record(state, [(0, RIGHT), (1, BROKEN), (2, BROKEN), (3, BROKEN)])

    assert [bool(state[index].evidence) for index in range(4)] == [False, True, True, False]
    assert {one.sentence for one in state[3].latest.findings} == {"", DETAILS_NOT_KEPT}
    assert DETAILS_NOT_KEPT not in {one.sentence for one in state[2].latest.findings}

    record(state, [(1, RIGHT), (3, BROKEN)])
    assert [bool(state[index].evidence) for index in (1, 3)] == [False, True]


def test_nothing_is_predicted_from_evidence_that_is_not_kept():
    """Missing evidence does not mean that nothing changed."""
    state = state_of(the_pool(), DetailLimit(0))
    record(state, [(0, RIGHT)])

    assert state[0].latest.receivers
    assert state[0].predicted() is None


def test_a_pass_with_nothing_to_check_stays_one():
    """It is recognised by having a sentence, which the compact state records."""
    state = state_of(the_pool(), DetailLimit(0))
    judged, evidence = run_check(report(state[0].target), RIGHT)
    with_sentence = Finding(CheckName.SPF_HELO, Result.PASS, "mta0.example.org", sentence="Nothing is published.")
    state.record(0, judged._replace(findings=(*judged.findings, with_sentence)), evidence, 1.0)

    assert spf_passes(state[0].known[CheckName.SPF_HELO, "mta0.example.org"]) is None


def test_half_of_the_limit_is_reserved_for_failing_addresses():
    """An outage does not use up the details of addresses that fail afterwards."""
    state = state_of(the_pool(), DetailLimit(4))
    record(state, [(index, SILENT) for index in range(SIZE)])
    assert [bool(state[index].evidence) for index in range(SIZE)] == [True] * 2 + [False] * 6

    record(state, [(6, BROKEN), (7, BROKEN)])
    assert [bool(state[index].evidence) for index in range(SIZE)] == [True] * 2 + [False] * 4 + [True] * 2


def test_names_of_any_kind_come_back():
    """Escapes, the root, confirmed and unconfirmed names."""
    names = sorted(map(DomainName, ["\\010.\\\\x.example", ".", "a.example", "!b.example", r"c\.d.example"]))
    state = state_of(the_pool(), DetailLimit(0))
    asked = Question(state[0].target.address.reverse_name, "PTR")
    world = World({asked: frozenset(names)}).publish(["a.example A 198.51.100.0"])
    record(state, [(0, world), (7, RIGHT), (4, RIGHT)])

    assert state[0].iprev.ptr_names == tuple(names)
    assert state[0].iprev.confirmed_names == ("a.example",)


def test_the_board_keeps_small_pools_in_full():
    """The smallest come first, and a reload may convert a pool that stays."""
    small, middle, large = (
        dataclasses.replace(pool(network, expect=["fcrdns"]), name=network)
        for network in ("198.51.100.0/29", "10.0.0.0/19", "11.0.0.0/18")
    )
    board = Board()
    board.publish([large, middle, small])
    for state in board.pools.values():
        target = state[0].target
        world = World.parse(f"{target.address.reverse_name} PTR a.example\na.example A {target.address}")
        state.record(0, *run_check(report(target), world), 1.0)
    kept = dict(board.pools)

    assert small.size + middle.size <= FULL_ADDRESSES < large.size
    assert {name: bool(state[0].evidence) for name, state in kept.items()} == {
        small.name: True,
        middle.name: True,
        large.name: False,
    }

    other = dataclasses.replace(pool("12.0.0.0/20"), name="other")
    board.publish([large, middle, other])
    assert board.pools[middle.name] is kept[middle.name]
    assert not board.pools[middle.name][0].evidence
    assert board.pools[middle.name][0].latest is not None


def test_a_compact_address_takes_17_bytes():
    """The columns of 50,000 addresses, and their healths."""
    count = 50_000
    states = CompactStates([None] * count, DetailLimit(DETAILED_ADDRESSES))
    columns = (states._sampled, states._concluded, states._changed, states._numbers)
    size = sum(column.itemsize * len(column) for column in columns) + count  # and its health

    assert size == 17 * count
