"""Makes the ways to each server: sockets, connections, sessions, and the addresses that they lead to."""

import asyncio
import contextlib
import socket
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from struct import Struct
from typing import TYPE_CHECKING, Protocol

from exporter.dns.codec import Take
from exporter.dns.query import Channel, Matching, Replies
from exporter.dns.queue import Job
from exporter.dns.servers import Server
from exporter.dns.settings import Endpoint, ResolverSettings
from exporter.dns.stream import StreamChannel

if TYPE_CHECKING:
    import ssl

    from exporter.dns.https import HttpsChannel


# SECTION exporter.dns.segments
# Sends datagrams of one length by one system call, where the kernel can cut them apart (UDP_SEGMENT, udp(7)).
#
# The rule of this file: it is a matter of speed alone. What goes out is the same, datagram by datagram, and
# where the
# kernel will not do it, the caller hears so and sends each by itself.

_UDP_SEGMENT = 103  # of <linux/udp.h>, which Python does not name; since Linux 4.18
_AT_ONCE = 60  # of the kernel's 64
_MOST_BYTES = 60_000  # of an IP packet's 65,535
_length = Struct("=H").pack


def can_segment(sock: socket.socket) -> bool:
    """Whether the kernel knows how to. One that does not would send everything as one datagram."""
    if sys.platform != "linux":
        return False
    try:
        sock.getsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT)
    except OSError:
        return False
    return True


def send_segments(sock: socket.socket, datagrams: Sequence[bytes]) -> None:
    """Send *datagrams*, all of one length, on a connected socket.

    Raises `BlockingIOError` where the socket has no room, and `OSError` for an error of what was sent earlier, or
    where the way to the server has no device that can do it. Some datagrams may have left before.
    """
    octets = len(datagrams[0])
    at_once = min(_AT_ONCE, _MOST_BYTES // octets)
    ancillary = [(socket.IPPROTO_UDP, _UDP_SEGMENT, _length(octets))]
    for at in range(0, len(datagrams), at_once):
        sock.sendmsg([b"".join(datagrams[at : at + at_once])], ancillary)


# SECTION exporter.dns.udp
# Asks one server over UDP, from many sockets whose random ports change all the time (RFC 5452 section 9.2).
#
# The rule of this file: a packet counts only if the kernel says that it came from the asked server (the sockets
# are
# connected), on the socket that asked, with the ID and the question section that were sent there, as a whole
# reply.
# Everything else is counted, left lying, and the right one that comes later is still taken.

QUERIES_PER_SOCKET = 128
SOCKET_SECONDS = 10.0
"""A socket takes no new questions after this many, or this long: then another port takes its place."""
SLOTS = 8
"""How many sockets take new questions at a time."""
MAX_SOCKETS = 64
"""How many are open at a time: those that take new questions, and those that still wait for replies."""
_BURST_PACKETS = 64
_IDS_AT_ONCE = 100
_BURST_SECONDS = 0.008  # of one turn of the loop, over all sockets
_MAX_BYTES = 65_535

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
"""Address family and socket address of a server."""


class Burst:
    """How much of one turn of the loop reading may take, over all sockets of a resolver."""

    __slots__ = ("_call_soon", "_clock", "_until")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], clock: Callable[[], float]) -> None:
        self._call_soon = call_soon
        self._clock = clock
        self._until: float | None = None

    def until(self) -> float:
        """When reading has to stop, so that others get their turn."""
        if self._until is None:
            self._until = self._clock() + _BURST_SECONDS
            self._call_soon(self._end)
        return self._until

    def _end(self) -> None:
        self._until = None


class Taker(Protocol):
    """Who is told what came of the queries to one server."""

    def take_packets(self, packets: Iterator[bytes], pending: dict[bytes, Job], until: float) -> None:
        """Take what came in for the questions in *pending*; leave in *packets* what there is no time for."""

    def take_unreachable(self, job: Job) -> None:
        """The server's host says that nobody listens, or there is no way there."""


def _random_ids(take: Take) -> Iterator[bytes]:
    """Random IDs without end, for a fifth of what taking them one by one costs."""
    while True:
        octets = take(2 * _IDS_AT_ONCE)
        yield from [octets[at : at + 2] for at in range(0, len(octets), 2)]


class _Socket:
    __slots__ = ("left", "pending", "receive", "retires_at", "segments", "send", "sock", "unread")

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.send = sock.send
        self.receive = sock.recv
        self.segments = can_segment(sock)
        self.pending: dict[bytes, Job] = {}
        self.left = QUERIES_PER_SOCKET
        self.retires_at = now + SOCKET_SECONDS
        self.unread: list[bytes] = []
        """What was received, but could not be taken yet."""


