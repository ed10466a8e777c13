"""Which addresses of a big pool a round samples: all of them in time, none twice before, and none preferred."""

import ipaddress
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.inventory.draws import SEARCH, Draws, Plan, chance, mixed, permuted, unpermuted
from exporter.inventory.prefixes import Prefixes
from exporter.inventory.ranges import AddressRange, AddressRanges


def ranges(*networks: str) -> AddressRanges:
    """The addresses of these networks."""
    read = map(ipaddress.ip_network, networks)
    return AddressRanges(AddressRange(one.version, int(one[0]), int(one[-1])) for one in read)


def prefixes(source: AddressRanges, ipv4: int = 24, ipv6: int = 64) -> Prefixes:
    return Prefixes(source, {4: ipv4, 6: ipv6})


@given(size=st.integers(1, 700), key=st.integers(0, 2**64 - 1))
def test_a_permutation_has_each_number_once(size, key):
    """This is so for every size and key; and `unpermuted` is its reverse."""
    order = [permuted(index, size, key) for index in range(size)]
    assert sorted(order) == list(range(size))
    assert [unpermuted(value, size, key) for value in order] == list(range(size))


def test_keys_make_different_orders():
    """Two exporters use different orders, and an order is not just another one shifted."""
    orders = {tuple(permuted(index, 256, key) for index in range(256)) for key in range(50)}
    steps = {(order[1] - order[0]) % 256 for order in orders}
    assert len(orders) == 50
    assert len(steps) > 30


addresses = st.lists(st.integers(0, 2**12 - 1), min_size=1, max_size=120, unique=True)


@given(numbers=addresses, length=st.integers(22, 32))
def test_prefixes_are_consecutive_addresses(numbers, length):
    """Each address is in exactly one prefix, and `text` names it."""
    base = int(ipaddress.ip_address("10.0.0.0"))
    source = AddressRanges(AddressRange(4, base + one, base + one) for one in numbers)
    made = prefixes(source, length)
    runs = list(made)

    assert [start for start, _ in runs] == [0, *[end for _, end in runs[:-1]]]
    assert runs[-1][1] == source.size
    assert len({made.number(start) for start, _ in runs}) == len(runs) == len(made)
    assert made.depth == max(end - start for start, end in runs)
    for number, (start, end) in enumerate(runs):
        for position in range(start, end):
            address, _ = source.at(position)
            assert ipaddress.ip_address(str(address)) in ipaddress.ip_network(made.text(position))
            assert made.text(position) == made.text(start)
            assert made.of(position) == made[number] == (start, end)


