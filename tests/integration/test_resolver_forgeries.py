"""10,000 forged replies: none is accepted, and every good answer is."""

import asyncio

import pytest

from exporter.checks.answers import Status
from tests.factories import hosts
from tests.integration import forgeries
from tests.integration.running import asking_for, resolver_for
from tests.integration.sending import BEHAVIOURS

pytestmark = pytest.mark.integration

FORGERIES = sorted(name for name in BEHAVIOURS if name.startswith("forged-"))
QUESTIONS_EACH = 50


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forgery_is_ignored_and_the_good_answer_used(misbehaving, forgery):
    """Twenty forgeries before each good answer are ignored, whatever is wrong about them."""
    # Two floods at a time fit into a socket's receive buffer, however busy the machine: of more, the end may be lost.
    async with resolver_for(misbehaving.address, timeout_seconds=10, max_in_flight=2) as resolver:
        questions = [asking_for(forgery, number=number) for number in range(QUESTIONS_EACH)]
        answers = await asyncio.gather(*map(resolver.resolve, questions))

        assert {answer.status for answer in answers} == {Status.ANSWER}
        assert {answer.addresses for answer in answers} == {hosts("192.0.2.1").addresses}
        assert misbehaving.forged >= QUESTIONS_EACH * forgeries.FLOOD
        assert misbehaving.asked[forgery, "udp"] == QUESTIONS_EACH, "no forgery made it ask again"


async def test_ten_thousand_forgeries(misbehaving):
    """Ten thousand forged replies of all kinds are counted, and only the good answers are accepted."""
    rounds = -(-10_000 // (len(FORGERIES) * forgeries.FLOOD))
    async with resolver_for(misbehaving.address, timeout_seconds=10, max_in_flight=8) as resolver:
        questions = [asking_for(forgery, number=number) for number in range(rounds) for forgery in FORGERIES]
        answers = await asyncio.gather(*map(resolver.resolve, questions))

        assert {answer.addresses for answer in answers} == {hosts("192.0.2.1").addresses}
        assert misbehaving.forged >= 10_000
        assert sum(resolver.statistics.ignored.values()) >= 5_000


async def test_without_mixed_case_a_wrong_case_is_ignored_too(misbehaving):
    """Without 0x20, a reply whose question differs in case is ignored too."""
    async with resolver_for(misbehaving.address, timeout_seconds=10, random_case=False) as resolver:
        answer = await resolver.resolve(asking_for("forged-case"))

        assert answer.addresses == hosts("192.0.2.1").addresses


async def test_a_forged_truncation_is_not_used(misbehaving):
    """A truncated reply only moves the question to TCP; its records are not used."""
    async with resolver_for(misbehaving.address) as resolver:
        answer = await resolver.resolve(asking_for("truncated-forged"))

        assert answer.addresses == hosts("192.0.2.1").addresses
        assert misbehaving.asked["truncated-forged", "tcp"] == 1


@pytest.mark.parametrize(
    ("forgery", "status"), [("only-forged-elsewhere", Status.TIMEOUT), ("only-forged-here", Status.MALFORMED)]
)
async def test_forgeries_alone_are_inconclusive(misbehaving, forgery, status):
    """Without a good reply the answer is inconclusive, and its status says whether any reply was ambiguous."""
    async with resolver_for(misbehaving.address, timeout_seconds=1.0, attempts=2) as resolver:
        answer = await resolver.resolve(asking_for(forgery))

    assert (answer.status, answer.records) == (status, ())
    assert misbehaving.forged >= forgeries.FLOOD
