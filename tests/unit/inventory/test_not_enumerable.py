"""Random addresses of IPv6 ranges: inside of the ranges, none twice, and divided between shards."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.spf.compiled import size, union
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.inventory.not_enumerable import NotEnumerable, split_into_networks
from exporter.inventory.notices import described
from exporter.inventory.shard import Shard

keys = st.integers(0, 2**63 - 1)


@st.composite
def big_ranges(draw):
    """IPv6 ranges without overlap, of one address to 2^128."""
    sizes = st.integers(0, 128).flatmap(lambda bits: st.integers(1, 2**bits))
    starts = st.integers(0, 2**128 - 1)
    made = [
        (start, min(start + size, 2**128) - 1)
        for start, size in draw(st.lists(st.tuples(starts, sizes), min_size=1, max_size=5))
    ]
    return union(made)


def number(address):
    return int.from_bytes(address.packed, "big")


@given(ranges=big_ranges(), per_round=st.integers(1, 20), key=keys, round_number=st.integers(0, 10**9))
def test_a_round_draws_from_inside_the_ranges_and_the_same_for_the_same_key(ranges, per_round, key, round_number):
    """This is so for all ranges, from one address to all of IPv6."""
    not_enumerable = NotEnumerable(ranges, per_round)
    drawn = list(not_enumerable.draw(key, round_number))
    assert len(drawn) == per_round == not_enumerable.drawn
    assert all(address in not_enumerable for address in drawn)
    assert drawn == list(NotEnumerable(ranges, per_round).draw(key, round_number))


@given(
    bits=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    per_round=st.integers(1, 9),
    key=keys,
    first=st.integers(0, 500),
)
def test_no_address_comes_twice_before_all_have_come_once(bits, per_round, key, first):
    """Each range gets as many draws as any other, whatever its size."""
    ranges = tuple([(index << 64, (index << 64) + 2**one - 1) for index, one in enumerate(bits)])
    not_enumerable = NotEnumerable(ranges, per_round)
    rounds = -(-len(ranges) * 2 ** max(bits) // per_round) + 1
    drawn = [
        number(each) for round_number in range(first, first + rounds) for each in not_enumerable.draw(key, round_number)
    ]
    for low, high in ranges:
        mine = [one for one in drawn if low <= one <= high]
        size = high - low + 1
        assert abs(len(mine) - len(drawn) / len(ranges)) <= 1
        assert all(len(set(mine[at : at + size])) == size for at in range(0, len(mine) - size + 1, size))
        assert set(mine) == set(range(low, high + 1))


def test_the_draws_of_a_day_are_all_over_the_range():
    """Each sixteenth of a /32 gets its share, and so does each half of a /64."""
    base = number(Address.parse("2001:db8::"))
    drawn = [
        number(each)
        for round_number in range(288)
        for each in NotEnumerable(((base, base + 2**96 - 1),), 8).draw(7, round_number)
    ]
    assert len(set(drawn)) == 288 * 8
    counts = [sum((one - base) >> 92 == index for one in drawn) for index in range(16)]
    assert min(counts) > 100  # of 144, give or take four deviations
    assert max(counts) < 190
    assert 1000 < sum(one >> 63 & 1 for one in drawn) < 1300


@given(ranges=big_ranges(), key=keys, round_number=st.integers(0, 10**6), count=st.integers(2, 6))
def test_shards_share_the_draws(ranges, key, round_number, count):
    """With one key, each draw belongs to the one shard that owns its address."""
    whole = list(NotEnumerable(ranges, 12).draw(key, round_number))
    shares = [list(NotEnumerable(ranges, 12, Shard(index, count)).draw(key, round_number)) for index in range(count)]
    assert sorted(each for share in shares for each in share) == sorted(whole)


@given(ranges=big_ranges())
def test_ranges_are_split_into_networks(ranges):
    """The addresses stay the same. A range with holes is not split."""
    made = split_into_networks(ranges)
    assert union(made) == ranges
    assert size(made) == size(ranges)
    assert len(made) <= 8 * len(ranges)


def test_a_small_network_beside_a_big_one_has_draws_of_its_own():
    """An SPF record's /48 and the /64 after it are adjacent, but two networks."""
    one, two = number(Address.parse("2001:db8:1::")), number(Address.parse("2001:db8:2::"))
    made = split_into_networks([(one, two - 1), (two, two + 2**64 - 1)])
    assert NotEnumerable(made).texts == ("2001:db8:1::/48", "2001:db8:2::/64")
    assert NotEnumerable(split_into_networks([(one + 1, two + 2**70)])).texts == ("2001:db8:1::1 to 2001:db8:2:40::",)


def test_no_draws_without_ranges_or_with_zero_samples():
    """An ordinary pool has no ranges, and 0 rounds the draws off."""
    assert NotEnumerable((), 8).drawn == 0
    assert list(NotEnumerable((), 8).draw(1, 2)) == []
    assert list(NotEnumerable(((0, 2**64),), 0).draw(1, 2)) == []
    assert Address.parse("192.0.2.1") not in NotEnumerable(((0, 2**128 - 1),), 8)


TEXT = """
pools:
- name: a
  unlisted_samples: 3
  addresses: [{network: "2001:db8::/32"}, {network: "2001:db9::/64"}, {network: "2001:db8::/120", helo: x.example.com}]
- {name: b, addresses: [{network: 192.0.2.0/24}]}
"""


def test_a_network_that_is_too_big_to_enumerate_belongs_to_its_pool():
    """Entries inside of it are sampled one by one, with their HELO names, and `check-config` has a warning."""
    configuration = parse(TEXT, "m.yml")
    a, b = build(configuration)
    assert (a.size, b.size) == (256, 256)
    assert a.not_enumerable.texts == ("2001:db8::/32", "2001:db9::/64")
    assert a.contains(Address.parse("2001:db8:ffff::1"))
    assert not a.contains(Address.parse("2001:dba::"))
    assert not b.not_enumerable.ranges
    (notice,) = described(configuration)[0]
    assert notice == (
        "a has too many addresses in 2001:db8::/32 and 2001:db9::/64 to look up all: only those with an entry of their "
        "own, here or in a file, are watched, and a round samples 3 other addresses at random"
    )
