"""Shards together watch everything, and nothing twice."""

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.inventory.pool import MAX_HELO_NAMES
from exporter.inventory.ranges import AddressRange, AddressRanges
from exporter.inventory.shard import MAX_SHARDS, Shard
from tests.unit.config.strategies import documents

MICROSOFT = ["40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/15", "52.102.0.0/16", "52.103.0.0/17", "104.47.0.0/17"]


def ranges(*networks: str) -> AddressRanges:
    """The addresses of these networks."""
    read = map(ipaddress.ip_network, networks)
    return AddressRanges(AddressRange(one.version, int(one[0]), int(one[-1])) for one in read)


def addresses(source: AddressRanges) -> list[Address]:
    return [source.at(position)[0] for position in range(source.size)]


@given(text=documents(), count=st.integers(1, 7))
def test_every_address_and_name_is_in_exactly_one_shard(text, count):
    """For every configuration and number of shards, all shards together have what one shard alone has."""
    configuration = parse(text, "m.yml")
    alone = build(configuration)
    shards = [build(configuration, Shard(index, count)) for index in range(count)]

    for index, pool in enumerate(alone):
        shares = [pools[index] for pools in shards]
        assert sum(share.size for share in shares) == pool.size
        if pool.size < 5_000:
            known = [target for share in shares for target in share.targets]
            assert sorted(known, key=lambda target: target.address) == sorted(
                pool.targets, key=lambda target: target.address
            )
        if len(pool.helo_names) < MAX_HELO_NAMES:
            names = [helo.text for share in shares for helo in share.helo_names]
            assert sorted(names) == sorted(helo.text for helo in pool.helo_names)


@given(name=st.from_regex(r"[a-zA-Z0-9.-]{0,20}[a-z]", fullmatch=True), count=st.integers(1, 50))
def test_every_domain_has_one_owner(name, count):
    """One shard watches a name, however it is written."""
    owners = [index for index in range(count) if Shard(index, count).owns_name(name)]
    assert len(owners) == 1
    assert Shard(owners[0], count).owns_name(f"{name}.")
    assert Shard(owners[0], count).owns_name(name.upper())
    assert Shard(owners[0], count).owns_name(name.lower())


@pytest.mark.parametrize(
    ("count", "of_addresses", "of_names"),
    [
        (1, [0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0]),
        (2, [1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 1]),
        (5, [2, 2, 3, 3, 0, 0, 0], [2, 2, 4, 4]),
        (MAX_SHARDS, [413, 413, 415, 481, 37, 37, 51], [209, 209, 423, 894]),
    ],
)
def test_who_owns_what_is_the_same_in_every_release(count, of_addresses, of_names):
    """Old and new releases must agree while shards are upgraded one by one. A /24 or a /64 has one owner."""
    ips = ["192.0.2.1", "192.0.2.255", "192.0.3.0", "10.0.0.1", "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::"]
    names = ["example.org", "Example.ORG.", "mail.example.org", "x"]

    for ip, owner in zip(ips, of_addresses, strict=True):
        assert Shard(owner, count).owns(Address.parse(ip))
    for name, owner in zip(names, of_names, strict=True):
        assert Shard(owner, count).owns_name(name)


@given(
    packed=st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)), count=st.integers(1, 9)
)
def test_the_owner_of_an_address_has_it_in_its_part(packed, count):
    """`owns` agrees with `part`."""
    address = Address(packed)
    number = int.from_bytes(packed, "big")
    source = AddressRanges([AddressRange(address.family, number, number)])
    for index in range(count):
        shard = Shard(index, count)
        assert shard.owns(address) is (address in shard.part(source))


def test_one_shard_more_takes_its_share_and_moves_nothing_else():
    """From four to five shards, about a fifth of the addresses change their owner, all to the fifth shard."""
    source = ranges("10.0.0.0/14")
    before = [Shard(index, 4).part(source) for index in range(4)]
    after = [Shard(index, 5).part(source) for index in range(5)]

    for old, new in zip(before, after[:4], strict=True):
        assert all(one.first in range(known.first, known.last + 1) for one in new for known in [_range_of(old, one)])
    assert 0.17 < after[4].size / source.size < 0.23


def _range_of(source: AddressRanges, one: AddressRange) -> AddressRange:
    found = source.find(Address(one.first.to_bytes(4, "big")))
    assert found is not None
    return found


def test_shards_have_about_the_same_size():
    """Each shard of Microsoft's pool has its share, give or take an eighth."""
    source = ranges(*MICROSOFT)
    sizes = [Shard(index, 5).part(source).size for index in range(5)]
    assert sum(sizes) == source.size == 458_752
    assert all(0.875 < size / (source.size / 5) < 1.125 for size in sizes)


def test_a_block_stays_together():
    """One shard has all results of a prefix."""
    source = ranges("192.0.2.0/24", "2001:db8::/112")
    shares = [Shard(index, 3).part(source).size for index in range(3)]
    assert sorted(shares) in ([0, 256, 65_536], [0, 0, 65_792])


def test_cutting_half_a_million_addresses_is_cheap():
    """The cost depends on the number of blocks, not of addresses."""
    began = time.process_time()
    part = Shard(3, 10).part(ranges(*MICROSOFT))
    assert time.process_time() - began < 1
    assert len(part) < 1_792


def test_a_pool_knows_the_addresses_of_other_shards_as_its_own():
    """A HELO name that resolves to an address of another shard is inside of the pool."""
    configuration = parse("pools: [{name: a, addresses: [{network: 10.0.0.0/16}]}]", "m.yml")
    (pool,) = build(configuration, Shard(0, 2))
    foreign = next(one for one in addresses(ranges("10.0.0.0/16")) if not Shard(0, 2).owns(one))
    assert pool.contains(foreign)
    assert pool.index(foreign) is None


@pytest.mark.parametrize(
    ("index", "count", "message"),
    [
        (3, 3, "shard 3 of 3 does not exist: the index is from 0 to 2"),
        (-1, 3, "shard -1 of 3 does not exist: the index is from 0 to 2"),
        (0, 0, f"there are 0 shards: it has to be from 1 to {MAX_SHARDS}"),
        (0, MAX_SHARDS + 1, f"there are {MAX_SHARDS + 1} shards: it has to be from 1 to {MAX_SHARDS}"),
    ],
)
def test_a_shard_that_does_not_exist_is_refused(index, count, message):
    """Such an exporter would watch nothing, or what another one watches, so it does not start."""
    with pytest.raises(ValueError, match=message):
        Shard(index, count)
