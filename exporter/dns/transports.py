"""The port to a server, and its adapters for UDP, and for connections over TCP (RFC 7766) or TLS (RFC 7858)."""

import asyncio
import contextlib
import socket
import ssl
import sys
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import repeat
from struct import Struct
from typing import Any, Protocol, cast

from exporter.checks.answers import Status
from exporter.dns.codec import RandomBytes
from exporter.dns.query import Query
from exporter.dns.servers import Server


class Transport(Protocol):
    """Carries queries to one server. Each has one reply or failure, which goes to a `ReplyHandler`."""

    def __len__(self) -> int:
        """How many sockets are open."""

    def send(self, queries: Sequence[Query], messages: Sequence[bytes]) -> None:
        """Send a message, given without its ID, for each query. Sets `Query.query_id` and `Query.pending`."""

    def expire(self, now: float) -> Iterable[Query]:
        """Close what is idle or hangs, and return the queries that have timed out. Called all the time."""

    async def close(self) -> None:
        """Close everything. Pending queries are not answered; the caller must fail them."""


class ReplyHandler(Protocol):
    """Takes what arrives for the queries of a `Transport`."""

    def take_datagrams(
        self, server: Server, packets: Iterator[bytes], pending: dict[bytes, Query], until: float
    ) -> None:
        """Evaluate packets over UDP for the queries in *pending*, by ID; unusual ones until the time *until*.

        The caller passes the rest of *packets* again later.
        """

    def take_message(self, query: Query, packet: bytes) -> None:
        """Evaluate the message with the ID of *query* over a connection to the server."""

    def take_failure(self, query: Query, status: Status) -> None:
        """Note that for the reason *status* no reply to *query* will arrive."""


SocketAddress = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
"""Address family and socket address of a server."""


