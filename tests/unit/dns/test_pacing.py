"""The rate is kept at every moment, and the queue in its bounds."""

import math

from hypothesis import given
from hypothesis import strategies as st

from exporter.dns.queue import TokenBucket


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
