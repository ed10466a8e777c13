"""A server with wrong answers loses its trust, a silent one keeps it."""

import asyncio

import dns.name
import pytest

from exporter.checks.answers import Question, Status
from exporter.dns.settings import CanarySettings
from tests.factories import address, name
from tests.unit.dns.nameserver import OFTEN, WWW, eventually, honest, name_server, records, resolving, silent, sinkhole


def denying(query, transport):
    """A handler for which no name exists, not even the root."""
    return records(query, rcode=3)


def failing(query, transport):
    """A handler that always fails."""
    return records(query, rcode=2)


def refusing(query, transport):
    """A handler that refuses."""
    return records(query, rcode=5)


async def test_an_honest_server_passes():
    """A server that knows the root, and not the random name, passes its canary."""
    async with name_server(honest) as server, resolving(server, canary=OFTEN) as resolver:
        assert (await resolver.resolve(WWW)).records == (address("192.0.2.1"),)
        assert resolver.servers[0].canary_ok
        assert resolver.is_trusted
        invalid = [text for text in server.asked() if text.lower().split()[0].endswith(".invalid.")]
        assert len(invalid) >= 1


@pytest.mark.parametrize("wrong", [sinkhole, denying])
async def test_a_server_with_wrong_answers_is_not_trusted(wrong):
    """From the start, no answer counts of a server that answers or denies everything."""
    async with name_server(wrong) as server, resolving(server, canary=OFTEN) as resolver:
        answer = await resolver.resolve(WWW)

        assert (answer.status, answer.records) == (Status.CANARY, ())
        assert not resolver.servers[0].canary_ok
        assert not resolver.is_trusted
        assert len(resolver.cache) == 0


@pytest.mark.slow
async def test_trust_is_lost_and_regained():
    """When answers become wrong, the cache is cleared. When they are right again, the server is trusted again."""
    async with name_server(honest) as server, resolving(server, canary=OFTEN) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.ANSWER

        server.handler = sinkhole
        await eventually(lambda: not resolver.is_trusted)
        assert (await resolver.resolve(WWW)).status is Status.CANARY

        server.handler = failing
        await eventually(lambda: resolver.servers[0].last_error is Status.SERVFAIL)
        assert not resolver.is_trusted

        server.handler = honest
        await eventually(lambda: resolver.is_trusted)
        assert (await resolver.resolve(WWW)).records == (address("192.0.2.1"),)


async def test_a_failure_is_no_contradiction():
    """Without an answer the canary does not pass, but the server keeps its trust."""
    async with name_server(failing) as server, resolving(server, canary=OFTEN) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.SERVFAIL
        assert not resolver.servers[0].canary_ok
        assert resolver.is_trusted


@pytest.mark.parametrize(
    ("broken", "answered"),
    [
        (failing, "SERVFAIL"),
        (refusing, "REFUSED"),
        (silent, "TIMEOUT"),
        (denying, "NXDOMAIN"),
        (sinkhole, "203.0.113.66"),
    ],
)
async def test_any_failure_says_what_was_answered_until_the_canary_passes(broken, answered):
    """The health has the question, the answer and the beginning, which further failures keep."""
    async with name_server(broken) as server, resolving(server, canary=OFTEN, timeout_seconds=0.05) as resolver:
        await eventually(lambda: resolver.servers[0].canary_failure is not None)
        first = resolver.servers[0].canary_failure
        count = len(server.queries)
        await eventually(lambda: len(server.queries) >= count + 4)
        health = resolver.servers[0]
        assert health.is_failing
        assert not resolver.is_working
        assert (health.canary_failure.answered, health.canary_failure.since) == (answered, first.since)

        server.handler = honest
        await eventually(lambda: resolver.servers[0].canary_failure is None)
        assert resolver.is_working
        assert resolver.servers[0].canary_passed_at > first.since


async def test_of_two_servers_the_honest_one_is_asked():
    """The server with right answers is asked instead of the other one."""
    async with (
        name_server(sinkhole) as wrong,
        name_server(honest) as server,
        resolving(wrong, server, canary=OFTEN) as resolver,
    ):
        await eventually(lambda: resolver.servers[0].contradicted)
        assert (await resolver.resolve(WWW)).server == str(server.endpoint)
        assert (await resolver.resolve(WWW, confirm=True)).status in (Status.ANSWER, Status.CANARY)


async def test_questions_wait_for_the_first_canary():
    """No question is answered before the canary, or before one timeout has passed."""
    gate = asyncio.Event()

    async def slow(query, transport):
        if query.question[0].name == dns.name.root:
            await gate.wait()
        return honest(query, transport)

    async with name_server(slow) as server, resolving(server, canary=OFTEN, timeout_seconds=5) as resolver:
        asking = asyncio.ensure_future(resolver.resolve(WWW))
        await eventually(lambda: len(server.queries) == 2)
        assert "www.example.org. IN A" not in [text.lower().replace(" in a", " IN A") for text in server.asked()]
        gate.set()
        assert (await asking).status is Status.ANSWER

    async with name_server(silent) as server, resolving(server, canary=OFTEN, timeout_seconds=0.05) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.TIMEOUT


async def test_the_canary_is_configurable():
    """The canary can have other names than the root, and either half can be left out."""
    canary = CanarySettings(must_resolve=(WWW,), must_not_exist_under=None, interval_seconds=60)
    async with name_server(honest) as server, resolving(server, canary=canary) as resolver:
        await resolver.resolve(Question(name("other.example.org"), "A"))
        assert resolver.servers[0].canary_ok
        assert [text.lower() for text in server.asked()] == ["www.example.org. in a", "other.example.org. in a"]
