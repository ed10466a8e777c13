"""A DNS server on loopback that misbehaves on demand, in its own thread.

A question for 1.servfail.example.org is answered with the behaviour ``servfail`` of `tests.integration.behaviours`,
any other name with NXDOMAIN. The whole server can lose packets, answer late, or have no TCP.
"""

import heapq
import itertools
import random
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.integration import behaviours, forgeries  # they fill BEHAVIOURS
from tests.integration.packets import Query, read_query
from tests.integration.sending import BEHAVIOURS, Sending

__all__ = ["Misbehaving", "behaviours", "forgeries"]

OTHER_ADDRESS = "127.0.0.2"
_TCP_IDLE_SECONDS = 20.0


class Misbehaving:
    """The server, as a context manager.

    *loss* is the share of lost UDP queries, drawn from *seed*. *delay_seconds* is the delay of UDP answers. Without
    *tcp* its TCP port is closed. *always* is the behaviour for every name.
    """

    host = "127.0.0.1"

    def __init__(
        self, *, tcp: bool = True, loss: float = 0.0, delay_seconds: float = 0.0, seed: int = 1, always: str = ""
    ) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        """Queries by behaviour and transport."""
        self.forged = 0
        """Forged replies sent."""
        self._loss, self._delay_seconds = loss, delay_seconds
        self._random = random.Random(seed)
        self._always = always
        self._late: list[tuple[float, int, bytes, tuple[str, int]]] = []
        self._order = itertools.count()
        self._ending = False
        self._udp, self._listener = _bind(tcp=tcp)
        self.port: int = self._udp.getsockname()[1]
        self._other_port = _udp_socket((self.host, 0))
        self._other_address = _udp_socket((OTHER_ADDRESS, self.port))
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()  # not in the thread: tests count descriptors from here on
        self._thread = threading.Thread(target=self._serve, name="misbehaving")

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending = True
        self._wake.send(b"x")
        self._thread.join()
        for each in (self._udp, self._listener, self._other_port, self._other_address, self._wake, self._woken):
            if each is not None:
                each.close()

    def _serve(self) -> None:
        with self._selector as selector:
            selector.register(self._udp, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            if self._listener is not None:
                selector.register(self._listener, selectors.EVENT_READ)
            while not self._ending:
                late_in = self._late[0][0] - time.monotonic() if self._late else None
                for key, _ in selector.select(None if late_in is None else max(0.0, late_in)):
                    if key.fileobj is self._udp:
                        self._take_datagrams()
                    elif key.fileobj is self._listener:
                        connection, _ = self._listener.accept()
                        threading.Thread(target=self._serve_tcp, args=(connection,), daemon=True).start()
                self._send_late()

    def _take_datagrams(self) -> None:
        for _ in range(100):
            try:
                wire, client = self._udp.recvfrom(65_535)
            except BlockingIOError:
                return
            query = read_query(wire, "udp")
            self.asked[query.behaviour, "udp"] += 1
            if self._loss and self._random.random() < self._loss:
                continue
            for sending in self._behave(query):
                self._send(sending, client)

    def _behave(self, query: Query) -> Sequence[Sending]:
        sendings = BEHAVIOURS.get(self._always or query.behaviour, BEHAVIOURS["nxdomain"])(query)
        self.forged += len(sendings) - 1 if "forged" in query.behaviour and len(sendings) > 1 else 0
        return sendings

    def _send(self, sending: Sending, client: tuple[str, int]) -> None:
        if self._delay_seconds:
            due = time.monotonic() + self._delay_seconds
            heapq.heappush(self._late, (due, next(self._order), sending.wire, client))
            return
        sockets = {"here": self._udp, "other-port": self._other_port, "other-address": self._other_address}
        _send_to(sockets[sending.source], sending.wire, client)

    def _send_late(self) -> None:
        now = time.monotonic()
        while self._late and self._late[0][0] <= now:
            _, _, wire, client = heapq.heappop(self._late)
            _send_to(self._udp, wire, client)

    def _serve_tcp(self, connection: socket.socket) -> None:
        """Answer the questions of one connection in order, until the client or a behaviour closes it."""
        connection.settimeout(_TCP_IDLE_SECONDS)
        with connection, connection.makefile("rb") as stream:
            try:
                while len(prefix := stream.read(2)) == 2:
                    query = read_query(stream.read(struct.unpack(">H", prefix)[0]), "tcp")
                    self.asked[query.behaviour, "tcp"] += 1
                    sendings = self._behave(query)
                    for sending in sendings:
                        _send_frame(connection, sending)
                    if not sendings or not sendings[-1].frame:
                        return
            except OSError:
                return  # the client has gone, as it may


def _send_frame(connection: socket.socket, sending: Sending) -> None:
    wire = struct.pack(">H", len(sending.wire)) + sending.wire if sending.frame else sending.wire
    size = -(-len(wire) // sending.pieces)
    for start in range(0, len(wire), size):
        connection.sendall(wire[start : start + size])
        if sending.pause_seconds:
            time.sleep(sending.pause_seconds)  # a slow behaviour


def _send_to(sender: socket.socket, wire: bytes, client: tuple[str, int]) -> None:
    try:
        sender.sendto(wire, client)
    except OSError:
        return  # its socket was closed, or its buffer is full: the packet is lost


def _udp_socket(address: tuple[str, int]) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind(address)
    bound.setblocking(False)
    return bound


def _bind(*, tcp: bool) -> tuple[socket.socket, socket.socket | None]:
    """Bind the same port for UDP and TCP. Without *tcp* the port is bound but not listening, so it is refused."""
    while True:
        udp = _udp_socket((Misbehaving.host, 0))
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        if not tcp:
            return udp, None
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.bind(udp.getsockname())
        except OSError:
            udp.close()
            listener.close()
            continue
        listener.listen(128)
        return udp, listener
