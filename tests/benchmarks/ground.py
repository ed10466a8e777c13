"""The ground that every client of the benchmark is measured on, the same for all of them.

Clients have one core for themselves, the server and whoever drives them has another; and the
server has room for every query that is under way, so that nobody's clock stands still for a query that was lost.
"""

import ctypes
import os
import socket
from collections.abc import Callable
from pathlib import Path

from tests.integration.servers.knot import Knot

_PIDFD_GETFD = 438  # of <linux/unistd.h>, on every architecture; since Linux 5.6
_ROOM_BYTES = 2 * 1024 * 1024


class Ground:
    """Which cores there are. Whoever builds it is moved to the server's, and what it starts from then on."""

    def __init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self.client_core: int | None = None
        if len(cores) > 1:
            self.client_core = cores[-1]  # the first has more of the interrupts
            os.sched_setaffinity(0, {cores[0]})

    def __str__(self) -> str:
        if self.client_core is None:
            return "one core for all"
        return "each client on a core of its own, Knot and what drives exporters on another"

    @property
    def enter(self) -> Callable[[], None]:
        """What a client's process has to call before it becomes the client."""
        return lambda: self.place(0)

    def place(self, pid: int) -> None:
        """Move a process that runs to the clients' core, all its threads included."""
        if self.client_core is not None:
            for task in Path(f"/proc/{pid or 'self'}/task").iterdir():
                os.sched_setaffinity(int(task.name), {self.client_core})


def make_room(knot: Knot) -> int:
    """Let the server's sockets hold all that is under way; how many octets they hold afterwards, at least.

    Knot has no setting for it, and the system's (``net.core.rmem_default``) is not ours to change. So its own sockets
    are borrowed. Where that is not allowed they stay as they are, and what is lost is counted all the same.
    """
    process = os.pidfd_open(knot.pid)
    call = ctypes.CDLL(None, use_errno=True).syscall
    sizes = []
    try:
        for number in _udp_descriptors(knot):
            descriptor = call(_PIDFD_GETFD, process, number, 0)
            if descriptor < 0:
                return 0
            with socket.socket(fileno=descriptor) as borrowed:
                borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
                sizes.append(borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
    finally:
        os.close(process)
    return min(sizes, default=0)


def lost(knot: Knot) -> int:
    """How many queries the server's sockets had no room for so far."""
    lines = map(str.split, Path("/proc/net/udp").read_text().splitlines()[1:])
    return sum(int(line[12]) for line in lines if line[1].endswith(f":{knot.port:04X}"))


def _udp_descriptors(knot: Knot) -> list[int]:
    lines = map(str.split, Path("/proc/net/udp").read_text().splitlines()[1:])
    bound = {f"socket:[{line[9]}]" for line in lines if line[1].endswith(f":{knot.port:04X}")}
    folder = Path(f"/proc/{knot.pid}/fd")
    return [int(one.name) for one in folder.iterdir() if str(one.readlink()) in bound]
