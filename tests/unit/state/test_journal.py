"""The journal of changes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.domain import DomainCheckName, DomainFinding
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.state.journal import MAX_NUMBER, Change, ChangeFilter, Journal
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

    assert [entry.number for entry in pages] == [
        1_000_000 + it for it in range(count - 1, max(0, count - capacity) - 1, -1)
    ]
    assert len(journal) == len(pages)


def test_a_filter_looks_behind_what_it_leaves_out():
    """Asking for three of one pool gives three, though others stand between."""
    found = written(10, 100).latest(3, wanted=ChangeFilter("even"))

    assert [entry.number for entry in found] == [1_000_009, 1_000_007, 1_000_005]


def test_a_change_is_about_an_address_or_a_domain():
    """Whoever reads the journal can tell by what is there, and by what is not."""
    broken = DomainFinding(DomainCheckName.SPF, Result.FAIL, "example.org", Reason.SPF_NONE, "There is none.")
    lost = Change(name("example.org"), DomainFinding(DomainCheckName.SPF, Result.PASS, "example.org"), broken, 1.0)

    assert (lost.address, lost.domain) == (None, name("example.org"))
    assert (LOST.address, LOST.domain) == (address("192.0.2.10"), None)


@given(st.lists(st.floats(0, 1e11), max_size=20))
def test_numbers_rise_whatever_the_clock_does(moments):
    """A clock that goes back, stands still or is a thousand years ahead makes no number twice, and none too large."""
    journal = Journal()
    numbers = [journal.write("a", replace(LOST, at=at)).number for at in moments]

    assert numbers == sorted(set(numbers))
    assert all(number <= MAX_NUMBER + len(moments) for number in numbers)


@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 15))
def test_what_was_before_is_taken_in_at_its_place(before, after, capacity):
    """The latest stay, in order, and the next number is above all of them."""
    old, journal = Journal(), Journal(capacity)
    earlier = [old.write("old", LOST) for _ in range(before)]
    for number in range(after):
        journal.write("new", replace(LOST, at=2.0 + number))

    journal.restore([*earlier, *earlier])

    numbers = [entry.number for entry in journal.entries()]
    assert numbers == sorted(set(numbers))
    assert [entry.pool for entry in journal.entries()] == (["old"] * before + ["new"] * after)[-capacity:]
    assert journal.write("new", LOST).number > max(numbers, default=0)


@pytest.mark.parametrize(
    ("which", "fits"),
    [
        (ChangeFilter(), True),
        (ChangeFilter("corporate", address("192.0.2.10"), None, "fcrdns", 1.0), True),
        (ChangeFilter("other"), False),
        (ChangeFilter(address=address("192.0.2.11")), False),
        (ChangeFilter(domain=name("example.org")), False),
        (ChangeFilter(check="helo-syntax"), False),
        (ChangeFilter(since=1.5), False),
    ],
)
def test_what_is_wanted(which, fits):
    """Everything that is given has to fit."""
    assert which.fits(Journal().write("corporate", LOST)) is fits
