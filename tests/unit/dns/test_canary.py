"""A resolver that lies is not believed; one that is silent keeps the trust that it has."""

import asyncio

import dns.name
import pytest

from exporter.checks.answers import Question, Status
from exporter.dns.settings import CanarySettings
from tests.factories import address, name
from tests.unit.dns.nameserver import OFTEN, WWW, eventually, honest, name_server, records, resolving, silent, sinkhole


def denying(query, transport):
    """Says that nothing exists, the root included."""
    return records(query, rcode=3)


def failing(query, transport):
    """Fails, whatever it is asked."""
    return records(query, rcode=2)


async def test_an_honest_server_passes():
    """A server that knows the root, and not the random name, is well and believed."""
    async with name_server(honest) as server, resolving(server, canary=OFTEN) as resolver:
        assert (await resolver.resolve(WWW)).records == (address("192.0.2.1"),)
        assert resolver.servers[0].canary_ok
        assert resolver.is_trusted
        invalid = [text for text in server.asked() if text.lower().split()[0].endswith(".invalid.")]
        assert len(invalid) >= 1


@pytest.mark.parametrize("lying", [sinkhole, denying])
async def test_a_lying_server_is_not_believed(lying):
    """What a sinkhole, or a server that denies everything, says conclusively is inconclusive from the first on."""
    async with name_server(lying) as server, resolving(server, canary=OFTEN) as resolver:
        answer = await resolver.resolve(WWW)

        assert (answer.status, answer.records) == (Status.CANARY, ())
        assert not resolver.servers[0].canary_ok
        assert not resolver.is_trusted
        assert len(resolver.cache) == 0


async def test_trust_is_lost_and_regained_with_what_was_remembered():
    """A server that begins to lie loses what it had said before; when it stops, it is believed again."""
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


async def test_failure_contradicts_nothing():
    """A canary that gets no answer is not well, but takes no trust away."""
    async with name_server(failing) as server, resolving(server, canary=OFTEN) as resolver:
        assert (await resolver.resolve(WWW)).status is Status.SERVFAIL
        assert not resolver.servers[0].canary_ok
        assert resolver.is_trusted


async def test_of_two_servers_the_honest_one_is_believed():
    """A server that lies is passed over for one that does not."""
    async with (
        name_server(sinkhole) as liar,
        name_server(honest) as server,
        resolving(liar, server, canary=OFTEN) as resolver,
    ):
        await eventually(lambda: resolver.servers[0].contradicted)
        assert (await resolver.resolve(WWW)).server == str(server.endpoint)
        assert (await resolver.resolve(WWW, confirm=True)).status in (Status.ANSWER, Status.CANARY)


async def test_questions_wait_for_the_first_canary():
    """No question is answered before it is known whether the server lies, or one timeout has passed."""
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


async def test_the_canary_can_be_told_what_to_ask():
    """Other names than the root can be the canary's, and either half can be left out."""
    canary = CanarySettings(must_resolve=(WWW,), must_not_exist_under=None, interval_seconds=60)
    async with name_server(honest) as server, resolving(server, canary=canary) as resolver:
        await resolver.resolve(Question(name("other.example.org"), "A"))
        assert resolver.servers[0].canary_ok
        assert [text.lower() for text in server.asked()] == ["www.example.org. in a", "other.example.org. in a"]
