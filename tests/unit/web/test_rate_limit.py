"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.access import Bucket, RateLimit
from tests.fakes import FakeClock


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 10), st.floats(0.1, 3))
def test_never_more_than_the_burst_and_what_has_dripped_in(pauses, burst, interval):
    """Over any stretch of time, as many requests pass as the bucket held, plus one an interval."""
    clock = FakeClock(100.0)
    bucket = Bucket(RateLimit(interval, burst), clock)
    passed = 0
    for pause in pauses:
        clock.seconds += pause
        passed += bucket.take()
        assert passed <= burst + (clock.seconds - 100.0) / interval + 1e-6


def test_a_bucket_fills_up_again():
    """After a burst one passes each interval, and after a rest a whole burst."""
    clock = FakeClock()
    bucket = Bucket(RateLimit(2.0, 3), clock)

    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.seconds = 2.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.seconds = 1000.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
