"""The compact states of big pools: all but the words is as if every address were kept in full."""

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
from exporter.state import pool as pool_module
from exporter.state import store
from exporter.state.board import DETAILED_ADDRESSES, FULL_ADDRESSES, Board
from exporter.state.counters import PoolCounters
from exporter.state.pool import PoolState
from exporter.state.store import DETAILS_NOT_KEPT, DetailLimit, interned
from tests.factories import World
from tests.unit.web.pools import BROKEN, RIGHT, SILENT, pool

SIZE = 8
TWO_NAMES = World.parse(
    "\n".join(
        f"{octet}.100.51.198.in-addr.arpa PTR {name}\n{name} A {address}"
        for octet in range(SIZE)
        for name, address in ((f"mta{octet}.example.org", f"198.51.100.{octet}"), ("other.example.org", "192.0.2.9"))
    )
)
HALF_SILENT = World.parse("\n".join(f"mta{octet}.example.org A !servfail" for octet in range(SIZE)))

samples = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.sampled_from([RIGHT, BROKEN, SILENT, TWO_NAMES, HALF_SILENT])), max_size=30
)


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    """Names are packed again and again, forms are forgotten, and few neighbours are carried over at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_BLOCK", 3)
        patch.setattr(store, "_OPEN_BLOCKS", 1)
        patch.setattr(store, "_MOST_FORMS", 3)
        patch.setattr(pool_module, "ONE_BY_ONE", 2)
        patch.setattr(pool_module, "_AT_ONCE", 3)
        yield


def the_pool(expect=None):
    """Eight addresses with HELO names, whose receivers are predicted."""
    return dataclasses.replace(pool("198.51.100.0/29", expect=expect), receivers=DEFAULT_RECEIVERS)


def record(state, taken):
    """Take in samples; say what changed, without its words."""
    found = []
    for at, (index, world) in enumerate(taken, 1):
        judged, evidence = run_check(report(state[index].target, policies=DEFAULT_RECEIVERS), world)
        found += [
            (change.target, *[(it.check, it.result, it.reason) for it in (change.before, change.after)])
            for change in state.record(index, judged, evidence, float(at))
        ]
    return found


def facts(state):
    """All that is known of a pool, but the words."""
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
    """Whatever was sampled, in whichever order, and however little room there is for details."""
    full, small = (PoolState(the_pool(), PoolCounters(), room) for room in (None, DetailLimit(limit)))

    assert record(small, taken) == record(full, taken)
    assert facts(small) == facts(full)


@given(samples, samples, st.booleans(), st.booleans())
def test_a_reload_carries_over_the_same(before, after, was_compact, is_compact):
    """From full to compact and back, with other expectations and other HELO names."""
    expect = ["fcrdns", "helo-syntax"]
    reference = PoolState(the_pool(expect), PoolCounters())
    plain = PoolState(the_pool(), PoolCounters())
    record(plain, before)
    reference.copy_from(plain)
    old = PoolState(the_pool(), PoolCounters(), DetailLimit(1) if was_compact else None)
    record(old, before)
    new = PoolState(the_pool(expect), PoolCounters(), DetailLimit(1) if is_compact else None)
    new.copy_from(old)

    assert facts(new)[0] == facts(reference)[0]
    assert record(new, after) == record(reference, after)
    assert facts(new) == facts(reference)


some_networks = st.sets(st.integers(0, 7), min_size=1).map(
    lambda places: tuple(f"198.51.100.{4 * place}/30" for place in sorted(places))
)


some_names = st.lists(
    st.sampled_from(["mta{octet4}.example.org", "mx{octet4}.example.org", "constant.example.org"]), unique=True
).map(lambda texts: tuple(map(HeloTemplate.parse, texts)))


def named(made, names):
    """The same pool, whose servers say these *names*."""
    return dataclasses.replace(made, source=AddressRanges([one._replace(helo=names) for one in made.source]))


@given(some_networks, some_networks, some_names, some_names, st.data())
def test_addresses_that_stay_are_carried_over_wherever_they_move(before, after, said_before, said_after, data):
    """Networks and HELO names come and go: what is counted, shown and kept of the others is as if told one by one."""
    taken = data.draw(
        st.lists(st.tuples(st.integers(0, 4 * len(before) - 1), st.sampled_from([RIGHT, BROKEN, SILENT])))
    )
    carried = []
    for limit in (None, 3):
        room = None if limit is None else DetailLimit(limit)
        old, new = (
            PoolState(named(pool(*networks), names), PoolCounters(), room)
            for networks, names in ((before, said_before), (after, said_after))
        )
        record(old, taken)
        new.copy_from(old)
        assert [*new.unsampled()] == [index for index in range(new.pool.size) if not new.is_sampled(index)]
        assert sum(new.revisions) or not any(new.sampled())
        carried.append(facts(new))

    assert carried[0] == carried[1]


@pytest.mark.parametrize("names", [(), ("mx{octet4}.example.org",)], ids=["alike", "with-other-names"])
def test_a_big_pool_is_carried_over_a_few_at_a_time(names):
    """No step takes more neighbours than it may, be they columns, so that the event loop has its turn between."""
    old = PoolState(pool("198.51.100.0/28"), PoolCounters(), DetailLimit(0))
    made = (
        named(old.pool, tuple(map(HeloTemplate.parse, names))) if names else pool("198.51.100.0/28", expect=["dnsbl"])
    )
    new = PoolState(made, PoolCounters(), DetailLimit(0))

    assert len([*new.copying(old)]) == -(-16 // 3)


def test_a_generation_is_made_in_steps_and_seen_as_a_whole():
    """Whoever looks meanwhile sees the old one, whole; what is recorded in pools that stay is not lost."""
    stays, grows = pool("198.51.100.0/29"), dataclasses.replace(pool("198.51.100.8/29"), name="grows")
    bigger = dataclasses.replace(pool(f"10.0.0.0/{32 - FULL_ADDRESSES.bit_length()}", "198.51.100.8/29"), name="grows")
    board = Board()
    board.publish([stays, grows])
    before = board.pools
    reference = PoolState(stays, PoolCounters())
    for place, _ in enumerate(board.publishing([stays, bigger])):
        assert board.pools is before
        for state in (before["test"], reference):
            record(state, [(place % 8, BROKEN)])

    assert board.pools["test"] is before["test"]
    assert (board.pools["grows"].pool, board.changed([stays, grows])) == (bigger, {"grows"})
    assert facts(before["test"])[0] == facts(reference)[0]


@given(samples, samples, st.booleans())
def test_what_is_recorded_while_a_pool_is_fitted_is_not_lost(before, after, is_compact):
    """From numbers to details and back, a sample between any two steps."""
    reference, fitted = (
        PoolState(the_pool(), PoolCounters(), DetailLimit(2) if is_compact else None) for _ in range(2)
    )
    record(reference, before)
    record(fitted, before)
    for step, _ in enumerate(fitted.fitting(None if is_compact else DetailLimit(2))):
        for state in (reference, fitted):
            record(state, after[step : step + 1])

    assert facts(fitted)[0] == facts(reference)[0]


def test_what_is_carried_over_keeps_its_words():
    """The evidence of a failing address moves with it, if there is room where it goes."""
    old = PoolState(pool("198.51.100.0/29"), PoolCounters(), DetailLimit(4))
    record(old, [(5, BROKEN), (6, BROKEN)])
    new = PoolState(pool("198.51.100.4/30"), PoolCounters(), DetailLimit(1))
    new.copy_from(old)

    assert [bool(state.evidence) for state in new.sampled()] == [True, False]


@given(samples, samples, st.lists(st.sampled_from([None, 0, 2]), max_size=4))
def test_a_pool_that_stays_can_be_fitted_into_less_room_and_into_more(before, after, limits):
    """What its neighbours on the board leave of the room changes with a reload, what is known does not."""
    full, fitted = PoolState(the_pool(), PoolCounters()), PoolState(the_pool(), PoolCounters())
    record(full, before)
    record(fitted, before)
    for limit in limits:
        for _ in fitted.fitting(None if limit is None else DetailLimit(limit)):
            pass

    assert record(fitted, after) == record(full, after)
    assert facts(fitted)[0] == facts(full)[0]
    assert facts(fitted)[2:] == facts(full)[2:]


def test_what_is_of_interest_is_kept_with_its_words():
    """A failing address has evidence and sentences while there is room; one that passes has neither."""
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(2))
    record(state, [(0, RIGHT), (1, BROKEN), (2, BROKEN), (3, BROKEN)])

    assert [bool(state[index].evidence) for index in range(4)] == [False, True, True, False]
    assert {one.sentence for one in state[3].latest.findings} == {"", DETAILS_NOT_KEPT}
    assert DETAILS_NOT_KEPT not in {one.sentence for one in state[2].latest.findings}

    record(state, [(1, RIGHT), (3, BROKEN)])
    assert [bool(state[index].evidence) for index in (1, 3)] == [False, True]


def test_nothing_is_predicted_from_evidence_that_is_not_kept():
    """Nothing asked and nothing changed are not the same."""
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
    record(state, [(0, RIGHT)])

    assert state[0].latest.receivers
    assert state[0].predicted() is None


def test_a_pass_for_want_of_anything_to_check_stays_one():
    """It is told by its sentence, of which only that there was one is kept."""
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
    judged, evidence = run_check(report(state[0].target), RIGHT)
    spoken = Finding(CheckName.SPF_HELO, Result.PASS, "mta0.example.org", sentence="Nothing is published.")
    state.record(0, judged._replace(findings=(*judged.findings, spoken)), evidence, 1.0)

    assert spf_passes(state[0].known[CheckName.SPF_HELO, "mta0.example.org"]) is None


def test_half_of_the_room_is_for_failing_addresses():
    """An outage leaves room for what fails when it is over."""
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(4))
    record(state, [(index, SILENT) for index in range(SIZE)])
    assert [bool(state[index].evidence) for index in range(SIZE)] == [True] * 2 + [False] * 6

    record(state, [(6, BROKEN), (7, BROKEN)])
    assert [bool(state[index].evidence) for index in range(SIZE)] == [True] * 2 + [False] * 4 + [True] * 2


def test_names_of_any_kind_come_back():
    """Escapes, the root, unconfirmed ones among confirmed ones."""
    names = sorted(map(DomainName, ["\\010.\\\\x.example", ".", "a.example", "!b.example", r"c\.d.example"]))
    state = PoolState(the_pool(), PoolCounters(), DetailLimit(0))
    asked = Question(state[0].target.address.reverse_name, "PTR")
    world = World({asked: frozenset(names)}).publish(["a.example A 198.51.100.0"])
    record(state, [(0, world), (7, RIGHT), (4, RIGHT)])

    assert state[0].iprev.ptr_names == tuple(names)
    assert state[0].iprev.confirmed_names == ("a.example",)


def test_the_board_keeps_small_pools_in_full_and_shares_room_among_the_others():
    """The smallest come first, and a pool that stays is fitted to what a reload leaves it."""
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


def test_a_swept_address_costs_24_bytes():
    """Columns and packed names of 50,000 addresses with names like those of big providers."""
    count = 50_000
    states = store.CompactStates([None] * count, DetailLimit(DETAILED_ADDRESSES))
    columns = (states._sampled, states._concluded, states._changed, states._numbers)
    octets = sum(column.itemsize * len(column) for column in columns) + count  # and its health

    assert octets == 17 * count
