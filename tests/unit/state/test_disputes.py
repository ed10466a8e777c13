"""Disputes: since when, until when, of whom, and how many are remembered."""

from exporter.checks.addresses import Address
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.dns.resolvers import Source
from exporter.state import disputes as module
from exporter.state.disputes import Dispute, Disputes

FAILING = Finding(CheckName.FCRDNS, Result.FAIL, reason=Reason.PTR_NXDOMAIN)
ONE, TWO = Source("one"), Source("two")
MTA = Address.parse("192.0.2.10")
OTHER = Address.parse("192.0.2.11")


def test_a_dispute_lasts_until_it_is_settled():
    """It begins once, keeps its beginning, and ends once; the pair counts every sample of it."""
    disputes = Disputes()

    assert disputes.note("pool", MTA, Dispute(FAILING, ONE, TWO), 1.0)
    assert not disputes.note("pool", MTA, Dispute(FAILING, TWO, ONE), 2.0)
    assert (disputes.count("pool"), disputes.count("other")) == (1, 0)
    assert disputes.of("pool", MTA) == Dispute(FAILING, TWO, ONE, 1.0, 2.0)
    assert list(disputes) == [("pool", MTA, Dispute(FAILING, TWO, ONE, 1.0, 2.0))]
    assert not disputes.is_empty
    assert disputes.settle("pool", MTA)
    assert not disputes.settle("pool", MTA)
    assert disputes.is_empty
    assert disputes.disagreements == {("one", "two"): 2}


def test_waiting_counts_samples_in_a_row():
    """Whatever settles the address begins the count anew."""
    disputes = Disputes()
    for _ in range(2):
        disputes.wait("pool", MTA)
    assert (disputes.waited("pool", MTA), disputes.waited("pool", "mail.example.org")) == (2, 0)
    assert not disputes.is_empty
    disputes.settle("pool", MTA)
    assert (disputes.waited("pool", MTA), disputes.is_empty) == (0, True)


def test_what_is_sampled_no_more_is_forgotten():
    """After a reload only what is still there is in dispute."""
    disputes = Disputes()
    for pool in ("kept", "gone"):
        disputes.note(pool, MTA, Dispute(FAILING, ONE, TWO), 1.0)
        disputes.wait(pool, OTHER)
    disputes.keep(lambda pool, subject: (pool, subject) == ("kept", MTA))
    assert [(pool, subject) for pool, subject, _ in disputes] == [("kept", MTA)]
    assert disputes.waited("kept", OTHER) == 0
    disputes.settle("kept", MTA)
    assert disputes.is_empty


def test_memory_is_bounded(monkeypatch):
    """What is beyond the capacity is counted as a disagreement, and not remembered."""
    monkeypatch.setattr(module, "CAPACITY", 1)
    disputes = Disputes()
    for address in (MTA, OTHER):
        disputes.note("pool", address, Dispute(FAILING, ONE, TWO), 1.0)
        disputes.wait("pool", address)
    assert (disputes.count("pool"), disputes.waited("pool", OTHER)) == (1, 0)
    assert disputes.disagreements == {("one", "two"): 2}
    disputes.note("pool", MTA, Dispute(FAILING, TWO, ONE), 5.0)
    disputes.wait("pool", MTA)
    assert disputes.of("pool", MTA) == Dispute(FAILING, TWO, ONE, 1.0, 5.0)
    assert (len(disputes), disputes.waited("pool", MTA)) == (1, 2)
    assert disputes.disagreements == {("one", "two"): 3}

    disputes.settle("pool", MTA)
    assert disputes.note("pool", OTHER, Dispute(FAILING, ONE, TWO), 6.0)


def test_what_is_kept_counts_on():
    """Of what a reload leaves, the dispute, its beginning and the count of waiting are as they were."""
    disputes = Disputes()
    for subject in (MTA, OTHER):
        disputes.note("kept", subject, Dispute(FAILING, ONE, ONE), 1.0)
        disputes.wait("kept", subject)
    disputes.keep(lambda _pool, subject: subject == OTHER)
    disputes.wait("kept", OTHER)

    assert (len(disputes), disputes.waited("kept", OTHER), disputes.waited("kept", MTA)) == (1, 2, 0)
    assert disputes.of("kept", MTA) is None
    assert disputes.of("nowhere", MTA) is None
    assert not disputes.note("kept", OTHER, Dispute(FAILING, ONE, ONE), 9.0)
    assert disputes.of("kept", OTHER).since == 1.0
    assert disputes.disagreements == {("one", "one"): 3}


def test_a_pool_that_has_no_disputes_settles_none():
    """A sample of what was never disputed ends nothing, and begins nothing."""
    disputes = Disputes()

    assert not disputes.settle("pool", MTA)
    assert (len(disputes), disputes.is_empty, list(disputes)) == (0, True, [])
