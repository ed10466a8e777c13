"""The fakes that tests share: a resolver that answers from a table, a transport, a clock, a loop that never waits."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable, Sequence
from math import inf
from typing import Any, TypeVar

from exporter.checks.answers import Answer, Question, Status
from exporter.dns.query import Query
from exporter.dns.resolvers import Source
from exporter.dns.servers import Server
from exporter.dns.transports import ReplyHandler


class FakeClock:
    """A clock that stands still until a test moves it: calling it gives *seconds*."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


class FakeResolver:
    """A resolver, as sampling asks it, that answers from *world*: a function from a question to its answer.

    Attributes:
        world: gives each answer; None answers nothing at all, as if every question hung.
        confirming: gives the answers to confirmations instead; None for *world*.
        second: gives the answers of a second, independent source; None where there is only one source.
        delay_seconds: the time until an answer; 0 answers before `ask` returns.
        asked: every question, in order.
        confirmed: the questions that asked for a confirmation.
        failures: the results of the next verifications, in order; each one after them succeeds.
        verified: the servers of each verification.
    """

    deadline_seconds = 5.0
    servers = ("192.0.2.53:53", "192.0.2.54:53")

    def __init__(
        self,
        world: Callable[[Question], Answer] | None,
        *,
        confirming: Callable[[Question], Answer] | None = None,
        second: Callable[[Question], Answer] | None = None,
        delay_seconds: float = 0.01,
        max_in_flight: int = 10,
    ) -> None:
        self.world, self.confirming, self.second = world, confirming, second
        self.delay_seconds = delay_seconds
        self.max_in_flight = max_in_flight
        self.asked: list[Question] = []
        self.confirmed: list[Question] = []
        self.failures: list[Status] = []
        self.verified: list[Any] = []

    def ask(self, question, on_answer, *, max_age_seconds=inf, confirm=False, source=None):
        self.asked.append(question)
        if confirm:
            self.confirmed.append(question)
        is_second = source is not None
        world = self.second if is_second else self.confirming if confirm and self.confirming else self.world
        if world is None:
            return
        answer = world(question)
        if answer.status is not Status.TIMEOUT:
            answer = answer._replace(server=self.servers[is_second])
        if self.delay_seconds:
            asyncio.get_running_loop().call_later(self.delay_seconds, on_answer, question, answer)
        else:
            on_answer(question, answer)

    def verify(self, servers, verified):
        self.verified.append(servers)
        verified(self.failures.pop(0) if self.failures else None)

    def sources(self, servers):
        return frozenset(Source("test", server) for server in servers)

    def another(self, heard):
        source = Source("test", self.servers[1])
        return source if self.second is not None and source not in heard else None

    def source_at(self, number):
        return None


def silent(_question: Question) -> Answer:
    """A world in which every question times out."""
    return Answer(Status.TIMEOUT)


T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Lets time pass at once when there is nothing to read."""

    passed: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events and timeout:
            self.passed(timeout)
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time. *on_pass* hears of each jump, in seconds."""

    def __init__(self, on_pass: Callable[[float], None] = lambda _seconds: None) -> None:
        selector = _JumpingSelector()
        super().__init__(selector)
        self._now = 1000.0
        self._on_pass = on_pass
        selector.passed = self.pass_time

    def time(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* go by, as if the machine had been busy."""
        self._now += seconds
        self._on_pass(seconds)


def run(main: Coroutine[Any, Any, T], on_pass: Callable[[float], None] = lambda _seconds: None) -> T:
    """Run *main* in a `JumpingLoop`."""
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(on_pass)) as runner:
        return runner.run(main)


class FakeTransport:
    """A transport in memory, whose server answers in the next iteration of the event loop.

    *answer* gives the reply to a message, the status of a failure, or None for silence. *over_udp* is whether the
    replies arrive as datagrams, which may be forged.

    Attributes:
        sent: The messages, each with its ID.
        is_closed: Whether it was closed.
    """

    def __init__(
        self,
        server: Server,
        handler: ReplyHandler,
        answer: Callable[[bytes], bytes | Status | None],
        *,
        over_udp: bool = True,
    ) -> None:
        self._server, self._handler, self._answer, self._over_udp = server, handler, answer, over_udp
        self._pending: dict[bytes, Query] = {}
        self.sent: list[bytes] = []
        self.is_closed = False

    def __len__(self) -> int:
        return 0 if self.is_closed else 1

    def send(self, queries: Sequence[Query], messages: Sequence[bytes]) -> None:
        for query, message in zip(queries, messages, strict=True):
            query.query_id = len(self.sent).to_bytes(2)
            query.pending = self._pending
            self._pending[query.query_id] = query
            self.sent.append(query.query_id + message)
            asyncio.get_running_loop().call_soon(self._deliver, query, self._answer(self.sent[-1]))

    def expire(self, now: float) -> Iterable[Query]:
        return [query for query in self._pending.values() if query.deadline <= now]

    async def close(self) -> None:
        self.is_closed = True

    def _deliver(self, query: Query, reply: bytes | Status | None) -> None:
        if isinstance(reply, Status):
            query.forget()
            self._handler.take_failure(query, reply)
        elif reply is not None and self._over_udp:
            self._handler.take_datagrams(self._server, iter([reply]), self._pending, inf)
        elif reply is not None:
            query.forget()
            self._handler.take_message(query, reply)
