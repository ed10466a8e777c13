"""Each address is in one pool, wherever it is named, and none is lost."""

import ipaddress

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config.load import parse
from exporter.inventory.ranges import AddressRange, AddressRanges
from exporter.inventory.shard import Shard
from exporter.inventory.sources import LoadedAddresses, Origin, merge

CONFIGURATION = parse(
    "pools: [{name: a, addresses: [{ip: 10.0.0.7, helo: seven.example.com}]}, {name: b, spf: example.com}, "
    "{name: c, addresses_file: c.yml, spf: example.net}]",
    "m.yml",
)
BASE = int(ipaddress.ip_address("10.0.0.0"))


def ranges(*pairs: tuple[int, int]) -> AddressRanges:
    return AddressRanges(AddressRange(4, BASE + low, BASE + high) for low, high in pairs)


def known(source: AddressRanges) -> set[int]:
    return {number - BASE for one in source for number in range(one.first, one.last + 1)}


disjoint = st.lists(st.integers(0, 60), unique=True, max_size=10).map(
    lambda ends: list(zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False))
)


@settings(max_examples=200)
@given(spf_b=disjoint, files_c=disjoint, spf_c=disjoint)
def test_every_address_is_in_the_pool_that_comes_first(spf_b, files_c, spf_c):
    """The configuration counts more than files, files more than SPF, and the first pool more than the others."""
    loaded = {
        "b": LoadedAddresses(spf=ranges(*spf_b)),
        "c": LoadedAddresses(files=ranges(*files_c), spf=ranges(*spf_c)),
    }
    made = merge(CONFIGURATION, loaded)
    a, b, c = [known(pool.source) for pool in made.pools]
    wanted_b, wanted_files, wanted_c = known(ranges(*spf_b)), known(ranges(*files_c)), known(ranges(*spf_c))

    assert a == {7}
    assert b == wanted_b - wanted_files - {7}
    assert c == (wanted_files | (wanted_c - b)) - {7}
    conflicts = {(share.pool, share.origin): share.conflicts for share in made.shares}
    assert conflicts["b", Origin.SPF] == len(wanted_b & (wanted_files | {7}))
    assert conflicts["c", Origin.FILES] == len(wanted_files & {7})
    assert conflicts["c", Origin.SPF] == len((wanted_c - (wanted_files - {7})) & (b | {7}))


@given(spf_b=disjoint, files_c=disjoint)
def test_shards_have_together_what_one_has(spf_b, files_c):
    """Sizes and conflicts add up."""
    loaded = {"b": LoadedAddresses(spf=ranges(*spf_b)), "c": LoadedAddresses(files=ranges(*files_c))}
    alone = merge(CONFIGURATION, loaded)
    shards = [merge(CONFIGURATION, loaded, Shard(index, 3)) for index in range(3)]
    for index, share in enumerate(alone.shares):
        assert share.addresses.size == sum(one.shares[index].addresses.size for one in shards)
        assert share.conflicts == sum(one.shares[index].conflicts for one in shards)


def test_names_survive_what_another_source_says():
    """An address of a file keeps its HELO name if the SPF record has the address too."""
    from exporter.inventory.build import enumerable_ranges
    from exporter.inventory.files import parse_entries

    files = AddressRanges(enumerable_ranges(parse_entries("[{ip: 10.0.0.9, helo: nine.example.com}]", "c.yml")))
    made = merge(CONFIGURATION, {"c": LoadedAddresses(files=files, spf=ranges((0, 20)))})
    pool = made.pools[2]
    assert {str(target.address): [helo.text for helo in target.helos] for target in pool.targets if target.helos} == {
        "10.0.0.9": ["nine.example.com"]
    }
    assert pool.size == 20


@given(one=disjoint, other=disjoint)
def test_the_overlap_is_what_both_have(one, other):
    """The counts of added and removed addresses use it."""
    assert ranges(*one).overlap(ranges(*other)) == len(known(ranges(*one)) & known(ranges(*other)))
