"""The engine of one resolver: drives its questions, opens the transports, times out, and watches the servers.

It never does more in one iteration of the event loop than send some hundred queries or evaluate one burst of replies.
"""

import asyncio
import heapq
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.dns.canary import Canary, CanaryMonitor
from exporter.dns.codec import RandomBytes, Randomness, RandomSource
from exporter.dns.query import (
    Again,
    Answered,
    Datagram,
    Event,
    Failed,
    Finish,
    MaySend,
    Message,
    Query,
    QueryContext,
    Send,
    TimedOut,
    WaitUntil,
    match_ordinary,
)
from exporter.dns.queue import QueryQueue
from exporter.dns.servers import CookieJar, Server
from exporter.dns.settings import Endpoint, ResolverSettings
from exporter.dns.statistics import Statistics
from exporter.dns.transports import (
    ReadBudget,
    ReplyHandler,
    SocketAddress,
    StreamTransport,
    Transport,
    UdpTransport,
    look_up,
)

_TICK_SECONDS = 0.02
_WATCH_SECONDS = 0.5
_MAX_TIMED_OUT_AT_ONCE = 200
_MIN_WAIT_SECONDS = 0.001

OnFinish = Callable[[Sequence[Answered], int, float], None]
"""Called with answered questions, the number of the server that answered, and the monotonic time."""

Transports = tuple[Transport | None, Transport | None]
"""How a server is asked, and its TCP connections if that is UDP; None for what cannot be opened now."""

Connect = Callable[[Server, ReplyHandler], Awaitable[Transports]]
"""Opens the transports to a server."""

_new = tuple.__new__  # builds a NamedTuple in a third of the time
_query = itemgetter(0)  # of an `Answered`
_type_and_time = attrgetter("rdtype", "sent_at")


