"""What the exposition shows of SPF."""

from exporter.checks.check import run_check
from exporter.checks.report import Wanted, report
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.metrics.fleet import FleetCollector
from exporter.state.board import Board
from tests.factories import World

CONFIGURATION = """
pools:
  - name: a
    mail_from_domains: [example.org, example.com]
    addresses: [{ip: 192.0.2.10, helo: [mail.example.org, bare.example.org, wrong.example.org]}]
"""
WORLD = World.parse(
    """
    mail.example.org TXT v=spf1 ip4:192.0.2.10 -all
    wrong.example.org TXT v=spf1 -all
    example.org TXT v=spf1 ip4:192.0.2.0/24 -all
    example.com TXT !servfail
    """
)


def test_spf_is_shown_by_identity_and_domain_where_there_is_a_record():
    """1 and 0 for what is known; nothing for a HELO name that needs no record, or a domain that never answered."""
    board = Board()
    board.publish(build(parse(CONFIGURATION, "test")))
    pool = board.pools["a"]
    wanted = Wanted(mail_from=pool.pool.mail_from_domains)
    pool.record(0, *run_check(report(pool[0].target, wanted=wanted), WORLD), 1.0)

    shown = {metric.name: metric.samples for metric in FleetCollector(board, dict, lambda: 0.0).collect()}
    assert {tuple(it.labels.values()): it.value for it in shown["maildns_spf_pass"]} == {
        ("a", "192.0.2.10", "helo", "mail.example.org"): 1,
        ("a", "192.0.2.10", "helo", "wrong.example.org"): 0,
        ("a", "192.0.2.10", "mailfrom", "example.org"): 1,
    }
    results = {tuple(it.labels.values())[1:]: it.value for it in shown["maildns_pool_results"]}
    assert results["spf-helo", "fail"] == 1
    assert results["spf-mailfrom", "unknown"] == 1
    problems = {tuple(it.labels.values())[2:] for it in shown["maildns_address_problem"]}
    assert ("spf-helo", "spf-fail") in problems