@given(numbers=addresses, per_prefix=st.integers(1, 5), key=st.integers(0, 2**63), first=st.integers(0, 1000))
def test_each_address_comes_once_before_one_comes_again(numbers, per_prefix, key, first):
    """As many rounds as the fullest prefix needs draw every address of the pool."""
    source = AddressRanges(AddressRange(4, one, one) for one in numbers)
    made = prefixes(source)
    plan = Plan(per_prefix, 24, 64, made.depth)
    numbers = range(first, first + -(-made.depth // per_prefix))
    rounds = [Draws(made, plan, key, number) for number in numbers]
    drawn = [[one.at(draw)[0] for draw in range(one.drawn)] for one in rounds]

    assert {position for indexes in drawn for position in indexes} == set(range(source.size))
    for position in range(source.size):
        assert rounds[0].rounds_until(position) == next(n for n, indexes in enumerate(drawn) if position in indexes)
    for indexes in drawn:
        assert len(indexes) == len(set(indexes)) == sum(min(per_prefix, end - start) for start, end in made)


@pytest.mark.slow
def test_every_address_counts_equally_often_however_small_its_prefix():
    """An address alone in its prefix is drawn in every round, but counts as often as one of 256."""
    source = ranges("192.0.2.0/24", "198.51.100.0/30", "203.0.113.7/32", "203.0.114.0/25")
    made = prefixes(source)
    plan = Plan(1, 24, 64, made.depth)
    counted: Counter[int] = Counter()
    rounds = 256 * 40
    for number in range(rounds):
        draws = Draws(made, plan, 7, number)
        counted.update(position for position, counts in map(draws.at, range(draws.drawn)) if counts)

    expected = rounds / 256
    for start, end in made:
        mean = sum(counted[position] for position in range(start, end)) / (end - start)
        assert 0.6 * expected < mean < 1.4 * expected


def test_a_search_looks_at_eight_more_that_the_round_does_not_draw():
    """After a failure the next addresses of its prefix are sampled at once, and do not count for the estimate."""
    made = prefixes(ranges("192.0.2.0/24", "198.51.100.0/29"))
    draws = Draws(made, Plan(2, 24, 64, 256), 5, 3)
    for chosen in (0, 2):
        position, _ = draws.at(chosen)
        start, end = draws.prefix_of(position)
        own = {draws.at(one)[0] for one in (chosen, chosen + 1)}
        found = [draws.at(one) for one in draws.search(position)]
        assert len({one for one, _ in found} - own) == min(SEARCH, end - start - 2) == len(found)
        assert all(start <= one < end and not counts for one, counts in found)


@given(numbers=addresses, at=st.integers(0, 2**12), family=st.sampled_from([4, 6]))
def test_the_next_position_is_that_of_the_first_address_from_there(numbers, at, family):
    """A round continues there if its next address has left the pool."""
    source = AddressRanges(AddressRange(family, one, one) for one in numbers)
    packed = at.to_bytes(4 if family == 4 else 16, "big")
    assert source.next_position(Address(packed)) == sum(one < at for one in numbers)
    both = AddressRanges([AddressRange(4, 5, 9), AddressRange(6, 5, 9)])
    assert both.next_position(Address(bytes((0, 0, 0, 20)))) == 5
    assert both.next_position(Address(bytes(16))) == 5
    assert both.next_position(Address(bytes((0, 0, 0, 0)))) == 0
    assert both.next_position(Address(bytes(15) + b"\x14")) == 10


def test_an_empty_pool_has_no_prefixes():
    """This is a pool without an expansion yet, or without addresses of this shard."""
    made = prefixes(AddressRanges(()))
    assert (list(made), len(made), made.depth) == ([], 0, 0)
    assert len(Draws(made, Plan(1, 24, 64, 0), 1, 0)) == 0


NUMBERS = st.integers(min_value=0, max_value=2**128 - 1)


def test_an_order_is_the_same_in_every_release():
    """The progress of a rotation is stored: after a change of the order, some addresses would be left out."""
    assert [permuted(index, 10, 7) for index in range(10)] == [1, 7, 4, 2, 6, 0, 3, 5, 8, 9]
    assert [permuted(index, 7, 2**70) for index in range(7)] == [6, 5, 4, 2, 1, 3, 0]
    assert mixed(1, 2, 3) == 431043667342955391
    assert (mixed(0), mixed(2**64), mixed(2**70)) == (15041319014400591657, 14335451749947300952, 9043895928113191086)


@given(st.lists(NUMBERS, min_size=1, max_size=3), st.data())
def test_every_bit_matters(numbers, data):
    """Changing one bit of one number changes the result, which has 64 bits."""
    chosen = data.draw(st.integers(0, len(numbers) - 1))
    bit = data.draw(st.integers(0, max(0, numbers[chosen].bit_length() - 2)))  # the highest one says how many there are
    others = [number ^ (1 << bit if at == chosen and number > 1 else 0) for at, number in enumerate(numbers)]

    assert (mixed(*numbers) == mixed(*others)) is (numbers == others)
    assert 0 <= mixed(*numbers) < 2**64


@given(st.lists(NUMBERS, min_size=1, max_size=3))
def test_a_chance_is_below_one(numbers):
    """It is from 0 to below 1."""
    assert 0 <= chance(*numbers) < 1


def test_chances_are_uniform():
    """Of 4,000 keys each tenth has 400, give or take five standard deviations."""
    tenths = [int(10 * chance(key, 1)) for key in range(4_000)]

    assert all(305 < tenths.count(tenth) < 495 for tenth in range(10))
