"""Makes the ways to each server: sockets, connections, sessions, and the addresses that they lead to."""

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from exporter.dns.asking import Channel
from exporter.dns.endpoints import Endpoint
from exporter.dns.health import Server
from exporter.dns.matching import Matching
from exporter.dns.randomness import Take
from exporter.dns.replies import Replies
from exporter.dns.settings import ResolverSettings
from exporter.dns.stream import StreamChannel
from exporter.dns.udp import Address, Burst, UdpChannel

if TYPE_CHECKING:
    import ssl

    from exporter.dns.doh import HttpsChannel


async def find_address(loop: asyncio.AbstractEventLoop, endpoint: Endpoint) -> Address | None:
    """The first socket address of a server, or None where its name does not resolve."""
    flags = socket.AI_NUMERICHOST if endpoint.is_address else 0
    try:
        found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM, flags=flags)
    except OSError:
        return None
    family, _, _, _, address = found[0]
    return (family, address) if len(address) in (2, 4) else None  # type: ignore[return-value]


class Transports:
    """Opens the channels of one resolver. *match* makes what matches the packets of a server."""

    def __init__(
        self,
        settings: ResolverSettings,
        replies: Replies,
        match: Callable[[Server], Matching],
        *,
        take: Take,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._replies = replies
        self._match = match
        self._take = take
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._burst = Burst(self._loop.call_soon, clock)
        self._tls: ssl.SSLContext | None = None
        self._https: list[HttpsChannel] = []
        self.udp: list[UdpChannel] = []
        self.streams: list[StreamChannel] = []

    async def open(self, server: Server) -> tuple[Channel | None, Channel | None]:
        """The way to a server, and over TCP where the first is UDP; None for what cannot be had now."""
        endpoint = server.endpoint
        try:
            tls = None if endpoint.scheme == "udp" else self.tls()
        except OSError:  # the file of authorities is gone, or is none
            return None, None
        if tls is not None and endpoint.scheme == "https":
            from exporter.dns.doh import HttpsChannel  # the HTTP client takes 0.2 s to import

            session = HttpsChannel(self._loop, endpoint, self._replies, tls, self._settings.timeout_seconds)
            self._https.append(session)
            return session, None
        address = await find_address(self._loop, endpoint)
        if address is None:
            return None, None
        if endpoint.scheme == "tls":
            return self._stream(address, endpoint), None
        channel = UdpChannel(
            self._loop,
            address,
            self._match(server),
            take=self._take,
            burst=self._burst,
            clock=self._clock,
        )
        self.udp.append(channel)
        return channel, self._stream(address, None)

    def tls(self) -> "ssl.SSLContext":
        """The one TLS context of the resolver: certificates are always checked."""
        if self._tls is None:
            import ssl  # only those who use TLS pay for it

            self._tls = ssl.create_default_context(cafile=self._settings.ca_file)
        return self._tls

    async def close(self) -> None:
        """Let go of everything."""
        for channel in self.udp:
            channel.close()
        for stream in self.streams:
            stream.close()
        for session in self._https:
            await session.aclose()

    def _stream(self, address: Address, tls: Endpoint | None) -> StreamChannel:
        """A channel over TCP; over TLS, to the server that *tls* says the certificate must be for."""
        _, where = address

        async def dial(protocol: Callable[[], asyncio.Protocol]) -> object:
            context = self.tls() if tls is not None else None
            name = tls.server_name if tls is not None else None
            return await self._loop.create_connection(protocol, where[0], where[1], ssl=context, server_hostname=name)

        channel = StreamChannel(
            self._loop,
            dial,
            self._replies,
            take=self._take,
            clock=self._clock,
            timeout_seconds=self._settings.timeout_seconds,
        )
        self.streams.append(channel)
        return channel
