"""Every receiver, in every scenario of `tests/conformance/receivers.yaml`."""

import pytest

from exporter.checks.check import run_check
from exporter.checks.receivers import Receiver, ReceiverResult, receivers
from tests.unit.checks.receivers.scenarios import SCENARIOS, Expected


@pytest.mark.parametrize("scenario", [pytest.param(it, id=it.name) for it in SCENARIOS])
def test_every_receiver_does_what_the_scenario_says(scenario):
    """Each policy's result, code and share are those of the scenario, and in doubt where it says so."""
    verdicts, _ = run_check(receivers(scenario.address, scenario.helo, tuple(Receiver)), scenario.world)

    assert {it.receiver: (it.result, it.code, pytest.approx(it.share)) for it in verdicts} == {
        receiver: (expected.result, expected.code, expected.share)
        for receiver in Receiver
        for expected in [scenario.expected(receiver)]
    }
    assert {it.receiver for it in verdicts if not it.is_conclusive} == scenario.unsure


def test_every_receiver_refuses_somewhere_and_accepts_somewhere():
    """No policy is modelled that the scenarios cannot tell from one that always says the same."""
    for receiver in Receiver:
        results = {scenario.expected(receiver).result for scenario in SCENARIOS}
        assert ReceiverResult.ACCEPT in results
        assert len(results) > 1, receiver


def test_lotteries_are_among_the_scenarios():
    """Some scenario has a share between none and all, for each receiver that takes the first PTR name."""
    drawn = {
        receiver
        for scenario in SCENARIOS
        for receiver, expected in scenario.refused.items()
        if 0 < expected.share < Expected().share
    }

    assert drawn == {
        Receiver.POSTFIX_UNKNOWN_CLIENT,
        Receiver.POSTFIX_UNKNOWN_REVERSE_CLIENT,
        Receiver.OPENSMTPD_FCRDNS,
        Receiver.SENDMAIL_REQUIRE_RDNS,
        Receiver.HARAKA_HELO_RDNS_MATCH,
        Receiver.HARAKA_HELO_FORWARD_DNS,
    }
