"""SPF coverage: authorised addresses compared with the addresses of the pools."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.checks.spf.compile import compile_spf
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.state.board import Board
from exporter.state.spf_coverage import SpfCoverageCache, count, spf_coverage
from tests.domains import DOMAIN
from tests.factories import World, address

POOLS = """
pools:
- name: senders
  mail_from_domains: [example.org]
  addresses: [{network: 192.0.2.0/29}, {ip: "2001:db8::1"}]
- name: others
  addresses: [{network: 198.51.100.0/30}]
- name: strangers
  addresses: [{ip: 203.0.113.1}]
"""


def compiled(record: str):
    """The compiled record."""
    return run_check(compile_spf(DOMAIN), World.parse(f"example.org TXT {record}"))[0]


def board(text: str = POOLS) -> Board:
    """Pools without samples."""
    made = Board()
    made.publish(build(parse(text, "test")))
    return made


def know(pools: Board, world: World) -> None:
    """Sample every address."""
    for state in pools.pools.values():
        for index, target in enumerate(state.pool.targets):
            state.record(index, *run_check(report(target), world), 1.0)


def compared(record: str, pools: Board):
    """The coverage, and its pools by name."""
    coverage = spf_coverage(DOMAIN, compiled(record), pools.pools.values())
    return coverage, {one.pool: one for one in coverage.pools}


def test_coverage_shows_the_differences_of_record_and_pools():
    """Unused addresses, unauthorised senders, and only the pools that send or are authorised."""
    coverage, pools = compared("v=spf1 ip4:192.0.2.0/30 ip4:198.51.100.0/29 -all", board())

    assert count(coverage.authorised) == 12
    assert coverage.unused[4] == ((int.from_bytes(address("198.51.100.4").packed, "big"), coverage.unused[4][0][1]),)
    assert count(coverage.unused) == 4
    assert set(pools) == {"senders", "others"}
    assert count(pools["senders"].unauthorised) == 4 + 1
    assert count(pools["others"].unauthorised) == 0
    assert [pools[name].is_sender for name in ("senders", "others")] == [True, False]


def test_not_enumerable_ranges_belong_to_their_pool():
    """They are not unused, though their addresses are not sampled one by one."""
    both = board(POOLS + '- name: big\n  addresses: [{network: "2001:db8:1::/48"}, {ip: 203.0.113.2}]\n')
    coverage, _ = compared("v=spf1 ip6:2001:db8:1:2::/64 ip6:2001:db8:2::/64 -all", both)
    assert count(coverage.unused) == 2**64
    assert coverage.unused[6][0][0] == int.from_bytes(address("2001:db8:2::").packed, "big")


def test_addresses_that_need_an_evaluation_are_open():
    """An address that a macro decides is open, not unauthorised."""
    _, pools = compared("v=spf1 ip4:192.0.2.0/30 exists:%{i}.example.org -all", board())

    assert (count(pools["senders"].unauthorised), count(pools["senders"].open)) == (0, 5)


def test_authorised_addresses_that_are_not_forward_confirmed_are_named():
    """Addresses of all pools count, but not unknown or unauthorised ones."""
    pools = board()
    assert [one.unconfirmed for one in compared("v=spf1 +all", pools)[0].pools] == [0, 0, 0]

    know(pools, World.parse("1.2.0.192.in-addr.arpa PTR a.example.org\na.example.org A 192.0.2.1"))
    know(pools, World.parse("1.2.0.192.in-addr.arpa PTR !timeout"))
    _, by_name = compared("v=spf1 ip4:192.0.2.0/30 ip4:198.51.100.1 -all", pools)

    assert by_name["senders"].examples == (address("192.0.2.0"), address("192.0.2.2"), address("192.0.2.3"))
    assert (by_name["senders"].unconfirmed, by_name["others"].unconfirmed) == (3, 1)


@pytest.mark.parametrize("expect", ["[fcrdns]", "[]"])
def test_expectations_make_no_difference(expect):
    """An address is counted whether or not the pool expects `fcrdns`."""
    pools = board(f"pools: [{{name: a, expect: {expect}, addresses: [{{network: 192.0.2.0/30}}]}}]")
    know(pools, World())

    assert [one.unconfirmed for one in compared("v=spf1 ip4:192.0.2.2/31 -all", pools)[0].pools] == [2]


@given(st.sets(st.integers(0, 15)), st.sets(st.integers(0, 15), min_size=1))
def test_ranges_agree_with_sets(authorised, known):
    """The differences are those of the sets of addresses."""
    terms = " ".join(f"ip4:192.0.2.{number}" for number in authorised)
    entries = ", ".join(f"{{ip: 192.0.2.{number}}}" for number in known)
    text = f"pools: [{{name: a, mail_from_domains: example.org, addresses: [{entries}]}}]"
    coverage, pools = compared(f"v=spf1 {terms} -all", board(text))

    assert count(coverage.unused) == len(authorised - known)
    assert count(pools["a"].unauthorised) == len(known - authorised)


def test_coverage_is_cached_until_something_changes():
    """Another record, another pool, another verdict or half a minute makes a new result."""
    seconds = [0.0]
    cache = SpfCoverageCache(lambda: seconds[0])
    pools, record = board(), compiled("v=spf1 +all")

    def look():
        return cache.of(DOMAIN, record, pools.pools.values())

    first = look()
    assert look() is first
    know(pools, World())
    second = look()
    assert second is not first
    assert look() is second
    seconds[0] += 60
    third = look()
    assert third is not second
    record = compiled("v=spf1 -all")
    assert count(look().authorised) == 0
    cache.forget([])
    pools.publish([])
    assert look().pools == ()
