"""Whole samples against real servers: every kind of address gets its verdict and its reasons."""

import asyncio

import pytest

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target, report
from exporter.checks.result import IprevVerdict, Result
from tests.integration.kinds import DOMAIN, KINDS
from tests.integration.running import resolver_for, sampled
from tests.integration.servers.unbound import Unbound

pytestmark = pytest.mark.integration


def target(expected):
    """Build the target that an operator would configure for this address."""
    helos = (HeloName.parse(expected.helo),) if expected.helo else ()
    return Target(Address.parse(expected.address), helos)


async def sample_all(resolver, world):
    """Sample every address of the world, all at once."""
    checks = [report(target(one), suffix=DomainName(DOMAIN)) for one in world.expected]
    return await asyncio.gather(*[sampled(resolver, check) for check in checks])


def said_of(reports):
    """Say what the reports came to: verdict and reasons, as the world spells them."""
    return [
        (
            it.iprev.verdict.value,
            {finding.check.value: finding.reason.value for finding in it.findings if finding.reason},
        )
        for it in reports
    ]


async def test_every_kind_straight_from_the_authoritative_server(world, knot):
    """Against Knot every verdict and reason equals the expected one."""
    async with resolver_for(knot.address, timeout_seconds=5) as resolver:
        helo = said_of(await sample_all(resolver, world))

    assert {one.kind for one in world.expected} == set(KINDS)
    wrong = [(one, got) for one, got in zip(world.expected, helo, strict=True) if got != (one.verdict, one.reasons)]
    assert wrong == []


async def test_every_kind_through_a_recursive_resolver(world, unbound):
    """Against Unbound every verdict and reason equals the expected one."""
    async with resolver_for(unbound.address, timeout_seconds=5) as resolver:
        helo = said_of(await sample_all(resolver, world))

    wrong = [
        (one, got) for one, got in zip(world.expected, helo, strict=True) if got != (one.verdict, one.recursive_reasons)
    ]
    assert wrong == []


async def test_an_outage_withholds_every_verdict_and_changes_none(world, knot):
    """While Unbound is silent, or gone, everything is inconclusive; afterwards everything is as it was."""
    with Unbound(knot.port) as unbound:
        async with resolver_for(unbound.address, timeout_seconds=5, cache_entries=0) as resolver:
            before = await sample_all(resolver, world)
        unbound.pause()
        async with resolver_for(unbound.address, timeout_seconds=0.1, cache_entries=0) as resolver:
            paused = await sample_all(resolver, world)
        unbound.resume()
        unbound.stop()
        async with resolver_for(unbound.address, timeout_seconds=0.1, cache_entries=0) as resolver:
            stopped = await sample_all(resolver, world)
        unbound.start()
        async with resolver_for(unbound.address, timeout_seconds=5, cache_entries=0) as resolver:
            after = await sample_all(resolver, world)

    assert {it.iprev.verdict for it in paused + stopped} == {IprevVerdict.TEMPERROR}
    for was, *during in zip(before, paused, stopped, strict=True):
        for then in during:
            for one, other in zip(was.findings, then.findings, strict=True):
                assert other == one or other.result is Result.UNKNOWN
    assert said_of(after) == said_of(before)


async def test_what_is_published_anew_is_seen_past_the_cache(knot):
    """An answer is served from the cache, and from the server when it has to be fresher than that."""
    question = Question(DomainName("fresh.example.com"), "A")
    knot.publish(".", ["fresh.example.com. A 192.0.2.1"])
    async with resolver_for(knot.address) as resolver:
        first = await resolver.resolve(question)
        knot.publish(".", ["fresh.example.com. A 192.0.2.2"])
        cached = await resolver.resolve(question)
        confirmed: asyncio.Future = asyncio.get_running_loop().create_future()
        resolver.ask(question, lambda _, answer: confirmed.set_result(answer), confirm=True)

        assert first.addresses == cached.addresses == (Address.parse("192.0.2.1"),)
        assert (await confirmed).addresses == (Address.parse("192.0.2.2"),)
        assert resolver.statistics.cache_hits["A", "answer"] == 1
