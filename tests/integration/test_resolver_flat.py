"""Over many questions, file descriptors, memory and open questions do not grow."""

import asyncio
import gc
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from exporter.checks.answers import Question, Status
from exporter.checks.names import DomainName
from tests.integration import sweep
from tests.integration.running import asking_for, resolver_for
from tests.integration.servers.knot import Knot
from tests.integration.servers.process import DEADLINE_SECONDS

pytestmark = pytest.mark.integration


def descriptors():
    """Count this process's open files and sockets."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def ask_many(resolver, questions, in_flight=200):
    """Ask all questions, *in_flight* at a time. Returns the number of answers by status."""
    statuses = dict.fromkeys(Status, 0)
    waiting = iter(questions)
    done = asyncio.get_running_loop().create_future()
    open_ = 0

    def ask_next(*answered):
        nonlocal open_
        if answered:
            statuses[answered[1].status] += 1
            open_ -= 1
        question = next(waiting, None)
        if question is not None:
            open_ += 1
            asyncio.get_running_loop().call_soon(resolver.ask, question, ask_next)
        elif not open_ and not done.done():
            done.set_result(None)

    for _ in range(in_flight):
        ask_next()
    await done
    return statuses


def forward_questions(start, count):
    """Build questions about names that the sweep world has."""
    return (Question(DomainName(f"mail-{it:06x}.outbound.example.org"), "A") for it in range(start, start + count))


async def measure(address, questions_each, rounds):
    """Ask in rounds. Returns descriptors, memory and open questions after each.

    The cache is smaller than a round, so it answers no question.
    """
    async with resolver_for(address, timeout_seconds=5, cache_entries=500) as resolver:
        tracemalloc.start()
        states = []
        for _ in range(rounds):
            statuses = await ask_many(resolver, forward_questions(0, questions_each))
            assert statuses[Status.ANSWER] + statuses[Status.NXDOMAIN] == questions_each, statuses
            gc.collect()
            states.append((descriptors(), tracemalloc.get_traced_memory()[0], resolver.in_flight))
    return states


def flat(questions_each, rounds):
    """Measure in a separate process.

    tracemalloc and /proc/self/fd count the whole process. In the test process, servers of other tests run in threads.
    """
    with Knot(sweep.zones(questions_each)) as knot:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-m", __name__, knot.address, str(questions_each), str(rounds)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def test_descriptors_and_memory_stay_flat():
    """After four thousand questions there are no more descriptors, and hardly more memory, than after a thousand."""
    states = flat(1_000, 4)

    assert states[-1][0] <= states[0][0] + 64  # sockets are renewed, so their number moves within its bound
    assert states[-1][1] <= states[0][1] + 300_000
    assert states[-1][2] == 0


@pytest.mark.slow
def test_descriptors_and_memory_stay_flat_for_long():
    """The same over a hundred thousand questions."""
    states = flat(10_000, 10)

    assert states[-1][0] <= states[1][0] + 64
    assert states[-1][1] <= states[1][1] + 300_000
    assert states[-1][2] == 0


async def none_left(count):
    """Wait until *count* gives 0."""
    end = asyncio.get_running_loop().time() + DEADLINE_SECONDS
    while count() > 0:
        assert asyncio.get_running_loop().time() < end, count()
        await asyncio.sleep(0.05)


async def test_trouble_leaves_nothing_open(misbehaving):
    """After timeouts, refused connections and broken streams, no descriptor or question is open."""
    before = descriptors()
    troubles = ["silent", "tcp-slow", "tcp-closes", "tcp-ends-early", "tcp-empty", "truncated-always", "servfail"]
    async with resolver_for(misbehaving.address, timeout_seconds=0.1, attempts=2) as resolver:
        answers = await asyncio.gather(
            *[resolver.resolve(asking_for(it, number=number)) for number in range(20) for it in troubles]
        )

        assert not any(answer.is_conclusive for answer in answers)
        await none_left(lambda: resolver.in_flight)  # the resolver may still ask whether the server is up

    await none_left(lambda: descriptors() - before)  # the server closes its connections when it notices


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], *map(int, sys.argv[2:])))))
