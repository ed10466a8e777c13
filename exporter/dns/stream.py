"""Queries to one server over TCP (RFC 7766) or TLS (RFC 7858), over a few connections that many questions share.

An idle connection is closed. If the server closes one that has worked before, the pending questions are sent once more
over a new one.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from exporter.checks.answers import Status
from exporter.dns.codec import RandomBytes
from exporter.dns.query import ReplyHandler
from exporter.dns.queue import Job

IDLE_SECONDS = 5.0
MAX_PENDING = 100
"""How many questions wait on one connection before another one is opened."""
MAX_CONNECTIONS = 4
_LARGE_BYTES = 4_096
_READ_SECONDS = 0.008  # per iteration of the event loop: a hundred thousand empty messages may arrive at once
_LENGTH_BYTES = 2

Dialer = Callable[[Callable[[], asyncio.Protocol]], Awaitable[object]]
"""Opens a connection for a protocol, as `asyncio.loop.create_connection`. Raises `OSError` or `ssl.SSLError`."""


class _Connection(asyncio.Protocol):
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

    def __init__(self, channel: "StreamChannel") -> None:
        self._channel = channel
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None
        self.pending: dict[bytes, Job] = {}
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
        clock = self._channel.clock
        until = clock() + _READ_SECONDS
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
        handler: ReplyHandler,
        *,
        random_bytes: RandomBytes,
        clock: Callable[[], float],
        timeout_seconds: float,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self._timeout_seconds = timeout_seconds
        self._dial = dial
        self._handler = handler
        self._random_bytes = random_bytes
        self._connections: list[_Connection] = []
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._connections)

    def send(self, jobs: Sequence[Job], messages: Sequence[bytes]) -> None:
        """Send a message, given without its ID, for each job. The caller limits how long it waits for the replies."""
        if not self._is_closed:
            for job, message in zip(jobs, messages, strict=True):
                self._send(self._choose(), job, message)

    def close(self) -> None:
        """Close all connections. Pending questions are not answered; the caller must fail them."""
        self._is_closed = True
        for connection in tuple(self._connections):
            connection.pending.clear()
            self._drop(connection)

    def received(self, connection: _Connection, packet: bytes) -> None:
        """Pass a message on to its question, if there is one."""
        job = connection.pending.get(packet[:2])
        if job is None:
            return
        job.forget()
        connection.waiting_since = self.clock() if connection.pending else None
        if not connection.pending and connection.idle is None:
            connection.idle = self.loop.call_later(IDLE_SECONDS, self._drop_idle, connection)
        self._handler.take_stream(job, packet)

    def lost(self, connection: _Connection, status: Status) -> None:
        """Send the pending questions of a lost connection again if it has worked before; else fail them."""
        waiting = tuple(connection.pending.values())
        connection.pending.clear()
        self._drop(connection)
        for job in waiting:
            job.pending = None
            if connection.was_used and not self._is_closed and not job.resent:
                job.resent = True
                self._send(self._choose(), job, job.message)
            else:
                self._handler.take_failure(job, status)

    def sweep(self, now: float) -> None:
        """Give up connections on which nothing arrives any more. Call this regularly while questions wait."""
        for connection in tuple(self._connections):
            since = connection.waiting_since
            if since is not None and now - since > self._timeout_seconds:
                self.lost(connection, Status.TIMEOUT)

    def _choose(self) -> _Connection:
        chosen = min(self._connections, key=lambda connection: len(connection.pending), default=None)
        if chosen is None or (len(chosen.pending) >= MAX_PENDING and len(self._connections) < MAX_CONNECTIONS):
            chosen = _Connection(self)
            self._connections.append(chosen)
            chosen.task = self.loop.create_task(self._connect(chosen))
        return chosen

    async def _connect(self, connection: _Connection) -> None:
        try:
            await self._dial(lambda: connection)
        except ssl.SSLError:
            self.lost(connection, Status.TLS)
        except OSError:
            self.lost(connection, Status.NETWORK)

    def _send(self, connection: _Connection, job: Job, message: bytes) -> None:
        query_id = self._random_bytes(2)
        while query_id in connection.pending:
            query_id = self._random_bytes(2)
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
        elif not connection.transport.is_closing():  # else `lost` is called soon, and handles this question too
            connection.transport.write(framed)

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
