"""What the exposition shows of pools and addresses: receivers, SPF, and which checks are expected."""

from exporter.checks.check import run_check
from exporter.checks.report import AuthenticationSettings, report
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.metrics.fleet import FleetCollector
from exporter.state.board import Board
from tests.factories import World

RECEIVERS = """
receivers: [postfix-reject-unknown-client-hostname, strict-helo-equals-ptr]
pools:
  - {name: a, profile: microsoft-365, addresses: [{ip: 192.0.2.10, helo: mail.example.org}]}
  - {name: b, receivers: [], addresses: [{ip: 192.0.2.11, helo: mail.example.org}]}
  - {name: c, addresses: [{ip: 192.0.2.12}]}
"""
TWO_NAMES = World.parse(
    """
    10.2.0.192.in-addr.arpa PTR one.example.org
    10.2.0.192.in-addr.arpa PTR two.example.org
    one.example.org A 192.0.2.10
    two.example.org A 192.0.2.20
    mail.example.org A 192.0.2.10
    """
)
SPF = """
pools:
  - name: a
    mail_from_domains: [example.org, example.com]
    addresses: [{ip: 192.0.2.10, helo: [mail.example.org, bare.example.org, wrong.example.org]}]
"""
SPF_RECORDS = World.parse(
    """
    mail.example.org TXT v=spf1 ip4:192.0.2.10 -all
    wrong.example.org TXT v=spf1 -all
    example.org TXT v=spf1 ip4:192.0.2.0/24 -all
    example.com TXT !servfail
    """
)
EXPECTED = "pools: [{name: a, expect: [fcrdns], addresses: [{network: 192.0.2.0/28, helo: mail.example.org}]}]"


def board_of(text):
    """A board with the pools of a configuration."""
    board = Board()
    board.publish(build(parse(text, "test")))
    return board


def samples(board, family):
    """The samples of one family: value by label values."""
    return {
        tuple(one.labels.values()): one.value
        for metric in FleetCollector(board, dict, lambda: 0.0).collect()
        for one in metric.samples
        if metric.name == f"maildns_{family}"
    }


def test_receivers_have_shares_and_sums():
    """Postfix accepts one of two PTR names; strict-helo-equals-ptr refuses by design; other pools show nothing."""
    board = board_of(RECEIVERS)
    for pool in board.pools.values():
        pool.record(0, *run_check(report(pool[0].target, policies=pool.pool.receivers), TWO_NAMES), 1.0)

    postfix, strict = "postfix-reject-unknown-client-hostname", "strict-helo-equals-ptr"
    assert samples(board, "receiver_accepts") == {
        ("a", "192.0.2.10", "mail.example.org", postfix): 0.5,
        ("a", "192.0.2.10", "mail.example.org", strict): 0.0,
    }
    results = dict.fromkeys(["refuse", "unknown", "by-design", "accept", "not-sampled"], 0)
    assert samples(board, "pool_receiver_results") == {
        **{("a", postfix, result): count for result, count in (results | {"refuse": 1}).items()},
        **{("a", strict, result): count for result, count in (results | {"by-design": 1}).items()},
    }


def test_nothing_is_unanswered_before_the_first_sample():
    """A pool starts with every address not sampled, and no shares."""
    board = board_of(RECEIVERS)

    assert samples(board, "receiver_accepts") == {}
    assert {labels for labels, value in samples(board, "pool_receiver_results").items() if value} == {
        ("a", "postfix-reject-unknown-client-hostname", "not-sampled"),
        ("a", "strict-helo-equals-ptr", "not-sampled"),
    }
    assert {labels[2] for labels, value in samples(board, "pool_results").items() if value} == {"not-sampled"}


def test_spf_is_shown_by_identity_and_domain_where_there_is_a_record():
    """1 and 0 for known results; nothing for a HELO name that needs no record, or a domain that never answered."""
    board = board_of(SPF)
    pool = board.pools["a"]
    wanted = AuthenticationSettings(mail_from=pool.pool.mail_from_domains)
    pool.record(0, *run_check(report(pool[0].target, wanted=wanted), SPF_RECORDS), 1.0)

    assert samples(board, "spf_pass") == {
        ("a", "192.0.2.10", "helo", "mail.example.org"): 1,
        ("a", "192.0.2.10", "helo", "wrong.example.org"): 0,
        ("a", "192.0.2.10", "mailfrom", "example.org"): 1,
    }
    results = samples(board, "pool_results")
    assert results["a", "spf-helo", "fail"] == 1
    assert results["a", "spf-mailfrom", "unknown"] == 1
    assert ("a", "192.0.2.10", "spf-helo", "spf-fail", "wrong.example.org") in samples(board, "address_problem")


def test_every_check_of_a_pool_says_whether_it_is_expected():
    """1 if a failure is a problem, 0 if it is by design; nothing for a check that does not apply."""
    shown = samples(board_of(EXPECTED), "pool_check_expected")

    assert {check for (_, check), expected in shown.items() if expected} == {"fcrdns"}
    assert {"helo-resolves", "spf-helo"} <= {check for (_, check), expected in shown.items() if not expected}
    assert ("a", "dnsbl") not in shown
