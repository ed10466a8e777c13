"""Sends datagrams of one length by one system call, where the kernel can cut them apart (UDP_SEGMENT, udp(7)).

The rule of this file: it is a matter of speed alone. What goes out is the same, datagram by datagram, and where the
kernel will not do it, the caller hears so and sends each by itself.
"""

import socket
import sys
from collections.abc import Sequence
from struct import Struct

_UDP_SEGMENT = 103  # of <linux/udp.h>, which Python does not name; since Linux 4.18
_AT_ONCE = 60  # of the kernel's 64
_MOST_OCTETS = 60_000  # of an IP packet's 65,535
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
    at_once = min(_AT_ONCE, _MOST_OCTETS // octets)
    ancillary = [(socket.IPPROTO_UDP, _UDP_SEGMENT, _length(octets))]
    for at in range(0, len(datagrams), at_once):
        sock.sendmsg([b"".join(datagrams[at : at + at_once])], ancillary)
