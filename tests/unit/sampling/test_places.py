"""The circle of addresses that a list is asked about: all of them, each once, from anywhere."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.result import CheckName, Finding, Result
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.sampling.blocklists import Places
from exporter.state.blocklists import PoolListings
from tests.factories import address, name

ZONE = name("bl.example")
CLEAN = Finding(CheckName.DNSBL, Result.PASS, ZONE)
TEXT = """
pools:
  - {name: a, addresses: [{network: 192.0.2.0/29}, {ip: 192.0.2.20}, {network: "2001:db8::/126"}]}
  - {name: b, addresses: [{network: 198.51.100.0/30}]}
"""
POOLS = build(parse(TEXT, "test"))
SIZE = sum(pool.size for pool in POOLS)
EVERY = [(pool.name, pool.targets[place].address) for pool in POOLS for place in range(pool.size)]


def listings(known):
    """What a list says of the pools when it was asked about the *known* ones, by their number."""
    found = [PoolListings(pool) for pool in POOLS]
    for number in known:
        pool, where = EVERY[number]
        each = next(it for it in found if it.pool.name == pool)
        each.put(each.pool.index(where), CLEAN, 1.0)
    return found


@given(st.sets(st.integers(0, SIZE - 1)), st.none() | st.integers(0, SIZE - 1), st.sampled_from([{4, 6}, {4}, {6}]))
def test_each_once_and_the_unknown_ones_first(known, start, families):
    """Whatever is known and wherever it begins; both parts are in the order of the circle."""
    places = Places(listings(known), None if start is None else EVERY[start])
    walked = [place.name for place in places.walk(families.__contains__)]

    begin = start or 0
    circle = [*range(begin, SIZE), *range(begin)]
    wanted = [number for number in circle if EVERY[number][1].family in families]
    order = [*[it for it in wanted if it not in known], *[it for it in wanted if it in known]]
    assert walked == [EVERY[number] for number in order]
    assert places.size == SIZE


def test_what_is_gone_is_taken_up_at_the_next():
    """The address after the one that went, or the first if there is none, or no such pool."""
    everything = range(SIZE)
    for where, first in (
        (("a", address("192.0.2.10")), "192.0.2.20"),
        (("a", address("2001:db8::9")), "192.0.2.0"),
        (("gone", address("192.0.2.3")), "192.0.2.0"),
    ):
        walked = [str(place.name[1]) for place in Places(listings(everything), where).walk(lambda _: True)]
        assert walked[0] == first
        assert len(walked) == SIZE


def test_what_is_asked_under_way_is_not_asked_again():
    """What was unknown at the beginning comes once, though it is known when its range comes round."""
    found = listings({1, 2})
    walked = []
    for listing, place in Places(found, None).walk(lambda _: True):
        walked.append((listing.pool.name, listing.pool.targets[place].address))
        listing.put(place, CLEAN, 2.0)
    assert sorted(walked) == sorted(EVERY)
