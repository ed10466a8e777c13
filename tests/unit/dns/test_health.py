"""A server is up while it answers, down when it is silent, and asked in an order that follows from that."""

from exporter.checks.answers import Status
from exporter.dns.endpoints import parse_endpoint
from exporter.dns.health import LESSON_SECONDS, Server, order


def server(number=0):
    """A server that nothing is known of."""
    return Server(number, parse_endpoint(f"192.0.2.{number}"), cookies=None, random_case=True)


def test_three_unanswered_queries_in_a_row_take_a_server_down():
    """Two are bad luck, three are silence; the first reply brings it back."""
    one = server()
    assert [one.failed(now, Status.TIMEOUT, now - 1) for now in (10.0, 11.0, 12.0)] == [False, False, True]
    assert (one.up, one.last_error, one.down_until) == (False, Status.TIMEOUT, 13.0)

    assert one.replied(14.0, 0.01)
    assert one.up
    assert not one.replied(14.5, 0.01)


def test_what_was_lost_before_the_last_reply_does_not_count():
    """A query that was sent before the server was last heard says nothing about the server."""
    one = server()
    one.replied(20.0, 0.01)
    for _ in range(10):
        assert not one.failed(21.0, Status.TIMEOUT, 19.0)
    assert one.up


def test_the_back_off_doubles_up_to_its_limit():
    """Each failure after the back-off has passed doubles it, to half a minute; a reply resets it."""
    one = server()
    for now in (1.0, 2.0, 3.0):
        one.failed(now, Status.NETWORK, now)
    waits = []
    for _ in range(8):
        now = one.down_until
        one.failed(now, Status.NETWORK, now)
        waits.append(one.down_until - now)
    assert waits == [2, 4, 8, 16, 30, 30, 30, 30]

    one.replied(1_000.0, 0.01)
    for now in (1_001.0, 1_002.0, 1_003.0):
        one.failed(now, Status.NETWORK, now)
    assert one.down_until == 1_004.0


def test_the_order_is_trust_then_life_then_speed_then_the_operators():
    """A liar comes last, then the dead, then the slow; peers stay as configured."""
    servers = [server(number) for number in range(6)]
    liar, dead, slow, *peers = servers
    liar.contradicted = True
    dead.up = False
    slow.round_trip_seconds = 0.5
    for number, peer in enumerate(peers):
        peer.round_trip_seconds = 0.03 - number / 100

    assert order(servers) == [*peers, slow, dead, liar]


def test_what_a_server_cannot_do_is_forgotten_after_an_hour():
    """Case and EDNS are tried again in the end: servers are mended too."""
    one = server()
    for _ in range(3):
        one.lost_case(100.0)
    one.lost_edns(100.0)

    assert one.plain_case_until == one.plain_edns_until == 100.0 + LESSON_SECONDS
