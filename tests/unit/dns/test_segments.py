"""Datagrams that leave together arrive as if each had been sent by itself."""

import socket

import pytest

from exporter.dns.transports import can_segment, send_segments
from tests.integration.servers.tools import missing
from tests.unit.dns.udp_pair import udp_pair, wait_for_error


@pytest.fixture(autouse=True)
def _kernel_that_cuts():
    """Want a kernel that can do it (Linux 4.18), as other tests want their tools."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        if not can_segment(any_socket):
            missing("this kernel cannot cut datagrams apart (UDP_SEGMENT): use Linux 4.18 or newer")


@pytest.mark.parametrize(("count", "octets"), [(2, 30), (60, 90), (61, 90), (150, 40), (100, 1_400)])
def test_what_was_sent_together_arrives_one_by_one(count, octets):
    """Every datagram comes, whole and by itself, however many there are and however long; and nothing else does."""
    datagrams = [number.to_bytes(2) * (octets // 2) for number in range(count)]
    with udp_pair() as (ours, theirs):
        send_segments(ours, datagrams)
        ours.send(b"last")

        assert sorted([theirs.recv(65_535) for _ in range(count + 1)]) == sorted([*datagrams, b"last"])


def test_an_error_of_what_was_sent_before_comes_out():
    """Where nobody listens any more, the next sending says so."""
    with udp_pair() as (ours, theirs):
        theirs.close()
        send_segments(ours, [b"ab", b"cd"])
        wait_for_error(ours)
        with pytest.raises(ConnectionRefusedError):
            send_segments(ours, [b"ab", b"cd"])


def test_a_kernel_that_will_not_says_so():
    """A socket whose datagrams have no checksum cannot have them cut apart: that is an error, and nothing leaves."""
    with udp_pair() as (ours, theirs):
        ours.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
        with pytest.raises(OSError, match=r"argument|Input/output"):
            send_segments(ours, [b"ab", b"cd"])
        ours.send(b"last")

        assert theirs.recv(65_535) == b"last"