async def look_up(host: str, port: int | None) -> list[tuple[int, Any]]:
    """The address family and socket addresses of a host, as getaddrinfo(3). Raises `OSError`.

    The system's resolver may be silent, and then takes 10 s or more. A thread that nobody waits for asks it: neither a
    cancelled caller nor the end of the process.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[list[tuple[int, Any]]] = loop.create_future()

    def settle(found: list[tuple[int, Any]], error: OSError | None) -> None:
        if not answered.done():
            answered.set_result(found) if error is None else answered.set_exception(error)

    def ask() -> None:
        found: list[tuple[int, Any]] = []
        failure = None
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            found = [(family, address) for family, _, _, _, address in answers]
        except (OSError, UnicodeError) as error:
            failure = error if isinstance(error, OSError) else OSError(str(error))
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(settle, found, failure)

    threading.Thread(target=ask, name="look_up", daemon=True).start()
    return await answered


IDLE_SECONDS = 5.0
MAX_PENDING = 100
"""How many questions wait on one connection before another one is opened."""
MAX_CONNECTIONS = 4
_LARGE_BYTES = 4_096
_STREAM_READ_SECONDS = 0.008  # per iteration of the event loop: a hundred thousand empty messages may arrive at once
_LENGTH_BYTES = 2

Dialer = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]
"""Opens a connection for a protocol, as `asyncio.loop.create_connection`. Raises `OSError` or `ssl.SSLError`."""


QUERIES_PER_SOCKET = 128
SOCKET_SECONDS = 10.0
"""After so many questions or seconds, a new socket with another port replaces a socket."""
SLOTS = 8
"""How many sockets send new questions at a time."""
MAX_SOCKETS = 64
"""The most open sockets: those that send new questions, and those that still wait for replies."""
_BURST_PACKETS = 64
_IDS_AT_ONCE = 100
_READ_SECONDS = 0.008
_MAX_PACKET_BYTES = 65_535


class ReadBudget:
    """Limits how long all sockets of a resolver may read in one iteration of the event loop."""

    __slots__ = ("_call_soon", "_clock", "_until")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], clock: Callable[[], float]) -> None:
        self._call_soon = call_soon
        self._clock = clock
        self._until: float | None = None

    def until(self) -> float:
        """The time when reading must stop in this iteration."""
        if self._until is None:
            self._until = self._clock() + _READ_SECONDS
            self._call_soon(self._end)
        return self._until

    def _end(self) -> None:
        self._until = None


def _random_ids(random_bytes: RandomBytes) -> Iterator[bytes]:
    """Endless random IDs, for a fifth of the cost of fetching them one by one."""
    while True:
        fetched = random_bytes(2 * _IDS_AT_ONCE)
        yield from [fetched[at : at + 2] for at in range(0, len(fetched), 2)]


class _Socket:
    """A UDP socket.

    Attributes:
        segments: Whether to send with `send_segments`.
        pending: The questions that wait on it, by ID.
        left: How many more queries it may send.
        retires_at: Until when it may send.
        unread: Received packets that are not evaluated yet.
    """

    __slots__ = ("left", "pending", "receive", "retires_at", "segments", "send", "sock", "unread")

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.send = sock.send
        self.receive = sock.recv
        self.segments = can_segment(sock)
        self.pending: dict[bytes, Query] = {}
        self.left = QUERIES_PER_SOCKET
        self.retires_at = now + SOCKET_SECONDS
        self.unread: list[bytes] = []


class UdpTransport:
    """The UDP sockets to one server, with random ports that change all the time (RFC 5452 section 9.2).

    The sockets are connected, so the kernel drops packets from any other address.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: SocketAddress,
        receiver: ReplyHandler,
        server: Server,
        *,
        random_bytes: RandomBytes,
        budget: ReadBudget,
        clock: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._address = address
        self._receiver = receiver
        self._server = server
        self._random_bytes = random_bytes
        self._ids = _random_ids(random_bytes)
        self._budget = budget
        self._clock = clock
        self._slots: list[_Socket | None] = [None] * SLOTS
        self._open: dict[_Socket, None] = {}  # oldest first
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    def send(self, queries: Sequence[Query], messages: Sequence[bytes]) -> None:
        """Send all over one socket, so that it gets the replies too."""
        if self._is_closed:
            return
        try:
            opened = self._choose(queries[0].sent_at)
        except OSError:
            for query in queries:
                self._fail_soon(query)
            return
        opened.left -= len(queries)
        pending, ids = opened.pending, self._ids
        packets: defaultdict[int, list[bytes]] = defaultdict(list)
        for query, message, query_id in zip(queries, messages, ids):  # noqa: B905  # the IDs are endless
            while query_id in pending:
                query_id = next(ids)
            query.query_id = query_id
            query.pending = pending
            pending[query_id] = query
            packets[len(message)].append(query_id + message)
        rest = list(packets.values())
        while rest:
            self._send_alike(opened, rest.pop(), rest)

    def expire(self, now: float) -> Iterable[Query]:
        """Close idle sockets. All queries wait equally long, so the oldest of each socket are the first."""
        expired = []
        for opened in tuple(self._open):
            for query in opened.pending.values():
                if query.deadline > now:
                    break
                expired.append(query)
            if not opened.pending and (opened.left <= 0 or now > opened.retires_at):
                self._close(opened)
        return expired

    async def close(self) -> None:
        """Close all sockets."""
        self._is_closed = True
        for opened in tuple(self._open):
            self._close(opened)

    def _choose(self, now: float) -> _Socket:
        """A random socket of those that send new questions. Raises `OSError` if none can be opened."""
        slot = self._random_bytes(1)[0] % SLOTS
        chosen = self._slots[slot]
        if chosen is None or chosen.left <= 0 or now > chosen.retires_at:
            return self._renew(slot, now)
        return chosen

    def _renew(self, slot: int, now: float) -> _Socket:
        old = self._slots[slot]
        if old is not None:
            if len(self._open) >= MAX_SOCKETS:
                return old  # all others still wait for replies, so keep using this one
            self._slots[slot] = None
            if not old.pending:
                self._close(old)
        family, address = self._address
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)  # noqa: FBT003
            sock.connect(address)
            opened = _Socket(sock, now)
            self._loop.add_reader(sock, self._read, opened)
        except OSError:
            sock.close()
            raise
        self._open[opened] = None
        self._slots[slot] = opened
        return opened

    def _close(self, opened: _Socket) -> None:
        self._open.pop(opened, None)
        with contextlib.suppress(ValueError):
            self._slots[self._slots.index(opened)] = None
        if opened.sock.fileno() >= 0:
            self._loop.remove_reader(opened.sock)
            opened.sock.close()

    def _send_alike(self, opened: _Socket, packets: list[bytes], rest: list[list[bytes]]) -> None:
        """Send queries of one length, before *rest*."""
        if opened.segments and len(packets) > 1:
            try:
                send_segments(opened.sock, packets)
            except BlockingIOError:
                return  # as if lost on the way: they are sent again after the timeout
            except OSError:
                opened.segments = False  # unsupported, or an error of an earlier query: send one by one from now on
            else:
                return
        for at, packet in enumerate(packets):
            try:
                opened.send(packet)
            except BlockingIOError:
                pass  # as above
            except OSError:
                unsent = {one[:2] for those in (packets[at + 1 :], *rest) for one in those}
                self._send_again(opened, packet, unsent)

    def _send_again(self, opened: _Socket, packet: bytes, unsent: set[bytes]) -> None:
        """Send a packet again after an error that earlier queries of the socket caused, and fail those."""
        query = opened.pending.get(packet[:2])
        if query is None:
            return  # failed together with another one
        earlier = [other for other in opened.pending.values() if other is not query and other.query_id not in unsent]
        try:
            opened.send(packet)
        except BlockingIOError:
            pass
        except OSError:
            query.forget()
            self._fail_soon(query)
        for other in earlier:
            self._fail(other)

    def _fail_soon(self, query: Query) -> None:
        """Fail a question, but not at once: the retry could fail in the same way, in an endless recursion."""
        self._loop.call_soon(self._receiver.take_failure, query, Status.NETWORK)

    def _fail(self, query: Query) -> None:
        query.forget()
        self._receiver.take_failure(query, Status.NETWORK)

    def _read(self, opened: _Socket) -> None:
        """Evaluate received packets, within the time budget."""
        until = self._budget.until()
        if opened not in self._open or self._clock() > until:
            return  # the event loop calls again while there is something to read
        pending = opened.pending
        packets = iter(opened.unread or self._receive(opened))
        self._receiver.take_datagrams(self._server, packets, pending, until)
        opened.unread = list(packets)
        if opened.unread:
            self._loop.call_soon(self._read, opened)
        elif not pending and opened.left <= 0 and opened not in self._slots:
            self._close(opened)

    def _receive(self, opened: _Socket) -> list[bytes]:
        packets: list[bytes] = []
        count = min(len(opened.pending) or 1, _BURST_PACKETS)
        try:
            packets.extend(map(opened.receive, repeat(_MAX_PACKET_BYTES, count)))  # keeps those before an error
        except BlockingIOError:
            pass
        except OSError:  # the port is closed; the error does not say for which query
            for query in tuple(opened.pending.values()):
                self._fail(query)
        return packets


