"""Lengths of time on the command line."""

import click
import pytest

from exporter.cli.main import Parsed, parse_seconds

DURATION = Parsed("duration", parse_seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0.0), ("30s", 30.0), ("1m30s", 90.0), ("500ms", 0.5)],
    ids=["0s", "30s", "90s", "500ms"],
)
def test_a_duration_is_read_as_seconds(text, seconds):
    """It is written as in the configuration, and a default that is read already stays."""
    assert DURATION(text) == seconds
    assert DURATION(seconds) == seconds


@pytest.mark.parametrize("text", ["30", "soon", "", "-1s"])
def test_what_is_no_duration_is_refused(text):
    """The message is the one that the configuration has for it."""
    with pytest.raises(click.BadParameter):
        DURATION(text)
