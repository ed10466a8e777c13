"""Serves the demo world as DNS over UDP and TCP."""

import asyncio
import contextlib
import errno
import io
import os
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Self

import dns.flags
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from exporter.checks.answers import Status
from exporter.checks.names import DomainName
from exporter.demo.world import RecordSet, World, name_of
from exporter.errors import CannotRunError

UDP_PAYLOAD = 1232
"""Largest reply over UDP, in bytes: the value of the DNS Flag Day 2020."""

_HEADER = struct.Struct("!6H")
_TYPE_AND_CLASS = struct.Struct("!2H")
_OPT = struct.Struct("!B2H2B2H")
"""Root, type, payload, extended RCODE, version, flags and RDLENGTH (RFC 6891 section 6.1.2)."""
_OPCODE = 0x7800
_DNSSEC_OK = 0x8000
_MAX_COMPILED = 100_000
"""Limit of the questions in the cache: more than any world has."""
_MAX_ROTATIONS = 16
_MAX_BODY = 65535 - _HEADER.size - (255 + _TYPE_AND_CLASS.size) - _OPT.size
"""Bytes of a message over TCP that are left for records."""

_RCODE = {
    Status.NXDOMAIN: dns.rcode.NXDOMAIN,
    Status.SERVFAIL: dns.rcode.SERVFAIL,
    Status.REFUSED: dns.rcode.REFUSED,
}

Observe = Callable[[DomainName, str], None]
"""Called with the name and type of each question that is looked up."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A reply without its header, question and EDNS.

    Attributes:
        rcode: Response code.
        answers: Number of records in the answer section.
        authorities: Number of records in the authority section.
        bodies: The records as bytes, once for each order in which they are sent.
        is_truncated: Whether it is truncated over UDP.
    """

    rcode: int
    answers: int = 0
    authorities: int = 0
    bodies: tuple[bytes, ...] = (b"",)
    is_truncated: bool = False


class Responder:
    """Answers queries like a recursive resolver: follows CNAMEs, sets RA, and rotates the records.

    Replies are compiled once and cached until the world changes. Only the ID, the case of the name (0x20) and EDNS are
    taken from each query. Names are compressed against the question, so a body fits any spelling of it.
    """

    def __init__(self, world: World, *, observe: Observe | None = None) -> None:
        self._world = world
        self._observe = observe
        self._generation = world.generation
        self._compiled: dict[bytes, _Compiled | None] = {}
        self._replies = count()

    def respond(self, query: bytes, *, over_tcp: bool = False) -> bytes | None:
        """The reply to a query; None for a message that is not a query, and for a question to a silent server."""
        if len(query) < _HEADER.size:
            return None
        ident, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(query)
        if flags & dns.flags.QR:
            return None
        flags &= _OPCODE | dns.flags.RD | dns.flags.CD
        flags |= dns.flags.QR | dns.flags.RA
        if flags & _OPCODE:
            return _HEADER.pack(ident, flags | dns.rcode.NOTIMP, 0, 0, 0, 0)
        end = _end_of_question(query)
        if not end or questions != 1 or answers or authorities:
            return _HEADER.pack(ident, flags | dns.rcode.FORMERR, 0, 0, 0, 0)
        question = query[_HEADER.size : end]
        limit, edns = _edns(query, end) if additionals else (512, b"")
        if edns and query[end + 6]:  # another version of EDNS than 0: BADVERS (RFC 6891 section 6.1.3)
            return _HEADER.pack(ident, flags, 1, 0, 0, 1) + question + edns
        reply = self._look_up(query, question)
        if reply is None:
            return None
        body = reply.bodies[next(self._replies) % len(reply.bodies)]
        flags |= reply.rcode
        has_edns = 1 if edns else 0
        size = _HEADER.size + len(question) + len(body) + len(edns)
        if not over_tcp and (reply.is_truncated or size > limit):
            return _HEADER.pack(ident, flags | dns.flags.TC, 1, 0, 0, has_edns) + question + edns
        return _HEADER.pack(ident, flags, 1, reply.answers, reply.authorities, has_edns) + question + body + edns

    def _look_up(self, query: bytes, question: bytes) -> _Compiled | None:
        generation = self._world.generation
        if generation != self._generation or len(self._compiled) > _MAX_COMPILED:
            self._compiled.clear()
            self._generation = generation
        key = question[:-4].lower() + question[-4:]  # length bytes are below "A", so only letters change
        if key not in self._compiled or self._observe is not None:
            name, _ = dns.name.from_wire(query, _HEADER.size)
            rdtype, rdclass = _TYPE_AND_CLASS.unpack(question[-4:])
            text = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
            if self._observe is not None:
                self._observe(name_of(name), text)
            if key not in self._compiled:
                self._compiled[key] = self._compile(name, text, rdclass)
        return self._compiled[key]

    def _compile(self, name: dns.name.Name, rdtype: str, rdclass: int) -> _Compiled | None:
        if rdclass != dns.rdataclass.IN:
            return _Compiled(dns.rcode.REFUSED)
        found = self._world.resolve(name_of(name), rdtype)
        if found.status is Status.TIMEOUT:
            return None
        answers = [_rrset(link) for link in found.chain]
        authorities = [_rrset(found.authority)] if found.authority is not None else []
        bodies: list[bytes] = []
        size = len(found.records.rdatas) if found.records is not None else 0
        for rotation in range(max(1, min(size, _MAX_ROTATIONS))):
            last = [_rrset(found.records, rotation)] if found.records is not None else []
            bodies.append(_body(name, [*answers, *last, *authorities]))
        if len(bodies[0]) > _MAX_BODY:
            return _Compiled(dns.rcode.SERVFAIL)
        rcode = _RCODE.get(found.status, dns.rcode.NOERROR)
        return _Compiled(rcode, len(answers) + size, len(authorities), tuple(bodies), found.is_truncated)


