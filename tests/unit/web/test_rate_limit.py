"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.access import Bucket, RateLimit


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 10), st.floats(0.1, 3))
def test_never_more_than_the_burst_and_what_has_dripped_in(pauses, burst, interval):
    """Over any stretch of time, as many requests pass as the bucket held, plus one an interval."""
    now = [100.0]
    bucket = Bucket(RateLimit(interval, burst), lambda: now[0])
    passed = 0
    for pause in pauses:
        now[0] += pause
        passed += bucket.take()
        assert passed <= burst + (now[0] - 100.0) / interval + 1e-6


def test_a_bucket_fills_up_again():
    """After a burst one passes each interval, and after a rest a whole burst."""
    now = [0.0]
    bucket = Bucket(RateLimit(2.0, 3), lambda: now[0])

    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 2.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 1000.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
