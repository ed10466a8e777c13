"""Runs the questions of one resolver: lets them go as the rate allows, keeps their time, watches the servers.

The rule of this file: it is woken only while there is something to do, and never does so much of it at once that the
event loop is held: at most some hundred queries, or one burst of replies.
"""

import asyncio
import math
from collections.abc import Callable

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.dns.asking import Asking, Finish
from exporter.dns.canary import Canary
from exporter.dns.cookies import CookieJar
from exporter.dns.health import Server
from exporter.dns.job import Job
from exporter.dns.pacing import TokenBucket, Waiting
from exporter.dns.randomness import Randomness, RandomSource
from exporter.dns.replies import Replies
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import Statistics
from exporter.dns.transports import Transports
from exporter.dns.watch import Watch

_TICK_SECONDS = 0.02
_WATCH_SECONDS = 0.5
_AT_ONCE = 200
_LEAST_WAIT_SECONDS = 0.001


class Engine:
    """Everything of a resolver but its cache and who waits for which question.

    *finish* is told what each question came to; *trust_changed* that a canary was contradicted, or is not any more.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        statistics: Statistics,
        *,
        clock: Callable[[], float],
        unix_time: Callable[[], float],
        rng: RandomSource | None,
        finish: Finish,
        trust_changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._statistics = statistics
        self._clock = clock
        self._unix_time = unix_time
        self._finish = finish
        self._trust_changed = trust_changed
        self._take = Randomness(rng).take
        self.in_flight = 0
        self.waiting: Waiting[Job] = Waiting(settings.max_queued)
        self.servers = [self._server(number) for number in range(len(settings.servers))]
        self._bucket = TokenBucket(settings.max_queries_per_second)
        self._asking = Asking(
            settings,
            self.servers,
            statistics=statistics,
            bucket=self._bucket,
            waiting=self.waiting,
            take=self._take,
            unix_time=unix_time,
            finish=finish,
            fail_soon=self._fail_soon,
            wake=self._wake,
        )
        self._replies = Replies(self._asking, statistics, clock=clock, unix_time=unix_time, finish=finish)
        self.watch = Watch(
            self.servers,
            [Canary(settings.canary, server, self._probe, self._take, self._canary_changed) for server in self.servers],
            clock=clock,
            reach=self._reach,
            checked=self._canary_checked,
        )
        self._max_in_flight = settings.max_in_flight
        self._transports: Transports | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_open = False
        self._is_pumping = False
        self._tick_timer: asyncio.TimerHandle | None = None
        self._pump_timer: asyncio.TimerHandle | None = None
        self._watch_timer: asyncio.TimerHandle | None = None
        self._release_timer: asyncio.TimerHandle | None = None
        self._reopening: set[asyncio.Task[None]] = set()

    @property
    def longest_seconds(self) -> float:
        """The longest that a question is under way once it has left the queue."""
        return self._asking.life_seconds + self._settings.timeout_seconds + 2 * _TICK_SECONDS

    @property
    def open_sockets(self) -> int:
        """UDP sockets and stream connections that are open."""
        transports = self._transports
        if transports is None:
            return 0
        return sum(map(len, transports.udp)) + sum(map(len, transports.streams))

    async def start(self) -> None:
        """Open the ways to the servers, and ask the canaries."""
        self._loop = asyncio.get_running_loop()
        self._transports = Transports(
            self._settings, self._replies, self._statistics, take=self._take, clock=self._clock
        )
        await asyncio.gather(*map(self._open, self.servers))
        self._release_timer = self._loop.call_later(self._settings.timeout_seconds, self._release)
        if self._settings.canary is None:
            self._release()
        self.watch.start(self._loop)
        self._watch()

    async def close(self) -> None:
        """Stop. Whoever waits for an answer has to be told by whoever knows them."""
        for timer in (self._tick_timer, self._pump_timer, self._watch_timer, self._release_timer):
            if timer is not None:
                timer.cancel()
        self._loop = self._tick_timer = self._pump_timer = self._watch_timer = self._release_timer = None
        self._is_open = False
        self.watch.close()
        self.waiting.clear()
        for task in self._reopening:
            task.cancel()
        if self._transports is not None:
            await self._transports.close()

    def submit(self, job: Job, now: float) -> None:
        """Send a question now, or as soon as it may be."""
        if self._is_open and self.in_flight < self._max_in_flight and not self.waiting.count and self._bucket.take(now):
            # What `_begin` does, without the calls: every question comes this way.
            self.in_flight += 1
            if self._tick_timer is None and self._loop is not None:
                self._tick_timer = self._loop.call_later(_TICK_SECONDS, self._tick)
            if job.tried:
                self._asking.begin(job, now)
            else:
                self._asking.begin_ordinary(job, now)
        elif self._loop is not None and self.waiting.push(job):
            self._wake()
        elif self._loop is not None:
            self._loop.call_soon(self._overflow, job, now)  # not at once: who asks on from there would never end
        else:
            self._overflow(job, now)

    def finished(self, job: Job) -> None:
        """A question was answered: the next one may go."""
        if job.began_at != -math.inf:
            self.in_flight -= 1
        if self.waiting.count and not self._is_pumping:
            self._pump()

    def _server(self, number: int) -> Server:
        endpoint = self._settings.servers[number]
        is_udp = endpoint.scheme == "udp"  # what is encrypted cannot be forged: cookies and random case add nothing
        return Server(
            number,
            endpoint,
            cookies=CookieJar(self._take) if self._settings.cookies and is_udp else None,
            random_case=self._settings.random_case and is_udp,
        )

    async def _open(self, server: Server) -> None:
        """Find the way to a server. One whose name does not resolve is unreachable until a later try."""
        assert self._transports is not None  # noqa: S101  # set by `start`
        channel, stream = await self._transports.open(server.endpoint)
        self._asking.channels[server.number] = channel
        self._asking.streams[server.number] = stream

    def _begin(self, job: Job, now: float) -> None:
        self.in_flight += 1
        if self._tick_timer is None and self._loop is not None:
            self._tick_timer = self._loop.call_later(_TICK_SECONDS, self._tick)
        self._asking.begin(job, now)

    def _fail_soon(self, job: Job) -> None:
        if self._loop is not None:
            self._loop.call_soon(self._replies.take_unreachable, job)

    def _overflow(self, job: Job, now: float) -> None:
        self._statistics.overflowed += 1
        self._finish(job, Answer(Status.TIMEOUT, asked_at=self._unix_time()), 0, now)

    def _wake(self) -> None:
        """See to it that the queue is looked at when the rate allows the next query."""
        if self._pump_timer is None and self._loop is not None:
            wait = max(self._bucket.wait_seconds(self._clock()), _LEAST_WAIT_SECONDS)
            self._pump_timer = self._loop.call_later(wait, self._pump_on_time)

    def _pump_on_time(self) -> None:
        self._pump_timer = None
        self._pump()

    def _pump(self) -> None:
        """Send what waits, as far as the rate and the number in flight allow."""
        now = self._clock()
        self._is_pumping = True
        try:
            self._drop_late(now)
            for _ in range(_AT_ONCE):
                if not self.waiting.count or not self._may_send_next():
                    return
                if not self._bucket.take(now):
                    break
                self._send(self.waiting.pop(), now)
        finally:
            self._is_pumping = False
        if self.waiting.count:
            self._wake()

    def _may_send_next(self) -> bool:
        """Whether the first in the queue may go; if not, an answer or the canary will look again."""
        return self.waiting.has_again or (self._is_open and self.in_flight < self._max_in_flight)

    def _send(self, job: Job, now: float) -> None:
        if job.began_at == -math.inf:
            self._begin(job, now)
        elif self._asking.is_spent(job, now):
            self._asking.give_up(job, now)
        else:
            self._asking.send(job, now)

    def _drop_late(self, now: float) -> None:
        """Answer those that have waited too long."""
        oldest = self.waiting.oldest_fresh()
        while oldest is not None and now - oldest.queued_at >= self._settings.max_queue_seconds:
            self._overflow(self.waiting.pop_fresh(), now)
            oldest = self.waiting.oldest_fresh()

    def _tick(self) -> None:
        """Time out what has had no reply."""
        self._tick_timer = None
        transports = self._transports
        if transports is None or self._loop is None:
            return
        now = self._clock()
        self._asking.expire_hurried(now)
        late = [job for channel in transports.udp for job in channel.expire(now)]
        for job in late[:_AT_ONCE]:
            if job.pending is not None:
                self._asking.time_out(job, now)
        for stream in transports.streams:
            stream.sweep(now)
        if self.in_flight and self._tick_timer is None and self._loop is not None:
            again = _TICK_SECONDS if len(late) <= _AT_ONCE else _LEAST_WAIT_SECONDS
            self._tick_timer = self._loop.call_later(again, self._tick)

    def _watch(self) -> None:
        """Look after the servers, and after what waits."""
        loop = self._loop
        if loop is None:
            return
        self._watch_timer = loop.call_later(_WATCH_SECONDS, self._watch)
        now = self._clock()
        self._drop_late(now)
        if self._transports is not None:
            for channel in self._transports.udp:
                for _ in channel.expire(now):
                    pass  # closes idle sockets; those that wait are the tick's
        self.watch.look()
        self._asking.reorder()

    def _reach(self, server: Server) -> None:
        """Look again for the way to a server that had none."""
        if self._asking.channels[server.number] is None and self._loop is not None:
            task = self._loop.create_task(self._open(server))
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

    def _probe(self, server: Server, question: Question, on_answer: OnAnswer) -> None:
        """Ask one server, and no other, at once and whatever else is under way."""
        now = self._clock()
        job = Job(question, "", on_answer, now)
        job.server = server
        job.pinned = True
        self._begin(job, now)

    def _canary_checked(self) -> None:
        """Let the questions go once a server is known to tell the truth, or nothing more is to be heard."""
        if self.watch.is_informed:
            self._release()

    def _canary_changed(self) -> None:
        self._asking.reorder()
        self._trust_changed()

    def _release(self) -> None:
        """Let the questions go that were held until the canaries were heard."""
        if not self._is_open and self._loop is not None:
            self._is_open = True
            self._pump()
