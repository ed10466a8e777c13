"""Failing addresses, HELO names and domains are sampled again every minute, past the cache, until they are well."""

import asyncio

from exporter.checks.answers import Answer, Status
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.sampling.sampler import RECHECK_JOB, RECHECK_SECONDS, DomainSampler, Sampler, recheck_limits
from exporter.state.board import Board
from exporter.state.disputes import Disputes
from exporter.state.domain import DomainBoard
from exporter.state.pool import FAILING, HEALTHY
from tests.domains import DOMAIN, SETTINGS, SOUND, without
from tests.factories import World
from tests.fakes import FakeResolver, run

RIGHT = World.parse("10.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.10")
BROKEN = World.parse("mail.example.org A 192.0.2.10")
ONE = "pools: [{name: p, interval: 1h, addresses: [{ip: 192.0.2.10, helo: mail.example.org}]}]"
MANY = "pools: [{name: p, interval: 1h, addresses: [{network: 192.0.2.0/24}]}]"


class Aged(FakeResolver):
    """A resolver that records the ages that were allowed, and when it was asked."""

    def __init__(self, world):
        super().__init__(world)
        self.ages = []

    def ask(self, question, on_answer, *, max_age_seconds=float("inf"), confirm=False, source=None):
        self.ages.append(max_age_seconds)
        super().ask(question, on_answer, max_age_seconds=max_age_seconds, confirm=confirm, source=source)


def sampled(resolver, text, limit):
    """A sampler after the first round."""
    board, changes = Board(), []
    board.publish(build(parse(text, "test")))
    sampler = Sampler(
        board, lambda: resolver, on_change=lambda _pool, change: changes.append(change), recheck_limit=lambda: limit
    )
    sampler.follow()
    sampler.tick("p")
    return sampler, board.pools["p"], changes


def test_a_fix_is_seen_within_a_minute_in_a_pool_with_an_interval_of_an_hour():
    """The address is asked for past the cache while it fails, and not any more when it is well."""

    async def main():
        resolver = Aged(BROKEN)
        sampler, pool, changes = sampled(resolver, ONE, 10)
        await asyncio.sleep(5)
        assert pool.healths[0] == FAILING
        resolver.world = RIGHT
        resolver.ages.clear()
        sampler.tick(RECHECK_JOB)
        await asyncio.sleep(RECHECK_SECONDS)
        assert resolver.ages
        assert set(resolver.ages) == {0.0}
        resolver.ages.clear()
        sampler.tick(RECHECK_JOB)
        await asyncio.sleep(RECHECK_SECONDS)
        sampler.stop()
        return pool.healths[0], len(changes), resolver.ages

    assert run(main()) == (HEALTHY, 1, [])


def test_thousands_of_failing_addresses_are_sampled_in_turn():
    """Each minute has at most as many as the budget allows, and all come in turn."""

    async def main():
        resolver = Aged(lambda _question: Answer(Status.NXDOMAIN))
        sampler, pool, _ = sampled(resolver, MANY, 64)
        await asyncio.sleep(30)
        assert pool.healths.count(FAILING) == 256
        counts, seen = [], set()
        for _ in range(4):
            resolver.asked.clear()
            sampler.tick(RECHECK_JOB)
            await asyncio.sleep(RECHECK_SECONDS)
            counts.append(len(resolver.asked))
            seen |= set(resolver.asked)
        sampler.stop()
        return counts, len(seen)

    assert run(main()) == ([64, 64, 64, 64], 256)


def test_a_reload_and_a_stop_end_it():
    """Nothing is recorded in a pool that is replaced meanwhile."""

    async def main():
        resolver = Aged(lambda _question: Answer(Status.NXDOMAIN))
        sampler, _, _ = sampled(resolver, MANY, 64)
        await asyncio.sleep(30)
        sampler.tick(RECHECK_JOB)
        await asyncio.sleep(1)
        await sampler.publish(build(parse(MANY.replace("1h", "2h"), "test")))
        resolver.asked.clear()
        await asyncio.sleep(RECHECK_SECONDS)
        return resolver.asked

    assert run(main()) == []


def test_a_failing_domain_is_sampled_again_past_the_cache():
    """Its fix is seen within a minute, although its interval is longer."""

    async def main():
        resolver = Aged(without("example.org TXT"))
        board = DomainBoard()
        board.publish((SETTINGS,))
        sampler = DomainSampler(board, lambda: resolver, Disputes(), lambda *_: None, lambda: 5)
        sampler.follow()
        sampler.tick(f"domain {DOMAIN}")
        await asyncio.sleep(30)
        assert board[DOMAIN].is_healthy is False
        resolver.world = SOUND
        resolver.ages.clear()
        sampler.tick(RECHECK_JOB)
        await asyncio.sleep(30)
        ages = set(resolver.ages)
        resolver.ages.clear()
        sampler.tick(RECHECK_JOB)
        await asyncio.sleep(30)
        sampler.stop()
        return board[DOMAIN].is_healthy, ages, resolver.ages

    healthy, ages, later = run(main())
    assert healthy is True
    assert 0.0 in ages
    assert later == []


def test_the_budget_is_a_share_of_the_query_rate():
    """A tenth of it, half for domains; something even at the lowest rate, and bounded without a limit."""
    assert recheck_limits(500) == (187, 30)
    assert recheck_limits(0.1) == (1, 1)
    assert recheck_limits(float("inf")) == (3750, 600)
