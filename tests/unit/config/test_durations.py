"""Durations: what is read, and that what is written is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.values import Duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        pytest.param("0s", 0, id="nothing"),
        pytest.param("250ms", 250, id="milliseconds"),
        pytest.param("30s", 30_000, id="seconds"),
        pytest.param("5m", 300_000, id="minutes-not-milliseconds"),
        pytest.param("1h30m", 5_400_000, id="two-units"),
        pytest.param("1d2h3m4s5ms", 93_784_005, id="all-units"),
        pytest.param("90m", 5_400_000, id="more-than-the-next-unit-holds"),
    ],
)
def test_what_is_read(text, milliseconds):
    """Every unit counts for what it says."""
    assert Duration.parse(text) == Duration(milliseconds)


@pytest.mark.parametrize(
    "text", ["", "s", "1", "1.5", "1s1m", "1m1m", "-1s", "1 s", "1S", "1w", "\uff11s", "1s\n", "1e3s"]
)
def test_what_is_refused(text):
    """Nothing without a unit, out of order, twice, or in other digits."""
    with pytest.raises(ValueError, match="unit"):
        Duration.parse(text)


@given(st.integers(0, 10**12).map(Duration))
def test_what_is_written_is_read(duration):
    """The text of a duration is the same duration."""
    assert Duration.parse(str(duration)) == duration
    assert duration.seconds * 1000 == pytest.approx(duration.milliseconds)
