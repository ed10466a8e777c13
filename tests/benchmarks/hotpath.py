"""Measures what of a whole check is our own Python's, and nothing else: ``python -m tests.benchmarks.hotpath``.

No kernel, no server, no other process. The sockets are lists in memory that hold the replies of
a server which answers at once, so that what is left is the path of a question and its answer through the engine.
Prints the least of many rounds (other work on the machine only ever adds), with and without the cost of those sockets;
with ``--count-bytecodes``, which functions take it: that count is the same on every machine, however busy.
"""

import argparse
import asyncio
import math
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from types import FrameType, SimpleNamespace
from typing import Any

import exporter.dns.transports
from exporter.checks.answers import Question
from exporter.checks.check import CheckRun
from exporter.checks.names import DomainName
from exporter.checks.report import Report, Target, report
from exporter.dns.codec import wire_name
from exporter.dns.resolver import Resolver
from exporter.dns.settings import ResolverSettings, parse_endpoint
from tests.benchmarks.ours import targets_from

IN_FLIGHT = 500
_RECORD = struct.Struct(">HHHIH")
_COOKIE = b"\0\x0a\0\x18" + bytes(8) + b"a server's cookie"[:16]
_QUESTION_AT = 10  # of a message that lacks its ID


class Answers:
    """What the world has to say, by the question section in lower case: everything of a reply that follows it."""

    def __init__(self, targets: list[Target]) -> None:
        self.tails: dict[bytes, bytes] = {}
        for number, target in enumerate(targets):
            name = f"mail-{number:06x}.outbound.example.test"
            self._add(target.address.reverse_name, 12, wire_name(DomainName(name)))
            self._add(DomainName(name), 1, target.address.packed)

    def _add(self, name: DomainName, code: int, rdata: bytes) -> None:
        section = wire_name(name) + struct.pack(">HH", code, 1)
        self.tails[section] = _RECORD.pack(0xC00C, code, 1, 3600, len(rdata)) + rdata


WAITING: "dict[FakeSocket, None]" = {}
READERS: "dict[FakeSocket, Callable[[], None]]" = {}
SOON: list[Callable[[], None]] = []


class FakeSocket:
    """A connected UDP socket whose server answers each query at once, its cookie included."""

    answers: Answers

    def __init__(self, *_: object) -> None:
        self.replies: list[bytes] = []
        self._cookie = b""

    def setblocking(self, _: bool) -> None:
        """Do as a socket does."""

    def connect(self, _: object) -> None:
        """Do as a socket does."""

    def fileno(self) -> int:
        """Do as a socket does."""
        return 0

    def close(self) -> None:
        """Do as a socket does."""

    def send(self, message: bytes) -> None:
        """Take a query, and have the reply at hand."""
        end = message.index(b"\0\0\x29", 12)
        section = message[12:end]
        cookie = message[end + 15 : end + 23]
        tail = self.answers.tails[section.lower()]
        opt = message[end : end + 9] + b"\0\x1c\0\x0a\0\x18" + cookie + b"a server's cookie"[:16]
        self.replies.append(message[:2] + b"\x85\x80\0\1\0\1\0\0\0\1" + section + tail + opt)
        WAITING[self] = None

    def getsockopt(self, *_: int) -> int:
        """Do as a socket does whose kernel can cut datagrams apart."""
        return 0

    def sendmsg(self, buffers: list[bytes], ancillary: list[tuple[int, int, bytes]]) -> None:
        """Take queries of one length, and have the replies at hand."""
        (octets,) = struct.unpack("=H", ancillary[0][2])
        (joined,) = buffers
        for at in range(0, len(joined), octets):
            self.send(joined[at : at + octets])

    def recv(self, _: int) -> bytes:
        """Give the next reply."""
        if self.replies:
            return self.replies.pop()
        raise BlockingIOError


