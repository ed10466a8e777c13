"""The health of servers, their cookies and EDNS options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Status
from exporter.dns.servers import (
    WORKAROUND_SECONDS,
    CookieJar,
    Server,
    Workaround,
    by_preference,
    opt_record,
    read_options,
)
from exporter.dns.settings import parse_endpoint
from tests.examples import examples


def server(number=0):
    """A server in its initial state."""
    return Server(number, parse_endpoint(f"192.0.2.{number}"), cookies=None, random_case=True)


def fail(one, *times, status=Status.TIMEOUT, is_probe=False):
    """Fail queries that were sent a second before. Returns whether each changed the server's health."""
    return [one.failed(now, status, now - 1, is_probe=is_probe) for now in times]


def test_only_a_silent_canary_takes_a_suspected_server_down():
    """Three failures make it suspected, a failed canary takes it down, and a reply brings it back."""
    one = server()
    assert fail(one, 10.0, 11.0, 12.0, 13.0) == [False, False, True, False]
    assert (one.up, one.is_suspected, one.last_error) == (True, True, Status.TIMEOUT)

    assert fail(one, 14.0, is_probe=True) == [True]
    assert (one.up, one.down_until) == (False, 15.0)

    assert one.replied(16.0, 0.01)
    assert (one.up, one.is_suspected) == (True, False)
    assert not one.replied(16.5, 0.01)


def test_a_reply_clears_a_suspicion():
    """A suspected server that answers anything was never down, and is no longer suspected."""
    one = server()
    fail(one, 10.0, 11.0, 12.0)
    assert one.replied(12.5, 0.01)
    assert not one.is_suspected

    assert fail(one, 14.0, is_probe=True) == [False]
    assert one.up


def test_a_closed_port_takes_a_server_down():
    """A zone cannot cause a closed port."""
    one = server()
    assert fail(one, 10.0, 11.0, 12.0, status=Status.NETWORK) == [False, False, True]
    assert not one.up


def test_a_query_before_the_last_reply_does_not_count():
    """A query that was sent before the last reply does not count against the server."""
    one = server()
    one.replied(20.0, 0.01)
    for _ in range(10):
        assert not one.failed(21.0, Status.TIMEOUT, 19.0, is_probe=True)
    assert one.up
    assert not one.is_suspected


def test_the_back_off_doubles_up_to_its_limit():
    """Each failure after the back-off doubles it, up to half a minute. A reply resets it."""
    one = server()
    fail(one, 1.0, 2.0, 3.0, status=Status.NETWORK)
    waits = []
    for _ in range(8):
        now = one.down_until
        fail(one, now, status=Status.NETWORK)
        waits.append(one.down_until - now)
    assert waits == [2, 4, 8, 16, 30, 30, 30, 30]

    one.replied(1_000.0, 0.01)
    fail(one, 1_002.0, 1_003.0, 1_004.0, status=Status.NETWORK)
    assert one.down_until == 1_005.0


def test_the_order_of_servers():
    """From last to first: wrong answers, down, suspected, slow. The others stay as configured."""
    servers = [server(number) for number in range(7)]
    wrong, down, suspected, slow, *peers = servers
    wrong.contradicted = True
    down.up = False
    fail(suspected, 1.0, 2.0, 3.0)
    slow.round_trip_seconds = 0.5
    for number, peer in enumerate(peers):
        peer.round_trip_seconds = 0.03 - number / 100

    assert by_preference(servers) == [*peers, slow, suspected, down, wrong]


def test_workarounds_end_after_an_hour():
    """Random case and EDNS are tried again: the server may have been fixed."""
    one = server()
    for _ in range(3):
        one.note_wrong_case(100.0)
    one.note_no_edns(100.0)

    assert one.lower_case_until == one.no_edns_until == 100.0 + WORKAROUND_SECONDS


@pytest.mark.parametrize(
    ("events", "basic_after"),
    [
        pytest.param("ff", False, id="silence-alone-is-no-reason"),
        pytest.param("ffb", False, id="it-may-have-been-down"),
        pytest.param("ffbffb", True, id="twice-in-a-row"),
        pytest.param("ffbbb", False, id="later-basic-replies-prove-nothing"),
        pytest.param("ffbfFffb", False, id="a-full-reply-in-between"),
        pytest.param("ffbrffb", True, id="a-name-without-letters-proves-nothing"),
        pytest.param("fbfb", False, id="one-query-may-be-lost"),
    ],
)
def test_a_server_that_drops_full_queries_is_remembered(events, basic_after):
    """Full queries (f) without a reply, full replies (F, r for the root) and basic replies (b): what decides."""
    one, now = server(), 100.0
    one.full_reply_at = 0.0
    for event in events:
        now += 1.0
        match event:
            case "f":
                one.note_unanswered(now)
            case "F":
                one.replied(now, 0.01)
                one.note_full_reply(now, b"wWw")
            case "r":
                one.replied(now, 0.01)
                one.note_full_reply(now, b"")
            case "b":
                one.replied(now, 0.01)
                one.note_basic_reply(now)

    assert one.workarounds(now) == ((Workaround.BASIC,) if basic_after else ())
    assert one.wants_basic(now) is (basic_after or events == "ff")
    assert one.workarounds(now + WORKAROUND_SECONDS) == ()


