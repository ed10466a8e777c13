"""Reading URLs and headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from prometheus_client.exposition import CONTENT_TYPE_LATEST, CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from yarl import URL

from exporter.web.api import accepts_gzip, canonical_accept
from exporter.web.search import BadQueryError, cursor_parameter, cursor_text, seconds_of, text_of, whole_number

OPENMETRICS = "application/openmetrics-text"
CANONICAL = {"", OPENMETRICS} | {
    f"{name};version=1.0.0;escaping={escaping}"
    for name in (OPENMETRICS, "text/plain")
    for escaping in ("allow-utf-8", "dots", "values", "underscores")
}


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


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, identity", False),
        ("gzip;q=nan", False),
        ("identity", False),
        ("notgzip", False),
        ("", False),
    ],
)
def test_a_coding_with_a_quality_of_0_is_not_accepted(header, expected):
    """RFC 9110, section 12.4.2."""
    assert accepts_gzip(header) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", CONTENT_TYPE_PLAIN_0_0_4),
        ("*/*", CONTENT_TYPE_PLAIN_0_0_4),
        ("text/plain;version=0.0.4", CONTENT_TYPE_PLAIN_0_0_4),
        ("text/html, application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;q=0, */*", CONTENT_TYPE_PLAIN_0_0_4),
        (
            "application/openmetrics-text;q=0.1, text/plain;version=1.0.0;escaping=dots",
            f"{CONTENT_TYPE_LATEST}; escaping=dots",
        ),
        ("application/openmetrics-text;version=9;escaping=dots", CONTENT_TYPE_PLAIN_0_0_4),
        ("application/openmetrics-text;version=no", CONTENT_TYPE_PLAIN_0_0_4),
    ],
)
def test_the_best_form_that_the_client_accepts_is_chosen(header, expected):
    """By quality; what cannot be read is passed over."""
    assert choose_encoder(canonical_accept(header))[1] == expected


@given(
    st.lists(st.sampled_from([*sorted(CANONICAL), "version=1.7", "escaping=x", ",", ";", "q=", "0"])).map("".join)
    | st.text()
)
def test_any_accept_header_becomes_one_of_ten(text):
    """So nobody can order more renderings than that at once."""
    found = canonical_accept(text)
    assert found in CANONICAL
    assert canonical_accept(found) == found
    assert choose_encoder(found)
