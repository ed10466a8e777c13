"""Domains are sampled one after the other, and a new failure is recorded only after a confirmation."""

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


def test_a_domain_is_sampled_when_its_job_is_due():
    """Jobs of pools and of unknown domains are ignored."""

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


def test_a_failure_is_recorded_after_a_confirmation():
    """As one change of the domain."""

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
def test_a_failure_that_is_not_confirmed_changes_nothing(second):
    """One failed sample between good ones is no change."""

    async def main():
        watched = Watched(FakeResolver(SOUND))
        await watched.sample()
        watched.resolver.world, watched.resolver.confirming = NO_SPF, second
        return watched, await watched.sample()

    watched, state = run(main())

    assert state.is_healthy is True
    assert watched.changes == []


def test_a_lying_resolver_changes_nothing():
    """The servers of the failure fail their canaries, so they are not believed."""

    async def main():
        watched = Watched(FakeResolver(SOUND))
        await watched.sample()
        watched.resolver.world, watched.resolver.failures = NO_SPF, [Status.CANARY, Status.CANARY]
        return watched, await watched.sample()

    watched, state = run(main())

    assert state.is_healthy is True
    assert watched.changes == []


@pytest.mark.parametrize(("other", "healthy"), [(SOUND, True), (NO_SPF, False)], ids=["contradicts", "confirms"])
def test_two_sources_have_to_agree(other, healthy):
    """A failure that another source contradicts is disputed and unknown; one that it confirms is recorded."""

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


def test_a_dispute_is_kept_while_it_lasts():
    """With both sources, the check and the times; a removed domain has none."""

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


def test_a_hung_lookup_ends_at_the_deadline():
    """Nothing is known then, and the next sample works."""

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
    """A few are sampled at a time, and each of them once."""
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
    """Several ticks meanwhile cause one more sample."""

    async def main():
        watched = Watched(FakeResolver(SOUND, delay_seconds=1.0))
        for _ in range(4):
            watched.sampler.tick(JOB)
            await asyncio.sleep(0.1)
        await asyncio.sleep(100.0)
        return watched

    assert run(main()).board.counters(DOMAIN).samples == 2


def test_a_reload_drops_samples_with_old_settings():
    """A changed domain is due again; the sample of an unchanged one continues."""

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


def test_a_stopped_sampler_records_nothing():
    """The sample under way is dropped."""

    async def main():
        watched = Watched(FakeResolver(SOUND, delay_seconds=1.0))
        watched.sampler.tick(JOB)
        await asyncio.sleep(0.1)
        watched.sampler.stop()
        await asyncio.sleep(100.0)
        return watched

    assert run(main()).board.counters(DOMAIN).samples == 0