def test_a_server_that_never_answered_a_full_query_is_named_early():
    """The first basic reply is sign enough for a short run, like `check`; a full reply takes it back."""
    one = server()
    for at in (1.0, 2.0):
        one.note_unanswered(at)
    one.note_basic_reply(3.0)
    assert one.workarounds(4.0) == (Workaround.BASIC,)

    one.note_full_reply(5.0, b"wWw")
    assert one.workarounds(6.0) == ()


def test_after_an_hour_one_round_is_enough():
    """A server that still drops full queries after the hour need not prove it twice."""
    one, later = server(), 100.0 + WORKAROUND_SECONDS
    one.full_reply_at = 0.0
    one.basic_rounds, one.basic_until = 2, later
    for at in (1.0, 2.0):
        one.note_unanswered(later + at)
    one.note_basic_reply(later + 3.0)

    assert one.wants_basic(later + 4.0)


def test_a_query_sent_before_the_last_reply_was_only_lost():
    """It is no sign that the server drops full queries."""
    one = server()
    one.replied(20.0, 0.01)
    for _ in range(5):
        one.note_unanswered(19.0)

    assert not one.wants_basic(100.0)


def test_without_edns_and_random_case_there_is_nothing_to_leave_out():
    """Queries are basic by configuration, so silence is no reason to change them."""
    one = Server(0, parse_endpoint("192.0.2.0"), cookies=None, random_case=False, edns=False)
    for at in range(5):
        one.note_unanswered(float(at))

    assert not one.wants_basic(100.0)
    assert one.workarounds(100.0) == ()


OURS = b"\x01\x02\x03\x04\x05\x06\x07\x08"
THEIRS = b"\xf0" * 8


def jar():
    """A jar with our cookie, and none of the server."""
    return CookieJar(lambda count: OURS[:count])


def test_our_part_has_eight_bytes():
    """It is sent alone until the server's part is known (RFC 7873 section 4.1)."""
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
def test_which_cookies_are_accepted(cookie, before, after):
    """A missing cookie is accepted until the server has sent one, a wrong one never (RFC 7873 section 5.3)."""
    knowing = jar()
    assert knowing.accepts(OURS + THEIRS)

    assert (jar().accepts(cookie), knowing.accepts(cookie)) == (before, after)


def test_the_servers_part_is_kept_and_sent():
    """It is the latest one. A reply without it, or with a wrong cookie, does not remove it."""
    shared = jar()
    for cookie in (OURS + THEIRS, OURS, b"", None, bytes(8) + b"forged!!"):
        shared.accepts(cookie)
    assert (shared.sent, shared.expected) == (OURS + THEIRS, True)

    shared.accepts(OURS + b"another!")
    assert shared.sent == OURS + b"another!"


def test_our_part_alone_does_not_count():
    """A server may echo an option that it does not know, and not do so the next time."""
    shared = jar()
    shared.accepts(OURS)

    assert (shared.expected, shared.sent, shared.accepts(b"")) == (False, OURS, True)


@examples(60)
@given(st.lists(st.sampled_from(["missed", "cookie", "echo", "none"]), max_size=20))
def test_after_three_misses_in_a_row_none_is_expected(events):
    """A cookie in between restarts the count. An ignored reply without one does not."""
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


@given(st.binary(max_size=60))
def test_options_of_any_kind_are_read(data):
    """Any bytes can be read as options, and only cookies of a valid length are returned."""
    cookie, errors = read_options(data)

    assert cookie is None or len(cookie) in (0, 8, *range(16, 41))
    assert len(errors) <= 8


def test_a_cookie_is_written_as_it_is_read():
    """The OPT record of a query has the cookie (RFC 7873 section 4), or no option."""
    record = opt_record(b"12345678")

    assert read_options(record[11:])[0] == b"12345678"
    assert opt_record(b"") == b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
