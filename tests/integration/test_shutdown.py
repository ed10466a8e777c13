"""The end of the process while scrapes are in flight: what an operator, a reader and a probe see of it.

The exporter is a process of its own, and a reply in flight is one that its reader has begun to
take and that is too big for the socket's buffers.
"""

import gzip
import signal
import socket
from contextlib import ExitStack, closing

import pytest

from exporter.demo.world import World
from tests.integration.keeping import Dns, configuration, process, rows
from tests.integration.servers.process import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.integration

GRACE_SECONDS = 30
"""What Kubernetes gives a pod, and what systemd and Docker can be told to give."""
ADDRESSES = 128
NAMES = [f"mta{number}.{'.'.join(['a-label-of-many-octets'] * 8)}.example.org" for number in range(16)]
NETWORK = [{"network": "10.0.0.0/25", "helo": NAMES}]
CALM = World([". SOA ns. host. 1 3600 900 604800 1", ". NS ns."])
BUFFERED = 4 << 20
"""Linux buffers no more of a reply than this, where it is left to choose (tcp_wmem)."""
PLAIN = b""
GZIP = b"Accept-Encoding: gzip\r\n"
OPEN = b"Accept: application/openmetrics-text; version=1.0.0\r\n"


@pytest.fixture
def exporter(tmp_path):
    """An exporter that has sampled so many addresses that its exposition fits into no buffer."""
    with Dns(CALM) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, tmp_path / "maildns.db", NETWORK, interval="10m")
        with process(path) as running:
            wait_until(lambda: running.get("/-/ready")[0] == 200, "it has sampled everything", 5 * DEADLINE_SECONDS)
            yield running


class Reader:
    """A client that asks for `/metrics`, and takes of it what it is told to."""

    def __init__(self, port, headers):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._socket.settimeout(60)
        self._socket.connect(("127.0.0.1", port))
        self._socket.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
        self._head = b""
        while not self._head.endswith(b"\r\n\r\n"):
            self._head += self._socket.recv(1)

    def body(self):
        """All of the reply, which is as long as it says."""
        head, body = self._head, b""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFERED)
        (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
        while len(body) < length and (more := self._socket.recv(1 << 16)):
            body += more
        assert head.startswith(b"HTTP/1.1 200 ")
        assert len(body) == length
        return body

    def close(self):
        self._socket.close()


def in_flight(exporter, headers=PLAIN):
    """A reader of a reply that is on its way."""
    return closing(Reader(exporter.port, headers))


def count(text):
    """How many addresses have a series that every address has."""
    return sum(line.startswith(b"maildns_last_sample_timestamp_seconds{") for line in text.splitlines())


def terminate(exporter):
    """End it as its operator does, and see it say that it is not ready, on a new connection: so it still listens."""
    exporter.process.send_signal(signal.SIGTERM)
    wait_until(lambda: exporter.get("/-/ready")[0] == 503, "it is not ready any more")
    assert exporter.process.poll() is None


def test_scrapes_in_flight_are_read_to_their_end(exporter, tmp_path):
    """Not ready first; every reader still gets every octet; then the port closes; everything is saved, status 0.

    A reader that takes nothing, a kept connection, a silent one and half a request do not hold it beyond the grace
    period.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(in_flight(exporter, headers)) for headers in (PLAIN, OPEN, GZIP, PLAIN)]
        for octets in (b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n", b"", b"GET /metrics HTTP/1.1\r\nHost:"):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", exporter.port), 60))
            connection.sendall(octets)
            assert not octets.endswith(b"\r\n\r\n") or connection.recv(15) == b"HTTP/1.1 200 OK"
        terminate(exporter)
        plain, opened, zipped = [reader.body() for reader in readers[:3]]
        assert exporter.process.wait(GRACE_SECONDS) == 0
    assert len(plain) > BUFFERED
    assert [count(text) for text in (plain, opened, gzip.decompress(zipped))] == [ADDRESSES] * 3
    assert opened.endswith(b"\n# EOF\n")
    assert exporter.get("/-/healthy")[0] == 0
    assert rows(tmp_path / "maildns.db", "SELECT count(*) FROM addresses") == [(ADDRESSES,)]


def test_a_second_signal_cuts_a_scrape(exporter):
    """Whoever is impatient waits for no reader."""
    with in_flight(exporter):
        terminate(exporter)
        assert exporter.end() == -signal.SIGTERM
