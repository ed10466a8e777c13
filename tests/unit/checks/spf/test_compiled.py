"""Sets of addresses as ranges: what is taken is gone, and nothing is lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import Remaining, compare_with_pools, difference, size, union
from tests.factories import World

ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted).map(tuple), max_size=12)


def numbers(some):
    """Every number in ranges."""
    return {number for low, high in some for number in range(low, high + 1)}


@given(ranges, ranges)
def test_ranges_are_sets(first, second):
    """Union, difference and size are those of the numbers, in as few ranges as can be."""
    merged = union(first)

    assert numbers(merged) == numbers(first)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(merged))
    assert size(merged) == len(numbers(first))
    assert numbers(difference(first, second)) == numbers(first) - numbers(second)


@given(ranges, ranges)
def test_what_is_taken_is_gone(known, takes):
    """Each take returns what was there, and the rest is what comes at the end."""
    remaining, left = Remaining(known), numbers(known)
    for low, high in takes:
        assert numbers(remaining.take(low, high)) == left & numbers([(low, high)])
        left -= numbers([(low, high)])
    assert bool(remaining) == bool(left)
    assert numbers(remaining.take_all()) == left
    assert not remaining


def test_two_lists_side_by_side():
    """Who is authorised without being in a pool, in a pool without being authorised, or has to be evaluated."""
    zone = "example.org TXT v=spf1 ip4:192.0.2.0/29 -ip4:192.0.2.128/25 exists:%{i}.example.org -all"
    compiled, _ = run_check(compile_spf("example.org"), World.parse(zone))
    at = 192 << 24 | 2 << 8
    found = compare_with_pools(compiled, 4, [(at, at + 3), (at + 100, at + 131)])

    assert found.unused == ((at + 4, at + 7),)
    assert found.unauthorised == ((at + 128, at + 131),)
    assert found.open == ((at + 100, at + 127),)
    assert found.sizes == (4, 4, 28)
