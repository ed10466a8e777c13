"""Domains are sampled in turn, believe no failure that was seen once, and hang on nothing."""

import asyncio
import time
from dataclasses import replace

import pytest

from exporter.checks.answers import Status
from exporter.checks.result import Result
from exporter.sampling.sampler import DomainSampler
from exporter.state.disputes import DOMAINS, Disputes
from exporter.state.domain import DomainBoard
from tests.domains import DOMAIN, SETTINGS, SILENT, SOUND, without
from tests.factories import name
from tests.fakes import FakeResolver, run

NO_SPF = without("example.org TXT")
JOB = "domain example.org"


class Watched:
    """A sampler over some domains, with a board and a record of changes."""

    def __init__(self, resolver, *settings):
        self.resolver, self.changes = resolver, []
        self.board = DomainBoard()
        self.board.publish(settings or (SETTINGS,))
        self.disputes = Disputes()
        self.sampler = DomainSampler(
            self.board,
            lambda: self.resolver,
            self.disputes,
            on_change=lambda pool, change: self.changes.append((pool, change)),
        )
        self.sampler.follow()

    async def sample(self):
        """Run one sample to its end."""
        before = self.board.counters(DOMAIN).samples
        self.sampler.tick(JOB)
        async with asyncio.timeout(1000):
            while self.board.counters(DOMAIN).samples == before:
                await asyncio.sleep(0.1)
        return self.board[DOMAIN]


def test_a_domain_is_sampled_when_its_job_says_so():
    """What is known of it afterwards is what its records say; jobs of others are none of its business."""

    async def main():
        watched = Watched(FakeResolver(SOUND))
        watched.sampler.tick("example.org")
        watched.sampler.tick("domain example.com")
        before = watched.sampler.waiting(time.time())
        state = await watched.sample()
        return watched, before, state

    watched, before, state = run(main())

    assert before == [DOMAIN]
    assert watched.sampler.waiting(time.time()) == []
    assert watched.sampler.intervals == {JOB: 900.0}
    assert watched.board.counters(DOMAIN).samples == 1
    assert state.is_healthy is True
    assert watched.changes == []


def test_a_failure_is_asked_again_before_it_is_believed():
    """It moves what is held when the confirmation has it too, and is told as one change about the domain."""

    async def main():
        watched = Watched(FakeResolver(SOUND))
        await watched.sample()
        watched.resolver.world = NO_SPF
        return watched, await watched.sample()

    watched, state = run(main())

    assert watched.resolver.confirmed
    assert watched.resolver.verified
    assert state.is_healthy is False
    assert [(pool, change.domain, change.after.check) for pool, change in watched.changes] == [("", DOMAIN, "spf")]
    assert watched.board.counters(DOMAIN).changes["spf", Result.FAIL] == 1


@pytest.mark.parametrize("second", [SOUND, SILENT], ids=["passes-then", "goes-unanswered-then"])
def test_a_failure_that_is_not_confirmed_moves_nothing(second):
    """One sample that failed, between good ones: no change, nothing held."""

    async def main():
        watched = Watched(FakeResolver(SOUND))
        await watched.sample()
        watched.resolver.world, watched.resolver.confirming = NO_SPF, second
        return watched, await watched.sample()

    watched, state = run(main())

    assert state.is_healthy is True
    assert watched.changes == []


def test_a_resolver_that_lies_flips_nothing():
    """News is told by servers whose canaries fail: what they say is not believed."""

    async def main():
        watched = Watched(FakeResolver(SOUND))
        await watched.sample()
        watched.resolver.world, watched.resolver.failures = NO_SPF, [Status.CANARY, Status.CANARY]
        return watched, await watched.sample()

    watched, state = run(main())

    assert state.is_healthy is True
    assert watched.changes == []


@pytest.mark.parametrize(("other", "healthy"), [(SOUND, True), (NO_SPF, False)], ids=["contradicts", "says-the-same"])
def test_two_voices_have_to_say_the_same(other, healthy):
    """A failure that another resolver does not see is in dispute: unknown, with both named; one that it sees counts."""

    async def main():
        watched = Watched(FakeResolver(SOUND))
        await watched.sample()
        watched.resolver = FakeResolver(NO_SPF, second=other)
        return await watched.sample()

    state = run(main())

    assert state.is_healthy is healthy
    spf = state.latest.spf.findings[0]
    assert spf.reason == ("disagreement" if healthy else "spf-none")
    assert {finding.result for finding in state.latest.findings if finding.check != "spf"} == {Result.PASS}


