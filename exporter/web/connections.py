"""Connections: time limits for clients, and their number. A client that exceeds a limit is disconnected."""

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from exporter.errors import CannotRunError
from exporter.tasks import supervised

log = structlog.get_logger()

_SWEEP_SECONDS = 0.5
_LEAVING_POLL_SECONDS = 0.02
_BACKLOG = 256
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_SILENCE_SECONDS = 60.0
"""The time without such an error after which the next one is logged again."""
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

_REMEDIES = {
    errno.EADDRINUSE: "stop the program that uses the port, or choose another port",
    errno.EADDRNOTAVAIL: "use an address of this machine, or none to listen on all of them",
    errno.EACCES: "choose a port above 1023, or grant CAP_NET_BIND_SERVICE",
}


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of connections; times in seconds.

    Attributes:
        asking: from the start of a connection, or the first byte of a request, to the end of its header.
        reading: until the client has read the whole response.
        reading_when_full: the same, while another request waits for a slot.
        idle: between two requests.
        lingering: to discard a request body that was not read.
        handshake: for the TLS handshake.
        connections: the number of open connections.
    """

    asking: float = 10.0
    reading: float = 60.0
    reading_when_full: float = 10.0
    idle: float = 75.0
    lingering: float = 2.0
    handshake: float = 10.0
    connections: int = 512


class Connection(web.RequestHandler):
    """One connection, with loop times.

    Attributes:
        asking_since: since when the client sends a request, or was connected without one; None if it does neither.
        idle_since: when it was opened, or when the last request ended.
        is_served: whether a request is being handled.
        reading_since: since when the client has not read all of a response; None if it has.
    """

    __slots__ = ("_watch", "asking_since", "idle_since", "is_served", "reading_since")

    def __init__(self, watch: "Connections", server: web.Server, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._watch = watch
        self.asking_since: float | None = None
        self.idle_since = 0.0
        self.reading_since: float | None = None
        self.is_served = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.asking_since = self.idle_since = self._watch.now()
        self._watch.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._watch.closed(self)

    def data_received(self, data: bytes) -> None:
        if self.asking_since is None and not self.is_served:
            self.asking_since = self._watch.now()
        super().data_received(data)

    def log_exception(self, *arguments: Any, **more: Any) -> None:
        """Do not log malformed requests: they are answered with 400, and the operator cannot change them."""
        if not isinstance(more.get("exc_info"), HttpProcessingError):
            super().log_exception(*arguments, **more)

    def handle_error(self, *arguments: Any, **more: Any) -> web.StreamResponse:
        """The response to what is no valid request, with the headers of all others."""
        response = super().handle_error(*arguments, **more)
        response.headers.update(self._watch.headers())
        return response

    @property
    def has_unread(self) -> bool:
        """Whether the client has not read all bytes of a response."""
        return isinstance(self.transport, asyncio.Transport) and self.transport.get_write_buffer_size() > 0

    @property
    def waits_for_us(self) -> bool:
        """Whether a response is being made or sent."""
        return self.is_served or self.has_unread

    def leave(self) -> None:
        """Close the connection after the current response has been sent."""
        self.close()
        if not self.is_served and self.transport is not None:
            self.transport.close()

    def drop(self) -> None:
        """Close the connection at once."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()


