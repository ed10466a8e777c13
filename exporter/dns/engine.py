"""The engine of one resolver: connects its parts, times questions out, and watches the servers.

It never does more in one iteration of the event loop than send some hundred queries or evaluate one burst of replies.
"""

import asyncio
from collections.abc import Callable, Sequence

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.dns.canary import Canary, CanaryMonitor
from exporter.dns.codec import Randomness, RandomSource
from exporter.dns.query import QuerySender, ReplyHandler, ReplyMatcher
from exporter.dns.queue import Answered, Finish, Job, QueryQueue
from exporter.dns.servers import CookieJar, Server
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import Statistics
from exporter.dns.transports import Transports

_TICK_SECONDS = 0.02
_WATCH_SECONDS = 0.5
_MAX_TIMED_OUT_AT_ONCE = 200
_MIN_WAIT_SECONDS = 0.001


class Engine:
    """A resolver without its cache and without the joining of equal questions.

    *finish* gets all answers. *trust_changed* is called when a server begins or stops to contradict its canary.
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
        self._random_bytes = Randomness(rng).take
        self.servers = [self._server(number) for number in range(len(settings.servers))]
        self.queue = QueryQueue(
            settings, clock=clock, send_new=self._begin, send_again=self._send_again, overflow=self._overflow
        )
        self._sender = QuerySender(
            settings,
            self.servers,
            statistics=statistics,
            queue=self.queue,
            random_bytes=self._random_bytes,
            unix_time=unix_time,
            finish=self._finished,
            fail_soon=self._fail_soon,
        )
        self._handler = ReplyHandler(self._sender, statistics, clock=clock, unix_time=unix_time, finish=self._finished)
        self.monitor = CanaryMonitor(
            self.servers,
            [
                Canary(settings.canary, server, self._probe, self._random_bytes, self._canary_changed)
                for server in self.servers
            ],
            clock=clock,
            reconnect=self._reconnect,
            checked=self._canary_checked,
        )
        self._transports: Transports | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick_timer: asyncio.TimerHandle | None = None
        self._watch_timer: asyncio.TimerHandle | None = None
        self._release_timer: asyncio.TimerHandle | None = None
        self._reopening: set[asyncio.Task[None]] = set()

    @property
    def max_seconds(self) -> float:
        """The longest time from a question's first query to its answer."""
        return self._sender.lifetime_seconds + self._settings.timeout_seconds + 2 * _TICK_SECONDS

    @property
    def open_sockets(self) -> int:
        """How many UDP sockets and stream connections are open."""
        transports = self._transports
        if transports is None:
            return 0
        return sum(map(len, transports.udp)) + sum(map(len, transports.streams))

    async def start(self) -> None:
        """Open the channels to the servers, and ask the canaries."""
        self._loop = asyncio.get_running_loop()
        self.queue.start(self._loop)
        self._transports = Transports(
            self._settings, self._handler, self._match, random_bytes=self._random_bytes, clock=self._clock
        )
        await asyncio.gather(*map(self._open, self.servers))
        self._release_timer = self._loop.call_later(self._settings.timeout_seconds, self._release)
        if self._settings.canary is None:
            self._release()
        self.monitor.start(self._loop)
        self._watch()

    async def close(self) -> None:
        """Close all sockets. Pending questions are not answered; the caller must answer them."""
        for timer in (self._tick_timer, self._watch_timer, self._release_timer):
            if timer is not None:
                timer.cancel()
        self._loop = self._tick_timer = self._watch_timer = self._release_timer = None
        self.queue.close()
        self.monitor.close()
        for task in self._reopening:
            task.cancel()
        if self._transports is not None:
            await self._transports.close()

    def _server(self, number: int) -> Server:
        endpoint = self._settings.servers[number]
        is_udp = endpoint.scheme == "udp"  # encrypted replies cannot be forged: they need no cookies or random case
        return Server(
            number,
            endpoint,
            cookies=CookieJar(self._random_bytes) if self._settings.cookies and is_udp else None,
            random_case=self._settings.random_case and is_udp,
        )

    async def _open(self, server: Server) -> None:
        """Open the channels to a server. If its name does not resolve, it is unreachable until a later try."""
        assert self._transports is not None  # noqa: S101  # set by `start`
        channel, stream = await self._transports.open(server)
        self._sender.channels[server.number] = channel
        self._sender.streams[server.number] = stream

    def _match(self, server: Server) -> ReplyMatcher:
        return ReplyMatcher(
            server,
            self._handler,
            self._statistics,
            clock=self._clock,
            unix_time=self._unix_time,
            finish=self._finished,
            reorder=self._sender.reorder,
        )

    def _finished(self, answered: Sequence[Answered], server: int, now: float) -> None:
        self._finish(answered, server, now)
        self.queue.finished(len(answered))

    def _fail_soon(self, job: Job) -> None:
        if self._loop is not None:
            self._loop.call_soon(self._handler.take_failure, job, Status.NETWORK)

    def _overflow(self, jobs: list[Job], now: float) -> None:
        """Answer questions that waited too long, or for which the queue has no room."""
        self._statistics.overflowed += len(jobs)
        answer = Answer(Status.TIMEOUT, asked_at=self._unix_time())
        self._finish([(job, answer) for job in jobs], 0, now)

    def _begin(self, jobs: list[Job], now: float) -> None:
        self._start_ticking()
        self._sender.begin_all(jobs, now)

    def _send_again(self, job: Job, now: float) -> None:
        if self._sender.is_expired(job, now):
            self._sender.give_up(job, now)
        else:
            self._sender.send(job, now)

    def _start_ticking(self) -> None:
        if self._tick_timer is None and self._loop is not None:
            self._tick_timer = self._loop.call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        """Time out questions; runs as long as any is in flight."""
        self._tick_timer = None
        transports = self._transports
        if transports is None or self._loop is None:
            return
        now = self._clock()
        self._sender.expire_limited(now)
        late = [job for channel in transports.udp for job in channel.expire(now)]
        for job in late[:_MAX_TIMED_OUT_AT_ONCE]:
            if job.pending is not None:
                self._sender.time_out(job, now)
        for stream in transports.streams:
            stream.sweep(now)
        if any(server.is_suspected for server in self.servers):
            self.monitor.check_due()
        if self.queue.in_flight and self._tick_timer is None and self._loop is not None:
            again = _TICK_SECONDS if len(late) <= _MAX_TIMED_OUT_AT_ONCE else _MIN_WAIT_SECONDS
            self._tick_timer = self._loop.call_later(again, self._tick)

    def _watch(self) -> None:
        """Drop late questions, close idle sockets, and check and reorder the servers; runs all the time."""
        loop = self._loop
        if loop is None:
            return
        self._watch_timer = loop.call_later(_WATCH_SECONDS, self._watch)
        now = self._clock()
        self.queue.drop_late(now)
        if self._transports is not None:
            for channel in self._transports.udp:
                for _ in channel.expire(now):
                    pass  # closes idle sockets; `_tick` times the questions out
        self.monitor.check_due()
        self._sender.reorder()

    def _reconnect(self, server: Server) -> None:
        """Try again to open the channels of a server that has none."""
        if self._sender.channels[server.number] is None and self._loop is not None:
            task = self._loop.create_task(self._open(server))
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

    def _probe(self, server: Server, question: Question, on_answer: OnAnswer) -> None:
        """Ask only this server, at once, outside the queue."""
        now = self._clock()
        job = Job(question, "", on_answer)
        job.server = server
        job.pinned = True
        self.queue.in_flight += 1
        self._start_ticking()
        self._sender.begin(job, now)

    def _canary_checked(self) -> None:
        if self.monitor.is_ready:
            self._release()

    def _canary_changed(self) -> None:
        self._sender.reorder()
        self._trust_changed()

    def _release(self) -> None:
        """Begin to send questions: a server is trusted, all canaries were answered, or one timeout has passed."""
        if not self.queue.is_open and self._loop is not None:
            self.queue.open()