def test_a_dispute_is_in_the_books_while_it_lasts():
    """Who says what of which check, since when; one that left the configuration is in none."""

    async def main():
        watched = Watched(FakeResolver(SOUND))
        await watched.sample()
        watched.resolver = FakeResolver(NO_SPF, second=SOUND)
        for _ in range(2):
            await watched.sample()
        during = watched.disputes.of(DOMAINS, DOMAIN), watched.disputes.count(DOMAINS), len(watched.disputes)
        pairs = dict(watched.disputes.disagreements)
        watched.resolver = FakeResolver(SILENT)
        await watched.sample()
        silent = len(watched.disputes)
        watched.resolver = FakeResolver(SOUND)
        await watched.sample()
        after = len(watched.disputes)
        watched.resolver = FakeResolver(NO_SPF, second=SOUND)
        await watched.sample()
        watched.board.publish(())
        watched.sampler.follow()
        return during, pairs, silent, after, len(watched.disputes)

    (dispute, count, every), pairs, silent, after, gone = run(main())

    assert (dispute.failing.check, dispute.failing.subject, dispute.failing.reason) == ("spf", DOMAIN, "spf-none")
    assert (dispute.failing_source.server, dispute.passing_source.server) == ("192.0.2.53:53", "192.0.2.54:53")
    assert dispute.since < dispute.at
    assert (count, every, pairs) == (1, 1, {("test", "test"): 2})
    assert (silent, after, gone) == (1, 0, 0)


def test_a_resolver_that_never_calls_back_stops_nobody():
    """A hung lookup is given up in time: nothing is known, and the next sample works."""

    async def main():
        watched = Watched(FakeResolver(None))
        hung = await watched.sample()
        watched.resolver = FakeResolver(SOUND)
        return hung, await watched.sample()

    hung, after = run(main())

    assert hung.is_healthy is None
    assert {finding.reason for finding in hung.latest.findings} == {"timeout"}
    assert after.is_healthy is True


def test_a_hundred_domains_are_no_burst():
    """They take turns, a few at a time, and each is sampled once."""
    domains = [replace(SETTINGS, name=name(f"d{number}.example.org")) for number in range(100)]

    async def main():
        resolver = FakeResolver(SOUND, delay_seconds=1.0)
        watched = Watched(resolver, *domains)
        for job in watched.sampler.intervals:
            watched.sampler.tick(job)
            watched.sampler.tick(job)
        await asyncio.sleep(0.5)
        first = len({question.name for question in resolver.asked if str(question).endswith(" MX")})
        async with asyncio.timeout(10_000):
            while watched.sampler.waiting(time.time()):
                await asyncio.sleep(1.0)
        await asyncio.sleep(100.0)
        return watched, first

    watched, first = run(main())

    assert 0 < first <= 8
    assert {watched.board.counters(one.name).samples for one in domains} == {1}


def test_a_sample_that_is_due_while_one_runs_comes_after_it():
    """Ticks that come meanwhile make one more, however many they were."""

    async def main():
        watched = Watched(FakeResolver(SOUND, delay_seconds=1.0))
        for _ in range(4):
            watched.sampler.tick(JOB)
            await asyncio.sleep(0.1)
        await asyncio.sleep(100.0)
        return watched

    assert run(main()).board.counters(DOMAIN).samples == 2


def test_a_reload_drops_what_is_no_longer_wanted():
    """A sample by old settings is forgotten; the new ones are due; what stays as it is goes on."""

    async def main():
        other = replace(SETTINGS, name=name("example.com"))
        watched = Watched(FakeResolver(SOUND, delay_seconds=1.0), SETTINGS, other)
        for job in watched.sampler.intervals:
            watched.sampler.tick(job)
        await asyncio.sleep(0.1)
        watched.board.publish([replace(SETTINGS, selectors=("s1",)), other])
        changed = watched.sampler.follow()
        await asyncio.sleep(100.0)
        samples = [watched.board.counters(one.name).samples for one in (SETTINGS, other)]
        watched.board.publish([])
        return changed, samples, watched.sampler.follow(), watched.sampler.intervals

    changed, samples, after, intervals = run(main())

    assert changed == {JOB}
    assert samples == [0, 1]
    assert after == frozenset()
    assert intervals == {}


def test_nothing_goes_on_after_the_end():
    """What is under way is dropped, and nothing new begins."""

    async def main():
        watched = Watched(FakeResolver(SOUND, delay_seconds=1.0))
        watched.sampler.tick(JOB)
        await asyncio.sleep(0.1)
        watched.sampler.stop()
        await asyncio.sleep(100.0)
        return watched

    assert run(main()).board.counters(DOMAIN).samples == 0
