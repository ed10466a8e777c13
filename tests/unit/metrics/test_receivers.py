"""What the exposition shows of receivers."""

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.metrics.fleet import FleetCollector
from exporter.state.board import Board
from tests.factories import World

CONFIGURATION = """
receivers: [postfix-reject-unknown-client-hostname, strict-helo-equals-ptr]
pools:
  - {name: a, profile: microsoft-365, addresses: [{ip: 192.0.2.10, helo: mail.example.org}]}
  - {name: b, receivers: [], addresses: [{ip: 192.0.2.11, helo: mail.example.org}]}
  - {name: c, addresses: [{ip: 192.0.2.12}]}
"""
WORLD = World.parse(
    """
    10.2.0.192.in-addr.arpa PTR one.example.org
    10.2.0.192.in-addr.arpa PTR two.example.org
    one.example.org A 192.0.2.10
    two.example.org A 192.0.2.20
    mail.example.org A 192.0.2.10
    """
)


def shown(board):
    """The samples of the two families, by their labels but the pool's."""
    found = {}
    for metric in FleetCollector(board, dict, lambda: 0.0).collect():
        if "receiver" in metric.name:
            for sample in metric.samples:
                found[sample.name.removeprefix("maildns_"), *sample.labels.values()] = sample.value
    return found


def test_shares_and_sums():
    """Two PTR names are a lottery for Postfix, and none of them is HELO, by design; other pools show nothing."""
    board = Board()
    board.publish(build(parse(CONFIGURATION, "test")))
    for pool in board.pools.values():
        judged, evidence = run_check(report(pool[0].target, policies=pool.pool.receivers), WORLD)
        pool.record(0, judged, evidence, 1.0)

    postfix, strict = "postfix-reject-unknown-client-hostname", "strict-helo-equals-ptr"
    results = dict.fromkeys(["refuse", "unknown", "by-design", "accept"], 0)
    assert shown(board) == {
        ("receiver_accepts", "a", "192.0.2.10", "mail.example.org", postfix): 0.5,
        ("receiver_accepts", "a", "192.0.2.10", "mail.example.org", strict): 0.0,
        **{("pool_receiver_results", "a", postfix, it): n for it, n in (results | {"refuse": 1}).items()},
        **{("pool_receiver_results", "a", strict, it): n for it, n in (results | {"by-design": 1}).items()},
    }


def test_nothing_is_shown_before_it_is_known():
    """A pool starts with every address unknown, and no shares."""
    board = Board()
    board.publish(build(parse(CONFIGURATION, "test")))

    assert {key for key, value in shown(board).items() if value} == {
        ("pool_receiver_results", "a", "postfix-reject-unknown-client-hostname", "unknown"),
        ("pool_receiver_results", "a", "strict-helo-equals-ptr", "unknown"),
    }
