"""Pools from the text of a configuration."""

from pathlib import Path

import pytest
from hypothesis import given

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import ADDRESS_CHECKS, CheckName
from exporter.config.load import load, parse
from exporter.inventory.build import build
from exporter.inventory.pool import MAX_ALL_SERIES, MAX_HELO_NAMES, Series
from tests.unit.config.strategies import documents


def pool(addresses: str, keys: str = "interval: 5m"):
    """The pool of these entries, written in flow style."""
    (only,) = build(parse(f"pools: [{{name: a, {keys}, addresses: {addresses}}}]", "m.yml"))
    return only


def target(address: str, *helos: str) -> Target:
    return Target(Address.parse(address), tuple(map(HeloName.parse, helos)))


def test_a_pool_is_what_was_configured():
    """Every setting is in the pool."""
    made = pool(
        "[{ip: 192.0.2.1, helo: b.example.com}]",
        "interval: 90s, expect: [fcrdns], aligned_suffix: example.com, ptr_info: false, helo_names: a.example.com",
    )
    assert (made.name, made.interval_seconds, made.expect) == ("a", 90.0, frozenset({CheckName.FCRDNS}))
    assert (made.suffix, made.ptr_info, made.series) == (DomainName("example.com"), False, Series.ALL)
    assert made.helo_names == (HeloName.parse("a.example.com"), HeloName.parse("b.example.com"))


def test_the_names_of_a_pool_belong_to_no_address():
    """The servers with these names are unknown, so the names are checked without an address."""
    made = pool("[{ip: 192.0.2.1}]", "helo_names: a.example.com")
    assert list(made.targets) == [target("192.0.2.1")]
    assert made.helo_names == (HeloName.parse("a.example.com"),)


def test_targets_come_in_the_order_of_their_addresses():
    """IPv4 first, whatever the order of the file, each with the names of its most specific entry."""
    made = pool(
        '[{ip: "2001:db8::1", helo: six.example.com}, {ip: 192.0.2.3}, '
        "{network: 192.0.2.0/29, helo: 'mta{octet4}.example.com'}, {network: 192.0.2.4/31, helo: [x.org, y.org]}, "
        "{network: 192.0.2.1/32, helo: no.example.com}, {ip: 192.0.2.1, helo: one.example.com}]"
    )
    assert list(made.targets) == [
        target("192.0.2.0", "mta0.example.com"),
        target("192.0.2.1", "one.example.com"),
        target("192.0.2.2", "mta2.example.com"),
        target("192.0.2.3"),
        target("192.0.2.4", "x.org", "y.org"),
        target("192.0.2.5", "x.org", "y.org"),
        target("192.0.2.6", "mta6.example.com"),
        target("192.0.2.7", "mta7.example.com"),
        target("2001:db8::1", "six.example.com"),
    ]
    assert made.size == len(made.targets) == 9
    assert made.targets[-1] == target("2001:db8::1", "six.example.com")
    assert made.targets[1:3] == [made.targets[1], made.targets[2]]
    assert target("192.0.2.3") in made.targets
    assert target("192.0.2.3", "x.org") not in made.targets
    assert made.find(Address.parse("192.0.2.6")) == target("192.0.2.6", "mta6.example.com")
    assert made.find(Address.parse("192.0.2.8")) is None
    assert made.index(Address.parse("192.0.2.6")) == 6
    assert made.index(Address.parse("192.0.2.8")) is None
    assert made.contains(Address.parse("2001:db8::1"))
    assert not made.contains(Address.parse("2001:db8::2"))


@pytest.mark.parametrize(
    ("addresses", "keys", "expected"),
    [
        pytest.param("[{network: 10.0.0.0/19}]", "interval: 5m", Series.ALL, id="small"),
        pytest.param("[{network: 10.0.0.0/18}]", "interval: 5m", Series.FAILING, id="large"),
        pytest.param("[{network: 10.0.0.0/18}]", "series: all", Series.ALL, id="large-all"),
        pytest.param("[{ip: 10.0.0.0}]", "series: none", Series.NONE, id="none"),
        pytest.param("[{ip: 10.0.0.0}]", "series: failing", Series.FAILING, id="failing"),
    ],
)
def test_series(addresses, keys, expected):
    """Every address has series of its own in a pool of up to 10,000, unless the operator says otherwise."""
    assert MAX_ALL_SERIES == 10_000
    assert pool(addresses, keys).series is expected


def test_the_largest_pool_costs_what_its_line_costs():
    """A million addresses are one range; targets are created one by one; the number of HELO names is limited."""
    made = pool(
        "[{network: 10.0.0.0/12, helo: 'mta{octet2}-{octet3}-{octet4}.example.com'}]", "helo_names: a.example.com"
    )
    assert (made.size, len(made.source)) == (1 << 20, 1)
    assert made.targets[-1] == target("10.15.255.255", "mta15-255-255.example.com")
    assert len(made.helo_names) == MAX_HELO_NAMES
    assert made.helo_names[:2] == (HeloName.parse("a.example.com"), HeloName.parse("mta0-0-0.example.com"))


def test_one_name_for_a_whole_network_is_one_name():
    """A name without placeholders is counted once, however many addresses have it."""
    made = pool("[{network: 10.0.0.0/12, helo: [a.example.com, b.example.com]}, {ip: 10.0.0.1, helo: a.example.com}]")
    assert made.helo_names == (HeloName.parse("a.example.com"), HeloName.parse("b.example.com"))


def test_checks_of_names_apply_where_an_address_has_one():
    """A pool whose addresses have no HELO names has no checks of pairs."""
    assert pool("[{ip: 192.0.2.1}]", "helo_names: a.example.com").checks == (CheckName.FCRDNS,)
    assert pool("[{ip: 192.0.2.1}, {ip: 192.0.2.2, helo: a.example.com}]").checks == tuple(ADDRESS_CHECKS)[:7]
    assert pool("[{ip: 192.0.2.1}]", "mail_from_domains: example.com").checks == ("fcrdns", "spf-mailfrom")


def test_a_pool_of_names_alone():
    """HELO names can be watched without an address."""
    (made,) = build(parse("pools: [{name: a, helo_names: [a.example.com]}]", "m.yml"))
    assert (made.size, list(made.targets), made.find(Address.parse("192.0.2.1"))) == (0, [], None)


@given(documents())
def test_every_configured_address_is_in_its_pool_and_in_no_other(text):
    """Every configured address is sampled, and `find` and `targets` agree."""
    configuration = parse(text, "m.yml")
    pools = build(configuration)
    assert pools == build(parse(text, "m.yml"))
    for settings, made in zip(configuration.pools, pools, strict=True):
        for entry in settings.addresses:
            for number in {entry.first, entry.last}:
                address = Address(number.to_bytes(4 if entry.family == 4 else 16, "big"))
                assert [other.name for other in pools if other.contains(address)] == [settings.name]
        for position in {0, made.size // 2, made.size - 1}:
            found = made.targets[position]
            assert made.find(found.address) == found
            assert made.source.position(found.address) == position


def test_the_example_loads_and_does_what_its_comments_say():
    """The example that people copy is right."""
    first, second = build(load(Path("maildns.example.yml")))
    assert first.size == 4
    assert second.size == 8
    assert [str(found.helos[0]) for found in second.targets] == [
        *[f"mta{byte}.example.com" for byte in range(32, 39)],
        "bounces.example.com",
    ]
