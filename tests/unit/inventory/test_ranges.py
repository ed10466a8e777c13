"""Sets of addresses and sequences of indexes as ranges."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.config.templates import HeloTemplate
from exporter.inventory.ranges import AddressRange, AddressRanges, IndexRanges

HELOS = [(), *[(HeloTemplate.parse(name),) for name in ("a.example.com", "b.example.com", "x{ip_hex}.example.com")]]
OCTETS = {4: 4, 6: 16}
TOP = {4: 0, 6: (1 << 128) - 256}  # IPv6 at the very end of its space, where an off-by-one would overflow


@st.composite
def prefixes(draw: st.DrawFn) -> AddressRange:
    """A prefix in a space of 256 addresses, of either family."""
    family = draw(st.sampled_from([4, 6]))
    bits = draw(st.integers(0, 8))
    first = draw(st.integers(0, 255)) >> bits << bits
    return AddressRange(
        family, TOP[family] + first, TOP[family] + first + (1 << bits) - 1, draw(st.sampled_from(HELOS))
    )


def address(family: int, number: int) -> Address:
    """The address with this number."""
    return Address(number.to_bytes(OCTETS[family], "big"))


def by_hand(ranges: list[AddressRange]) -> dict[Address, tuple[HeloTemplate, ...]]:
    """Every address with its templates: the larger prefixes written first, so that the smaller ones overwrite them."""
    found = {}
    for one in sorted(ranges, key=lambda one: -one.size):
        found |= {address(one.family, number): one.helo for number in range(one.first, one.last + 1)}
    return dict(sorted(found.items(), key=lambda item: (item[0].family, item[0])))


@given(st.lists(prefixes(), max_size=12))
def test_ranges_hold_what_a_dictionary_of_addresses_holds(prefixes):
    """Order, size, names and membership are those of the addresses written out one by one."""
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
    """No two have an address in common, and no two neighbours could be one."""
    ranges = list(AddressRanges(prefixes))
    for before, after in pairwise(ranges):
        assert (before.family, before.last) < (after.family, after.first)
        assert (before.family, before.last + 1, before.helo) != (after.family, after.first, after.helo)


@given(st.lists(prefixes(), max_size=8), st.randoms())
def test_equality_is_by_content(prefixes, random):
    """The same addresses with the same names are equal, however they were given."""
    shuffled = sorted(prefixes, key=lambda one: one.size)  # keeps what decides between two alike
    ranges = AddressRanges(prefixes)
    assert AddressRanges(ranges) == ranges
    if len({one[:3] for one in prefixes}) == len(prefixes):
        random.shuffle(shuffled)
        assert AddressRanges(shuffled) == ranges
        assert hash(AddressRanges(shuffled)) == hash(ranges)


def test_the_later_of_two_alike_has_the_last_word():
    """So an entry of its own beats the network of one address that comes before it."""
    ranges = AddressRanges([AddressRange(4, 1, 1, HELOS[1]), AddressRange(4, 1, 1, HELOS[2])])
    assert list(ranges) == [AddressRange(4, 1, 1, HELOS[2])]


def test_ranges_that_overlap_in_part_are_refused():
    """Prefixes never do; whatever else feeds a pool must not either."""
    with pytest.raises(ValueError, match=r"0\.0\.0\.2 to 0\.0\.0\.5 overlaps 0\.0\.0\.1 to 0\.0\.0\.3 in part"):
        AddressRanges([AddressRange(4, 1, 3), AddressRange(4, 2, 5)])


@pytest.mark.parametrize("position", [-1, 2])
def test_there_is_no_position_outside(position):
    """Positions count from 0 to the size, and not backwards."""
    with pytest.raises(IndexError, match=f"position {position} of 2 addresses"):
        AddressRanges([AddressRange(4, 1, 2)]).at(position)


marks = st.lists(st.booleans(), max_size=60).map(bytes)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)).map(lambda ends: range(*ends)), max_size=6))
def test_ranges_one_after_the_other(ranges):
    """Each place has the number that a list of all of them would have there."""
    spans = IndexRanges(ranges)
    numbers = [number for one in ranges for number in one]

    assert ([*spans], len(spans)) == (numbers, len(numbers))
    assert [spans[place] for place in range(len(spans))] == numbers
    assert spans[1:5] == numbers[1:5]
    with pytest.raises(IndexError):
        spans[len(numbers)]


@given(marks)
def test_what_is_marked(marked):
    """The marked places, in their order: each once."""
    assert [*IndexRanges.where(marked)] == [place for place, mark in enumerate(marked) if mark]
