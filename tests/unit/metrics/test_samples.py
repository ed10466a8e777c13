"""What the exposition shows of the worst prefixes, and of what a pool expects."""

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.metrics.collectors import SampleCollector
from exporter.metrics.fleet import FleetCollector
from exporter.state.board import Board
from tests.factories import World

CONFIGURATION = """
pools:
  - name: a
    series: %s
    expect: [fcrdns]
    addresses: [{network: 192.0.2.0/28, helo: mail.example.org}, {network: 198.51.100.0/30}]
"""
WORLD = World.parse(
    "\n".join(
        f"{fourth}.2.0.192.in-addr.arpa PTR m{fourth}.example.org\nm{fourth}.example.org A 192.0.2.{fourth}"
        for fourth in range(3, 16)
    )
)


def board_of(series):
    """A pool of two prefixes, one and all of it sampled; three addresses of the first have no PTR name."""
    board = Board()
    board.publish(build(parse(CONFIGURATION % series, "test")))
    state = board.pools["a"]
    for index in range(16):
        judged, evidence = run_check(report(state[index].target), WORLD)
        state.record(index, judged, evidence, 1.0)
    return board


def samples(collector, family):
    """The values of one family, by their labels but the pool's."""
    return {
        tuple(sample.labels.values())[1:]: sample.value
        for metric in collector.collect()
        for sample in metric.samples
        if sample.name == family
    }


def test_a_failing_prefix_is_measured_against_all_that_the_pool_has_of_it():
    """However few of its addresses have series of their own."""
    for series in ("all", "failing", "none"):
        collector = SampleCollector(board_of(series))

        assert samples(collector, "maildns_pool_failing_prefix_addresses") == {("192.0.2.0/24",): 3}
        assert samples(collector, "maildns_pool_failing_prefix_sampled_addresses") == {("192.0.2.0/24",): 16}


def test_what_is_expected_is_told_of_every_check():
    """One for what makes a problem, nought for what is by design; nothing of a check that does not apply."""
    shown = samples(FleetCollector(board_of("none"), dict, lambda: 0.0), "maildns_pool_check_expected")

    assert {check for check, expected in shown.items() if expected} == {("fcrdns",)}
    assert {"helo-resolves", "spf-helo"} <= {check for (check,), expected in shown.items() if not expected}
    assert ("dnsbl",) not in shown
