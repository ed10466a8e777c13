"""UDP sockets: many ports, each used briefly, and never too many. Many questions share a few TCP connections."""

import asyncio
import logging
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.checks.answers import Question, Status
from exporter.dns.codec import Randomness
from exporter.dns.query import State
from exporter.dns.resolver import Resolver
from exporter.dns.servers import Server
from exporter.dns.settings import Endpoint, parse_endpoint
from exporter.dns.transports import (
    MAX_CONNECTIONS,
    MAX_PENDING,
    MAX_SOCKETS,
    SLOTS,
    SOCKET_SECONDS,
    ReadBudget,
    StreamTransport,
    UdpTransport,
    can_segment,
    send_segments,
)
from tests.factories import name
from tests.integration.servers.tools import missing
from tests.unit.dns.nameserver import (
    DEADLINE_SECONDS,
    WWW,
    eventually,
    knows_all,
    name_server,
    queries,
    resolving,
    settings,
)


@contextmanager
def udp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket that sends, and the socket it sends to, which waits up to ten seconds for packets."""
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
    """Wait until the kernel has an error for *sock*, without reading it."""
    poller = select.poll()
    poller.register(sock, 0)
    assert poller.poll(10_000)


def asked(count):
    """Questions that are sent now."""
    sent = queries(count)
    for query in sent:
        query.sent_at = time.monotonic()
        query.state = State.ASKED
    return sent


async def test_sockets_are_bounded_for_a_silent_server():
    """Any number of waiting questions share 64 sockets: old ports are used further."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        endpoint = Endpoint("udp", "127.0.0.1", mute.getsockname()[1])
        async with resolving(
            endpoint, max_in_flight=16_000, max_queued=16_000, max_queries_per_second=1e9, timeout_seconds=60
        ) as resolver:
            for n in range(16_000):
                resolver.ask(Question(name(f"n{n}.example.org"), "A"), lambda *_: None)
            await eventually(lambda: resolver.in_flight == 16_000)

            assert resolver.open_sockets == MAX_SOCKETS
        assert resolver.open_sockets == 0


async def test_old_sockets_are_closed():
    """A socket is closed after ten seconds even if it has sent few questions. The next one has another port."""
    slept = [0.0]
    async with name_server(knows_all) as server:
        resolver = Resolver(settings(server, timeout_seconds=5), clock=lambda: time.monotonic() + slept[0])
        await resolver.start()
        try:
            for n in range(30):
                await resolver.resolve(Question(name(f"n{n}.example.org"), "A"))
            assert resolver.open_sockets > 3

            slept[0] = SOCKET_SECONDS + 1
            await eventually(lambda: resolver.open_sockets == 0)
            assert (await resolver.resolve(WWW)).status is Status.ANSWER
            assert resolver.open_sockets == 1
        finally:
            await resolver.close()


class FakeReceiver:
    """A receiver that remembers its calls."""

    def __init__(self):
        self.packets, self.failed, self.statuses = [], [], []

    def take_datagrams(self, server, packets, pending, until):
        """Accept all packets."""
        self.packets += packets
        self.after_packets()

    def after_packets(self):
        """A hook for tests."""

    def take_message(self, query, packet):
        """No server here answers over a stream."""
        raise AssertionError(packet)

    def take_failure(self, query, status):
        """Accept a question that cannot be sent."""
        self.failed.append(query)
        self.statuses.append(status)


def udp_to(address, receiver, clock=time.monotonic):
    """A transport with this receiver, and a burst of questions with messages of three lengths."""
    loop = asyncio.get_running_loop()
    budget = ReadBudget(loop.call_soon, clock)
    take = Randomness().take
    server = Server(0, parse_endpoint("192.0.2.53"), cookies=None, random_case=True)
    transport = UdpTransport(
        loop, (socket.AF_INET, address), receiver, server, random_bytes=take, budget=budget, clock=clock
    )
    return transport, asked(90), [number.to_bytes(2) * (20 + number % 3) for number in range(90)]


@pytest.mark.parametrize("segments", [True, False], ids=["by-the-kernel", "one-by-one"])
async def test_a_burst_leaves_whole(segments):
    """Every message of a burst is sent once, with its question's ID, with or without UDP_SEGMENT."""
    receiver = FakeReceiver()
    with udp_pair() as (_, theirs):
        transport, queries, messages = udp_to(theirs.getsockname(), receiver)
        if not segments:
            transport.send(queries[:1], messages[:1])
            for opened in transport._open:
                opened.sock.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK: the kernel then refuses
            transport._slots[:] = list(transport._open) * SLOTS
            queries, messages = queries[1:], messages[1:]
            assert theirs.recv(65_535)
        transport.send(queries, messages)

        sent = {query.query_id: message for query, message in zip(queries, messages, strict=True)}
        received = [theirs.recv(65_535) for _ in queries]
        assert len(sent) == len(queries)
        assert {packet[:2]: packet[2:] for packet in received} == sent
        await transport.close()
    assert receiver.failed == []


async def test_a_burst_to_a_closed_port_fails_every_question_once():
    """Each question fails once, long before its timeout, and none waits any longer."""
    receiver = FakeReceiver()
    with udp_pair() as (_, theirs):
        address = theirs.getsockname()
    transport, queries, messages = udp_to(address, receiver)
    transport.send(queries, messages)
    await eventually(lambda: len(receiver.failed) >= len(queries))

    assert sorted(map(id, receiver.failed)) == sorted(map(id, queries))
    assert [query for query in queries if query.pending is not None] == []
    await transport.close()