class Engine:
    """A resolver without its cache and without the joining of equal questions. It takes the replies of its transports.

    *finish* gets all answers. *trust_changed* is called when a server begins or stops to contradict its canary.
    *connect* opens the transports; by default those of the endpoint's scheme.

    Attributes:
        context: What all questions share.
        servers: The servers, in the order of the settings.
        queue: The questions that wait to be sent.
        monitor: The canaries.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        statistics: Statistics,
        *,
        clock: Callable[[], float],
        unix_time: Callable[[], float],
        rng: RandomSource | None,
        finish: OnFinish,
        trust_changed: Callable[[], None],
        connect: Connect | None = None,
    ) -> None:
        self._settings = settings
        self._statistics = statistics
        self._clock = clock
        self._unix_time = unix_time
        self._finish = finish
        self._trust_changed = trust_changed
        self._random_bytes = Randomness(rng).take
        self._connect = connect or Connector(settings, self._random_bytes, clock).open
        self.servers = [self._server(number) for number in range(len(settings.servers))]
        self.context = QueryContext(settings, self.servers, statistics, self._random_bytes)
        self.queue = QueryQueue(
            settings, clock=clock, send_new=self._begin, send_again=self._may_send, overflow=self._overflow
        )
        query_seconds = len(self.servers) / settings.max_queries_per_second
        self.monitor = CanaryMonitor(
            self.servers,
            [
                Canary(
                    settings.canary, server, self._probe, self._random_bytes, self._canary_changed, query_seconds, clock
                )
                for server in self.servers
            ],
            clock=clock,
            reconnect=self._reconnect,
            checked=self._canary_checked,
        )
        self._transports: list[Transports] = [(None, None)] * len(self.servers)
        self._opened: list[Transport] = []
        self._deadlines: list[tuple[float, int, int, Query]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tick_timer: asyncio.TimerHandle | None = None
        self._watch_timer: asyncio.TimerHandle | None = None
        self._release_timer: asyncio.TimerHandle | None = None
        self._opening: dict[int, asyncio.Task[None]] = {}

    @property
    def max_seconds(self) -> float:
        """The longest time from a question's first query to its answer."""
        return self.context.lifetime_seconds + self._settings.timeout_seconds + 2 * _TICK_SECONDS

    @property
    def open_sockets(self) -> int:
        """How many UDP sockets and stream connections are open."""
        return sum(map(len, self._opened))

    async def start(self) -> None:
        """Open the transports to the servers, and ask the canaries. A name is waited for at most one timeout."""
        self._loop = asyncio.get_running_loop()
        self.queue.start(self._loop)
        for server in self.servers:
            self._reconnect(server)
        await asyncio.wait(self._opening.values(), timeout=self._settings.timeout_seconds)
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
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*[transport.close() for transport in self._opened])

    def take_datagrams(
        self, server: Server, packets: Iterator[bytes], pending: dict[bytes, Query], until: float
    ) -> None:
        """Evaluate packets, which arrive in bursts: what ordinary replies have in common is done once per burst.

        A packet whose ID no question waits for on its socket is counted and ignored.
        """
        now = self._clock()
        text = server.text
        asked_at = self._unix_time()
        answered: list[Answered] = []
        while True:
            opt = None if server.contradicted else server.opt_seen
            other: tuple[Query | None, bytes] | None
            if opt is not None:
                other = match_ordinary(packets, pending, opt, answered, server=text, asked_at=asked_at)
            else:
                packet = next(packets, b"")
                other = (pending.get(packet[:2]), packet) if packet else None
            if other is None:
                break
            query, packet = other
            if query is None:
                self._statistics.ignored["unknown-id"] += 1
            else:
                self._advance(query, _new(Datagram, (self._clock(), packet)))
            if self._clock() > until:
                break
        if answered:
            self._finish_ordinary(server, answered, now)

    def take_message(self, query: Query, packet: bytes) -> None:
        """Evaluate the message with the ID of *query* over a connection to the server."""
        self._advance(query, Message(self._clock(), packet))

    def take_failure(self, query: Query, status: Status) -> None:
        """Note that for the reason *status* no reply to *query* will arrive."""
        self._advance(query, Failed(self._clock(), status))

    def _server(self, number: int) -> Server:
        endpoint = self._settings.servers[number]
        is_udp = endpoint.scheme == "udp"  # encrypted replies cannot be forged: they need no cookies or random case
        return Server(
            number,
            endpoint,
            cookies=CookieJar(self._random_bytes)
            if self._settings.cookies and self._settings.edns and is_udp
            else None,
            random_case=self._settings.random_case and is_udp,
            edns=self._settings.edns,
        )

    async def _open(self, server: Server) -> None:
        """Open the transports to a server. If its name does not resolve, it is unreachable until a later try."""
        self._transports[server.number] = opened = await self._connect(server, self)
        self._opened += [transport for transport in opened if transport is not None]

    def _advance(self, query: Query, event: Event) -> None:
        """Pass an event to a question, and do what it wants."""
        now = event.at
        for action in query.advance(event):
            if type(action) is Finish:  # the commonest by far, and a pattern takes longer
                answer = action.answer
                dated = _new(Answer, (*answer[:5], self._unix_time(), answer[6]))
                self._finished([(query, dated)], 0 if query.server is None else query.server.number, now)
                continue
            match action:
                case Send(server, over_tcp, message):
                    self._send(query, server, over_tcp, message)
                case Again():
                    if self.queue.may_send(now):
                        self._advance(query, MaySend(now))
                    else:
                        self.queue.submit_again(query)
                case WaitUntil(deadline):
                    heapq.heappush(self._deadlines, (deadline, id(query), query.serial, query))

    def _may_send(self, query: Query, now: float) -> None:
        self._advance(query, MaySend(now))

    def _send(self, query: Query, server: Server, over_tcp: bool, message: bytes) -> None:  # noqa: FBT001
        transport = self._transports[server.number][over_tcp]
        if transport is None:
            if self._loop is not None:
                self._loop.call_soon(self.take_failure, query, Status.NETWORK)
            return
        if over_tcp or not server.is_udp:  # `Transport.expire` has those over UDP
            heapq.heappush(self._deadlines, (query.deadline, id(query), query.serial, query))
        transport.send((query,), (message,))

    def _begin(self, queries: list[Query], now: float) -> None:
        """Send new questions. Those that any server may answer are sent together."""
        self._start_ticking()
        server = self.context.order[0]
        transport, _ = self._transports[server.number]
        ordinary: list[Query] = []
        special = queries
        if transport is not None and now >= server.ordinary_from and not server.wants_basic(now):
            special = [query for query in queries if query.tried]
            ordinary = [query for query in queries if not query.tried] if special else queries
        for query in special:
            self._advance(query, MaySend(now))
        if ordinary and transport is not None:
            transport.send(ordinary, Query.begin_ordinary(ordinary, server, now))

    def _finish_ordinary(self, server: Server, answered: list[Answered], now: float) -> None:
        """Count and pass on the ordinary answers of a burst."""
        last, _ = answered[-1]
        if server.replied(now, now - last.sent_at):  # only of the last one is the time of arrival known
            self.context.reorder()
        server.note_full_reply(now, last.section)
        for (rdtype, sent_at), count in Counter(map(_type_and_time, map(_query, answered))).items():
            self._statistics.count_query(rdtype, Status.ANSWER, now - sent_at, count)
        self._finished(answered, server.number, now)

    def _finished(self, answered: Sequence[Answered], server: int, now: float) -> None:
        self._finish(answered, server, now)
        self.queue.finished(len(answered))

    def _overflow(self, queries: list[Query], now: float) -> None:
        """Answer questions that waited too long, or for which the queue has no room."""
        self._statistics.overflowed += len(queries)
        answer = Answer(Status.TIMEOUT, asked_at=self._unix_time())
        self._finish([(query, answer) for query in queries], 0, now)

    def _start_ticking(self) -> None:
        if self._tick_timer is None and self._loop is not None:
            self._tick_timer = self._loop.call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        """Time out questions; runs as long as any is in flight."""
        self._tick_timer = None
        if self._loop is None:
            return
        now = self._clock()
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            _, _, serial, query = heapq.heappop(deadlines)
            if query.serial == serial:
                self._advance(query, TimedOut(now))
        late = [query for transport in self._opened for query in transport.expire(now)]
        for query in late[:_MAX_TIMED_OUT_AT_ONCE]:
            self._advance(query, TimedOut(now))
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
        for transport in self._opened:
            transport.expire(now)  # closes idle sockets; `_tick` times the questions out
        self.monitor.check_due()
        self.context.reorder()

    def _reconnect(self, server: Server) -> None:
        """Open the transports of a server that has none. Its name may take long to resolve, so once at a time."""
        number, loop = server.number, self._loop
        if self._transports[number][0] is None and number not in self._opening and loop is not None:
            self._opening[number] = task = loop.create_task(self._open(server))
            task.add_done_callback(lambda _: self._opening.pop(number))

    def _probe(self, server: Server, question: Question, on_answer: OnAnswer) -> None:
        """Ask only this server, before all other questions and also if too many are in flight."""
        query = Query(question, "", on_answer, self.context)
        query.server = server
        query.pinned = True
        self.queue.in_flight += 1
        self._start_ticking()
        now = self._clock()
        if self.queue.may_send(now):
            self._advance(query, MaySend(now))
        else:
            self.queue.submit_first(query)

    def _canary_checked(self) -> None:
        if self.monitor.is_ready:
            self._release()

    def _canary_changed(self) -> None:
        self.context.reorder()
        self._trust_changed()

    def _release(self) -> None:
        """Begin to send questions: a server is trusted, all canaries were answered, or one timeout has passed."""
        if not self.queue.is_open and self._loop is not None:
            self.queue.open()


