"""DNS cookies: which replies can be from the server, and when it is believed to send none any more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.dns.servers import CookieJar
from tests.examples import examples

OURS = b"\x01\x02\x03\x04\x05\x06\x07\x08"
THEIRS = b"\xf0" * 8


def jar():
    """A jar with a cookie of ours, and nothing known of the server."""
    return CookieJar(lambda count: OURS[:count])


def test_our_part_has_eight_bytes():
    """RFC 7873 section 4.1; it is sent alone until the server's is known."""
    assert (jar().sent, jar().expected) == (OURS, False)


@pytest.mark.parametrize(
    ("cookie", "before", "after"),
    [
        pytest.param(b"", True, False, id="none"),
        pytest.param(None, False, False, id="malformed"),
        pytest.param(OURS, True, True, id="our-part-alone"),
        pytest.param(OURS + THEIRS, True, True, id="both-parts"),
        pytest.param(OURS[:7], False, False, id="too-short"),
        pytest.param(bytes(8), False, False, id="somebody-elses"),
        pytest.param(bytes(8) + THEIRS, False, False, id="somebody-elses-with-a-servers"),
    ],
)
def test_what_can_be_from_the_server(cookie, before, after):
    """Section 5.3: before the server has shown that it sends cookies, none will do; a wrong one never does."""
    knowing = jar()
    assert knowing.accepts(OURS + THEIRS)

    assert (jar().accepts(cookie), knowing.accepts(cookie)) == (before, after)


def test_the_servers_part_is_kept_and_sent():
    """The latest one; a reply that has none of it, or is not believed, takes nothing away."""
    shared = jar()
    for cookie in (OURS + THEIRS, OURS, b"", None, bytes(8) + b"forged!!"):
        shared.accepts(cookie)
    assert (shared.sent, shared.expected) == (OURS + THEIRS, True)

    shared.accepts(OURS + b"another!")
    assert shared.sent == OURS + b"another!"


def test_our_part_alone_shows_nothing():
    """A server that echoes what it does not understand need not do so the next time."""
    shared = jar()
    shared.accepts(OURS)

    assert (shared.expected, shared.sent, shared.accepts(b"")) == (False, OURS, True)


@examples(60)
@given(st.lists(st.sampled_from(["missed", "cookie", "echo", "none"]), max_size=20))
def test_after_three_misses_in_a_row_none_is_expected(events):
    """A cookie in between begins the count anew; a reply without one that is not believed does not."""
    shared, misses, expected = jar(), 0, False
    for event in events:
        if event == "missed":
            shared.missed()
            misses += 1
            if misses == 3:
                misses, expected = 0, False
        elif event == "none":
            assert shared.accepts(b"") is not expected
        else:
            shared.accepts(OURS + THEIRS if event == "cookie" else OURS)
            misses, expected = 0, expected or event == "cookie"
        assert shared.expected is expected
        assert shared.sent == (OURS + THEIRS if expected else OURS)
