"""Lists are tested before they are believed, listings are confirmed, and each list keeps its pace."""

import asyncio
import itertools
from collections import Counter

import pytest

from exporter.checks.answers import Status
from exporter.config.load import parse
from exporter.inventory.build import build, list_plans
from exporter.sampling.blocklists import BlocklistSampler
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from tests.factories import World
from tests.fakes import FakeResolver, run, silent

CONFIGURATION = """
dnsbls: [{{zone: bl.example, interval: {interval}, max_queries_per_second: {rate}, families: ipv4}}]
pools: [{{name: a, addresses: [{{network: 192.0.2.0/28}}]}}]
"""
TESTS = "2.0.0.127.bl.example A 127.0.0.2\n"
GOOD = World.parse(TESTS + "3.2.0.192.bl.example A 127.0.0.4\n3.2.0.192.bl.example TXT spam")
MENDED = World.parse(TESTS)
BLOCKED = World.parse("2.0.0.127.bl.example A 127.255.255.254\n3.2.0.192.bl.example A 127.255.255.254")
LISTS_ALL = World.parse(TESTS + "1.0.0.127.bl.example A 127.0.0.2\n3.2.0.192.bl.example A 127.0.0.2")


def walked(resolver, seconds, *, rate=100, interval="1h", then=None):
    """What the list says of each address after so long: their results, and the lists."""

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


def test_a_listing_is_confirmed_past_the_cache_with_the_test_points():
    """One address is listed, the others are not; the list is asked twice about the one."""
    resolver = FakeResolver(GOOD)
    helo, lists = walked(resolver, 10)
    assert helo == [("pass", None)] * 3 + [("fail", "dnsbl-listed")] + [("pass", None)] * 12
    confirmed = [str(question) for question in resolver.confirmed]
    assert "3.2.0.192.bl.example A" in confirmed
    assert confirmed.count("1.0.0.127.bl.example A") == 2  # at the start, and beside the confirmation
    assert [health.works for health in lists.healths.values()] == [True]


@pytest.mark.parametrize(
    ("resolver", "failures", "expected"),
    [
        pytest.param(FakeResolver(GOOD, confirming=MENDED), [], ("pass", None), id="gone-when-asked-again"),
        pytest.param(FakeResolver(GOOD), [Status.CANARY], ("unknown", "dnsbl-pending"), id="said-by-a-liar"),
        pytest.param(FakeResolver(silent), [], ("unknown", "timeout"), id="silent"),
        pytest.param(FakeResolver(BLOCKED), [], ("unknown", "dnsbl-blocked"), id="refuses-us"),
        pytest.param(FakeResolver(LISTS_ALL), [], ("unknown", "dnsbl-untrusted"), id="lists-everything"),
        pytest.param(FakeResolver(World()), [], ("unknown", "dnsbl-untrusted"), id="lists-nothing-at-all"),
    ],
)
def test_what_is_no_listing(resolver, failures, expected):
    """Trouble of the list, or of a resolver, is unknown."""
    resolver.failures = failures
    helo, _ = walked(resolver, 10)
    assert helo[3] == expected
    assert "fail" not in {result for result, _ in helo}


def test_a_list_that_does_not_work_is_not_asked_and_is_found_again():
    """Only its test points are; when it passes them, the addresses come at once."""
    resolver = FakeResolver(BLOCKED)

    async def fixed(_reload, _stop):
        assert not lookups(resolver)
        resolver.world = GOOD
        await asyncio.sleep(310)

    helo, _ = walked(resolver, 10, then=fixed)
    assert helo[3] == ("fail", "dnsbl-listed")


def test_a_list_that_breaks_withholds_and_does_not_clear():
    """What it had said is unknown until it works again."""
    resolver = FakeResolver(GOOD)

    async def broken(_reload, _stop):
        resolver.world = LISTS_ALL
        await asyncio.sleep(310)

    helo, _ = walked(resolver, 10, then=broken)
    assert set(helo) == {("unknown", "dnsbl-untrusted")}


def test_the_pace_is_the_lists_own():
    """Two a second for the first time, then spread over the interval, each address once."""
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

    walked(resolver, 2, rate=2, then=count)
    assert 3 <= counts[0] <= 5
    assert counts[1] == 16
    assert counts[2] in {16, 17}
    assert 16 + 7 <= counts[3] <= 16 + 10


def test_a_reload_that_changes_nothing_goes_on_where_it_was():
    """Nothing is asked again for it."""
    resolver = FakeResolver(GOOD)

    async def reload(again, _stop):
        before = len(resolver.asked)
        again()
        await asyncio.sleep(5)
        assert len(resolver.asked) == before

    walked(resolver, 10, then=reload)


def test_nothing_is_asked_after_the_end():
    """A sampler that was stopped is silent."""
    resolver = FakeResolver(GOOD)

    async def stop(_reload, end):
        end()
        before = len(resolver.asked)
        await asyncio.sleep(7200)
        assert len(resolver.asked) == before

    walked(resolver, 0.5, rate=2, then=stop)


BIG = """
dnsbls: [{zone: bl.example, interval: 1h, max_queries_per_second: 10, families: ipv4}]
pools: [{name: a, addresses: [{network: 192.0.2.0/24}]}]
"""


class Timed(FakeResolver):
    """Notes when it was asked about each address."""

    def __init__(self, world):
        super().__init__(world)
        self.times = []

    def ask(self, question, on_answer, **how):
        """Answer, and note the time."""
        if not how.get("confirm") and str(question).endswith(".2.0.192.bl.example A"):
            self.times.append((asyncio.get_running_loop().time(), str(question)))
        super().ask(question, on_answer, **how)


@pytest.mark.parametrize("stops_at", [7300.0, 8000.0, 10_500.0, 10_750.0])
@pytest.mark.parametrize("down", [0.0, 600.0])
def test_a_restart_goes_on_where_it_was(stops_at, down):
    """No address waits longer than an interval and the time that nothing ran; and there is no burst.

    That holds from the second time on: the first time all are asked about at once, and then spread.
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
    moments = {}
    for at, question in resolver.times:
        moments.setdefault(question, []).append(at)
    assert len(moments) == 256
    gaps = [later - before for times in moments.values() for before, later in itertools.pairwise(times[1:])]
    assert max(gaps) <= 3600.0 + down + 2.0
    after = sorted(at for at, _ in resolver.times if at >= again)
    assert max(sum(begin <= at < begin + 60.0 for at in after) for begin in after) <= 256 / 3600 / 0.9 * 60 + 2
