"""The journal of changes, and the packed evidence in it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, ExtendedError, MailExchange, Question, StartOfAuthority, Status, Text
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.state.journal import MAX_BYTES, MAX_NUMBER, Change, ChangeFilter, Journal, pack, unpack
from tests.factories import address, name, target
from tests.strategies import INCONCLUSIVE, any_addresses, domain_names, ipv4_addresses, ipv6_addresses

LOST = Change(
    target("192.0.2.10"),
    Finding(CheckName.FCRDNS, Result.PASS),
    Finding(CheckName.FCRDNS, Result.FAIL, reason=Reason.PTR_NXDOMAIN, sentence="192.0.2.10 has no PTR name."),
    1.0,
)


def written(count: int, capacity: int) -> Journal:
    """A journal with this many changes, alternating between two pools."""
    journal = Journal(capacity)
    for number in range(count):
        journal.write("even" if number % 2 else "odd", LOST)
    return journal


@given(st.integers(0, 40), st.integers(1, 20), st.integers(1, 7))
def test_paging_backwards_returns_each_entry_once(count, capacity, size):
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


def test_a_filter_skips_entries_that_do_not_match():
    """Three entries of one pool are found though there are others between them."""
    found = written(10, 100).latest(3, wanted=ChangeFilter("even"))

    assert [entry.number for entry in found] == [1_000_009, 1_000_007, 1_000_005]


def test_a_change_is_about_an_address_or_a_domain():
    """One of the two properties is None."""
    broken = Finding(CheckName.SPF, Result.FAIL, "example.org", Reason.SPF_NONE, "There is none.")
    lost = Change(name("example.org"), Finding(CheckName.SPF, Result.PASS, "example.org"), broken, 1.0)

    assert (lost.address, lost.domain) == (None, name("example.org"))
    assert (LOST.address, LOST.domain) == (address("192.0.2.10"), None)


@given(st.lists(st.floats(0, 1e11), max_size=20))
def test_numbers_rise_even_if_the_clock_goes_back(times):
    """No number is used twice or too large, even if the clock goes back, stops or is a thousand years ahead."""
    journal = Journal()
    numbers = [journal.write("a", replace(LOST, at=at)).number for at in times]

    assert numbers == sorted(set(numbers))
    assert all(number <= MAX_NUMBER + len(times) for number in numbers)


@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 15))
def test_restored_entries_are_sorted_in(before, after, capacity):
    """The latest entries stay, in order, and the next number is higher than all of them."""
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
    ("which", "is_selected"),
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
def test_a_filter_selects_entries_that_match_all_its_fields(which, is_selected):
    """One field that does not match is enough to exclude an entry."""
    assert which.matches(Journal().write("corporate", LOST)) is is_selected


numbers = st.integers(0, 2**31)
RECORDS = {
    "A": ipv4_addresses,
    "AAAA": ipv6_addresses,
    "CNAME": domain_names,
    "MX": st.builds(MailExchange, st.integers(0, 65535), domain_names),
    "NS": domain_names,
    "PTR": domain_names,
    "SOA": st.builds(StartOfAuthority, domain_names, domain_names, numbers),
    "TXT": st.builds(Text, st.binary(max_size=300)),
}


@st.composite
def answers(draw):
    """A question and any answer that fits it."""
    rdtype = draw(st.sampled_from(sorted(RECORDS)))
    records = tuple(draw(st.lists(RECORDS[rdtype], max_size=3)))
    status = Status.ANSWER if records else draw(st.sampled_from([Status.NODATA, Status.NXDOMAIN, *INCONCLUSIVE]))
    answer = Answer(
        status,
        records,
        tuple(draw(st.lists(domain_names, max_size=2))),
        draw(numbers),
        draw(st.sampled_from(["", "127.0.0.1:53", "https://dns.example/q"])),
        draw(numbers) / 1000,
        tuple(draw(st.lists(st.builds(ExtendedError, st.integers(0, 65535), st.text(max_size=20)), max_size=2))),
    )
    return Question(draw(domain_names), rdtype), answer


@given(st.lists(answers(), max_size=12))
def test_packed_answers_come_back_unchanged(given_answers):
    """Answers are whole and in order; only those that do not fit are left out."""
    evidence = dict(given_answers)

    packed = pack(evidence)

    assert packed.isascii()
    assert len(packed) <= MAX_BYTES
    found = unpack(packed)
    assert list(found.items()) == [item for item in evidence.items() if item[0] in found]
    if len(pack(dict(list(evidence.items())[:1]))) > 2 and evidence:
        assert found


@given(any_addresses)
def test_ordinary_evidence_fits(address):
    """Ten ordinary answers are all kept."""
    evidence = {
        Question(address.reverse_name, rdtype): Answer(Status.NXDOMAIN, server="192.0.2.53:53", asked_at=1.7e9)
        for rdtype in RECORDS
    }

    assert unpack(pack(evidence)) == evidence


@pytest.mark.parametrize(
    "text",
    ["", "1", "{}x", "[1]", "[[]]", '[["a","PTR","new",[],[],0,"",0,[]]]', '[["a","X","nodata",[],[],0,"",0,[]]]'],
)
def test_other_text_is_refused(text):
    """The error is always a `ValueError`."""
    with pytest.raises(ValueError, match="this is not packed evidence"):
        unpack(text)
