"""Finding addresses."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.state.counters import PoolCounters
from exporter.state.pool import FAILING, PoolState
from exporter.web.search import Search, Wanted, indexes_of, read_network, unwrapped
from tests.unit.web.pools import BROKEN, RIGHT, board, pool, pools

NETWORKS = ["198.51.100.0/27", "198.51.100.64/28", "203.0.113.7/32", "2001:db8::/124"]


@pytest.mark.parametrize(
    ("query", "network"),
    [
        pytest.param("198.51.100.7", "198.51.100.7/32", id="address"),
        pytest.param(" 198.51.100.0/24 ", "198.51.100.0/24", id="prefix"),
        pytest.param("198.51.100.9/24", "198.51.100.0/24", id="prefix-with-host-bits"),
        pytest.param("198.51.100.", "198.51.100.0/24", id="three-octets-and-a-dot"),
        pytest.param("198.51", "198.51.0.0/16", id="two-octets"),
        pytest.param("198.", "198.0.0.0/8", id="one-octet-and-a-dot"),
        pytest.param("2001:db8::/32", "2001:db8::/32", id="ipv6-prefix"),
        pytest.param("198", None, id="a-number-is-a-name"),
        pytest.param("999.1.", None, id="no-octet"),
        pytest.param("mta7", None, id="name"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_query_is_a_network_or_a_name(query, network):
    """What looks like an address or a part of one is looked up as such."""
    assert read_network(query) == (network and ip_network(network))


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("mail4.example.org.", "mail4.example.org"),
        ("mail4.example.org:25", "mail4.example.org"),
        ("mail4.example.org[192.0.2.13]", "192.0.2.13"),
        ("mail4.example.org[192.0.2.13]:25", "192.0.2.13"),
        ("smtp://mail4.example.org:25/", "mail4.example.org"),
        ("<postmaster@example.org>,", "example.org"),
        ("192.0.2.13:25", "192.0.2.13"),
        ("192.0.2.13.", "192.0.2.13"),
        ("192.0.2.13,", "192.0.2.13"),
        ("(192.0.2.13)", "192.0.2.13"),
        ("[192.0.2.13]", "192.0.2.13"),
        ("[192.0.2.13]:25", "192.0.2.13"),
        ("::ffff:192.0.2.13", "192.0.2.13"),
        ("13.2.0.192.in-addr.arpa.", "192.0.2.13"),
        ("ip4:192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.", "192.0.2."),
        ("2001:db8::1%eth0", "2001:db8::1"),
        ("[2001:db8::1%eth0]:25", "2001:db8::1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("ip6:2001:db8::/32", "2001:db8::/32"),
        (f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::1"),
        ('"corporate"', "corporate"),
        (".", "."),
        ("@", "@"),
        ("", ""),
    ],
)
def test_a_query_may_be_pasted(pasted, meant):
    """Ports, brackets, zone IDs, final dots and reverse names do not matter."""
    assert unwrapped(pasted) == meant


@given(st.text(max_size=300))
def test_any_query_means_something(query):
    """No text makes the search fail, and none becomes empty: that would list every address."""
    assert bool(unwrapped(query)) == bool(query.strip())


@given(st.sampled_from(NETWORKS), st.integers(0, 127))
def test_places_are_those_of_the_addresses_in_a_prefix(around, length):
    """From the first to before the last place lie the pool's addresses in the prefix, and no others."""
    state = PoolState(pool(*NETWORKS), PoolCounters())
    base = ip_network(around)
    network = ip_network((base.network_address, min(length, base.max_prefixlen)), strict=False)

    low, high = indexes_of(state, network)

    inside = [index for index, target in enumerate(state.pool.targets) if ip_address(str(target.address)) in network]
    assert list(range(low, high)) == inside


@given(st.integers(1, 9), st.sampled_from(["", "mta1", "198.51.100.0/28", "2001:db8::/32", "nobody"]))
async def test_pages_laid_end_to_end_are_everything_once(limit, query):
    """Whatever the size of a page, following `more` meets each match once, in order."""
    search = Search(board(*pools(one="198.51.100.0/28", two="198.51.100.32/27", three="2001:db8::/126")))
    (whole, pages, start) = (await search.find(Wanted(query), 1000), [], (0, 0))
    while start is not None:
        page = await search.find(Wanted(query), limit, start)
        pages += page.addresses
        start = page.more

    assert [(one.pool, one.index) for one in pages] == [(one.pool, one.index) for one in whole.addresses]
    assert whole.more is None


async def test_a_name_is_found_by_any_part_of_a_ptr_or_helo_name():
    """PTR names are those of the last conclusive sample."""
    fleet = board(pool("198.51.100.0/29"))
    (state,) = fleet.pools.values()
    for index in range(8):
        state.record(index, *run_check(report(state[index].target), RIGHT), 1.0)

    found = await Search(fleet).find(Wanted("TA5.exam"), 10)

    assert [str(one.state.target.address) for one in found.addresses] == ["198.51.100.5"]


async def test_health_narrows_a_search_down():
    """Only failing addresses, with what is wrong of each."""
    fleet = board(pool("198.51.100.0/29"))
    (state,) = fleet.pools.values()
    for index in range(8):
        world = BROKEN if index in {2, 5} else RIGHT
        state.record(index, *run_check(report(state[index].target), world), 1.0)

    found = await Search(fleet).find(Wanted(health=FAILING), 10)

    assert [one.index for one in found.addresses] == [2, 5]
    assert all(one.problems for one in found.addresses)
