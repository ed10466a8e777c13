"""Disputes: when they begin and end, and how many are kept."""

from exporter.checks.addresses import Address
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.dns.resolvers import Source
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
    """A settled address starts again at 0."""
    disputes = Disputes()
    for _ in range(2):
        disputes.wait("pool", MTA)
    assert (disputes.waited("pool", MTA), disputes.waited("pool", "mail.example.org")) == (2, 0)
    assert not disputes.is_empty
    disputes.settle("pool", MTA)
    assert (disputes.waited("pool", MTA), disputes.is_empty) == (0, True)


def test_subjects_that_left_are_forgotten():
    """After a reload, only subjects that are still configured are disputed."""
    disputes = Disputes()
    for pool in ("kept", "gone"):
        disputes.note(pool, MTA, Dispute(FAILING, ONE, TWO), 1.0)
        disputes.wait(pool, OTHER)
    disputes.keep(lambda pool, subject: (pool, subject) == ("kept", MTA))
    assert [(pool, subject) for pool, subject, _ in disputes] == [("kept", MTA)]
    assert disputes.waited("kept", OTHER) == 0
    disputes.settle("kept", MTA)
    assert disputes.is_empty


def test_the_number_of_disputes_is_limited():
    """Beyond the capacity, a dispute is counted as a disagreement but not kept."""
    disputes = Disputes(capacity=1)
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


def test_kept_disputes_go_on():
    """A reload does not change the dispute, its beginning or the count of waiting samples."""
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
    """A sample of an undisputed address neither ends nor begins a dispute."""
    disputes = Disputes()

    assert not disputes.settle("pool", MTA)
    assert (len(disputes), disputes.is_empty, list(disputes)) == (0, True, [])
