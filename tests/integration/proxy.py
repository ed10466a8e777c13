"""A network that misbehaves: a UDP proxy before a real server, in a thread of its own.

It loses and delays packets and changes none. When a query came is the kernel's word, so that a
busy machine does not blur the rate.
"""

import heapq
import itertools
import random
import selectors
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it before 3.12
_TIMESPEC = struct.Struct("@qq")
_CLIENTS = 4_096


class Proxy:
    """Passes queries on to *server*, a port of 127.0.0.1; use it with ``with``.

    *loss* is the share of the queries that it loses; *delay_seconds* is how late it passes the others on. Both may be
    changed at any time. *arrivals* are the Unix times at which queries came, as the kernel has them.
    """

    host = "127.0.0.1"

    def __init__(self, server: int) -> None:
        self.loss = 0.0
        self.delay_seconds = 0.0
        self.arrivals: list[float] = []
        self._random = random.Random(1)
        self._server = (self.host, server)
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind((self.host, 0))
        self._front.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._front.setblocking(False)
        self._backs: dict[tuple[str, int], socket.socket] = {}
        self._late: list[tuple[float, int, bytes, tuple[str, int]]] = []
        self._order = itertools.count()
        self._ending = False
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._serve, name="proxy")

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self._front.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending = True
        self._wake.send(b"x")
        self._thread.join()
        for each in (self._front, self._wake, self._woken, *self._backs.values()):
            each.close()

    def most_in_a_second(self) -> int:
        """The most queries that came within any one second."""
        first, most = 0, 0
        arrivals = sorted(self.arrivals)
        for last, moment in enumerate(arrivals):
            while arrivals[first] <= moment - 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most

    def _serve(self) -> None:
        with self._selector as selector:
            selector.register(self._front, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._ending:
                wait = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
                for key, _ in selector.select(wait):
                    if key.fileobj is self._front:
                        self._take_queries()
                    elif key.data is not None:
                        self._take_reply(key.data)
                while self._late and self._late[0][0] <= time.monotonic():
                    _, _, wire, client = heapq.heappop(self._late)
                    self._pass_on(wire, client)

    def _take_queries(self) -> None:
        for _ in range(100):
            try:
                wire, extra, _, client = self._front.recvmsg(65_535, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = _TIMESPEC.unpack(extra[0][2])
            self.arrivals.append(seconds + nanoseconds / 1e9)
            if self._random.random() < self.loss:
                continue
            heapq.heappush(self._late, (time.monotonic() + self.delay_seconds, next(self._order), wire, client))

    def _pass_on(self, wire: bytes, client: tuple[str, int]) -> None:
        back = self._backs.get(client)
        if back is None:
            if len(self._backs) >= _CLIENTS:
                self._forget(next(iter(self._backs)))
            back = self._backs[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            back.setblocking(False)
            self._selector.register(back, selectors.EVENT_READ, client)
        self._send(back, wire, self._server)

    def _take_reply(self, client: tuple[str, int]) -> None:
        back = self._backs.get(client)
        if back is None:
            return
        try:
            wire = back.recv(65_535)
        except (BlockingIOError, ConnectionError):
            return  # the server is down, and its host says so: that is not passed on
        self._send(self._front, wire, client)

    def _forget(self, client: tuple[str, int]) -> None:
        back = self._backs.pop(client)
        self._selector.unregister(back)
        back.close()

    @staticmethod
    def _send(sender: socket.socket, wire: bytes, to: tuple[str, int]) -> None:
        try:
            sender.sendto(wire, to)
        except OSError:
            return  # a packet is lost, as packets are
