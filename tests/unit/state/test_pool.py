"""The state of a pool, and its worst prefixes."""

from collections import Counter
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.checks.result import CheckName, Result
from exporter.inventory.draws import Plan
from exporter.state.address import health
from exporter.state.counters import PoolCounters
from exporter.state.pool import (
    FAILING,
    HEALTHY,
    MAX_PREFIXES,
    NOT_SAMPLED,
    UNKNOWN,
    UNSAMPLED,
    PoolState,
    WorstPrefixes,
)
from tests.examples import examples
from tests.factories import World
from tests.unit.web.pools import BROKEN, RIGHT, SILENT, pool

CODES = {None: UNKNOWN, True: HEALTHY, False: FAILING}


def code(address, expect):
    """What `PoolState.healths` has for an address."""
    return UNSAMPLED if address.latest is None else CODES[health(address, expect)]


samples = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([RIGHT, BROKEN, SILENT])), max_size=12)


def record(state: PoolState, index: int, world: World, at: float = 1.0) -> None:
    """Record one sample."""
    state.record(index, *run_check(report(state[index].target), world), at)


@given(samples)
def test_healths_are_the_health_of_each_address(taken):
    """Each byte is the code of what `health` returns for the address, or that it was never sampled."""
    state = PoolState(pool("198.51.100.0/30"), PoolCounters())
    for index, world in taken:
        record(state, index, world)

    expect = state.pool.expect
    assert list(state.healths) == [code(state[index], expect) for index in range(4)]
    counts = state.results()
    sampled = {index for index, _ in taken}
    assert counts[CheckName.FCRDNS, NOT_SAMPLED] == 4 - len(sampled)
    assert counts[CheckName.FCRDNS, Result.UNKNOWN] == sum(
        state[index].latest.iprev.verdict == "temperror" for index in sampled
    )


@given(samples)
def test_an_outage_changes_no_share(taken):
    """Each address counts by its last conclusive results, whatever was unanswered since; a reload keeps the counts."""
    state = PoolState(pool("198.51.100.0/30"), PoolCounters())
    state.counters.rounds = 1
    known = {}
    for index, world in taken:
        record(state, index, world)
        if world is not SILENT:
            known[index] = world
    reloaded = PoolState(state.pool, state.counters)
    for _ in reloaded.copying(state):
        pass

    expected = (len(known), sum(world is BROKEN for world in known.values()))
    assert state.sample_sums()[CheckName.FCRDNS] == reloaded.sample_sums()[CheckName.FCRDNS] == expected


@given(samples)
def test_a_reload_judges_health_by_the_new_expectations(taken):
    """What is copied from the old pool counts by what the new pool expects."""
    old = PoolState(pool("198.51.100.0/30"), PoolCounters())
    for index, world in taken:
        record(old, index, world)

    new = PoolState(pool("198.51.100.0/29", expect=["helo-syntax"]), PoolCounters())
    for _ in new.copying(old):
        pass

    expect = new.pool.expect
    assert list(new.healths) == [code(new[index], expect) for index in range(8)]


SOURCE = pool("198.51.100.0/29", "198.51.101.0/30", "203.0.113.64/31", "2001:db8::/126", "2001:db8:0:1::/127")


def state_of(made):
    """A pool without samples."""
    return PoolState(made, PoolCounters())


@examples(40)
@given(st.lists(st.sampled_from([UNKNOWN, HEALTHY, FAILING]), min_size=SOURCE.size, max_size=SOURCE.size))
def test_every_failing_address_is_in_its_prefix(healths):
    """The worst comes first, then the order of addresses. Without random sampling all addresses count as sampled."""
    state = state_of(SOURCE)
    state.healths[:] = bytes(healths)
    sizes, failing = Counter(), Counter()
    for target, code in zip(SOURCE.targets, healths, strict=True):
        length = 24 if target.address.family == 4 else 64
        text = str(ip_network(f"{target.address}/{length}", strict=False))
        sizes[text] += 1
        failing[text] += code == FAILING

    order = list(sizes)
    expected = [(text, failing[text], sizes[text]) for text in sizes if failing[text]]
    assert list(WorstPrefixes(state)()) == sorted(expected, key=lambda one: (-one[1], order.index(one[0])))


def test_with_random_sampling_only_sampled_addresses_count():
    """Of three sampled addresses of a /24, two fail."""
    state = state_of(pool("198.51.100.0/24").sampled(Plan(1, 24, 64, 256)))
    for index, world in ((3, BROKEN), (9, RIGHT), (200, BROKEN)):
        record(state, index, world)

    assert WorstPrefixes(state)() == (("198.51.100.0/24", 2, 3),)


def test_prefixes_follow_the_healths():
    """The result is the same object until something changes."""
    state = state_of(pool("198.51.100.0/31"))
    worst = WorstPrefixes(state)
    assert worst() == ()
    record(state, 0, BROKEN)
    one = worst()
    record(state, 1, BROKEN)
    two = worst()

    assert (one, two) == ((("198.51.100.0/24", 1, 2),), (("198.51.100.0/24", 2, 2),))
    assert worst() is two
    assert worst.state is state


@pytest.mark.parametrize("count", [MAX_PREFIXES - 1, MAX_PREFIXES, MAX_PREFIXES + 1])
def test_the_number_of_prefixes_is_limited(count):
    """If there are more, the last ones in order are left out."""
    state = state_of(pool(*[f"10.0.{third}.7/32" for third in range(count)]))
    state.healths[:] = bytes([FAILING]) * count

    assert [one.text for one in WorstPrefixes(state)()] == [f"10.0.{third}.0/24" for third in range(min(count, 50))]
