"""Loss, delay, closed ports and dead servers: questions are answered, or the result is unknown."""

import asyncio
import time

import pytest

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from tests.factories import hosts
from tests.integration.misbehaving import Misbehaving
from tests.integration.running import asking_for, resolver_for
from tests.integration.servers.knot import Knot
from tests.integration.servers.process import DEADLINE_SECONDS, free_port
from tests.integration.servers.unbound import Unbound

pytestmark = pytest.mark.integration

GOOD = hosts("192.0.2.1").addresses


async def resolve_many(resolver, behaviour, count):
    """Ask *count* different questions at once."""
    return await asyncio.gather(*[resolver.resolve(asking_for(behaviour, number=it)) for it in range(count)])


async def test_a_third_of_the_packets_lost():
    """With 30% loss and ten attempts, nearly every question is answered, and none wrongly."""
    with Misbehaving(loss=0.3, seed=7) as server:
        async with resolver_for(server.address, timeout_seconds=0.4, attempts=10, max_in_flight=100) as resolver:
            answers = await resolve_many(resolver, "good", 200)

    assert {answer.status for answer in answers} <= {Status.ANSWER, Status.TIMEOUT}
    assert sum(answer.addresses == GOOD for answer in answers) >= 198  # 0.3 ** 10 of 200 is 0.001
    assert server.asked["good", "udp"] > 200


async def test_200_ms_of_delay():
    """A slow server is waited for: each question is sent once."""
    with Misbehaving(delay_seconds=0.2) as server:
        async with resolver_for(server.address, timeout_seconds=60) as resolver:
            answers = await resolve_many(resolver, "good", 200)

    assert {answer.addresses for answer in answers} == {GOOD}
    assert server.asked["good", "udp"] == 200


async def test_a_closed_port():
    """A closed port is a network error, without waiting for the timeout."""
    async with resolver_for(f"127.0.0.1:{free_port()}", timeout_seconds=300, attempts=2) as resolver:
        async with asyncio.timeout(280):  # sooner than the first time-out
            answer = await resolver.resolve(asking_for("good"))

        assert answer.status is Status.NETWORK


@pytest.mark.parametrize("first", ["closed", "servfail", "refused", "silent"])
async def test_the_second_server_answers_for_the_first(first):
    """If a server is closed, fails, refuses or is silent, the other answers every question."""
    with Misbehaving() as server, Misbehaving(always="silent" if first == "closed" else first) as bad:
        address = f"127.0.0.1:{free_port()}" if first == "closed" else bad.address
        seconds = 0.5 if first == "silent" else 5
        async with resolver_for(address, server.address, timeout_seconds=seconds, attempts=6) as resolver:
            answers = await resolve_many(resolver, "good", 50)

            assert {answer.addresses for answer in answers} == {GOOD}


async def test_a_dead_first_server_does_not_cost_every_question_its_timeout():
    """After the first questions the dead server is skipped: it gets far fewer questions than the other."""
    with Misbehaving(loss=1.0) as mute, Misbehaving() as server:
        async with resolver_for(mute.address, server.address, timeout_seconds=0.5, attempts=4) as resolver:
            for number in range(60):
                answer = await resolver.resolve(asking_for("good", number=number))
                assert answer.addresses == GOOD

        assert mute.asked.total() < 20
        assert server.asked.total() >= 60


async def test_equal_questions_in_flight_are_asked_once():
    """A hundred equal questions at once are one query with one answer."""
    with Misbehaving(delay_seconds=0.2) as server:
        async with resolver_for(server.address, timeout_seconds=60) as resolver:
            answers = await asyncio.gather(*[resolver.resolve(asking_for("good")) for _ in range(100)])

            assert len({answer.addresses for answer in answers}) == 1
            assert server.asked.total() == 1


async def test_the_rate_is_kept():
    """Questions above the rate wait: a hundred at fifty per second take more than a second."""
    with Misbehaving() as server:
        async with resolver_for(server.address, max_queries_per_second=50, timeout_seconds=5) as resolver:
            started = time.monotonic()
            await resolve_many(resolver, "good", 100)

            assert time.monotonic() - started >= 0.9  # less the first burst


async def test_no_more_in_flight_than_allowed():
    """The number of questions in flight has a limit."""
    with Misbehaving(delay_seconds=0.05) as server:
        async with resolver_for(server.address, max_in_flight=10, timeout_seconds=5) as resolver:
            highest = 0
            tasks = [asyncio.ensure_future(resolver.resolve(asking_for("good", number=it))) for it in range(100)]
            while not all(task.done() for task in tasks):
                highest = max(highest, resolver.in_flight)
                await asyncio.sleep(0.01)

            assert 0 < highest <= 10
            assert {task.result().addresses for task in tasks} == {GOOD}


async def test_closing_answers_open_questions():
    """When a resolver is closed, an open question is called back once, as inconclusive."""
    called: list[tuple[Question, Answer]] = []
    with Misbehaving(loss=1.0) as mute:
        async with resolver_for(mute.address, timeout_seconds=30) as resolver:
            resolver.ask(asking_for("silent"), lambda question, answer: called.append((question, answer)))
            await asyncio.sleep(0)

    assert [(question, answer.is_conclusive) for question, answer in called] == [(asking_for("silent"), False)]


async def test_unusual_names_are_asked(knot):
    """Names of any bytes are sent and matched."""
    async with resolver_for(knot.address) as resolver:
        answer = await resolver.resolve(Question(DomainName(r"\000\255\.\".invalid"), "PTR"))

        assert answer.status is Status.NXDOMAIN


async def watch_up(resolver, seen):
    """Note repeatedly whether the only server of a resolver is up."""
    while True:
        seen.add(resolver.servers[0].up)
        await asyncio.sleep(0.005)


async def until(condition):
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_silent_zone_does_not_take_a_resolver_down():
    """Unbound is up while one zone does not answer. When Unbound is silent, it is down."""
    silent = [Question(DomainName(f"{number}.silent.test"), "A") for number in range(8)]
    with (
        Misbehaving(loss=1.0) as mute,
        Knot({"example.org": ["www A 192.0.2.1"]}) as knot,
        Unbound(knot.port, stubs={"silent.test": mute.port}) as unbound,
    ):
        async with resolver_for(unbound.address, timeout_seconds=0.5, attempts=3, cache_entries=0) as resolver:
            seen: set[bool] = set()
            watching = asyncio.create_task(watch_up(resolver, seen))
            one_by_one = [await resolver.resolve(question) for question in silent[:2]]
            at_once = await asyncio.gather(*map(resolver.resolve, silent[2:]))
            watching.cancel()
            assert not any(answer.is_conclusive for answer in [*one_by_one, *at_once])
            assert seen == {True}

            unbound.pause()
            await resolver.resolve(Question(DomainName("www.example.org"), "A"))
            await until(lambda: not resolver.servers[0].up)
            unbound.resume()
            await until(lambda: resolver.servers[0].up)
            answer = await resolver.resolve(Question(DomainName("www.example.org"), "A"))
            assert answer.addresses == GOOD
