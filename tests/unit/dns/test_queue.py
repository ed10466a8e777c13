"""The queue sends as many questions as the limits allow, and loses none."""

import asyncio
import math
import time

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Question
from exporter.dns.queue import Job, QueryQueue, TokenBucket
from exporter.dns.settings import ResolverSettings
from tests.factories import name
from tests.fakes import FakeClock
from tests.unit.dns.nameserver import eventually


class Gone:
    """What a pump let go: each burst of new questions, those sent again, those that overflowed."""

    def __init__(self, clock=time.monotonic, **limits):
        settings = ResolverSettings(**{"max_queries_per_second": math.inf, **limits})
        self.begun, self.again, self.overflowed = [], [], []
        self.pump = QueryQueue(
            settings,
            clock=clock,
            send_new=lambda jobs, now: self.begun.append(jobs),
            send_again=lambda job, now: self.again.append(job),
            overflow=lambda jobs, now: self.overflowed.extend(jobs),
        )

    def open(self):
        """Start the pump in the running loop."""
        self.pump.start(asyncio.get_running_loop())
        self.pump.open()

    def submit(self, count):
        """Submit so many questions at once."""
        jobs = [Job(Question(name(f"n{number}.example.org"), "A"), "", print) for number in range(count)]
        for job in jobs:
            self.pump.submit(job)
        return jobs


async def test_what_comes_up_in_one_turn_leaves_together_in_the_next():
    """Nothing leaves at once; then everything does, in one burst and in order."""
    gone = Gone()
    gone.open()
    jobs = gone.submit(50)
    assert (gone.begun, gone.pump.in_flight, gone.pump.queued) == ([], 0, 50)

    await asyncio.sleep(0)

    assert gone.begun == [jobs]
    assert (gone.pump.in_flight, gone.pump.queued) == (50, 0)


async def test_no_burst_is_so_large_that_it_holds_the_loop():
    """A thousand questions take several turns; all of them leave, in order, and no other wake-up is needed."""
    gone = Gone(max_in_flight=1_000)
    gone.open()
    jobs = gone.submit(1_000)
    await eventually(lambda: gone.pump.in_flight == 1_000)

    assert [job for burst in gone.begun for job in burst] == jobs
    assert max(map(len, gone.begun)) <= 100


async def test_what_is_over_the_number_in_flight_waits_for_an_answer():
    """As many go as others come back."""
    gone = Gone(max_in_flight=3)
    gone.open()
    jobs = gone.submit(5)
    await asyncio.sleep(0)
    assert gone.begun == [jobs[:3]]

    gone.pump.finished(1)
    await asyncio.sleep(0)
    assert gone.begun == [jobs[:3], jobs[3:4]]
    assert (gone.pump.in_flight, gone.pump.queued) == (3, 1)


async def test_the_newest_are_too_many():
    """What may not go waits as far as the queue has room; the rest is told so, and not within `submit`."""
    gone = Gone(max_in_flight=2, max_queued=3)
    gone.open()
    jobs = gone.submit(10)
    assert gone.overflowed == []

    await asyncio.sleep(0)
    assert (gone.begun, gone.overflowed, gone.pump.queued) == ([jobs[:2]], jobs[5:], 3)


async def test_a_question_that_is_asked_again_goes_before_new_ones():
    """It has waited already: new ones get their turn when the rate has let it go."""
    gone = Gone(max_queries_per_second=50)
    gone.open()
    first, *rest = gone.submit(3)
    await asyncio.sleep(0)
    assert gone.begun == [[first]]
    assert not gone.pump.may_send(time.monotonic())

    gone.pump.submit_again(first)
    await eventually(lambda: gone.again == [first])
    assert gone.begun == [[first]]
    await eventually(lambda: [job for burst in gone.begun for job in burst] == [first, *rest])


async def test_a_pump_that_is_not_open_holds_what_it_has_and_a_closed_one_overflows():
    """Before the canaries are heard nothing new leaves; after the end there is nobody to send it."""
    gone = Gone()
    gone.pump.start(asyncio.get_running_loop())
    jobs = gone.submit(2)
    await asyncio.sleep(0)
    assert gone.begun == []

    gone.pump.open()
    await asyncio.sleep(0)
    assert gone.begun == [jobs]

    gone.pump.close()
    late = gone.submit(1)
    assert (gone.overflowed, gone.pump.in_flight, gone.pump.queued) == (late, 0, 0)


async def test_what_has_waited_too_long_goes_no_more():
    """Time counts from the turn in which a question could not leave; those that came later wait on."""
    clock = FakeClock(100.0)
    gone = Gone(clock=clock, max_in_flight=1, max_queue_seconds=5.0)
    gone.open()
    first, *early = gone.submit(4)
    await asyncio.sleep(0)
    clock.seconds = 103.0
    late = gone.submit(3)
    gone.pump.drop_late(clock.seconds)
    await asyncio.sleep(0)
    assert (gone.begun, gone.overflowed) == ([[first]], [])

    clock.seconds = 104.9
    gone.pump.finished(1)
    await asyncio.sleep(0)
    assert gone.begun == [[first], early[:1]]

    clock.seconds = 105.0
    newest = gone.submit(1)
    gone.pump.drop_late(clock.seconds)
    assert gone.overflowed == early[1:]
    await asyncio.sleep(0)

    clock.seconds = 108.0
    gone.pump.drop_late(clock.seconds)
    assert gone.overflowed == early[1:] + late

    clock.seconds = 110.0
    gone.pump.drop_late(clock.seconds)
    assert gone.overflowed == early[1:] + late + newest
    assert gone.pump.queued == 0


@given(st.floats(0.1, 10_000), st.lists(st.floats(0, 0.05), max_size=300))
def test_no_stretch_of_time_has_more_than_the_rate(rate, steps):
    """Over any stretch, what may go is at most the rate times its length, 20 ms' worth of burst, and one."""
    bucket = TokenBucket(rate)
    now = 100.0
    gone = []
    for step in steps:
        now += step
        if bucket.take(now):
            gone.append(now)

    for first in range(len(gone)):
        for last in range(first, len(gone)):
            assert last - first + 1 <= rate * (gone[last] - gone[first] + 0.02) + 1 + 1e-6


@given(st.floats(0.1, 10_000), st.integers(1, 100))
def test_waiting_as_long_as_told_is_enough(rate, count):
    """After the time that the bucket names, one more may go; a moment before, none."""
    bucket = TokenBucket(rate)
    now = 100.0
    for _ in range(count):
        wait = bucket.wait_seconds(now)
        if wait > 1e-6:
            assert not bucket.take(now + wait * 0.9)
        now += wait + 1e-9
        assert bucket.take(now)


@given(st.floats(0.1, 10_000), st.integers(0, 300), st.floats(0, 0.05))
def test_several_go_as_they_would_one_by_one(rate, wanted, pause):
    """Taking many at once lets as many go as taking one after the other."""
    at_once, one_by_one = TokenBucket(rate), TokenBucket(rate)

    for now in (100.0, 100.0 + pause):
        assert at_once.take_up_to(wanted, now) == sum(one_by_one.take(now) for _ in range(wanted))


def test_an_endless_rate_lets_everything_go():
    """`math.inf` is no limit."""
    bucket = TokenBucket(math.inf)

    assert all(bucket.take(1.0) for _ in range(1_000))
    assert bucket.take_up_to(1_000_000, 1.0) == 1_000_000
    assert bucket.wait_seconds(1.0) == 0
