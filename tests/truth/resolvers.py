"""Resolvers of a simulated network: lossy, slow, out of date, and one of three lying, behind the real `Resolvers`.

What stands in for `exporter.dns.resolver.Resolver` keeps its contract, retries over servers and
a cache included. Only the network is not there: an answer comes after the time that its attempts would have taken.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.dns.canary import Verified
from exporter.dns.resolver import ServerHealth
from exporter.dns.settings import Endpoint, ResolverSettings, parse_endpoint
from tests.truth.faults import NODATA, NXDOMAIN, TTL_SECONDS, Published, found

LOSS, SERVFAIL, SLOW = 0.07, 0.07, 0.06
"""The shares of all queries that come to nothing, to SERVFAIL, to a late answer: 20% noise."""

LIED_ABOUT = 0.1
"""The share of the names that the liar lies about, always in the same way."""
_ROUND_TRIP_SECONDS = (0.005, 0.05)
_SLOW_SECONDS = (0.5, 3.5)
_SINKHOLE = Address.parse("192.0.2.99")
_STRANGER = DomainName("sinkhole.invalid")
_NEVER = (inf, inf)
_SILENCE = Answer(Status.TIMEOUT)
_BROKEN = Answer(Status.SERVFAIL)


@dataclass
class Server:
    """One server: it sees changes *lag_seconds* late; a liar says of some names that they are not right.

    *silence* are the times, from and to, at which it answers nothing.
    """

    endpoint: Endpoint
    published: Published
    lag_seconds: float
    is_liar: bool
    seed: int
    silence: tuple[float, float] = (inf, inf)

    def is_silent(self, now: float) -> bool:
        """Whether it answers nothing."""
        return self.silence[0] <= now < self.silence[1]

    def answer(self, question: Question, now: float) -> Answer:
        """What it says."""
        if self.is_liar and self.published.owner(question) is not None:
            rng = random.Random(f"{self.seed} {question}")
            if rng.random() < LIED_ABOUT:
                wrong = _STRANGER if question.rdtype == "PTR" else _SINKHOLE
                return rng.choice([NXDOMAIN, NODATA, found(wrong)])._replace(server=str(self.endpoint))
        return self.published.answer(question, now, self.lag_seconds)._replace(server=str(self.endpoint))


class SimulatedResolver:
    """As `Resolver`, of simulated servers, which all pass their canaries. *clock* is the world's."""

    def __init__(
        self,
        settings: ResolverSettings,
        servers: dict[Endpoint, Server],
        rng: random.Random,
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._clock = clock
        self.name = settings.name
        self._servers = [servers[endpoint] for endpoint in settings.servers]
        self._rng = rng
        self._cache: dict[Question, tuple[float, Answer]] = {}
        self.asked = 0
        self.lied = 0

    is_trusted = True
    deadline_seconds = 30.0
    in_flight = queued = 0

    @property
    def servers(self) -> tuple[ServerHealth, ...]:
        """Well, all that are not silent."""
        now = self._clock()
        return tuple(
            [
                ServerHealth(server.endpoint, not server.is_silent(now), None, True, False, 0.01)
                for server in self._servers
            ]
        )

    @property
    def is_up(self) -> bool:
        """Whether one of them answers."""
        return any(server.up for server in self.servers)

    @property
    def is_working(self) -> bool:
        """Whether one of them answers: all pass their canaries."""
        return self.is_up

    def ask(
        self,
        question: Question,
        on_answer: OnAnswer,
        *,
        max_age_seconds: float = inf,
        confirm: bool = False,
        server: str = "",
    ) -> None:
        """See `Resolver.ask`."""
        now = self._clock()
        known = self._cache.get(question)
        if known is not None and not confirm and now - known[0] < min(TTL_SECONDS, max_age_seconds):
            on_answer(question, known[1])
            return
        order = sorted(self._servers, key=lambda each: each.is_silent(now))  # who is down is asked last
        if server:
            order = [each for each in order if str(each.endpoint) == server]
        elif confirm and known is not None:
            last = known[1].server
            order = sorted(order, key=lambda each: str(each.endpoint) == last)
        seconds, answer = self._attempts(question, order, now)

        def deliver() -> None:
            if answer.is_conclusive:
                self._cache[question] = (self._clock(), answer)
            on_answer(question, answer)

        asyncio.get_running_loop().call_later(seconds, deliver)

    def _attempts(self, question: Question, order: list[Server], now: float) -> tuple[float, Answer]:
        """How long it takes, and what it comes to: what a real resolver's attempts would, one after the other."""
        rng, timeout = self._rng, self.settings.timeout_seconds
        seconds, worst = 0.0, _SILENCE
        for attempt in range(self.settings.attempts):
            server = order[attempt % len(order)]
            self.asked += 1
            luck = rng.random()
            took = rng.uniform(*_SLOW_SECONDS if luck < SLOW else _ROUND_TRIP_SECONDS)
            if server.is_silent(now + seconds) or took >= timeout or SLOW <= luck < SLOW + LOSS:
                seconds += timeout
            elif SLOW + LOSS <= luck < SLOW + LOSS + SERVFAIL:
                seconds += took
                worst = _BROKEN._replace(server=str(server.endpoint))
            else:
                answer = server.answer(question, now + seconds)
                self.lied += answer[:2] != server.published.answer(question, now + seconds, server.lag_seconds)[:2]
                return seconds + took, answer
        return seconds, worst

    def verify(self, servers: Collection[str], verified: Verified) -> None:
        """All of them pass: the liar knows what is asked."""
        del servers
        verified(None)


def network(
    published: Published,
    rng: random.Random,
    clock: Callable[[], float],
    *,
    apart: bool,
    liar: int | None,
    seed: int,
    silences: dict[int, tuple[float, float]] | None = None,
) -> tuple[list[ResolverSettings], Callable[[ResolverSettings, object], SimulatedResolver]]:
    """Three servers, each in a resolver of its own or all in one, the one at place *liar* lying."""
    endpoints = [parse_endpoint(f"192.0.2.{53 + place}") for place in range(3)]
    silences = silences or {}
    servers = {
        endpoint: Server(
            endpoint,
            published,
            rng.uniform(0, TTL_SECONDS),
            place == liar,
            seed,
            silences.get(place, _NEVER),
        )
        for place, endpoint in enumerate(endpoints)
    }
    split = [(endpoint,) for endpoint in endpoints] if apart else [tuple(endpoints)]
    settings = [ResolverSettings(name=f"resolver{place}", servers=each) for place, each in enumerate(split)]
    return settings, lambda one, _statistics: SimulatedResolver(one, servers, rng, clock)