class Connector:
    """Opens the transports of one resolver."""

    def __init__(self, settings: ResolverSettings, random_bytes: RandomBytes, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._random_bytes = random_bytes
        self._clock = clock
        self._budget: ReadBudget | None = None
        self._tls: ssl.SSLContext | None = None

    async def open(self, server: Server, receiver: ReplyHandler) -> Transports:
        """The transports to a server."""
        loop = asyncio.get_running_loop()
        endpoint = server.endpoint
        try:
            tls = None if endpoint.scheme == "udp" else self._tls_context()
        except OSError:  # the CA file is missing or invalid
            return None, None
        if tls is not None and endpoint.scheme == "https":
            from exporter.dns.https import HttpsTransport  # the HTTP client takes 0.2 s to import

            return HttpsTransport(loop, endpoint, receiver, tls, self._settings.timeout_seconds), None
        address = await _find_address(endpoint)
        if address is None:
            return None, None
        _, (host, port, *more) = address
        if more and more[1]:
            host = f"{host}%{more[1]}"  # the scope of a link-local address (RFC 4007), as a number
        name = endpoint.server_name if tls is not None else None

        async def dial(protocol: Callable[[], asyncio.Protocol]) -> object:
            return await loop.create_connection(protocol, host, port, ssl=tls, server_hostname=name)

        random_bytes, clock, seconds = self._random_bytes, self._clock, self._settings.timeout_seconds
        stream = StreamTransport(loop, dial, receiver, random_bytes=random_bytes, clock=clock, timeout_seconds=seconds)
        if tls is not None:
            return stream, None
        if self._budget is None:
            self._budget = ReadBudget(loop.call_soon, self._clock)
        budget = self._budget
        return UdpTransport(
            loop, address, receiver, server, random_bytes=random_bytes, budget=budget, clock=clock
        ), stream

    def _tls_context(self) -> ssl.SSLContext:
        """The only TLS context of the resolver. It always verifies certificates."""
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._settings.ca_file)
        return self._tls


async def _find_address(endpoint: Endpoint) -> SocketAddress | None:
    """The first socket address of a server; None if its name does not resolve."""
    host, port = endpoint.host, endpoint.port
    found: list[tuple[int, Any]]
    try:
        if endpoint.is_address:  # its scope becomes a number
            numeric = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
            found = [(family, address) for family, *_, address in numeric]
        else:
            found = await look_up(host, port)
    except OSError:
        return None
    family, address = found[0]
    return (family, address) if len(address) in (2, 4) else None
