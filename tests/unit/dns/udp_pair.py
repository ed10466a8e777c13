"""Two UDP sockets on loopback, one connected to the other."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def udp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket that sends, and the one that it sends to, which waits ten seconds for what is to come."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
    ):
        theirs.bind(("127.0.0.1", 0))
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        theirs.settimeout(10)
        ours.connect(theirs.getsockname())
        ours.setblocking(False)
        yield ours, theirs


def wait_for_error(sock: socket.socket) -> None:
    """Wait until the kernel has an error to tell of what was sent on *sock*, and leave it there."""
    poller = select.poll()
    poller.register(sock, 0)
    assert poller.poll(10_000)
