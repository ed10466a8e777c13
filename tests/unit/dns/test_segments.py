"""Datagrams that leave together arrive as if each had been sent by itself."""

import socket

import pytest

from exporter.dns.segments import can_segment, send_segments
from tests.unit.dns.udp_pair import udp_pair

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    pytestmark = pytest.mark.skipif(not can_segment(any_socket), reason="this kernel cannot cut datagrams apart")


@pytest.mark.parametrize(("count", "octets"), [(2, 30), (60, 90), (61, 90), (150, 40), (100, 1_400)])
def test_what_was_sent_together_arrives_one_by_one(count, octets):
    """Every datagram comes, whole, by itself and in order, however many there are and however long."""
    datagrams = [number.to_bytes(2) * (octets // 2) for number in range(count)]
    with udp_pair() as (ours, theirs):
        send_segments(ours, datagrams)

        assert [theirs.recv(65_535) for _ in datagrams] == datagrams
        with pytest.raises(TimeoutError):
            theirs.recv(65_535)


def test_an_error_of_what_was_sent_before_comes_out():
    """Where nobody listens any more, the next sending says so."""
    with udp_pair() as (ours, theirs):
        theirs.close()
        send_segments(ours, [b"ab", b"cd"])
        with pytest.raises(ConnectionRefusedError):
            send_segments(ours, [b"ab", b"cd"])


def test_a_kernel_that_will_not_says_so():
    """A socket whose datagrams have no checksum cannot have them cut apart: that is an error, and nothing leaves."""
    with udp_pair() as (ours, theirs):
        ours.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
        with pytest.raises(OSError, match=r"argument|Input/output"):
            send_segments(ours, [b"ab", b"cd"])
        with pytest.raises(TimeoutError):
            theirs.recv(65_535)
