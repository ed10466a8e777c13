"""Lists are tested, listings are confirmed, and each list has its own pace."""

import asyncio
import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Status
from exporter.checks.result import CheckName, Finding, Result
from exporter.config.load import parse
from exporter.inventory.build import build, list_plans
from exporter.sampling.blocklists import BlocklistSampler, ListItems
from exporter.state.blocklists import Blocklists, PoolListings
from exporter.state.board import Board
from tests.factories import World, address, name
from tests.fakes import FakeResolver, run, silent

CONFIGURATION = """
dnsbls: [{{zone: bl.example, interval: {interval}, max_queries_per_second: {rate}, families: ipv4}}]
pools: [{{name: a, addresses: [{{network: 192.0.2.0/28}}]}}]
"""
TESTS = "2.0.0.127.bl.example A 127.0.0.2\n"
GOOD = World.parse(TESTS + "3.2.0.192.bl.example A 127.0.0.4\n3.2.0.192.bl.example TXT spam")
FIXED = World.parse(TESTS)
BLOCKED = World.parse("2.0.0.127.bl.example A 127.255.255.254\n3.2.0.192.bl.example A 127.255.255.254")
LISTS_ALL = World.parse(TESTS + "1.0.0.127.bl.example A 127.0.0.2\n3.2.0.192.bl.example A 127.0.0.2")


def scanned(resolver, seconds, *, rate=100, interval="1h", then=None):
    """The result and reason of each address after so many seconds, and the lists."""

    async def main():
        configuration = parse(CONFIGURATION.format(rate=rate, interval=interval), "test")
        board = Board()
        board.publish(build(configuration))
        pool = board.pools["a"].pool
        lists = Blocklists()
        sampler = BlocklistSampler(lists, lambda: resolver)
        sampler.follow(list_plans(configuration), board)
        await asyncio.sleep(seconds)
        if then is not None:
            await then(lambda: sampler.follow(list_plans(configuration), board), sampler.stop)
        findings = [lists.findings(pool, index, pool.targets[index].address)[0] for index in range(pool.size)]
        sampler.stop()
        return [(it.result.value, it.reason and it.reason.value) for it in findings], lists

    return run(main())


def lookups(resolver):
    """The lookups of addresses of the pool, without those to confirm."""
    asked = Counter(map(str, resolver.asked)) - Counter(map(str, resolver.confirmed))
    return [question for question in asked.elements() if question.endswith(".2.0.192.bl.example A")]


def test_a_listing_is_confirmed_without_the_cache_and_with_the_test_points():
    """One address is listed: the list is asked about it twice."""
    resolver = FakeResolver(GOOD)
    results, lists = scanned(resolver, 10)
    assert results == [("pass", None)] * 3 + [("fail", "dnsbl-listed")] + [("pass", None)] * 12
    confirmed = [str(question) for question in resolver.confirmed]
    assert "3.2.0.192.bl.example A" in confirmed
    assert confirmed.count("1.0.0.127.bl.example A") == 2  # at the start, and with the confirmation
    assert [health.works for health in lists.healths.values()] == [True]


@pytest.mark.parametrize(
    ("resolver", "failures", "expected"),
    [
        pytest.param(FakeResolver(GOOD, confirming=FIXED), [], ("pass", None), id="gone-when-asked-again"),
        pytest.param(FakeResolver(GOOD), [Status.CANARY], ("unknown", "dnsbl-pending"), id="the-server-lies"),
        pytest.param(FakeResolver(silent), [], ("unknown", "timeout"), id="silent"),
        pytest.param(FakeResolver(BLOCKED), [], ("unknown", "dnsbl-blocked"), id="refuses-us"),
        pytest.param(FakeResolver(LISTS_ALL), [], ("unknown", "dnsbl-untrusted"), id="lists-everything"),
        pytest.param(FakeResolver(World()), [], ("unknown", "dnsbl-untrusted"), id="lists-nothing-at-all"),
    ],
)
def test_problems_of_a_list_or_resolver_are_no_listing(resolver, failures, expected):
    """The result is unknown, or a pass if the second answer is."""
    resolver.failures = failures
    results, _ = scanned(resolver, 10)
    assert results[3] == expected
    assert "fail" not in {result for result, _ in results}