class UdpChannel:
    """The sockets that are connected to one server."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: Address,
        taker: Taker,
        *,
        take: Take,
        burst: Burst,
        clock: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._address = address
        self._taker = taker
        self._take = take
        self._ids = _random_ids(take)
        self._burst = burst
        self._clock = clock
        self._slots: list[_Socket | None] = [None] * SLOTS
        self._open: dict[_Socket, None] = {}
        """All open sockets, oldest first."""
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    def send(self, jobs: Sequence[Job], messages: Sequence[bytes]) -> None:
        """Send the message of each, which lacks its ID, and wait for the replies.

        What is sent together leaves by one socket, so that the replies are received together too.
        """
        if self._is_closed:
            return
        try:
            opened = self._choose(jobs[0].sent_at)
        except OSError:
            for job in jobs:
                self._fail_soon(job)
            return
        opened.left -= len(jobs)
        pending, ids = opened.pending, self._ids
        packets: defaultdict[int, list[bytes]] = defaultdict(list)
        for job, message, query_id in zip(jobs, messages, ids):  # noqa: B905  # there are IDs without end
            while query_id in pending:
                query_id = next(ids)
            job.query_id = query_id
            job.pending = pending
            pending[query_id] = job
            packets[len(message)].append(query_id + message)
        rest = list(packets.values())
        while rest:
            self._send_alike(opened, rest.pop(), rest)

    def expire(self, now: float) -> Iterator[Job]:
        """The questions whose time is up. All wait equally long, so the oldest of each socket are the first."""
        for opened in tuple(self._open):
            late = []
            for job in opened.pending.values():
                if job.deadline > now:
                    break
                late.append(job)
            yield from late
            if not opened.pending and (opened.left <= 0 or now > opened.retires_at):
                self._close(opened)

    def close(self) -> None:
        """Close all sockets; nothing that waits is told."""
        self._is_closed = True
        for opened in tuple(self._open):
            self._close(opened)

    def _choose(self, now: float) -> _Socket:
        """One of the sockets that take new questions, by chance. Raises `OSError` if there can be none."""
        slot = self._take(1)[0] % SLOTS
        chosen = self._slots[slot]
        if chosen is None or chosen.left <= 0 or now > chosen.retires_at:
            return self._renew(slot, now)
        return chosen

    def _renew(self, slot: int, now: float) -> _Socket:
        old = self._slots[slot]
        if old is not None:
            if len(self._open) >= MAX_SOCKETS:
                return old  # every one of them still waits for replies: better an old port than none
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
        """Send queries of one length; *rest* are those that come afterwards."""
        if opened.segments and len(packets) > 1:
            try:
                send_segments(opened.sock, packets)
            except BlockingIOError:
                return  # as good as lost on the way: they will be asked again
            except OSError:
                opened.segments = False  # be it for good, be it an error of an earlier query: they leave one by one
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
        """An error of an earlier query of this socket came out: that one is told, and this one goes out anew."""
        job = opened.pending.get(packet[:2])
        if job is None:
            return  # told along with another one
        earlier = [other for other in opened.pending.values() if other is not job and other.query_id not in unsent]
        try:
            opened.send(packet)
        except BlockingIOError:
            pass
        except OSError:
            job.forget()
            self._fail_soon(job)
        for other in earlier:
            self._fail(other)

    def _fail_soon(self, job: Job) -> None:
        """Say that there is no way, but not at once: who asks on from there would never end."""
        self._loop.call_soon(self._taker.take_unreachable, job)

    def _fail(self, job: Job) -> None:
        if job.pending is not None:
            job.forget()
            self._taker.take_unreachable(job)

    def _read(self, opened: _Socket) -> None:
        """Take what has come in, but no more than one turn of the loop has time for."""
        until = self._burst.until()
        if opened not in self._open or self._clock() > until:
            return  # the loop calls again while there is something to read
        pending = opened.pending
        packets = iter(opened.unread or self._receive(opened))
        self._taker.take_packets(packets, pending, until)
        opened.unread = list(packets)
        if opened.unread:
            self._loop.call_soon(self._read, opened)
        elif not pending and opened.left <= 0 and opened not in self._slots:
            self._close(opened)

    def _receive(self, opened: _Socket) -> list[bytes]:
        """What has come in on a socket."""
        packets: list[bytes] = []
        count = min(len(opened.pending) or 1, _BURST_PACKETS)
        try:
            packets.extend(map(opened.receive, repeat(_MAX_BYTES, count)))  # what came before an error stays
        except BlockingIOError:
            pass
        except OSError:
            self._fail_all(opened)
        return packets

    def _fail_all(self, opened: _Socket) -> None:
        """The server's host said that nobody listens, on behalf of no query in particular."""
        for job in tuple(opened.pending.values()):
            self._fail(job)


# SECTION exporter.dns.transports


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
            from exporter.dns.https import HttpsChannel  # the HTTP client takes 0.2 s to import

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