async def test_an_error_fails_only_earlier_questions():
    """If the server comes back between two bursts, all of the second is sent, and only the first fails."""
    receiver = FakeReceiver()
    with udp_pair() as (_, theirs):
        address = theirs.getsockname()
    transport, queries, _ = udp_to(address, receiver)
    transport.send(queries[:1], [b"lost"])
    (opened,) = transport._open
    wait_for_error(opened.sock)
    transport._slots[:] = list(transport._open) * SLOTS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.bind(address)
        theirs.settimeout(10)
        transport.send(queries[1:4], [b"a", b"bb", b"ccc"])

        assert {theirs.recv(100)[2:] for _ in range(3)} == {b"a", b"bb", b"ccc"}
        assert receiver.failed == queries[:1]
        await transport.close()


async def test_an_iteration_reads_one_burst_from_a_socket():
    """Any number of received packets is evaluated in bursts, in several iterations of the event loop."""
    receiver = FakeReceiver()
    with udp_pair() as (_, theirs):
        transport, queries, messages = udp_to(theirs.getsockname(), receiver)
        transport.send(queries, messages)
        _, asker = theirs.recvfrom(65_535)
        for number in range(200):
            theirs.sendto(number.to_bytes(2), asker)
        before, iterations = 0, []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(receiver.packets) < 200:
                await asyncio.sleep(0)
                iterations.append(len(receiver.packets) - before)
                before = len(receiver.packets)

        assert max(iterations) <= 64
        await transport.close()


async def test_the_time_of_an_iteration_is_shared_by_all_sockets():
    """If the first socket's packets use up the time of an iteration, the other sockets wait for the next one."""
    now, receiver = [0.0], FakeReceiver()
    receiver.after_packets = lambda: now.__setitem__(0, now[0] + 1)
    with udp_pair() as (_, theirs):
        transport, queries, messages = udp_to(theirs.getsockname(), receiver, clock=lambda: now[0])
        askers = set()
        while len(askers) < 3:
            transport.send(queries[:1], messages[:1])
            askers.add(theirs.recvfrom(65_535)[1])
        for asker in askers:
            theirs.sendto(b"reply", asker)
        iterations = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(receiver.packets) < 3:
                await asyncio.sleep(0)
                iterations.append(len(receiver.packets))

        assert sorted({0, *iterations}) == [0, 1, 2, 3]
        await transport.close()


@pytest.fixture
def _segmenting_kernel():
    """Require a kernel with UDP_SEGMENT (Linux 4.18)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        if not can_segment(any_socket):
            missing("this kernel cannot cut datagrams apart (UDP_SEGMENT): use Linux 4.18 or newer")


@pytest.mark.usefixtures("_segmenting_kernel")
@pytest.mark.parametrize(("count", "size"), [(2, 30), (60, 90), (61, 90), (150, 40), (100, 1_400)])
def test_segments_arrive_one_by_one(count, size):
    """Every datagram arrives whole and separately, for any number and length, and nothing else does."""
    datagrams = [number.to_bytes(2) * (size // 2) for number in range(count)]
    with udp_pair() as (ours, theirs):
        send_segments(ours, datagrams)
        ours.send(b"last")

        assert sorted([theirs.recv(65_535) for _ in range(count + 1)]) == sorted([*datagrams, b"last"])


@pytest.mark.usefixtures("_segmenting_kernel")
def test_an_earlier_error_is_raised():
    """If the port was closed, the next call raises the error."""
    with udp_pair() as (ours, theirs):
        theirs.close()
        send_segments(ours, [b"ab", b"cd"])
        wait_for_error(ours)
        with pytest.raises(ConnectionRefusedError):
            send_segments(ours, [b"ab", b"cd"])


@pytest.mark.usefixtures("_segmenting_kernel")
def test_a_socket_without_checksums_cannot_send_segments():
    """A socket without checksums does not support it: an error is raised, and nothing is sent."""
    with udp_pair() as (ours, theirs):
        ours.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
        with pytest.raises(OSError, match=r"argument|Input/output"):
            send_segments(ours, [b"ab", b"cd"])
        ours.send(b"last")

        assert theirs.recv(65_535) == b"last"


RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def stream_to(loop, dial, receiver):
    """A transport with this receiver."""
    take = Randomness().take
    return StreamTransport(loop, dial, receiver, random_bytes=take, clock=time.monotonic, timeout_seconds=5.0)


async def test_questions_to_a_reset_connection_fail_without_a_log_line(caplog):
    """Nothing is written to a connection that the peer has reset: each question fails, and asyncio logs nothing."""
    loop = asyncio.get_running_loop()
    receiver = FakeReceiver()
    with socket.create_server(("127.0.0.1", 0)) as server, caplog.at_level(logging.WARNING, "asyncio"):

        async def dial(protocol):
            return await loop.create_connection(protocol, *server.getsockname())

        transport = stream_to(loop, dial, receiver)
        sent = asked(20)
        transport.send(sent[:1], [b"a query"])
        server.setblocking(False)
        peer, _ = await loop.sock_accept(server)
        peer.setblocking(False)
        await asyncio.wait_for(loop.sock_recv(peer, 100), 10)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        peer.close()
        for query in sent[1:]:
            transport.send([query], [b"a query"])
        await eventually(lambda: len(receiver.failed) == len(sent))
        await transport.close()

    assert receiver.statuses == [Status.NETWORK] * len(sent)
    assert caplog.records == []


async def test_connections_are_bounded_for_a_silent_server():
    """Any number of waiting questions share four connections."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def dial(protocol):
            return await loop.create_connection(protocol, *server.getsockname())

        transport = stream_to(loop, dial, FakeReceiver())
        sent = asked(10 * MAX_PENDING)
        for query in sent:
            transport.send([query], [b"a query"])
        opened = len(transport)
        ids = {id(query.pending) for query in sent}
        await transport.close()

    assert opened == len(ids) == MAX_CONNECTIONS
    assert len(transport) == 0
