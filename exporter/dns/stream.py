"""Asks one server over TCP (RFC 7766) or TLS (RFC 7858), over few connections that many questions share.

The rule of this file: a connection is kept while it is used, and closed when it has been idle. Where the server closes
one that was used before, which is its right, the questions that still wait go out once more on a new one.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from exporter.checks.answers import Status
from exporter.dns.codec import Take
from exporter.dns.queue import Job

IDLE_SECONDS = 5.0
MAX_PENDING = 100
"""How many questions wait on one connection before another is opened."""
MAX_CONNECTIONS = 4
_LARGE_BYTES = 4_096
_TURN_SECONDS = 0.008  # of one turn of the loop: a connection may hold a hundred thousand messages of no octets
_LENGTH_BYTES = 2


class StreamTaker(Protocol):
    """Who is told what came of a query."""

    def take_stream(self, job: Job, packet: bytes) -> None:
        """A message with the ID of the query."""

    def take_failure(self, job: Job, status: Status) -> None:
        """No message will come, for this reason."""


class Dialer(Protocol):
    """Opens a connection for a protocol: `asyncio.loop.create_connection` with its address and TLS filled in."""

    async def __call__(self, protocol: Callable[[], asyncio.Protocol]) -> object:
        """Raises `OSError`, `ssl.SSLError` among them."""


class _Connection(asyncio.Protocol):
    """One connection: queries go out as they come, replies are told apart by their IDs."""

    def __init__(self, channel: "StreamChannel") -> None:
        self._channel = channel
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None
        self.pending: dict[bytes, Job] = {}
        self.unsent: list[bytes] = []
        self.is_closed = False
        self.waiting_since: float | None = None
        """Since when nothing has come, though something is waited for."""
        self.was_used = False
        """Whether a reply has come over it."""
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
        """Hand on what is complete; after a large message, or very many, others get their turn before the next."""
        buffer = self._buffer
        clock = self._channel.clock
        until = clock() + _TURN_SECONDS
        at = 0
        while len(buffer) - at >= _LENGTH_BYTES:
            end = at + _LENGTH_BYTES + int.from_bytes(buffer[at : at + _LENGTH_BYTES])
            if end > len(buffer):
                break
            packet = bytes(buffer[at + _LENGTH_BYTES : end])
            at = end
            self.was_used = True
            self._channel.received(self, packet)
            is_long = len(packet) > _LARGE_BYTES or clock() > until
            if is_long and self.transport is not None and not self.is_closed:
                self.transport.pause_reading()
                self._channel.loop.call_soon(self._resume)
                break
        del buffer[:at]

    def _resume(self) -> None:
        if self.transport is not None and not self.is_closed and not self.transport.is_closing():
            self.transport.resume_reading()
            self._take_messages()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._channel.lost(self, Status.NETWORK)


class StreamChannel:
    """The connections to one server."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        dial: Dialer,
        taker: StreamTaker,
        *,
        take: Take,
        clock: Callable[[], float],
        timeout_seconds: float,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self._timeout_seconds = timeout_seconds
        self._dial = dial
        self._taker = taker
        self._take = take
        self._connections: list[_Connection] = []
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._connections)

    def send(self, jobs: Sequence[Job], messages: Sequence[bytes]) -> None:
        """Send the message of each, which lacks its ID, and wait for the replies; whoever asks keeps the time."""
        if not self._is_closed:
            for job, message in zip(jobs, messages, strict=True):
                self._send(self._choose(), job, message)

    def close(self) -> None:
        """Close all connections; nothing that waits is told."""
        self._is_closed = True
        for connection in tuple(self._connections):
            connection.pending.clear()
            self._drop(connection)

    def received(self, connection: _Connection, packet: bytes) -> None:
        """Hand a message on to who asked for it."""
        job = connection.pending.get(packet[:2])
        if job is None:
            return
        job.forget()
        connection.waiting_since = self.clock() if connection.pending else None
        self._rest(connection)
        self._taker.take_stream(job, packet)

    def lost(self, connection: _Connection, status: Status) -> None:
        """The connection is gone: ask the rest again if it had worked before, else tell them why not."""
        waiting = tuple(connection.pending.values())
        connection.pending.clear()
        self._drop(connection)
        for job in waiting:
            job.pending = None
            if connection.was_used and not self._is_closed and not job.resent:
                job.resent = True
                self._send(self._choose(), job, job.message)
            else:
                self._taker.take_failure(job, status)

    def _choose(self) -> _Connection:
        least = min(self._connections, key=lambda connection: len(connection.pending), default=None)
        if least is None or (len(least.pending) >= MAX_PENDING and len(self._connections) < MAX_CONNECTIONS):
            least = _Connection(self)
            self._connections.append(least)
            least.task = self.loop.create_task(self._connect(least))
        return least

    async def _connect(self, connection: _Connection) -> None:
        """Open a connection; the one task that it takes, however many questions it carries."""
        try:
            await self._dial(lambda: connection)
        except ssl.SSLError:
            self.lost(connection, Status.TLS)
        except OSError:
            self.lost(connection, Status.NETWORK)

    def _send(self, connection: _Connection, job: Job, message: bytes) -> None:
        query_id = self._take(2)
        while query_id in connection.pending:
            query_id = self._take(2)
        job.query_id = query_id
        job.pending = connection.pending
        job.message = message
        connection.pending[query_id] = job
        if connection.waiting_since is None:
            connection.waiting_since = job.sent_at
        if connection.idle is not None:
            connection.idle.cancel()
            connection.idle = None
        framed = (len(message) + 2).to_bytes(_LENGTH_BYTES) + query_id + message
        if connection.transport is None:
            connection.unsent.append(framed)
        elif not connection.transport.is_closing():  # else it broke: `lost` is about to be told, and sends this too
            connection.transport.write(framed)

    def _rest(self, connection: _Connection) -> None:
        if not connection.pending and connection.idle is None:
            connection.idle = self.loop.call_later(IDLE_SECONDS, self._drop_idle, connection)

    def _drop_idle(self, connection: _Connection) -> None:
        connection.idle = None
        if not connection.pending:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
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

    def sweep(self, now: float) -> None:
        """Give connections up on which nothing comes any more; call it now and then while questions wait."""
        for connection in tuple(self._connections):
            since = connection.waiting_since
            if since is not None and now - since > self._timeout_seconds:
                self.lost(connection, Status.TIMEOUT)
