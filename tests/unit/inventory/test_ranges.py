"""Sets of addresses and sequences of indexes as ranges."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.config.templates import HeloTemplate
from exporter.inventory.ranges import AddressRange, AddressRanges, IndexRanges

HELOS = [(), *[(HeloTemplate.parse(name),) for name in ("a.example.com", "b.example.com", "x{ip_hex}.example.com")]]
BYTES = {4: 4, 6: 16}
TOP = {4: 0, 6: (1 << 128) - 256}  # IPv6 at the very end of its space, where an off-by-one would overflow


@st.composite
def prefixes(draw: st.DrawFn) -> AddressRange:
    """A prefix among 256 addresses of either IP version."""
    family = draw(st.sampled_from([4, 6]))
    bits = draw(st.integers(0, 8))
    first = draw(st.integers(0, 255)) >> bits << bits
    return AddressRange(
        family, TOP[family] + first, TOP[family] + first + (1 << bits) - 1, draw(st.sampled_from(HELOS))
    )


def address(family: int, number: int) -> Address:
    """The address with this number."""
    return Address(number.to_bytes(BYTES[family], "big"))


def by_hand(ranges: list[AddressRange]) -> dict[Address, tuple[HeloTemplate, ...]]:
    """Every address with its templates. Larger prefixes come first, so that smaller ones overwrite them."""
    found = {}
    for one in sorted(ranges, key=lambda one: -one.size):
        found |= {address(one.family, number): one.helo for number in range(one.first, one.last + 1)}
    return dict(sorted(found.items(), key=lambda item: (item[0].family, item[0])))


@given(st.lists(prefixes(), max_size=12))
def test_ranges_equal_a_dictionary_of_addresses(prefixes):
    """Order, size, names and membership are those of the single addresses."""
    ranges, expected = AddressRanges(prefixes), by_hand(prefixes)
    assert [ranges.at(position) for position in range(ranges.size)] == list(expected.items())
    for family in (4, 6):
        for number in range(TOP[family], TOP[family] + 256):
            one = address(family, number)
            found = ranges.find(one)
            assert (one in ranges) == (one in expected)
            assert (found.helo if found else None) == expected.get(one)
    for position, one in enumerate(expected):
        assert ranges.position(one) == position


@given(st.lists(prefixes(), max_size=12))
def test_ranges_are_sorted_disjoint_and_as_few_as_possible(prefixes):
    """No two ranges overlap or could be joined."""
    ranges = list(AddressRanges(prefixes))
    for before, after in pairwise(ranges):
        assert (before.family, before.last) < (after.family, after.first)
        assert (before.family, before.last + 1, before.helo) != (after.family, after.first, after.helo)


@given(st.lists(prefixes(), max_size=8), st.randoms())
def test_equality_is_by_content(prefixes, random):
    """The same addresses with the same names are equal, whatever the order was."""
    shuffled = sorted(prefixes, key=lambda one: one.size)  # keeps what decides between two alike
    ranges = AddressRanges(prefixes)
    assert AddressRanges(ranges) == ranges
    if len({one[:3] for one in prefixes}) == len(prefixes):
        random.shuffle(shuffled)
        assert AddressRanges(shuffled) == ranges
        assert hash(AddressRanges(shuffled)) == hash(ranges)


def test_the_later_of_two_equal_ranges_counts():
    """An entry of one address overrides an earlier network of one address."""
    ranges = AddressRanges([AddressRange(4, 1, 1, HELOS[1]), AddressRange(4, 1, 1, HELOS[2])])
    assert list(ranges) == [AddressRange(4, 1, 1, HELOS[2])]


def test_ranges_that_overlap_in_part_are_refused():
    """Prefixes never do so, and other ranges must not."""
    with pytest.raises(ValueError, match=r"0\.0\.0\.2 to 0\.0\.0\.5 overlaps 0\.0\.0\.1 to 0\.0\.0\.3 in part"):
        AddressRanges([AddressRange(4, 1, 3), AddressRange(4, 2, 5)])


@pytest.mark.parametrize("position", [-1, 2])
def test_there_is_no_position_outside(position):
    """Positions are from 0 to below the size, and not negative."""
    with pytest.raises(IndexError, match=f"position {position} of 2 addresses"):
        AddressRanges([AddressRange(4, 1, 2)]).at(position)


flags = st.lists(st.booleans(), max_size=60).map(bytes)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)).map(lambda ends: range(*ends)), max_size=6))
def test_ranges_one_after_the_other(ranges):
    """The sequence equals a list of all numbers."""
    indexes = IndexRanges(ranges)
    numbers = [number for one in ranges for number in one]

    assert ([*indexes], len(indexes)) == (numbers, len(numbers))
    assert [indexes[index] for index in range(len(indexes))] == numbers
    assert indexes[1:5] == numbers[1:5]
    with pytest.raises(IndexError):
        indexes[len(numbers)]


@given(flags)
def test_where_flags_are_set(flags):
    """The indexes of all bytes that are 1, in order."""
    assert [*IndexRanges.where(flags)] == [index for index, flag in enumerate(flags) if flag]
