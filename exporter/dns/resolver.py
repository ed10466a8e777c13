"""Answers questions by asking a few servers: what everybody else sees of `exporter.dns`.

The rule of this file: every question is called back exactly once, with a value; nothing that the DNS says or does not
say raises. Equal questions in flight are asked once, and what was answered is not asked again while it is good.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.dns.cache import KEY_SUFFIXES, Cache
from exporter.dns.canary import Verified
from exporter.dns.endpoints import Endpoint
from exporter.dns.engine import Engine
from exporter.dns.job import Answered, Job
from exporter.dns.randomness import RandomSource
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import Statistics

_CONFIRMATION = "? "  # before the key of a question that goes past the cache: it joins no ordinary one in flight
_FIRST_MARK = ord(" ") + 1  # in place of that space: the server that alone is asked, so that only its like are joined
_CONCLUSIVE = (Status.ANSWER, Status.NODATA, Status.NXDOMAIN)


class ServerHealth(NamedTuple):
    """How one server of a resolver is. *last_error* is what its last failed query came to; None while all is well."""

    endpoint: Endpoint
    up: bool
    last_error: Status | None
    canary_ok: bool
    contradicted: bool
    round_trip_seconds: float


class Resolver:
    """A stub resolver (RFC 9499) over the servers of its settings. It belongs to the event loop that starts it.

    *clock* is monotonic and counts seconds; *unix_time* only dates answers; *rng* gives IDs, ports and cases.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
        rng: RandomSource | None = None,
    ) -> None:
        self.settings = settings
        self.statistics = Statistics()
        self._clock = clock
        self._unix_time = unix_time
        self._engine = Engine(
            settings,
            self.statistics,
            clock=clock,
            unix_time=unix_time,
            rng=rng,
            finish=self._finish,
            trust_changed=self._trust_changed,
        )
        self.cache = Cache(settings.cache_entries, tuple([str(endpoint) for endpoint in settings.servers]))
        self._remembered = self.cache.keys()
        self._joined: dict[str, Job] = {}
        self._servers_by_text = {server.text: server.number for server in self._engine.servers}
        self._submit = self._engine.pump.submit

    @property
    def name(self) -> str:
        """What the operator calls it: the label `resolver`."""
        return self.settings.name

    @property
    def in_flight(self) -> int:
        """Questions that were sent, canaries included, and are not answered yet."""
        return self._engine.pump.in_flight

    @property
    def queued(self) -> int:
        """Questions that wait until they may be sent."""
        return self._engine.pump.queued

    @property
    def open_sockets(self) -> int:
        """UDP sockets and stream connections that are open; their number is bounded for each server."""
        return self._engine.open_sockets

    @property
    def servers(self) -> tuple[ServerHealth, ...]:
        """How the servers are, in the order of the settings."""
        return tuple(
            [
                ServerHealth(
                    server.endpoint,
                    server.up,
                    server.last_error,
                    server.canary_ok,
                    server.contradicted,
                    server.round_trip_seconds,
                )
                for server in self._engine.servers
            ]
        )

    @property
    def is_up(self) -> bool:
        """Whether any of its servers answers."""
        return any(server.up for server in self._engine.servers)

    @property
    def is_trusted(self) -> bool:
        """Whether any of its servers passes its canary, or has not failed it yet."""
        return not all(server.contradicted for server in self._engine.servers)

    @property
    def deadline_seconds(self) -> float:
        """The longest that one `ask` can take: queueing, every attempt and the whole CNAME chain included."""
        return self.settings.max_queue_seconds + self._engine.longest_seconds

    async def start(self) -> None:
        """Open the ways to the servers. Questions are then held until the canaries were heard, or one timeout long."""
        await self._engine.start()

    async def close(self) -> None:
        """Let go of everything. Questions that are still open are called back as timed out."""
        await self._engine.close()
        for job in tuple(self._joined.values()):
            job.forget()
            self._finish(((job, Answer(Status.TIMEOUT, asked_at=self._unix_time())),), 0, self._clock())

    def ask(
        self,
        question: Question,
        on_answer: OnAnswer,
        *,
        max_age_seconds: float = math.inf,
        confirm: bool = False,
        server: str = "",
    ) -> None:
        """Get *question* answered: *on_answer* is called exactly once, before this returns if the answer is at hand.

        An answer out of the cache is younger than *max_age_seconds*. *confirm* goes past the cache, and rather to
        another server than the one that gave the last answer to this question. If *server* names one as in
        `Answer.server`, that is asked and no other. Never raises for what the DNS says.
        """
        key = question[0] + KEY_SUFFIXES[question[1]]  # `key_of`, without the call
        if not confirm and key in self._remembered:
            answer = self.cache.get(key, self._clock(), max_age_seconds)
            if answer is not None:
                self.statistics.count_hit(question[1], answer[0])
                on_answer(question, answer)
                return
        if confirm or server:
            self._ask_past_the_cache(question, key, on_answer, server)
        elif key in self._joined:
            self._join(self._joined[key], question, on_answer)
        else:
            self._joined[key] = job = Job(question, key, on_answer)
            self._submit(job)

    def _ask_past_the_cache(self, question: Question, key: str, on_answer: OnAnswer, server: str) -> None:
        pinned = self._servers_by_text.get(server)
        job_key = (_CONFIRMATION if pinned is None else f"?{chr(_FIRST_MARK + pinned)}") + key
        if job_key in self._joined:
            self._join(self._joined[job_key], question, on_answer)
            return
        self._joined[job_key] = job = Job(question, job_key, on_answer)
        job.is_confirmation = True
        if pinned is not None:
            job.server = self._engine.servers[pinned]
            job.pinned = True
            job.tried = 1 << pinned  # not what any server may be asked
        else:
            last = self.cache.last_server(key)
            job.tried = 0 if last is None else 1 << last
        self._submit(job)

    def _join(self, job: Job, question: Question, on_answer: OnAnswer) -> None:
        """Wait for the answer to an equal question that is under way."""
        self.statistics.coalesced += 1
        if job.more is None:
            job.more = []
        job.more.append((question, on_answer))

    async def resolve(self, question: Question, *, max_age_seconds: float = math.inf, confirm: bool = False) -> Answer:
        """`ask`, for those who can wait."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def take(_: Question, answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        self.ask(question, take, max_age_seconds=max_age_seconds, confirm=confirm)
        return await answered

    def verify(self, servers: Collection[str], verified: Verified) -> None:
        """Ask the canaries of *servers*, named as in `Answer.server`; tell *verified* why one is not believed, or None.

        It is called exactly once, at once where there is nothing to ask. Silence of a server takes no trust away.
        """
        mine = [server.number for server in self._engine.servers if server.text in servers]
        doubts: list[Status | None] = []

        def take(doubt: Status | None) -> None:
            doubts.append(doubt)
            if len(doubts) == len(mine):
                verified(next(filter(None, doubts), None))

        for number in mine:
            self._engine.watch.verify(number, take)
        if not mine:
            verified(None)

    def _finish(self, answered: Sequence[Answered], server: int, now: float) -> None:
        """Remember what is conclusive, and call back everybody who waits for it."""
        joined = self._joined
        conclusive = [
            (job.key if not job.is_confirmation else job.key[len(_CONFIRMATION) :], answer)
            for job, answer in answered
            if answer[0] in _CONCLUSIVE and job.key
        ]
        self.cache.put(conclusive, server, now)
        for job, answer in answered:
            key = job.key
            if key:
                if joined.get(key) is not job:
                    continue  # it was called back when the resolver closed
                del joined[key]
            on_answer = job.on_answer
            try:
                on_answer(job.question, answer)
            except Exception as error:  # noqa: BLE001  # who asked is broken; the other questions must not suffer
                self._complain(job.question, error)
            if job.more is not None:
                for question, on_other_answer in job.more:
                    try:
                        on_other_answer(question, answer)
                    except Exception as error:  # noqa: BLE001  # as above
                        self._complain(question, error)

    def _complain(self, question: Question, error: Exception) -> None:
        context = {"message": f"the answer to {question} could not be used", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    def _trust_changed(self) -> None:
        """Forget what a server said that lies, or may have lied."""
        self.cache.clear()
