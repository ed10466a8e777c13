"""The world on a UDP and a TCP port of the loopback.

The rule of this file: it moves octets. What is in them is for `exporter.demo.wire`.
"""

import asyncio
import contextlib
import errno
import os
import socket
from typing import Self

from exporter.demo.wire import Observe, Responder
from exporter.demo.world import World
from exporter.errors import CannotRunError

_AT_ONCE = 64  # datagrams that are answered before the event loop gets its turn
_RECEIVE_BUFFER = 4 << 20  # the system gives less where it has a limit
_PORT_ATTEMPTS = 20


class DemoServer:
    """Serves a world: ``async with DemoServer(world) as server: ... server.address``.

    Port 0 takes a port that is free for both UDP and TCP. *observe* is told each question. The world may be changed
    while it is served. *dropped* counts the queries that came while it was told to be silent. Raises `CannotRunError`
    if the port is taken.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        observe: Observe | None = None,
        tcp_idle_seconds: float = 10.0,
    ) -> None:
        self.world = world
        self.host = host
        self.port = port
        self._responder = Responder(world, observe=observe)
        self.tcp_idle_seconds = tcp_idle_seconds
        self.dropped = 0
        self._is_answering = True
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen on both ports."""
        loop = asyncio.get_running_loop()
        try:
            self._udp, listener = _bind(self.host, self.port)
        except OSError as error:
            raise CannotRunError(
                f"cannot serve DNS on {self.address}: {os.strerror(error.errno or 0)}; choose another port, or 0"
            ) from error
        self.port = self._udp.getsockname()[1]
        self._tcp = await loop.create_server(self._connection, sock=listener, backlog=128)
        loop.add_reader(self._udp, self._read, self._udp)

    async def stop(self) -> None:
        """Close both ports and every connection."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
            for connection in tuple(self._connections):
                connection.abort()
            await self._tcp.wait_closed()
            self._tcp = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def stop_answering(self) -> None:
        """Fall silent: the ports stay open, and queries are dropped."""
        self._is_answering = False

    def resume(self) -> None:
        """Answer again. What was asked meanwhile stays unanswered."""
        self._is_answering = True

    def _read(self, udp: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                query, client = udp.recvfrom(65535)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error that an earlier reply met: that client is gone
                continue
            reply = self.respond(query, over_tcp=False)
            if reply is not None:
                with contextlib.suppress(OSError):  # a full buffer, a client that is gone: UDP loses datagrams
                    udp.sendto(reply, client)

    def _connection(self) -> "_Connection":
        return _Connection(self)

    def respond(self, query: bytes, *, over_tcp: bool) -> bytes | None:
        """The reply to a query; `None` while it is to be silent."""
        if self._is_answering:
            return self._responder.respond(query, over_tcp=over_tcp)
        self.dropped += 1
        return None

    def opened(self, connection: "_Connection") -> None:
        """Keep a connection, to close it in the end."""
        self._connections.add(connection)

    def closed(self, connection: "_Connection") -> None:
        """Forget a connection."""
        self._connections.discard(connection)


class _Connection(asyncio.Protocol):
    """One TCP connection: any number of queries, each behind its length (RFC 7766 section 8)."""

    def __init__(self, server: DemoServer) -> None:
        self._server = server
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what a server's protocols are given
        self._transport = transport
        self._server.opened(self)
        self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the protocol's signature
        self._server.closed(self)
        if self._idle is not None:
            self._idle.cancel()

    def pause_writing(self) -> None:
        """Drop a client that asks and does not read."""
        self.abort()

    def data_received(self, data: bytes) -> None:
        self._restart_timer()
        received = self._received
        received += data
        while len(received) >= 2 and len(received) >= (end := 2 + int.from_bytes(received[:2])):
            reply = self._server.respond(bytes(received[2:end]), over_tcp=True)
            del received[:end]
            if reply is not None and self._transport is not None:
                self._transport.write(len(reply).to_bytes(2) + reply)

    def abort(self) -> None:
        """Close without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _restart_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._server.tcp_idle_seconds, self.abort)


def _bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Take the port for UDP and for TCP; for port 0, one that is free for both."""
    for attempt in range(_PORT_ATTEMPTS):
        udp = _socket(host, port, socket.SOCK_DGRAM)
        try:
            return udp, _socket(host, udp.getsockname()[1], socket.SOCK_STREAM)
        except OSError as error:
            udp.close()
            if port or error.errno != errno.EADDRINUSE or attempt == _PORT_ATTEMPTS - 1:
                raise
    raise AssertionError  # the last attempt returned or raised


def _socket(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        taken.settimeout(0)
        if kind is socket.SOCK_DGRAM:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        else:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
    except OSError:
        taken.close()
        raise
    return taken