_UDP_SEGMENT = 103  # of <linux/udp.h>, since Linux 4.18; Python has no name for it
_MAX_SEGMENTS = 60  # the kernel's limit is 64
_MAX_SEGMENTS_BYTES = 60_000  # the limit of an IP packet is 65,535
_length = Struct("=H").pack


def can_segment(sock: socket.socket) -> bool:
    """Whether the kernel supports UDP_SEGMENT (udp(7)). Otherwise it would send everything as one datagram."""
    if sys.platform != "linux":
        return False
    try:
        sock.getsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True


def send_segments(sock: socket.socket, datagrams: Sequence[bytes]) -> None:
    """Send *datagrams* of equal length on a connected socket with few system calls: the kernel cuts them apart.

    Raises `BlockingIOError` if the socket's buffer is full, and `OSError` for an error of an earlier query, or if the
    network device does not support it. Some datagrams may have been sent by then.
    """
    size = len(datagrams[0])
    at_once = min(_MAX_SEGMENTS, _MAX_SEGMENTS_BYTES // size)
    ancillary = [(socket.IPPROTO_UDP, _UDP_SEGMENT, _length(size))]
    for at in range(0, len(datagrams), at_once):
        sock.sendmsg([b"".join(datagrams[at : at + at_once])], ancillary)


class _StreamConnection(asyncio.Protocol):
    """One connection. Replies may arrive in any order, and are matched by their IDs.

    Attributes:
        transport: The open connection; None until then.
        pending: The questions that wait on it, by ID.
        unsent: What to send as soon as it is open.
        is_closed: Whether it may not be used any more.
        waiting_since: Since when nothing has arrived while questions wait.
        was_used: Whether a reply has arrived.
        task: The task that opens it.
        idle: The timer that closes it when it is idle.
    """

    def __init__(self, channel: "StreamTransport") -> None:
        self._owner = channel
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None
        self.pending: dict[bytes, Query] = {}
        self.unsent: list[bytes] = []
        self.is_closed = False
        self.waiting_since: float | None = None
        self.was_used = False
        self.task: asyncio.Task[None] | None = None
        self.idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.is_closed:
            self.transport.abort()
            return
        self.transport.write(b"".join(self.unsent))
        self.unsent.clear()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._take_messages()

    def _take_messages(self) -> None:
        """Pass on complete messages. After a large one or many, continue in the next iteration of the event loop."""
        buffer = self._buffer
        clock = self._owner.clock
        until = clock() + _STREAM_READ_SECONDS
        at = 0
        while len(buffer) - at >= _LENGTH_BYTES:
            end = at + _LENGTH_BYTES + int.from_bytes(buffer[at : at + _LENGTH_BYTES])
            if end > len(buffer):
                break
            packet = bytes(buffer[at + _LENGTH_BYTES : end])
            at = end
            self.was_used = True
            self._owner.received(self, packet)
            is_long = len(packet) > _LARGE_BYTES or clock() > until
            if is_long and self.transport is not None and not self.is_closed:
                self.transport.pause_reading()
                self._owner.loop.call_soon(self._resume)
                break
        del buffer[:at]

    def _resume(self) -> None:
        if self.transport is not None and not self.is_closed and not self.transport.is_closing():
            self.transport.resume_reading()
            self._take_messages()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._owner.lost(self, Status.NETWORK)


class StreamTransport:
    """The connections to one server."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        dial: Dialer,
        receiver: ReplyHandler,
        *,
        random_bytes: RandomBytes,
        clock: Callable[[], float],
        timeout_seconds: float,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self._timeout_seconds = timeout_seconds
        self._dial = dial
        self._receiver = receiver
        self._random_bytes = random_bytes
        self._connections: list[_StreamConnection] = []
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._connections)

    def send(self, queries: Sequence[Query], messages: Sequence[bytes]) -> None:
        """Send over the connection with the fewest queries. The caller limits how long it waits for the replies."""
        if not self._is_closed:
            for query, message in zip(queries, messages, strict=True):
                self._send(self._choose(), query, message)

    async def close(self) -> None:
        """Close all connections."""
        self._is_closed = True
        for connection in tuple(self._connections):
            connection.pending.clear()
            self._drop(connection)

    def received(self, connection: _StreamConnection, packet: bytes) -> None:
        """Pass a message on to its question, if there is one."""
        query = connection.pending.get(packet[:2])
        if query is None:
            return
        query.forget()
        connection.waiting_since = self.clock() if connection.pending else None
        if not connection.pending and connection.idle is None:
            connection.idle = self.loop.call_later(IDLE_SECONDS, self._drop_idle, connection)
        self._receiver.take_message(query, packet)

    def lost(self, connection: _StreamConnection, status: Status) -> None:
        """Send the pending questions of a lost connection again if it has worked before; else fail them."""
        waiting = tuple(connection.pending.values())
        connection.pending.clear()
        self._drop(connection)
        for query in waiting:
            if connection.was_used and not self._is_closed and not query.resent:
                query.resent = True
                self._send(self._choose(), query, query.message)
            else:
                self._receiver.take_failure(query, status)

    def expire(self, now: float) -> Iterable[Query]:
        """Give up connections on which nothing arrives any more. The caller times single queries out."""
        for connection in tuple(self._connections):
            since = connection.waiting_since
            if since is not None and now - since > self._timeout_seconds:
                self.lost(connection, Status.TIMEOUT)
        return ()

    def _choose(self) -> _StreamConnection:
        chosen = min(self._connections, key=lambda connection: len(connection.pending), default=None)
        if chosen is None or (len(chosen.pending) >= MAX_PENDING and len(self._connections) < MAX_CONNECTIONS):
            chosen = _StreamConnection(self)
            self._connections.append(chosen)
            chosen.task = self.loop.create_task(self._connect(chosen))
        return chosen

    async def _connect(self, connection: _StreamConnection) -> None:
        try:
            await self._dial(lambda: connection)
        except ssl.SSLError:
            self.lost(connection, Status.TLS)
        except OSError:
            self.lost(connection, Status.NETWORK)

    def _send(self, connection: _StreamConnection, query: Query, message: bytes) -> None:
        query_id = self._random_bytes(2)
        while query_id in connection.pending:
            query_id = self._random_bytes(2)
        query.query_id = query_id
        query.pending = connection.pending
        query.message = message
        connection.pending[query_id] = query
        if connection.waiting_since is None:
            connection.waiting_since = query.sent_at
        if connection.idle is not None:
            connection.idle.cancel()
            connection.idle = None
        framed = (len(message) + 2).to_bytes(_LENGTH_BYTES) + query_id + message
        if connection.transport is None:
            connection.unsent.append(framed)
        elif not connection.transport.is_closing():  # else `lost` is called soon, and handles this question too
            connection.transport.write(framed)

    def _drop_idle(self, connection: _StreamConnection) -> None:
        connection.idle = None
        if not connection.pending:
            self._drop(connection)

    def _drop(self, connection: _StreamConnection) -> None:
        connection.is_closed = True
        if connection in self._connections:
            self._connections.remove(connection)
        if connection.idle is not None:
            connection.idle.cancel()
            connection.idle = None
        if connection.transport is not None:
            connection.transport.abort()
        elif connection.task is not None and connection.task is not asyncio.current_task(self.loop):
            connection.task.cancel()
