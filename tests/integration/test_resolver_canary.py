"""A resolver with wrong answers: its canary fails, verdicts become inconclusive, and none changes."""

import asyncio
import time

import pytest

from exporter.checks.answers import Question, Status
from exporter.checks.names import DomainName
from exporter.checks.report import report
from exporter.checks.result import IprevVerdict, Reason
from exporter.dns.settings import CanarySettings
from tests.factories import target
from tests.integration.misbehaving import Misbehaving
from tests.integration.running import asking_for, resolver_for, sampled
from tests.integration.servers.knot import Knot
from tests.integration.servers.process import DEADLINE_SECONDS

pytestmark = pytest.mark.integration

TARGET = target("192.0.2.1")
ZONES = {
    "2.0.192.in-addr.arpa": ["1 PTR mail.example.org."],
    "example.org": ["mail A 192.0.2.1"],
}
SINKHOLE = ["* A 192.0.2.66", "* AAAA 2001:db8::66", "* PTR sinkhole.invalid.", "* TXT sinkhole"]
QUICK = CanarySettings(interval_seconds=0.05)


async def until(condition):
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_sinkhole_makes_verdicts_inconclusive():
    """While the server answers for names that do not exist, no answer counts. Afterwards answers count again."""
    with Knot(ZONES) as knot:
        async with resolver_for(knot.address, canary=QUICK, cache_entries=0) as resolver:
            before = await sampled(resolver, report(TARGET))
            knot.publish(".", SINKHOLE)
            await until(lambda: not resolver.is_trusted)
            during = await sampled(resolver, report(TARGET))
            canary_ok = [server.canary_ok for server in resolver.servers]
            knot.publish(".", [])
            await until(lambda: resolver.is_trusted)
            after = await sampled(resolver, report(TARGET))

    assert before.iprev.verdict is after.iprev.verdict is IprevVerdict.PASS
    assert during.iprev.verdict is IprevVerdict.TEMPERROR
    assert during.iprev.finding.reason is Reason.CANARY
    assert canary_ok == [False]


async def test_a_sinkhole_from_the_start_is_never_trusted():
    """Questions wait for the first canary, so that not even the first answer counts."""
    with Knot({**ZONES, ".": SINKHOLE}) as knot:
        async with resolver_for(knot.address, canary=QUICK) as resolver:
            answer = await resolver.resolve(Question(DomainName("anything.example.com"), "A"))

    assert answer.status is Status.CANARY


async def test_an_honest_second_server_is_asked():
    """A second server that passes its canary answers all questions."""
    with Knot({**ZONES, ".": SINKHOLE}) as wrong, Knot(ZONES) as honest:
        async with resolver_for(wrong.address, honest.address, canary=QUICK) as resolver:
            answers = [
                await resolver.resolve(Question(DomainName(f"{number}.example.com"), "A")) for number in range(20)
            ]

    assert {(answer.status, answer.server) for answer in answers} == {(Status.NXDOMAIN, honest.address)}


async def test_silence_is_no_contradiction():
    """A server that does not answer its canary is down, but keeps its trust. Questions time out."""
    with Misbehaving(always="silent") as mute:
        async with resolver_for(mute.address, canary=QUICK, timeout_seconds=0.1, attempts=2) as resolver:
            answer = await resolver.resolve(Question(DomainName("mail.example.org"), "A"))

            assert answer.status is Status.TIMEOUT
            assert resolver.is_trusted


@pytest.mark.parametrize("interval_seconds", [0.01, 60.0], ids=["often", "at-each-change"])
async def test_canaries_count_as_queries_and_take_half_of_them_at_most(interval_seconds):
    """Two servers get no more queries than the rate allows, and canaries leave half of that to the questions."""
    count, rate = 40, 40
    canary = CanarySettings((asking_for("good", number=0),), DomainName("nxdomain.example.org"), interval_seconds)
    verified: list[Status | None] = []
    with Misbehaving() as one, Misbehaving() as other:
        servers = [one.address, other.address]
        async with resolver_for(*servers, canary=canary, max_queries_per_second=rate) as resolver:
            started = time.monotonic()
            for number in range(1, count + 1):
                answer = await resolver.resolve(asking_for("good", number=number), confirm=number % 2 == 0)
                resolver.verify(servers, verified.append)
                assert answer.is_conclusive
            seconds = time.monotonic() - started
            asked = one.asked + other.asked
            await until(lambda: len(verified) == count)

    assert asked.total() <= rate * seconds + 6  # the first canaries were sent before
    assert asked["nxdomain", "udp"] * 2 <= rate * seconds / 2 + 8
    assert set(verified) == {None}