class FakeLoop:
    """An event loop that does nothing by itself: readers are called by `drain`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def add_reader(self, sock: Any, callback: Callable[..., None], *arguments: Any) -> None:
        """Remember whom to tell of replies."""
        READERS[sock] = lambda: callback(*arguments)

    def call_soon(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call back after the reader that runs."""
        SOON.append(lambda: callback(*arguments))

    def remove_reader(self, sock: Any) -> None:
        """Forget about a socket."""
        READERS.pop(sock, None)
        WAITING.pop(sock, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


def drain() -> None:
    """Take turns as an event loop does, until nothing is left to read or to be called."""
    while WAITING or SOON:
        soon, SOON[:] = SOON[:], []
        for callback in soon:
            callback()
        for sock in tuple(WAITING):
            reader = READERS.get(sock)
            if reader is not None:  # else it is closed
                reader()
            if not sock.replies:
                WAITING.pop(sock, None)


def run_checks(resolver: Resolver, targets: list[Target]) -> Counter[str]:
    """Check all targets, `IN_FLIGHT` at a time, by the engine's real path."""
    verdicts: list[str] = []
    waiting = iter(targets)
    ask = resolver.ask

    def start() -> None:
        target = next(waiting, None)
        if target is not None:
            CheckRun(report(target), ask, done, fail).start()

    def done(result: Report, evidence: Any) -> None:
        verdicts.append(result.iprev.verdict)
        start()

    def fail(error: Exception) -> None:
        raise error

    for _ in range(IN_FLIGHT):
        start()
    drain()
    return Counter(verdicts)


def run_sockets(queries: list[bytes]) -> None:
    """Do what the fake sockets do for these queries, and nothing else: what has to be taken off."""
    sock = FakeSocket()
    for query in queries:
        sock.send(query)
        sock.recv(0)


def least(rounds: int, work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """The least processor time that *work* took in so many rounds."""
    best = math.inf
    for _ in range(rounds):
        before()
        began = time.thread_time()
        work()
        best = min(best, time.thread_time() - began)
    return best


def measure_hits(resolver: Resolver, questions: list[Question], rounds: int) -> float:
    """What a question costs whose answer is in the cache, in seconds."""
    answers: list[Any] = []
    take = lambda question, answer: answers.append(answer)  # noqa: E731

    def ask_all() -> None:
        ask = resolver.ask
        for question in questions:
            ask(question, take)
        answers.clear()

    return least(rounds, ask_all) / len(questions)


def count_bytecodes(work: Callable[[], object], checks: int) -> str:
    """A table of the functions that *work* runs, and how many bytecodes and calls of each a check takes."""
    bytecodes: Counter[str] = Counter()
    calls: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        where = f"{code.co_filename.rpartition('/')[2]}:{code.co_qualname}"
        if event == "opcode":
            bytecodes[where] += 1
        elif event == "call":
            calls[where] += 1
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    ours = [where for where, _ in bytecodes.most_common() if not where.startswith("hotpath")]
    rows = [(bytecodes[where], calls[where], where) for where in ours]
    rows.insert(0, (sum(row[0] for row in rows), sum(row[1] for row in rows), "in all"))
    return "\n".join(
        f"{codes / checks:7.1f} bytecodes in {called / checks:5.1f} calls  {where}" for codes, called, where in rows
    )


async def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2_000, help="checks a round")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--count-bytecodes", action="store_true", help="say which functions take the time")
    options = parser.parse_args()
    targets = targets_from(0, options.count)
    FakeSocket.answers = Answers(targets)
    fake = SimpleNamespace(**{**vars(socket), "socket": FakeSocket})
    exporter.dns.transports.socket = fake  # type: ignore[assignment, attr-defined]
    settings = ResolverSettings(
        servers=(parse_endpoint("127.0.0.1:53"),),
        max_queries_per_second=math.inf,
        max_in_flight=IN_FLIGHT,
        canary=None,
    )
    resolver = Resolver(settings)
    loop = asyncio.get_running_loop()
    asyncio.get_running_loop = lambda: FakeLoop(loop)  # type: ignore[assignment,return-value]
    await resolver.start()
    assert run_checks(resolver, targets) == {"pass": options.count}
    checks = least(options.rounds, lambda: run_checks(resolver, targets), resolver.cache.clear) / options.count
    sections = list(FakeSocket.answers.tails)
    tail = b"\0\0\x29\x04\xd0\0\0\0\0\0\x1c\0\x0a\0\x18" + bytes(24)
    queries = [b"id\1\0\0\1\0\0\0\0\0\1" + section + tail for section in sections]
    sockets = least(options.rounds, lambda: run_sockets(queries)) / options.count
    hit = measure_hits(resolver, [Question(target.address.reverse_name, "PTR") for target in targets], options.rounds)
    print(f"a check {checks * 1e6:.2f} µs, of which the fake sockets {sockets * 1e6:.2f} µs: ", end="")
    print(f"{(checks - sockets) * 1e6:.2f} µs of our own; a cache hit {hit * 1e6:.2f} µs")
    if options.count_bytecodes:
        resolver.cache.clear()
        print(count_bytecodes(lambda: run_checks(resolver, targets), options.count))


if __name__ == "__main__":
    asyncio.run(main())
