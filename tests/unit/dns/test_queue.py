"""The queue sends as many questions as the limits allow, and loses none."""

import asyncio
import math
import time

from hypothesis import given
from hypothesis import strategies as st

from exporter.dns.queue import QueryQueue, TokenBucket
from exporter.dns.settings import ResolverSettings
from tests.fakes import FakeClock
from tests.unit.dns.nameserver import eventually, queries


class SentQuestions:
    """A queue, and what it has sent: bursts of new questions, retries, and those that overflowed."""

    def __init__(self, clock=time.monotonic, **limits):
        settings = ResolverSettings(**{"max_queries_per_second": math.inf, **limits})
        self.begun, self.again, self.overflowed = [], [], []
        self.queue = QueryQueue(
            settings,
            clock=clock,
            send_new=lambda queries, now: self.begun.append(queries),
            send_again=lambda query, now: self.again.append(query),
            overflow=lambda queries, now: self.overflowed.extend(queries),
        )

    def open(self):
        """Start the queue in the running loop."""
        self.queue.start(asyncio.get_running_loop())
        self.queue.open()

    def submit(self, count):
        """Submit *count* questions at once."""
        submitted = queries(count)
        for query in submitted:
            self.queue.submit(query)
        return submitted


async def test_questions_of_one_iteration_are_sent_together_in_the_next():
    """In the next iteration of the loop, all are sent in one burst and in order."""
    sent = SentQuestions()
    sent.open()
    submitted = sent.submit(50)
    assert (sent.begun, sent.queue.in_flight, sent.queue.queued) == ([], 0, 50)

    await asyncio.sleep(0)

    assert sent.begun == [submitted]
    assert (sent.queue.in_flight, sent.queue.queued) == (50, 0)


async def test_bursts_are_limited():
    """A thousand questions take several iterations of the loop. All are sent in order, without another call."""
    sent = SentQuestions(max_in_flight=1_000)
    sent.open()
    submitted = sent.submit(1_000)
    await eventually(lambda: sent.queue.in_flight == 1_000)

    assert [query for burst in sent.begun for query in burst] == submitted
    assert max(map(len, sent.begun)) <= 100


async def test_the_number_in_flight_is_limited():
    """A waiting question is sent for each one that is answered."""
    sent = SentQuestions(max_in_flight=3)
    sent.open()
    submitted = sent.submit(5)
    await asyncio.sleep(0)
    assert sent.begun == [submitted[:3]]

    sent.queue.finished(1)
    await asyncio.sleep(0)
    assert sent.begun == [submitted[:3], submitted[3:4]]
    assert (sent.queue.in_flight, sent.queue.queued) == (3, 1)


async def test_the_newest_questions_overflow():
    """Questions wait if the queue has room; the rest overflows, but not within `submit`."""
    sent = SentQuestions(max_in_flight=2, max_queued=3)
    sent.open()
    submitted = sent.submit(10)
    assert sent.overflowed == []

    await asyncio.sleep(0)
    assert (sent.begun, sent.overflowed, sent.queue.queued) == ([submitted[:2]], submitted[5:], 3)


async def test_retries_are_sent_before_new_questions():
    """New questions are sent after all retries, and retries are sent in order."""
    sent = SentQuestions(max_queries_per_second=50)
    sent.open()
    first, *rest = sent.submit(3)
    (other,) = queries(1)
    await asyncio.sleep(0)
    assert sent.begun == [[first]]
    assert not sent.queue.may_send(time.monotonic())

    sent.queue.submit_again(first)
    sent.queue.submit_again(other)
    assert sent.queue.queued == 4
    await eventually(lambda: sent.again == [first, other])
    assert sent.begun == [[first]]
    await eventually(lambda: [query for burst in sent.begun for query in burst] == [first, *rest])


async def test_a_queue_sends_only_between_open_and_close():
    """Before `open` nothing is sent. After `close` everything overflows."""
    sent = SentQuestions()
    sent.queue.start(asyncio.get_running_loop())
    submitted = sent.submit(2)
    await asyncio.sleep(0)
    assert sent.begun == []

    sent.queue.open()
    await asyncio.sleep(0)
    assert sent.begun == [submitted]

    sent.queue.close()
    late = sent.submit(1)
    assert (sent.overflowed, sent.queue.in_flight, sent.queue.queued) == (late, 0, 0)


async def test_questions_that_waited_too_long_overflow():
    """The wait begins when a question could not be sent. Later questions wait longer."""
    clock = FakeClock(100.0)
    sent = SentQuestions(clock=clock, max_in_flight=1, max_queue_seconds=5.0)
    sent.open()
    first, *early = sent.submit(4)
    await asyncio.sleep(0)
    clock.seconds = 103.0
    late = sent.submit(3)
    sent.queue.drop_late(clock.seconds)
    await asyncio.sleep(0)
    assert (sent.begun, sent.overflowed) == ([[first]], [])

    clock.seconds = 104.9
    sent.queue.finished(1)
    await asyncio.sleep(0)
    assert sent.begun == [[first], early[:1]]

    clock.seconds = 105.0
    newest = sent.submit(1)
    sent.queue.drop_late(clock.seconds)
    assert sent.overflowed == early[1:]
    await asyncio.sleep(0)

    clock.seconds = 108.0
    sent.queue.drop_late(clock.seconds)
    assert sent.overflowed == early[1:] + late

    clock.seconds = 110.0
    sent.queue.drop_late(clock.seconds)
    assert sent.overflowed == early[1:] + late + newest
    assert sent.queue.queued == 0


@given(st.floats(0.1, 10_000), st.lists(st.floats(0, 0.05), max_size=300))
def test_the_rate_is_kept_in_any_period(rate, steps):
    """In any period, at most the rate times its length may be sent, plus 20 ms' worth of burst, plus one."""
    bucket = TokenBucket(rate)
    now = 100.0
    sent = []
    for step in steps:
        now += step
        if bucket.take(now):
            sent.append(now)

    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= rate * (sent[last] - sent[first] + 0.02) + 1 + 1e-6


@given(st.floats(0.1, 10_000), st.integers(1, 100))
def test_the_wait_is_long_enough_and_no_longer(rate, count):
    """One more query may be sent after the wait, and none shortly before."""
    bucket = TokenBucket(rate)
    now = 100.0
    for _ in range(count):
        wait = bucket.wait_seconds(now)
        if wait > 1e-6:
            assert not bucket.take(now + wait * 0.9)
        now += wait + 1e-9
        assert bucket.take(now)


@given(st.floats(0.1, 10_000), st.integers(0, 300), st.floats(0, 0.05))
def test_taking_many_equals_taking_one_by_one(rate, wanted, pause):
    """Taking many at once has the same result as taking one after the other."""
    at_once, one_by_one = TokenBucket(rate), TokenBucket(rate)

    for now in (100.0, 100.0 + pause):
        assert at_once.take_up_to(wanted, now) == sum(one_by_one.take(now) for _ in range(wanted))


def test_an_infinite_rate_has_no_limit():
    """`math.inf` is no limit."""
    bucket = TokenBucket(math.inf)

    assert all(bucket.take(1.0) for _ in range(1_000))
    assert bucket.take_up_to(1_000_000, 1.0) == 1_000_000
    assert bucket.wait_seconds(1.0) == 0
