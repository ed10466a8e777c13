"""Asks one server over UDP, from many sockets whose random ports change all the time (RFC 5452 section 9.2).

The rule of this file: a packet counts only if the kernel says that it came from the asked server (the sockets are
connected), on the socket that asked, with the ID and the question section that were sent there, as a whole reply.
Everything else is counted, left lying, and the right one that comes later is still taken.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Protocol

from exporter.dns.job import Job
from exporter.dns.randomness import Take
from exporter.dns.statistics import Statistics

QUERIES_PER_SOCKET = 128
SOCKET_SECONDS = 10.0
"""A socket takes no new questions after this many, or this long: then another port takes its place."""
SLOTS = 8
"""How many sockets take new questions at a time."""
MAX_SOCKETS = 64
"""How many are open at a time: those that take new questions, and those that still wait for replies."""
_BURST_PACKETS = 64
_NUMBERS = Struct("B2s")  # a slot and an ID
_NUMBERS_AT_ONCE = 100
_BURST_SECONDS = 0.008  # of one turn of the loop, over all sockets
_MAX_OCTETS = 65_535
_WHOLE_REPLIES, _TRUNCATED_REPLIES = [  # flags and QDCOUNT: QR, opcode 0, whatever AA, RD and the second octet
    frozenset([bytes([0x80 | truncated | rest, second, 0, 1]) for rest in (0, 1, 4, 5) for second in range(256)])
    for truncated in (0, 2)
]
_HEADER_OCTETS = 12

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
    """Who is told what came of a query."""

    def take_reply(self, job: Job, packet: bytes, now: float) -> None:
        """A reply to the question, as a whole."""

    def take_truncated(self, job: Job) -> None:
        """A reply that has more to say than fits in."""

    def take_odd(self, job: Job, packet: bytes) -> None:
        """A packet with the ID of the query, that is no reply to its question."""

    def take_unreachable(self, job: Job) -> None:
        """The server's host says that nobody listens, or there is no way there."""


def _numbers(take: Take) -> Iterator[tuple[int, bytes]]:
    """Random octets and IDs without end, for a fifth of what taking them one by one costs."""
    while True:
        yield from _NUMBERS.iter_unpack(take(_NUMBERS.size * _NUMBERS_AT_ONCE))


class _Socket:
    __slots__ = ("left", "pending", "receive", "retires_at", "send", "sock")

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.send = sock.send
        self.receive = sock.recv
        self.pending: dict[bytes, Job] = {}
        self.left = QUERIES_PER_SOCKET
        self.retires_at = now + SOCKET_SECONDS


class UdpChannel:
    """The sockets that are connected to one server."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: Address,
        taker: Taker,
        *,
        statistics: Statistics,
        take: Take,
        burst: Burst,
        clock: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._address = address
        self._taker = taker
        self._ignored = statistics.ignored
        self._numbers = _numbers(take)
        self._burst = burst
        self._clock = clock
        self._slots: list[_Socket | None] = [None] * SLOTS
        self._open: dict[_Socket, None] = {}
        """All open sockets, oldest first."""
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._open)

    def send(self, job: Job, message: bytes) -> None:
        """Send *message*, which lacks its ID, and wait for the reply."""
        if self._is_closed:
            return
        octet, query_id = next(self._numbers)
        slot = octet % SLOTS
        chosen = self._slots[slot]
        if chosen is None or chosen.left <= 0 or job.sent_at > chosen.retires_at:
            try:
                chosen = self._renew(slot, job.sent_at)
            except OSError:
                self._fail_soon(job)
                return
        chosen.left -= 1
        pending = chosen.pending
        while query_id in pending:
            _, query_id = next(self._numbers)
        job.query_id = query_id
        job.pending = pending
        pending[query_id] = job
        send = chosen.send
        try:
            send(query_id + message)
        except BlockingIOError:
            pass  # as good as lost on the way: it will be asked again
        except OSError:
            self._send_again(chosen, job, query_id + message)

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

    def _send_again(self, opened: _Socket, job: Job, message: bytes) -> None:
        """An error of an earlier query of this socket came out: that one is told, and this one goes out anew."""
        earlier = [other for other in opened.pending.values() if other is not job]
        try:
            opened.send(message)
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
        receive = opened.receive
        pending = opened.pending
        taker = self._taker
        clock = self._clock
        now = clock()
        for _ in range(_BURST_PACKETS):
            try:
                packet = receive(_MAX_OCTETS)
            except BlockingIOError:
                break
            except OSError:
                self._fail_all(opened)
                break
            job = pending.get(packet[:2])
            if job is None:
                self._ignored["unknown-id"] += 1
            elif packet[2:6] in _WHOLE_REPLIES and packet.startswith(job.section, _HEADER_OCTETS):
                taker.take_reply(job, packet, now)
                if not pending:
                    break
            elif packet[2:6] in _TRUNCATED_REPLIES and packet.startswith(job.section, _HEADER_OCTETS):
                taker.take_truncated(job)
            else:
                taker.take_odd(job, packet)
            now = clock()
            if now > until:
                break
        if not pending and opened.left <= 0 and opened not in self._slots:
            self._close(opened)

    def _fail_all(self, opened: _Socket) -> None:
        """The server's host said that nobody listens, on behalf of no query in particular."""
        for job in tuple(opened.pending.values()):
            self._fail(job)
