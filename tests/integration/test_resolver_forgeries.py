"""Replies that nobody should believe: 10,000 of them, none accepted, and every good answer used all the same."""

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
    """Twenty forgeries before each good answer, all wrong in the same way: none counts, the good one does."""
    # Two floods at a time fit into a socket's receive buffer, however busy the machine: of more, the end may be lost.
    async with resolver_for(misbehaving.address, timeout_seconds=10, max_in_flight=2) as resolver:
        questions = [asking_for(forgery, number=number) for number in range(QUESTIONS_EACH)]
        answers = await asyncio.gather(*map(resolver.resolve, questions))

        assert {answer.status for answer in answers} == {Status.ANSWER}
        assert {answer.addresses for answer in answers} == {hosts("192.0.2.1").addresses}
        assert misbehaving.forged >= QUESTIONS_EACH * forgeries.FLOOD
        assert misbehaving.asked[forgery, "udp"] == QUESTIONS_EACH, "no forgery made it ask again"


async def test_ten_thousand_forgeries(misbehaving):
    """Ten thousand forged replies of all kinds, mixed: none is accepted, each is counted, all good answers are used."""
    rounds = -(-10_000 // (len(FORGERIES) * forgeries.FLOOD))
    async with resolver_for(misbehaving.address, timeout_seconds=10, max_in_flight=8) as resolver:
        questions = [asking_for(forgery, number=number) for number in range(rounds) for forgery in FORGERIES]
        answers = await asyncio.gather(*map(resolver.resolve, questions))

        assert {answer.addresses for answer in answers} == {hosts("192.0.2.1").addresses}
        assert misbehaving.forged >= 10_000
        assert sum(resolver.statistics.ignored.values()) >= 5_000


async def test_without_mixed_case_a_wrong_case_is_ignored_too(misbehaving):
    """Where 0x20 is off, a reply whose question differs in case is still not the reply to what was asked."""
    async with resolver_for(misbehaving.address, timeout_seconds=10, random_case=False) as resolver:
        answer = await resolver.resolve(asking_for("forged-case"))

        assert answer.addresses == hosts("192.0.2.1").addresses


async def test_a_forged_truncation_is_not_believed_either(misbehaving):
    """A truncated reply only moves the question to TCP; the records in it are not used."""
    async with resolver_for(misbehaving.address) as resolver:
        answer = await resolver.resolve(asking_for("truncated-forged"))

        assert answer.addresses == hosts("192.0.2.1").addresses
        assert misbehaving.asked["truncated-forged", "tcp"] == 1


@pytest.mark.parametrize(
    ("forgery", "status"), [("only-forged-elsewhere", Status.TIMEOUT), ("only-forged-here", Status.MALFORMED)]
)
async def test_where_only_forgeries_come_nothing_is_answered(misbehaving, forgery, status):
    """Without a good reply the question stays inconclusive, and says whether anything came that might have been it."""
    async with resolver_for(misbehaving.address, timeout_seconds=1.0, attempts=2) as resolver:
        answer = await resolver.resolve(asking_for(forgery))

    assert (answer.status, answer.records) == (status, ())
    assert misbehaving.forged >= forgeries.FLOOD
