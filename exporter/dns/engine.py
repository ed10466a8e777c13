"""Runs the questions of one resolver: puts its parts together, keeps the questions' time, looks after the servers.

The rule of this file: it is woken only while there is something to do, and never does so much of it at once that the
event loop is held: at most some hundred queries, or one burst of replies.
"""

import asyncio
from collections.abc import Callable, Sequence

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.dns.canary import Canary, Watch
from exporter.dns.codec import Randomness, RandomSource
from exporter.dns.query import Asking, Matching, Replies
from exporter.dns.queue import Answered, Finish, Job, Pump
from exporter.dns.servers import CookieJar, Server
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import Statistics
from exporter.dns.transports import Transports

_TICK_SECONDS = 0.02
_WATCH_SECONDS = 0.5
_LATE_AT_ONCE = 200
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
        self.servers = [self._server(number) for number in range(len(settings.servers))]
        self.pump = Pump(settings, clock=clock, begin=self._begin, again=self._send_again, overflow=self._overflow)
        self._asking = Asking(
            settings,
            self.servers,
            statistics=statistics,
            pump=self.pump,
            take=self._take,
            unix_time=unix_time,
            finish=self._finished,
            fail_soon=self._fail_soon,
        )
        self._replies = Replies(self._asking, statistics, clock=clock, unix_time=unix_time, finish=self._finished)
        self.watch = Watch(
            self.servers,
            [Canary(settings.canary, server, self._probe, self._take, self._canary_changed) for server in self.servers],
            clock=clock,
            reach=self._reach,
            checked=self._canary_checked,
        )
        self._transports: Transports | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick_timer: asyncio.TimerHandle | None = None
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
        self.pump.start(self._loop)
        self._transports = Transports(self._settings, self._replies, self._match, take=self._take, clock=self._clock)
        await asyncio.gather(*map(self._open, self.servers))
        self._release_timer = self._loop.call_later(self._settings.timeout_seconds, self._release)
        if self._settings.canary is None:
            self._release()
        self.watch.start(self._loop)
        self._watch()

    async def close(self) -> None:
        """Stop. Whoever waits for an answer has to be told by whoever knows them."""
        for timer in (self._tick_timer, self._watch_timer, self._release_timer):
            if timer is not None:
                timer.cancel()
        self._loop = self._tick_timer = self._watch_timer = self._release_timer = None
        self.pump.close()
        self.watch.close()
        for task in self._reopening:
            task.cancel()
        if self._transports is not None:
            await self._transports.close()

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
        channel, stream = await self._transports.open(server)
        self._asking.channels[server.number] = channel
        self._asking.streams[server.number] = stream

    def _match(self, server: Server) -> Matching:
        return Matching(
            server,
            self._replies,
            self._statistics,
            clock=self._clock,
            unix_time=self._unix_time,
            finish=self._finished,
            reorder=self._asking.reorder,
        )

    def _finished(self, answered: Sequence[Answered], server: int, now: float) -> None:
        self._finish(answered, server, now)
        self.pump.finished(len(answered))

    def _fail_soon(self, job: Job) -> None:
        if self._loop is not None:
            self._loop.call_soon(self._replies.take_failure, job, Status.NETWORK)

    def _overflow(self, jobs: list[Job], now: float) -> None:
        """Questions have waited too long, or there is no room for them to wait."""
        self._statistics.overflowed += len(jobs)
        answer = Answer(Status.TIMEOUT, asked_at=self._unix_time())
        self._finish([(job, answer) for job in jobs], 0, now)

    def _begin(self, jobs: list[Job], now: float) -> None:
        """Send questions for the first time."""
        self._keep_time()
        self._asking.begin_all(jobs, now)

    def _send_again(self, job: Job, now: float) -> None:
        if self._asking.is_spent(job, now):
            self._asking.give_up(job, now)
        else:
            self._asking.send(job, now)

    def _keep_time(self) -> None:
        """See to it that questions under way are timed out."""
        if self._tick_timer is None and self._loop is not None:
            self._tick_timer = self._loop.call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        """Time out what has had no reply."""
        self._tick_timer = None
        transports = self._transports
        if transports is None or self._loop is None:
            return
        now = self._clock()
        self._asking.expire_hurried(now)
        late = [job for channel in transports.udp for job in channel.expire(now)]
        for job in late[:_LATE_AT_ONCE]:
            if job.pending is not None:
                self._asking.time_out(job, now)
        for stream in transports.streams:
            stream.sweep(now)
        if any(server.is_suspected for server in self.servers):
            self.watch.look()
        if self.pump.in_flight and self._tick_timer is None and self._loop is not None:
            again = _TICK_SECONDS if len(late) <= _LATE_AT_ONCE else _LEAST_WAIT_SECONDS
            self._tick_timer = self._loop.call_later(again, self._tick)

    def _watch(self) -> None:
        """Look after the servers, and after what waits."""
        loop = self._loop
        if loop is None:
            return
        self._watch_timer = loop.call_later(_WATCH_SECONDS, self._watch)
        now = self._clock()
        self.pump.drop_late(now)
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
        job = Job(question, "", on_answer)
        job.server = server
        job.pinned = True
        self.pump.in_flight += 1
        self._keep_time()
        self._asking.begin(job, now)

    def _canary_checked(self) -> None:
        """Let the questions go once a server is known to tell the truth, or nothing more is to be heard."""
        if self.watch.is_informed:
            self._release()

    def _canary_changed(self) -> None:
        self._asking.reorder()
        self._trust_changed()

    def _release(self) -> None:
        """Let the questions go that were held until the canaries were heard."""
        if not self.pump.is_open and self._loop is not None:
            self.pump.open()
