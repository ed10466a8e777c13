"""A DNS server on loopback for tests of the resolver, over UDP, TCP and TLS; and handlers for it."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

from exporter.checks.answers import Answer, Question
from exporter.checks.names import DomainName
from exporter.dns.codec import RandomBytes
from exporter.dns.query import Query, QueryContext
from exporter.dns.resolver import Resolver
from exporter.dns.servers import Server
from exporter.dns.settings import CanarySettings, Endpoint, ResolverSettings, parse_endpoint
from exporter.dns.statistics import Statistics

Reply = dns.message.Message | bytes | None
Handler = Callable[[dns.message.QueryMessage, str], Reply | Iterable[Reply] | Awaitable[Reply]]
"""Returns the reply to a query over a transport ("udp" or "tcp"), or several, or None for no reply."""

DEADLINE_SECONDS = 300


class NameServer:
    """One server.

    Attributes:
        handler: Returns the replies.
        queries: The received queries, with their transport.
        sources: The addresses that sent UDP queries.
        connections: How many stream connections were opened.
        port: Its port on 127.0.0.1.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.queries: list[tuple[str, dns.message.QueryMessage]] = []
        self.sources: list[tuple[str, int]] = []
        self.connections = 0
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def endpoint(self) -> Endpoint:
        """Its address."""
        return parse_endpoint(f"127.0.0.1:{self.port}")

    def asked(self, transport: str | None = None) -> list[str]:
        """The received questions as text, without those for the root."""
        return [
            str(query.question[0].to_text())
            for over, query in self.queries
            if transport in (None, over) and query.question[0].name != dns.name.root
        ]

    async def replies(self, wire: bytes, transport: str) -> list[bytes]:
        """The replies to a query."""
        query = dns.message.from_wire(wire)
        assert isinstance(query, dns.message.QueryMessage)
        self.queries.append((transport, query))
        replies = self.handler(query, transport)
        if isinstance(replies, Awaitable):
            replies = await replies
        several = [replies] if replies is None or isinstance(replies, (bytes, dns.message.Message)) else list(replies)
        return [
            each if isinstance(each, bytes) else each.to_wire(max_size=65_535) for each in several if each is not None
        ]

    async def serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the queries of one connection."""
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(2))
                for reply in await self.replies(await reader.readexactly(length), "tcp"):
                    writer.write(len(reply).to_bytes(2) + reply)
                await writer.drain()
        writer.close()

    def hang_up(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.sources.append(addr)
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        for reply in await self._server.replies(data, "udp"):
            self._transport.sendto(reply, addr)


@contextlib.asynccontextmanager
async def name_server(
    handler: Handler,
    *,
    udp: bool = True,
    tcp: bool = True,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[NameServer]:
    """Serve on a loopback port. A protocol that is turned off has a closed port."""
    server = NameServer(handler)
    loop = asyncio.get_running_loop()
    for _ in range(50):
        stream = await asyncio.start_server(server.serve_stream, host, 0, ssl=tls)
        server.port = stream.sockets[0].getsockname()[1]
        if not tcp:
            stream.close()
        transport = None
        if udp:
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(server), local_addr=(host, server.port)
                )
            except OSError:
                stream.close()
                continue
        break
    try:
        yield server
    finally:
        stream.close()
        server.hang_up()
        if transport is not None:
            transport.close()


def records(query: dns.message.QueryMessage, *texts: str, rcode: int = 0, authority: str = "") -> dns.message.Message:
    """A reply with these records ("name ttl IN type rdata"), and one record in the authority section."""
    reply = dns.message.make_response(query, recursion_available=True)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    reply.answer = [_rrset(text) for text in texts]
    reply.authority = [_rrset(authority)] if authority else []
    return reply


def _rrset(text: str) -> dns.rrset.RRset:
    name, ttl, _, rdtype, rdata = text.split(maxsplit=4)
    return dns.rrset.from_text(name, int(ttl), "IN", rdtype, rdata)


def settings(*servers: NameServer | Endpoint, **more: object) -> ResolverSettings:
    """Settings with a long timeout and without a canary, unless *more* sets them."""
    values: dict[str, object] = {
        "servers": tuple(each.endpoint if isinstance(each, NameServer) else each for each in servers),
        "timeout_seconds": 10.0,
        "canary": None,
        **more,
    }
    return ResolverSettings(**values)  # type: ignore[arg-type]


def queries(count: int, *servers: Server, random_bytes: RandomBytes = bytes, **more: object) -> list[Query]:
    """New questions of one resolver with these servers, for `A` of n0.example.org and so on."""
    limits = ResolverSettings(**{"timeout_seconds": 10.0, **more})  # type: ignore[arg-type]
    context = QueryContext(limits, list(servers), Statistics(), random_bytes)
    return [
        Query(Question(DomainName(f"n{number}.example.org"), "A"), f"n{number}", _not_called, context)
        for number in range(count)
    ]


def _not_called(question: Question, answer: Answer) -> None:
    raise AssertionError((question, answer))


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until *condition* is true."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


WWW = Question(DomainName("www.example.org"), "A")
HERE = "www.example.org. 300 IN A 192.0.2.1"
ROOT = ". 518400 IN NS a.root-servers.net."
OFTEN = CanarySettings(interval_seconds=0.05)


def knows_www(query: dns.message.QueryMessage, _transport: str) -> Reply:
    """A handler that knows one address."""
    return records(query, HERE)


def knows_all(query: dns.message.QueryMessage, _transport: str) -> Reply:
    """A handler that has the same address for every name."""
    return records(query, f"{query.question[0].name} 300 IN A 192.0.2.1")


def silent(_query: dns.message.QueryMessage, _transport: str) -> Reply:
    """A handler that never replies."""
    return None


def honest(query: dns.message.QueryMessage, _transport: str) -> Reply:
    """A handler that knows the root and one name; no other name exists."""
    name = query.question[0].name
    if name == dns.name.root:
        return records(query, ROOT)
    return records(query, HERE) if name.to_text().lower() == "www.example.org." else records(query, rcode=3)


def sinkhole(query: dns.message.QueryMessage, _transport: str) -> Reply:
    """A handler that has an address for every name, like a captive portal."""
    name = query.question[0].name
    return records(query, ROOT) if name == dns.name.root else records(query, f"{name} 60 IN A 203.0.113.66")


def closed_endpoint() -> Endpoint:
    """A loopback port that is closed for both UDP and TCP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return Endpoint("udp", "127.0.0.1", sock.getsockname()[1])


@contextlib.asynccontextmanager
async def resolving(*servers: NameServer | Endpoint, **more: object) -> AsyncIterator[Resolver]:
    """Start a resolver, and close it at the end."""
    resolver = Resolver(settings(*servers, **more))
    await resolver.start()
    try:
        yield resolver
    finally:
        await resolver.close()
