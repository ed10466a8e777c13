"""The engine over transports in memory: it does what each question wants, without a socket."""

import asyncio
import contextlib

import dns.flags
import dns.message
import pytest

from exporter.checks.answers import Status
from exporter.dns.engine import Engine
from exporter.dns.query import Query
from exporter.dns.settings import ResolverSettings, parse_endpoint
from exporter.dns.statistics import Statistics
from tests.fakes import FakeClock, FakeTransport
from tests.unit.dns.nameserver import WWW, eventually, knows_www, records

SERVERS = tuple([parse_endpoint(text) for text in ("192.0.2.53", "tls://192.0.2.54")])


def dig(wire, handler):
    """The reply of *handler* to a query in wire format."""
    return handler(dns.message.from_wire(wire), "").to_wire()


def good(wire):
    """The right reply."""
    return dig(wire, knows_www)


def truncated(wire):
    """A truncated reply."""

    def truncate(query, _):
        reply = records(query)
        reply.flags |= dns.flags.TC
        return reply

    return dig(wire, truncate)


def mute(wire):
    """No reply."""


def broken(wire):
    """A failure."""
    return Status.NETWORK


class World:
    """An engine with a server over UDP (and TCP) and one over TLS, and its clock, transports and answers."""

    def __init__(self, udp, tcp, tls, **more):
        self.clock = FakeClock(100.0)
        self.answered, self.opened = [], []
        self._answers = (udp, tcp, tls)
        settings = ResolverSettings(servers=SERVERS, canary=None, timeout_seconds=2.0, attempts=2, **more)
        self.engine = Engine(
            settings,
            Statistics(),
            clock=self.clock,
            unix_time=lambda: 7.0,
            rng=None,
            finish=lambda answered, server, now: self.answered.extend(answer for _, answer in answered),
            trust_changed=lambda: None,
            connect=self.connect,
        )

    async def connect(self, server, handler):
        """Open transports in memory."""
        udp, tcp, tls = self._answers
        if not server.is_udp:
            opened = (FakeTransport(server, handler, tls, over_udp=False), None)
        else:
            opened = (FakeTransport(server, handler, udp), FakeTransport(server, handler, tcp, over_udp=False))
        self.opened += [transport for transport in opened if transport is not None]
        return opened

    async def answer(self):
        """The answer to one question. Each query is waited for until it times out."""
        waited_for = 0
        self.engine.queue.submit(Query(WWW, "key", print, self.engine.context))
        while not self.answered:
            await asyncio.sleep(0.001)
            sent = sum(len(transport.sent) for transport in self.opened)
            if sent > waited_for:
                waited_for = sent
                self.clock.seconds += 2.0
        return self.answered.pop()


@contextlib.asynccontextmanager
async def asking(*answers, **more):
    """A started world, closed at the end."""
    world = World(*answers, **more)
    await world.engine.start()
    yield world
    await world.engine.close()


@pytest.mark.parametrize(
    ("answers", "status", "server", "asked"),
    [
        pytest.param((good, broken, broken), Status.ANSWER, 0, [1, 0, 0], id="an-answer"),
        pytest.param((truncated, good, broken), Status.ANSWER, 0, [1, 1, 0], id="tcp-after-truncation"),
        pytest.param((broken, broken, good), Status.ANSWER, 1, [1, 0, 1], id="the-next-server-after-a-failure"),
        pytest.param((mute, broken, good), Status.ANSWER, 1, [1, 0, 1], id="the-next-server-after-silence"),
        pytest.param((truncated, mute, good), Status.ANSWER, 1, [1, 1, 1], id="silence-over-tcp"),
        pytest.param((mute, mute, mute), Status.TIMEOUT, None, [1, 0, 1], id="silence"),
        pytest.param((broken, mute, broken), Status.NETWORK, None, [1, 0, 1], id="no-network"),
    ],
)
async def test_the_engine_does_what_the_question_wants(answers, status, server, asked):
    """It sends over the transport that the question names, passes replies, failures and timeouts, and dates answers."""
    async with asking(*answers) as world:
        answer = await world.answer()

        assert (answer.status, answer.asked_at) == (status, 7.0)
        assert answer.server == ("" if server is None else str(SERVERS[server]))
        assert [len(transport.sent) for transport in world.opened] == asked
        assert world.engine.queue.in_flight == 0
    assert world.engine.open_sockets == 0


async def test_a_retry_waits_for_the_rate():
    """A question that wants to be sent again waits until the rate allows a query."""
    async with asking(broken, broken, good, max_queries_per_second=20) as world:
        world.engine.queue.submit(Query(WWW, "key", print, world.engine.context))
        await eventually(lambda: world.engine.queue.queued == 1 and world.engine.queue.in_flight == 1)
        assert [len(transport.sent) for transport in world.opened] == [1, 0, 0]

        world.clock.seconds += 0.05
        await eventually(lambda: world.answered != [])
        assert [len(transport.sent) for transport in world.opened] == [1, 0, 1]


async def test_a_server_without_a_transport_is_the_network():
    """A server that cannot be reached now fails its questions, and does not block them."""
    async with asking(good, good, good) as world:
        world.engine._transports[:] = [(None, None)] * 2

        assert (await world.answer()).status is Status.NETWORK
