"""Reading URLs and headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from yarl import URL

from exporter.web.search import BadQueryError, cursor_parameter, cursor_text, seconds_of, text_of, whole_number


def asked(query: str) -> MultiDict[str]:
    """The parameters of a URL."""
    return MultiDict(URL(f"/?{query}", encoded=True).query)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "nan",
        "inf",
        "-inf",
        "Infinity",
        "-1",
        "0",
        "0.0",
        "1e999",
        "",
        "1s",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "1_0",
        "0x1",
        "--1",
        ".",
    ],
)
def test_what_is_no_time_is_refused(text):
    """NaN above all: it is smaller than nothing and greater than nothing, so it must not reach a timer."""
    with pytest.raises(BadQueryError, match="is not a positive number of seconds"):
        seconds_of(text, "the timeout", 120)


@pytest.mark.parametrize(("text", "seconds"), [("10", 10), ("0.5", 0.5), ("1e1", 10), ("1e9", 120)])
def test_a_time_is_read_and_bounded(text, seconds):
    """As Prometheus writes it, and never more than the limit."""
    assert seconds_of(text, "the timeout", 120) == seconds


@given(st.tuples(st.integers(0, 10**9 - 1), st.integers(0, 10**12 - 1)))
def test_places_survive_the_way_through_a_url(place):
    """What a page gives, the next request can bring back."""
    assert cursor_parameter(asked(f"from={cursor_text(place)}"), "from") == place


@pytest.mark.parametrize(
    "query", ["from=x", "from=1-", "from=-1-1", "from=1-1-1", "from=1-1&from=1-1", f"from={'9' * 400}", "from=1%00-1"]
)
def test_other_places_are_refused(query):
    """Nothing but what a page gave."""
    with pytest.raises(BadQueryError):
        cursor_parameter(asked(query), "from")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=1.5", "limit=-1", "limit=\N{SUPERSCRIPT TWO}", "limit=1&limit=2"]
)
def test_numbers_have_bounds(query):
    """From the lowest to the highest, as plain digits."""
    with pytest.raises(BadQueryError):
        whole_number(asked(query), "limit", 1, 500)


def test_what_is_not_asked_for_is_nothing():
    """Left out and left empty are the same: forms send empty fields."""
    assert text_of(asked(""), "q") == text_of(asked("q="), "q") == ""
    assert whole_number(asked("limit="), "limit", 1, 500) is None