def test_a_list_that_does_not_work_is_only_tested():
    """When it passes its test points again, the addresses are looked up at once."""
    resolver = FakeResolver(BLOCKED)

    async def fixed(_reload, _stop):
        assert not lookups(resolver)
        resolver.world = GOOD
        await asyncio.sleep(310)

    results, _ = scanned(resolver, 10, then=fixed)
    assert results[3] == ("fail", "dnsbl-listed")


def test_the_results_of_a_list_that_breaks_are_unknown():
    """They are not passes: a listing may still be there."""
    resolver = FakeResolver(GOOD)

    async def broken(_reload, _stop):
        resolver.world = LISTS_ALL
        await asyncio.sleep(310)

    results, _ = scanned(resolver, 10, then=broken)
    assert set(results) == {("unknown", "dnsbl-untrusted")}


def test_each_list_has_its_own_pace():
    """Two lookups a second at first, then each address once an interval."""
    resolver = FakeResolver(GOOD)
    counts = []

    async def count(_reload, _stop):
        counts.append(len(lookups(resolver)))
        await asyncio.sleep(7)
        counts.append(len(lookups(resolver)))
        await asyncio.sleep(3590)
        counts.append(len(lookups(resolver)))
        await asyncio.sleep(1700)
        counts.append(len(lookups(resolver)))

    scanned(resolver, 2, rate=2, then=count)
    assert 3 <= counts[0] <= 5
    assert counts[1] == 16
    assert counts[2] in {16, 17}
    assert 16 + 7 <= counts[3] <= 16 + 10


def test_a_reload_that_changes_nothing_continues_the_scan():
    """Nothing is asked again."""
    resolver = FakeResolver(GOOD)

    async def reload(again, _stop):
        before = len(resolver.asked)
        again()
        await asyncio.sleep(5)
        assert len(resolver.asked) == before

    scanned(resolver, 10, then=reload)


def test_a_stopped_sampler_asks_nothing():
    """Not even tests."""
    resolver = FakeResolver(GOOD)

    async def stop(_reload, end):
        end()
        before = len(resolver.asked)
        await asyncio.sleep(7200)
        assert len(resolver.asked) == before

    scanned(resolver, 0.5, rate=2, then=stop)


BIG = """
dnsbls: [{zone: bl.example, interval: 1h, max_queries_per_second: 10, families: ipv4}]
pools: [{name: a, addresses: [{network: 192.0.2.0/24}]}]
"""


class Timed(FakeResolver):
    """Records when it was asked about each address."""

    def __init__(self, world):
        super().__init__(world)
        self.times = []

    def ask(self, question, on_answer, **how):
        """Answer, and record the time."""
        if not how.get("confirm") and str(question).endswith(".2.0.192.bl.example A"):
            self.times.append((asyncio.get_running_loop().time(), str(question)))
        super().ask(question, on_answer, **how)


@pytest.mark.parametrize("stops_at", [7300.0, 8000.0, 10_500.0, 10_750.0])
@pytest.mark.parametrize("down", [pytest.param(0.0, marks=pytest.mark.slow), 600.0])
def test_a_restart_continues_the_scan(stops_at, down):
    """No address waits longer than an interval plus the downtime, and there is no burst.

    This is about the second lookup and later ones: the first ones follow each other at the pace of the list.
    """
    resolver = Timed(GOOD)

    async def main():
        loop = asyncio.get_running_loop()
        configuration = parse(BIG, "test")
        plans, board = list_plans(configuration), Board()
        board.publish(build(configuration))
        lists = Blocklists()
        for seconds in (stops_at, 4 * 3600.0):
            sampler = BlocklistSampler(lists, lambda: resolver)
            sampler.follow(plans, board)
            began = loop.time()
            await asyncio.sleep(seconds)
            sampler.stop()
            await asyncio.sleep(down)
        return began

    again = run(main())
    times = {}
    for at, question in resolver.times:
        times.setdefault(question, []).append(at)
    assert len(times) == 256
    gaps = [later - before for each in times.values() for before, later in itertools.pairwise(each[1:])]
    assert max(gaps) <= 3600.0 + down + 2.0
    after = sorted(at for at, _ in resolver.times if at >= again)
    assert max(sum(begin <= at < begin + 60.0 for at in after) for begin in after) <= 256 / 3600 / 0.9 * 60 + 2


