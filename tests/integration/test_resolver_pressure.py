"""Under pressure, answers, timeouts and other tasks still make progress."""

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from exporter.checks.answers import Question, Status
from exporter.checks.names import DomainName
from tests.integration import sweep
from tests.integration.kinds import DOMAIN
from tests.integration.running import asking_for, longest_callback, resolver_for
from tests.integration.servers.knot import Knot

pytestmark = pytest.mark.integration

NAMES = 2_000
DEADLINE_SECONDS = 60


def question(number):
    """A question that the sweep world answers."""
    return Question(DomainName(f"mail-{number % NAMES:06x}.{DOMAIN}"), "A")


async def until(condition):
    """Wait until *condition* is true."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0)


class Stream:
    """Asks different questions without end, *in_flight* at a time: each answer asks the next."""

    def __init__(self, resolver, name, in_flight):
        self.resolver, self.name, self.asked, self.answered, self.ends = resolver, name, 0, 0, False
        for _ in range(in_flight):
            self.ask()

    def ask(self):
        """Ask the next one."""
        self.asked += 1
        self.resolver.ask(Question(DomainName(f"{self.name}{self.asked}.{DOMAIN}"), "A"), self.take)

    def take(self, asked, answer):
        """Go on."""
        self.answered += 1
        if not self.ends:
            self.ask()


async def test_a_question_waits_only_for_earlier_ones():
    """In a full queue, a question waits for those before it, and for no later one."""
    with Knot(sweep.zones(NAMES)) as knot:
        async with resolver_for(knot.address, timeout_seconds=5, max_in_flight=50) as resolver:
            busy = Stream(resolver, "busy", 400)
            await until(lambda: busy.answered >= 1_000)
            before = busy.answered
            busier = None
            answered: asyncio.Future[tuple[Status, int]] = asyncio.get_running_loop().create_future()
            other = Question(DomainName(f"other.{DOMAIN}"), "A")
            resolver.ask(
                other,
                lambda asked, answer: answered.set_result((answer.status, busy.answered - before + busier.answered)),
            )
            busier = Stream(resolver, "busier", 400)
            status, between = await asyncio.wait_for(answered, DEADLINE_SECONDS)
            busy.ends = busier.ends = True

            assert status is Status.NXDOMAIN
            assert between <= 2 * 400, "those before it in the queue, and what came back with its answer"


async def test_questions_time_out_while_others_are_answered(misbehaving):
    """Questions without a reply time out, even if many others are answered."""
    async with resolver_for(misbehaving.address, timeout_seconds=0.3, attempts=1, max_in_flight=300) as resolver:
        open_ = {"good": 0}
        running = True

        def take(asked, answer):
            open_["good"] += 1
            if running:
                resolver.ask(asking_for("good", number=open_["good"]), take, confirm=True)

        for number in range(200):
            resolver.ask(asking_for("good", number=-number - 1), take, confirm=True)
        silent = [resolver.resolve(asking_for("silent", number=number)) for number in range(50)]
        answers = await asyncio.wait_for(asyncio.gather(*silent), DEADLINE_SECONDS)
        await until(lambda: open_["good"] > 400)
        running = False

        assert {answer.status for answer in answers} == {Status.TIMEOUT}


async def test_cancelled_askers_leave_nothing_behind():
    """Cancelling a caller affects neither the others nor the counts."""
    with Knot(sweep.zones(NAMES)) as knot:
        async with resolver_for(knot.address, timeout_seconds=5, max_in_flight=100) as resolver:
            complaints = []
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
            tasks = [asyncio.ensure_future(resolver.resolve(question(number))) for number in range(600)]
            await until(lambda: resolver.in_flight > 0)
            for task in tasks[::2]:
                task.cancel()
            answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), DEADLINE_SECONDS)

            kept = answers[1::2]
            assert all(answer.status in {Status.ANSWER, Status.NXDOMAIN} for answer in kept)
            await until(lambda: not resolver.in_flight and not resolver.queued)
            assert complaints == []


@contextmanager
def flooding():
    """Serve on a port. Each query gets forged packets until *ends* is set, and then its answer."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(0.05)
    ends, sent, queries = threading.Event(), [0], []

    def flood():
        while not ends.is_set():
            with suppress(TimeoutError):
                queries.append(server.recvfrom(65_535))
            while queries and not ends.is_set():
                for query, asker in queries:
                    forged = bytes([query[0] ^ 1, query[1]]) + b"\x81\x80" + query[4:]
                    for _ in range(20):
                        with suppress(OSError):
                            server.sendto(forged, asker)
                            sent[0] += 1
        for query, asker in queries:  # NXDOMAIN
            server.sendto(query[:2] + b"\x81\x83" + query[4:10] + b"\0\0" + query[12 : query.index(b"\0\0\x29")], asker)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}", sent, ends
    finally:
        ends.set()
        thread.join()
        server.close()


async def test_a_flood_of_forgeries_starves_nobody():
    """While forged packets arrive without pause, the loop is not blocked, and the answer after them counts."""
    with flooding() as (address, sent, ends):
        async with resolver_for(address, timeout_seconds=DEADLINE_SECONDS, attempts=1) as resolver:
            asked = asyncio.ensure_future(resolver.resolve(asking_for("flooded")))
            with longest_callback() as longest:
                await until(lambda: resolver.statistics.ignored["unknown-id"] >= 5_000)
            ends.set()
            answer = await asyncio.wait_for(asked, DEADLINE_SECONDS)

            assert answer.status is Status.NXDOMAIN
            assert longest.seconds < 0.05, longest.name
            assert sent[0] >= 5_000
