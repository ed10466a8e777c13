"""The worst prefixes of a pool, against counting every address by hand."""

from collections import Counter
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.inventory.draws import Plan
from exporter.state.counters import PoolCounters
from exporter.state.pool import FAILING, HEALTHY, MAX_PREFIXES, UNKNOWN, PoolState, WorstPrefixes
from tests.examples import examples
from tests.unit.state.test_pool import record
from tests.unit.web.pools import BROKEN, RIGHT, pool

SOURCE = pool("198.51.100.0/29", "198.51.101.0/30", "203.0.113.64/31", "2001:db8::/126", "2001:db8:0:1::/127")


def state_of(made):
    """A pool of which nothing is known."""
    return PoolState(made, PoolCounters())


@examples(40)
@given(st.lists(st.sampled_from([UNKNOWN, HEALTHY, FAILING]), min_size=SOURCE.size, max_size=SOURCE.size))
def test_every_failing_address_is_in_its_prefix(healths):
    """The worst first, then in the order of addresses; a swept prefix is told with all that the pool has of it."""
    state = state_of(SOURCE)
    state.healths[:] = bytes(healths)
    sizes, failing = Counter(), Counter()
    for target, health in zip(SOURCE.targets, healths, strict=True):
        length = 24 if target.address.family == 4 else 64
        text = str(ip_network(f"{target.address}/{length}", strict=False))
        sizes[text] += 1
        failing[text] += health == FAILING

    order = list(sizes)
    expected = [(text, failing[text], sizes[text]) for text in sizes if failing[text]]
    assert list(WorstPrefixes(state)()) == sorted(expected, key=lambda one: (-one[1], order.index(one[0])))


def test_of_a_drawn_pool_only_what_was_sampled_counts():
    """Three of a /24 were sampled: two of them failing are two of three."""
    state = state_of(pool("198.51.100.0/24").sampled(Plan(1, 24, 64, 256)))
    for index, world in ((3, BROKEN), (9, RIGHT), (200, BROKEN)):
        record(state, index, world)

    assert WorstPrefixes(state)() == (("198.51.100.0/24", 2, 3),)


def test_what_is_found_follows_the_healths():
    """It is the same object for as long as nothing changed, and another one when something did."""
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
def test_at_most_fifty_are_told(count):
    """Of more prefixes the last ones in order are left out."""
    state = state_of(pool(*[f"10.0.{third}.7/32" for third in range(count)]))
    state.healths[:] = bytes([FAILING]) * count

    assert [one.text for one in WorstPrefixes(state)()] == [f"10.0.{third}.0/24" for third in range(min(count, 50))]
