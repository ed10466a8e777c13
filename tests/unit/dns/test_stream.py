"""Many questions share a few TCP connections, and survive their loss."""

import asyncio
import logging
import socket
import struct
import time

from exporter.checks.answers import Question, Status
from exporter.dns.codec import Randomness
from exporter.dns.queue import Job
from exporter.dns.transports import MAX_CONNECTIONS, MAX_PENDING, StreamChannel
from tests.factories import name

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
QUESTIONS = 20


class FakeHandler:
    """A handler that remembers failures."""

    def __init__(self):
        self.failures = []
        self.are_all_failed = asyncio.Event()

    def take_stream(self, job, packet):
        """No server here answers."""
        raise AssertionError(packet)

    def take_failure(self, job, status):
        """Remember it."""
        self.failures.append(status)
        if len(self.failures) == QUESTIONS:
            self.are_all_failed.set()


def channel_to(loop, dial, handler):
    """A channel with this handler."""
    take = Randomness().take
    return StreamChannel(loop, dial, handler, random_bytes=take, clock=time.monotonic, timeout_seconds=5.0)


async def test_questions_to_a_reset_connection_fail_without_a_log_line(caplog):
    """Nothing is written to a connection that the peer has reset: each question fails, and asyncio logs nothing."""
    loop = asyncio.get_running_loop()
    handler = FakeHandler()
    with socket.create_server(("127.0.0.1", 0)) as server, caplog.at_level(logging.WARNING, "asyncio"):

        async def dial(protocol):
            return await loop.create_connection(protocol, *server.getsockname())

        channel = channel_to(loop, dial, handler)
        jobs = [Job(Question(name(f"n{number}.example.org"), "A"), "", print) for number in range(QUESTIONS)]
        for job in jobs:
            job.sent_at = time.monotonic()
        channel.send(jobs[:1], [b"a query"])
        server.setblocking(False)
        peer, _ = await loop.sock_accept(server)
        peer.setblocking(False)
        await asyncio.wait_for(loop.sock_recv(peer, 100), 10)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        peer.close()
        for job in jobs[1:]:
            channel.send([job], [b"a query"])
        await asyncio.wait_for(handler.are_all_failed.wait(), 10)
        channel.close()

    assert handler.failures == [Status.NETWORK] * QUESTIONS
    assert caplog.records == []


async def test_connections_are_bounded_for_a_silent_server():
    """Any number of waiting questions share four connections."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:

        async def dial(protocol):
            return await loop.create_connection(protocol, *server.getsockname())

        channel = channel_to(loop, dial, FakeHandler())
        jobs = [Job(Question(name(f"n{number}.example.org"), "A"), "", print) for number in range(10 * MAX_PENDING)]
        for job in jobs:
            job.sent_at = time.monotonic()
            channel.send([job], [b"a query"])
        opened = len(channel)
        ids = {id(job.pending) for job in jobs}
        channel.close()

    assert opened == len(ids) == MAX_CONNECTIONS
    assert len(channel) == 0
