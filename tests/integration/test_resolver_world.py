"""Whole samples with real servers: every kind of address has its verdict and reasons."""

import asyncio
from dataclasses import replace

import pytest

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import AuthenticationSettings, Target, report
from exporter.checks.result import IprevVerdict, Result
from exporter.dns.servers import Workaround
from exporter.dns.settings import CanarySettings
from exporter.inventory.expansion import expand, expansion
from tests.integration.kinds import DOMAIN, KINDS
from tests.integration.running import resolver_for, sampled
from tests.integration.servers.knot import Knot
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


def results_of(reports):
    """Verdict and reasons of each report, in the notation of the world."""
    return [
        (
            it.iprev.verdict.value,
            {finding.check.value: finding.reason.value for finding in it.findings if finding.reason},
        )
        for it in reports
    ]


async def test_every_kind_straight_from_the_authoritative_server(world, knot):
    """With Knot, every verdict and reason is the expected one."""
    async with resolver_for(knot.address, timeout_seconds=5) as resolver:
        found = results_of(await sample_all(resolver, world))

    assert {one.kind for one in world.expected} == set(KINDS)
    wrong = [(one, got) for one, got in zip(world.expected, found, strict=True) if got != (one.verdict, one.reasons)]
    assert wrong == []


async def test_every_kind_through_a_recursive_resolver(world, unbound):
    """With Unbound, every verdict and reason is the expected one."""
    async with resolver_for(unbound.address, timeout_seconds=5) as resolver:
        found = results_of(await sample_all(resolver, world))

    wrong = [
        (one, got)
        for one, got in zip(world.expected, found, strict=True)
        if got != (one.verdict, one.recursive_reasons)
    ]
    assert wrong == []


def verdict(finding):
    """A finding without its fix, which offers less when less is known: whether to say another name in HELO."""
    return replace(finding, fix=None)


@pytest.mark.parametrize("count", [1_203, 4_000])
async def test_an_address_counts_wherever_it_is_in_a_long_answer(count):
    """One address of thousands is confirmed and authorised, and the record names them all as addresses of a pool."""
    ranges = [f"10.{number >> 8}.{number & 255}.25" for number in range(count)]
    last = Address.parse(ranges[-1])
    records = [f"many.example.org. A {one}" for one in ranges]
    spf = ['example.org. TXT "v=spf1 a:many.example.org -all"', f"{last.reverse_name}. PTR many.example.org."]
    wanted = AuthenticationSettings(mail_from=(DomainName("example.org"),))
    check = report(Target(last, (HeloName.parse("many.example.org"),)), wanted=wanted)
    with Knot({".": [*records, *spf]}) as knot:
        async with resolver_for(knot.address) as resolver:
            found = await sampled(resolver, check)
            compiled = await sampled(resolver, expand("example.org", ()))

    assert {finding.check: finding.result for finding in found.findings if finding.result is not Result.PASS} == {}
    assert expansion(compiled, (), {}).addresses.size == count


@pytest.mark.parametrize(("options", "status"), [((), "answer"), (("private-address: 127.0.0.0/8",), "malformed")])
async def test_an_answer_that_a_resolver_has_emptied_is_unknown(knot, options, status):
    """Without the addresses that it filters, Unbound's answer has no SOA record; all its negative answers have one."""
    knot.publish(".", ["listed.example.com. A 127.0.0.2", 'text.example.com. TXT "x"'])
    with Unbound(knot.port, options=options) as unbound:
        async with resolver_for(unbound.address, canary=CanarySettings()) as resolver:
            found = await resolver.resolve(Question(DomainName("listed.example.com"), "A"))
            nodata = await resolver.resolve(Question(DomainName("text.example.com"), "A"))
            gone = await resolver.resolve(Question(DomainName("gone.example.com"), "A"))
            workarounds = resolver.servers[0].workarounds

    assert [answer.status for answer in (found, nodata, gone)] == [status, "nodata", "nxdomain"]
    assert workarounds == ((Workaround.EMPTIED,) if options else ())


async def test_an_outage_withholds_every_verdict_and_changes_none(world, knot):
    """While Unbound is silent or stopped, everything is inconclusive. Afterwards everything is as before."""
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
                assert verdict(other) == verdict(one) or other.result is Result.UNKNOWN
    assert results_of(after) == results_of(before)


async def test_a_confirmation_sees_new_records(knot):
    """The old answer is cached, and a confirmation asks the server."""
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
