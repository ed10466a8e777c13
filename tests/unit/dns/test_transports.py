"""UDP sockets: many ports, each used briefly, and never too many. Datagrams sent together arrive one by one."""

import asyncio
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.checks.answers import Question, Status
from exporter.dns.codec import Randomness
from exporter.dns.queue import Job
from exporter.dns.resolver import Resolver
from exporter.dns.settings import Endpoint
from exporter.dns.transports import (
    MAX_SOCKETS,
    SLOTS,
    SOCKET_SECONDS,
    ReadBudget,
    UdpChannel,
    can_segment,
    send_segments,
)
from tests.factories import name
from tests.integration.servers.tools import missing
from tests.unit.dns.nameserver import DEADLINE_SECONDS, WWW, eventually, knows_all, name_server, resolving, settings


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


async def test_sockets_are_bounded_where_nobody_answers():
    """However many questions wait at once, they share 64 sockets: old ports are used on rather than more opened."""
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


async def test_a_port_is_given_up_when_it_is_old():
    """A socket that was good for many more questions is closed after ten seconds, and the next question has another."""
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


class Told:
    """A taker that remembers what it was told."""

    def __init__(self):
        self.packets, self.unreachable = [], []

    def take_packets(self, packets, pending, until):
        """Take all packets."""
        self.packets += packets
        self.when_taken()

    def when_taken(self):
        """Do nothing more."""

    def take_unreachable(self, job):
        """Take a question to which there is no way."""
        self.unreachable.append(job)


def channel_to(address, told, clock=time.monotonic):
    """A channel that tells *told*, and the questions of a burst with messages of three lengths for it."""
    loop = asyncio.get_running_loop()
    budget = ReadBudget(loop.call_soon, clock)
    random_bytes = Randomness().take
    channel = UdpChannel(loop, (socket.AF_INET, address), told, random_bytes=random_bytes, budget=budget, clock=clock)
    jobs = [Job(Question(name(f"n{number}.example.org"), "A"), "", print) for number in range(90)]
    for job in jobs:
        job.sent_at = time.monotonic()
    return channel, jobs, [number.to_bytes(2) * (20 + number % 3) for number in range(90)]


@pytest.mark.parametrize("segments", [True, False], ids=["cut-apart-by-the-kernel", "one-by-one"])
async def test_a_burst_leaves_whole(segments):
    """Every message of a burst is sent once, with its question's ID, also where the kernel will not cut it apart."""
    told = Told()
    with udp_pair() as (_, theirs):
        channel, jobs, messages = channel_to(theirs.getsockname(), told)
        if not segments:
            channel.send(jobs[:1], messages[:1])
            for opened in channel._open:
                opened.sock.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK: the kernel then refuses
            channel._slots[:] = list(channel._open) * SLOTS
            jobs, messages = jobs[1:], messages[1:]
            assert theirs.recv(65_535)
        channel.send(jobs, messages)

        sent = {job.query_id: message for job, message in zip(jobs, messages, strict=True)}
        received = [theirs.recv(65_535) for _ in jobs]
        assert len(sent) == len(jobs)
        assert {packet[:2]: packet[2:] for packet in received} == sent
        channel.close()
    assert told.unreachable == []


async def test_a_burst_to_a_closed_port_tells_every_question_once():
    """Each is told that there is no way, by itself and long before its time is up; none waits on."""
    told = Told()
    with udp_pair() as (_, theirs):
        address = theirs.getsockname()
    channel, jobs, messages = channel_to(address, told)
    channel.send(jobs, messages)
    await eventually(lambda: len(told.unreachable) >= len(jobs))

    assert sorted(map(id, told.unreachable)) == sorted(map(id, jobs))
    assert [job for job in jobs if job.pending is not None] == []
    channel.close()