def _body(name: dns.name.Name, rrsets: Iterable[dns.rrset.RRset]) -> bytes:
    """The sections after a question for *name*, with names compressed against it."""
    file = io.BytesIO()
    compress: dict[dns.name.Name, int] = {}
    file.write(bytes(_HEADER.size))
    name.to_wire(file, compress)
    file.write(bytes(_TYPE_AND_CLASS.size))
    start = len(file.getvalue())
    for rrset in rrsets:
        rrset.to_wire(file, compress, want_shuffle=False)
    return file.getvalue()[start:]


def _rrset(records: RecordSet, rotation: int = 0) -> dns.rrset.RRset:
    rdatas = records.rdatas[rotation:] + records.rdatas[:rotation]
    return dns.rrset.from_rdata_list(dns.name.Name((*records.owner.labels, b"")), records.ttl, rdatas)


def _end_of_question(message: bytes) -> int:
    """Where the first question ends; 0 if it is too long, incomplete, or has a compressed name."""
    at = _HEADER.size
    limit = min(len(message) - _TYPE_AND_CLASS.size, at + 255)
    while at < limit:
        length = message[at]
        if not length:
            return at + 1 + _TYPE_AND_CLASS.size
        if length > 63:
            return 0
        at += length + 1
    return 0


def _edns(query: bytes, end: int) -> tuple[int, bytes]:
    """Size limit of a reply over UDP, and its OPT record: empty if the query has none."""
    if len(query) < end + _OPT.size:
        return 512, b""
    root, rdtype, payload, _, version, flags, _ = _OPT.unpack_from(query, end)
    if root or rdtype != dns.rdatatype.OPT:
        return 512, b""
    reply = _OPT.pack(0, rdtype, UDP_PAYLOAD, 1 if version else 0, 0, flags & _DNSSEC_OK, 0)
    return max(512, min(payload, UDP_PAYLOAD)), reply


_MAX_DATAGRAMS = 64  # answered before other tasks may run
_RECEIVE_BUFFER = 4 << 20  # bytes; the system may limit it
_PORT_ATTEMPTS = 20


class DemoServer:
    """Serves a world: ``async with DemoServer(world) as server: ... server.address``.

    Port 0 selects a port that is free for both UDP and TCP. *observe* is called with each question. The world may
    change while it is served. `dropped` counts the queries between `stop_answering` and `resume`.
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
        self.connections: set[_TcpClient] = set()

    @property
    def address(self) -> str:
        """The address of the server, as ``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen on both ports. Raises `CannotRunError` if one is in use."""
        loop = asyncio.get_running_loop()
        try:
            self._udp, listener = _bind(self.host, self.port)
        except OSError as error:
            raise CannotRunError(
                f"cannot serve DNS on {self.address}: {os.strerror(error.errno or 0)}; choose another port, or 0"
            ) from error
        self.port = self._udp.getsockname()[1]
        self._tcp = await loop.create_server(lambda: _TcpClient(self), sock=listener, backlog=128)
        loop.add_reader(self._udp, self._read, self._udp)

    async def stop(self) -> None:
        """Close both ports and every connection."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
            for connection in tuple(self.connections):
                connection.abort()
            await self._tcp.wait_closed()
            self._tcp = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def stop_answering(self) -> None:
        """Drop all queries. The ports stay open."""
        self._is_answering = False

    def resume(self) -> None:
        """Answer again, but not the queries that were dropped."""
        self._is_answering = True

    def _read(self, udp: socket.socket) -> None:
        for _ in range(_MAX_DATAGRAMS):
            try:
                query, client = udp.recvfrom(65535)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # an ICMP error for an earlier reply: that client is gone
                continue
            reply = self.respond(query, over_tcp=False)
            if reply is not None:
                with contextlib.suppress(OSError):  # a full buffer, a client that is gone: UDP loses datagrams
                    udp.sendto(reply, client)

    def respond(self, query: bytes, *, over_tcp: bool) -> bytes | None:
        """The reply to a query; None for no reply."""
        if self._is_answering:
            return self._responder.respond(query, over_tcp=over_tcp)
        self.dropped += 1
        return None


class _TcpClient(asyncio.Protocol):
    """A TCP connection: any number of queries, each after its length (RFC 7766 section 8)."""

    def __init__(self, server: DemoServer) -> None:
        self._server = server
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # asyncio promises it
        self._transport = transport
        self._server.connections.add(self)
        self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the protocol's signature
        self._server.connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()

    def pause_writing(self) -> None:
        """Disconnect a client that sends queries but does not read."""
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
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _restart_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._server.tcp_idle_seconds, self.abort)


def _bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind a port for UDP and TCP; for port 0, one that is free for both."""
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
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        bound.settimeout(0)
        if kind is socket.SOCK_DGRAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
