"""The journal of changes."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.domain import DomainCheckName, DomainFinding
from exporter.checks.verdicts import CheckName, Finding, Reason, Result
from exporter.state.change import Change
from exporter.state.journal import Journal
from tests.factories import address, name, target

LOST = Change(
    target("192.0.2.10"),
    Finding(CheckName.FCRDNS, Result.PASS),
    Finding(CheckName.FCRDNS, Result.FAIL, reason=Reason.PTR_NXDOMAIN, sentence="192.0.2.10 has no PTR name."),
    1.0,
)


def written(count: int, capacity: int) -> Journal:
    """A journal in which this many changes were written, in two pools by turns."""
    journal = Journal(capacity)
    for number in range(count):
        journal.write("even" if number % 2 else "odd", LOST)
    return journal


@given(st.integers(0, 40), st.integers(1, 20), st.integers(1, 7))
def test_paging_backwards_meets_each_entry_once(count, capacity, size):
    """Pages of any size, laid end to end, are the latest entries, newest first."""
    journal = written(count, capacity)
    pages, before = [], None
    while page := journal.latest(size, before=before):
        pages += page
        before = page[-1].number

    assert [entry.number for entry in pages] == list(range(count, max(0, count - capacity), -1))
    assert len(journal) == len(pages)


def test_a_filter_looks_behind_what_it_leaves_out():
    """Asking for three of one pool gives three, though others stand between."""
    found = written(10, 100).latest(3, wanted=lambda entry: entry.pool == "even")

    assert [entry.number for entry in found] == [10, 8, 6]


def test_a_change_is_about_an_address_or_a_domain():
    """Whoever reads the journal can tell by what is there, and by what is not."""
    broken = DomainFinding(DomainCheckName.SPF, Result.FAIL, "example.org", Reason.SPF_NONE, "There is none.")
    lost = Change(name("example.org"), DomainFinding(DomainCheckName.SPF, Result.PASS, "example.org"), broken, 1.0)

    assert (lost.address, lost.domain) == (None, name("example.org"))
    assert (LOST.address, LOST.domain) == (address("192.0.2.10"), None)