class Connections:
    """Listens, and enforces the limits. `serving` must be entered for each request.

    Attributes:
        headers: the headers of responses to invalid requests, which no handler sees.
    """

    def __init__(self, limits: ConnectionLimits, headers: Callable[[], Mapping[str, str]] = dict) -> None:
        self._limits = limits
        self.headers = headers
        self._exhausted_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._open: dict[Connection, None] = {}
        self._servers: list[asyncio.Server] = []
        self._sweeping: asyncio.Task[None] | None = None

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Each (host, port) that it listens on."""
        return [one.getsockname()[:2] for server in self._servers for one in server.sockets]

    async def listen(
        self, addresses: list[tuple[str | None, int]], server: web.Server, tls: ssl.SSLContext | None
    ) -> None:
        """Listen on each (host, port). Raises `CannotRunError` for an unusable address."""
        self._server = server
        self._loop.set_exception_handler(self._on_loop_error)
        for host, port in addresses:
            opened, failures = 0, []
            for one in await self._addresses_of(host, port):
                try:
                    self._servers.append(
                        await self._loop.create_server(
                            self._made, one, port, reuse_address=True, backlog=_BACKLOG, **self._tls(tls)
                        )
                    )
                    opened += 1
                except OSError as error:
                    failures.append(error)
            # A name such as localhost may have an address of a family that this machine does not use.
            fatal = [error for error in failures if not opened or error.errno not in _NOT_HERE]
            if fatal:
                raise CannotRunError(_why_not(host, port, fatal[0])) from fatal[0]
        self._sweeping = asyncio.create_task(supervised("closing slow connections", self._sweep))

    async def _addresses_of(self, host: str | None, port: int) -> list[str | None]:
        """The addresses of *host*; None stands for every interface."""
        if host is None:
            return [None]
        try:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise CannotRunError(_why_not(host, port, error)) from error
        return list(dict.fromkeys(str(info[4][0]) for info in found))

    async def use(self, tls: ssl.SSLContext | None) -> None:
        """Use *tls* for new connections. None is refused meanwhile, and open ones stay."""
        old, self._servers = self._servers, []
        for server in old:
            for listening in server.sockets:
                copy = listening.dup()
                self._servers.append(
                    await self._loop.create_server(self._made, sock=copy, backlog=_BACKLOG, **self._tls(tls))
                )
        for server in old:
            server.close()

    async def stop(self, timeout_seconds: float) -> None:
        """Wait until responses are sent, stop listening, and close all connections.

        New requests are served meanwhile, so that a load balancer sees that the exporter is not ready. After
        *timeout_seconds* all remaining connections are closed.
        """
        end = self.now() + timeout_seconds
        served = {one for one in self._open if one.waits_for_us}
        await self._until(lambda: not any(one.waits_for_us for one in served & self._open.keys()), end)
        for server in self._servers:
            server.close()
        for connection in tuple(self._open):
            connection.leave()
        await self._until(lambda: not self._open, end)
        for connection in tuple(self._open):
            connection.drop()
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping

    @contextlib.contextmanager
    def serving(self, request: web.Request) -> Any:
        """While inside, the client waits for a response, so no time limit of requests applies."""
        connection = request.protocol
        if not isinstance(connection, Connection):
            yield
            return
        connection.asking_since = None
        connection.is_served = True
        try:
            yield
        finally:
            connection.is_served = False
            connection.idle_since = self.now()

    def opened(self, connection: Connection) -> None:
        """Add a connection; if there are too many, close the one that has been without a request longest."""
        self._open[connection] = None
        if len(self._open) > self._limits.connections:
            waiting = [one for one in self._open if not one.waits_for_us]  # at least the new one
            min(waiting, key=lambda one: one.idle_since).drop()

    def unread(self) -> int:
        """How many clients have not read all of a response that is complete."""
        return sum(one.has_unread and not one.is_served for one in self._open)

    def drop_slowest(self) -> bool:
        """Close the connection of the slowest reader, if it is slower than a crowded exporter can wait for."""
        slow = [one for one in self._open if one.reading_since is not None and not one.is_served]
        slowest = min(slow, key=lambda one: one.reading_since or 0.0, default=None)
        if slowest is None or self.now() - (slowest.reading_since or 0.0) < self._limits.reading_when_full:
            return False
        slowest.drop()
        return True

    def closed(self, connection: Connection) -> None:
        """Remove a connection."""
        self._open.pop(connection, None)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log once that descriptors ran out: asyncio reports each of hundreds of attempts to accept a connection."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _NO_DESCRIPTORS or "socket" not in context:
            loop.default_exception_handler(context)
            return
        before, self._exhausted_at = self._exhausted_at, self.now()
        if before is None or self._exhausted_at - before > _SILENCE_SECONDS:
            log.error(
                "new connections wait: raise the limit of open files (LimitNOFILE)", reason=os.strerror(error.errno)
            )

    def _made(self) -> Connection:
        return Connection(
            self,
            self._server,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=self._limits.idle,
            lingering_time=self._limits.lingering,
        )

    def _tls(self, context: ssl.SSLContext | None) -> dict[str, Any]:
        return {} if context is None else {"ssl": context, "ssl_handshake_timeout": self._limits.handshake}

    async def _until(self, is_so: Callable[[], bool], end: float) -> None:
        """Wait until *is_so*, or until *end* on the loop's clock."""
        while self.now() < end:
            if is_so():
                return
            await asyncio.sleep(_LEAVING_POLL_SECONDS)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = self.now()
            for connection in tuple(self._open):
                if self._is_too_slow(connection, now):
                    connection.drop()

    def _is_too_slow(self, connection: Connection, now: float) -> bool:
        asking = connection.asking_since
        if asking is not None and now - asking > self._limits.asking:
            return True
        if not connection.has_unread:
            connection.reading_since = None
            return False
        if connection.reading_since is None:
            connection.reading_since = now
        return now - connection.reading_since > self._limits.reading


def _why_not(host: str | None, port: int, error: OSError) -> str:
    where = f"[{host}]:{port}" if host and ":" in host else f"{host or ''}:{port}"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return f"cannot listen on {where}: {error.strerror or error}: use an address of this machine"
    remedy = _REMEDIES.get(error.errno)
    return f"cannot listen on {where}: {os.strerror(error.errno)}" + (f": {remedy}" if remedy else "")