ZONE = name("bl.example")
CLEAN = Finding(CheckName.DNSBL, Result.PASS, ZONE)
TWO_POOLS = """
pools:
  - {name: a, addresses: [{network: 192.0.2.0/29}, {ip: 192.0.2.20}, {network: "2001:db8::/126"}]}
  - {name: b, addresses: [{network: 198.51.100.0/30}]}
"""
POOLS = build(parse(TWO_POOLS, "test"))
SIZE = sum(pool.size for pool in POOLS)
EVERY = [(pool.name, pool.targets[index].address) for pool in POOLS for index in range(pool.size)]


def listings(known):
    """The listings of the pools after the list was asked about the *known* addresses, by their number."""
    found = [PoolListings(pool) for pool in POOLS]
    for number in known:
        pool, where = EVERY[number]
        each = next(it for it in found if it.pool.name == pool)
        each.put(each.pool.index(where), CLEAN, 1.0)
    return found


@given(st.sets(st.integers(0, SIZE - 1)), st.none() | st.integers(0, SIZE - 1), st.sampled_from([{4, 6}, {4}, {6}]))
def test_a_scan_has_each_address_once_and_the_unknown_ones_first(known, start, families):
    """Known and unknown ones are in the order of the circle, from any start."""
    items = ListItems(listings(known), None if start is None else EVERY[start])
    found = [item.cursor for item in items.scan(families.__contains__)]

    begin = start or 0
    circle = [*range(begin, SIZE), *range(begin)]
    wanted = [number for number in circle if EVERY[number][1].family in families]
    order = [*[it for it in wanted if it not in known], *[it for it in wanted if it in known]]
    assert found == [EVERY[number] for number in order]
    assert items.size == SIZE


def test_a_scan_continues_after_an_address_that_is_gone():
    """With the next address, or with the first if there is none, or no such pool."""
    everything = range(SIZE)
    for where, first in (
        (("a", address("192.0.2.10")), "192.0.2.20"),
        (("a", address("2001:db8::9")), "192.0.2.0"),
        (("gone", address("192.0.2.3")), "192.0.2.0"),
    ):
        found = [str(item.cursor[1]) for item in ListItems(listings(everything), where).scan(lambda _: True)]
        assert found[0] == first
        assert len(found) == SIZE


def test_an_address_that_becomes_known_during_a_scan_comes_once():
    """As one of the unknown ones."""
    found = []
    for item in ListItems(listings({1, 2}), None).scan(lambda _: True):
        found.append(item.cursor)
        item.listings.put(item.position, CLEAN, 2.0)
    assert sorted(found) == sorted(EVERY)


BUDGET = """
dnsbls: [{zone: bl.example, interval: 1h, families: ipv4, max_queries_per_day: 2000}]
pools:
- {name: others, profile: microsoft-365, dnsbls: bl.example, addresses: [{network: 198.51.100.0/24}]}
- {name: own, addresses: [{network: 192.0.2.0/29}]}
"""


@pytest.mark.slow
def test_a_list_has_a_budget_and_own_pools_come_first():
    """Of all questions in a day, tests included. An own address is looked up once an interval, whatever others need."""
    resolver = FakeResolver(GOOD)
    asked = []

    async def main():
        board, lists = Board(), Blocklists()
        configuration = parse(BUDGET, "test")
        board.publish(build(configuration))
        sampler = BlocklistSampler(lists, lambda: resolver)
        for _ in range(2):
            sampler.follow(list_plans(configuration), board)
            await asyncio.sleep(12 * 3600.0)
            board.publish(build(configuration)[::-1])  # a reload gives no new budget
            asked.append([str(question) for question in resolver.asked])
        sampler.stop()

    run(main())
    assert 1800 <= len(asked[1]) <= 2000
    assert len(asked[0]) <= 1000 + 2000 / 24
    own = Counter(question for question in asked[1] if ".2.0.192.bl.example A" in question)
    others = Counter(question for question in asked[1] if ".100.51.198.bl.example A" in question)
    assert len(own) == 8
    assert min(own.values()) >= 23
    assert len(others) == 256
    assert max(others.values()) - min(others.values()) <= 1
    looked_up = [question for question in asked[1] if question.endswith(("192.bl.example A", "198.bl.example A"))]
    assert set(list(dict.fromkeys(looked_up))[:8]) == set(own)