async def test_an_error_tells_those_that_were_sent_and_no_other():
    """Where the server comes back between two bursts, the second is sent whole; only the first is told of the error."""
    told = Told()
    with udp_pair() as (_, theirs):
        address = theirs.getsockname()
    channel, jobs, _ = channel_to(address, told)
    channel.send(jobs[:1], [b"lost"])
    (opened,) = channel._open
    wait_for_error(opened.sock)
    channel._slots[:] = list(channel._open) * SLOTS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
        theirs.bind(address)
        theirs.settimeout(10)
        channel.send(jobs[1:4], [b"a", b"bb", b"ccc"])

        assert {theirs.recv(100)[2:] for _ in range(3)} == {b"a", b"bb", b"ccc"}
        assert told.unreachable == jobs[:1]
        channel.close()


async def test_a_turn_takes_no_more_than_a_burst_from_a_socket():
    """What has come in, be it ten times as much as was asked for, is taken in bursts with turns for others between."""
    told = Told()
    with udp_pair() as (_, theirs):
        channel, jobs, messages = channel_to(theirs.getsockname(), told)
        channel.send(jobs, messages)
        _, asker = theirs.recvfrom(65_535)
        for number in range(200):
            theirs.sendto(number.to_bytes(2), asker)
        before, turns = 0, []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(told.packets) < 200:
                await asyncio.sleep(0)
                turns.append(len(told.packets) - before)
                before = len(told.packets)

        assert max(turns) <= 64
        channel.close()


async def test_a_turn_reads_for_no_longer_than_its_time_over_all_sockets():
    """When the first socket's packets took all the time that a turn has, the others' wait for the next."""
    now, told = [0.0], Told()
    told.when_taken = lambda: now.__setitem__(0, now[0] + 1)
    with udp_pair() as (_, theirs):
        channel, jobs, messages = channel_to(theirs.getsockname(), told, clock=lambda: now[0])
        askers = set()
        while len(askers) < 3:
            channel.send(jobs[:1], messages[:1])
            askers.add(theirs.recvfrom(65_535)[1])
        for asker in askers:
            theirs.sendto(b"reply", asker)
        turns = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(told.packets) < 3:
                await asyncio.sleep(0)
                turns.append(len(told.packets))

        assert sorted({0, *turns}) == [0, 1, 2, 3]
        channel.close()


@pytest.fixture
def _segmenting_kernel():
    """Want a kernel that can do it (Linux 4.18), as other tests want their tools."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        if not can_segment(any_socket):
            missing("this kernel cannot cut datagrams apart (UDP_SEGMENT): use Linux 4.18 or newer")


@pytest.mark.usefixtures("_segmenting_kernel")
@pytest.mark.parametrize(("count", "octets"), [(2, 30), (60, 90), (61, 90), (150, 40), (100, 1_400)])
def test_what_was_sent_together_arrives_one_by_one(count, octets):
    """Every datagram comes, whole and by itself, however many there are and however long; and nothing else does."""
    datagrams = [number.to_bytes(2) * (octets // 2) for number in range(count)]
    with udp_pair() as (ours, theirs):
        send_segments(ours, datagrams)
        ours.send(b"last")

        assert sorted([theirs.recv(65_535) for _ in range(count + 1)]) == sorted([*datagrams, b"last"])


@pytest.mark.usefixtures("_segmenting_kernel")
def test_an_error_of_what_was_sent_before_comes_out():
    """Where nobody listens any more, the next sending says so."""
    with udp_pair() as (ours, theirs):
        theirs.close()
        send_segments(ours, [b"ab", b"cd"])
        wait_for_error(ours)
        with pytest.raises(ConnectionRefusedError):
            send_segments(ours, [b"ab", b"cd"])


@pytest.mark.usefixtures("_segmenting_kernel")
def test_a_kernel_that_will_not_says_so():
    """A socket whose datagrams have no checksum cannot have them cut apart: that is an error, and nothing leaves."""
    with udp_pair() as (ours, theirs):
        ours.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
        with pytest.raises(OSError, match=r"argument|Input/output"):
            send_segments(ours, [b"ab", b"cd"])
        ours.send(b"last")

        assert theirs.recv(65_535) == b"last"
