"""Answers: conclusive or not, and never both."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import (
    Answer,
    ExtendedError,
    MailExchange,
    Question,
    Status,
    Text,
    is_bogus,
    why_unanswered,
)
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result, some
from tests.factories import address, name, question
from tests.strategies import HOSTS, INCONCLUSIVE, NEIGHBOURS


@pytest.mark.parametrize("status", Status)
def test_records_come_with_an_answer_and_only_so(status):
    """An impossible answer cannot be built: records without ANSWER, or ANSWER without records."""
    records = () if status is Status.ANSWER else (address("192.0.2.1"),)

    with pytest.raises(ValueError, match="cannot have"):
        Answer(status, records)


@pytest.mark.parametrize("status", Status)
def test_a_status_is_conclusive_or_has_a_reason(status):
    """Every status that is not conclusive is the reason of an unknown finding; negative ones are conclusive."""
    assert status.is_conclusive is (status in {Status.ANSWER, Status.NODATA, Status.NXDOMAIN})
    assert status.is_negative is (status.is_conclusive and status is not Status.ANSWER)
    if status in INCONCLUSIVE:
        assert Reason.of(status).value == status.value
    if status is not Status.ANSWER:
        assert Answer(status).is_conclusive is status.is_conclusive


@pytest.mark.parametrize("code", range(31))
def test_errors_that_mean_bogus(code):
    """Validation was tried and failed: not indeterminate, not unsupported, and not for want of a reachable server."""
    bogus = {6, 7, 8, 9, 10, 11, 12, 25}

    assert is_bogus([ExtendedError(3), ExtendedError(code)]) is (code in bogus)
    assert not is_bogus([ExtendedError(code), ExtendedError(22)])
    assert not is_bogus([])


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("", "the zone of mail.example.org"),
        ("no SEP matching the DS found for example.org.", "the zone example.org"),
        ("failure <mail.example.org. A IN>: signature expired for key Example.ORG. while", "the zone example.org"),
        ("for key badexample.org. or xmail.example.org.", "the zone of mail.example.org"),
        ("no DS at org.", "the zone of mail.example.org"),
        ("<script>\x1b[31m", "the zone of mail.example.org"),
    ],
)
def test_a_bogus_answer_names_the_zone_if_a_server_does(text, zone):
    """The zone is a name at or above the owner: nothing else of a server's text is repeated."""
    answer = Answer(Status.DNSSEC_BOGUS, errors=(ExtendedError(3), ExtendedError(7, text)))

    assert why_unanswered(name("mail.example.org"), answer) == (
        f"dnssec-bogus: {zone} fails DNSSEC validation, Signature Expired"
    )


@given(st.lists(st.sampled_from(NEIGHBOURS), min_size=1), st.integers())
def test_the_order_of_address_records_is_lost(records, seed):
    """Two answers with the same address records are equal, in whatever order and how often they came."""
    shuffled = records * 2
    random.Random(seed).shuffle(shuffled)

    assert Answer(Status.ANSWER, tuple(shuffled)) == Answer(Status.ANSWER, tuple(records))
    assert Answer(Status.ANSWER, tuple(shuffled)).addresses == tuple(sorted(set(records)))


@given(st.lists(st.sampled_from(HOSTS), min_size=1), st.integers())
def test_the_order_of_names_is_lost(records, seed):
    """Two answers with the same names are equal, in whatever order and how often they came."""
    shuffled = records * 2
    random.Random(seed).shuffle(shuffled)

    assert Answer(Status.ANSWER, tuple(shuffled)).names == tuple(sorted(set(records)))


def test_mail_exchanges_come_by_preference():
    """MX records are sorted by preference, as a sender tries them (RFC 5321 section 5.1)."""
    backup, first = MailExchange(20, name("a.example.org")), MailExchange(5, name("z.example.org"))

    assert Answer(Status.ANSWER, (backup, first)).exchanges == (first, backup)


def test_each_view_shows_its_own_kind():
    """Texts are no addresses, though both are bytes."""
    texts = Answer(Status.ANSWER, (Text(b"v=spf1 -all"),))

    assert texts.texts == (b"v=spf1 -all",)
    assert texts.names == texts.addresses == texts.exchanges == ()


def test_values_can_be_kept_in_sets():
    """Answers are evidence, kept and compared by value."""
    one = Answer(Status.SERVFAIL, errors=(ExtendedError(22, "no reachable authority"),))

    assert {one, Answer(Status.SERVFAIL, errors=(ExtendedError(22, "no reachable authority"),))} == {one}
    assert str(question("Mail.Example.org", "A")) == "mail.example.org A"
    assert Question(name("MAIL.example.org"), "A") == question("mail.example.org.", "A")


@pytest.mark.parametrize(
    ("result", "reason"),
    [(Result.PASS, Reason.TIMEOUT), (Result.FAIL, None), (Result.UNKNOWN, None)],
)
def test_a_finding_has_a_reason_exactly_when_it_is_no_pass(result, reason):
    """A pass with a reason, or anything else without one, cannot be built."""
    with pytest.raises(ValueError, match="reason"):
        Finding(CheckName.FCRDNS, result, reason=reason)


def test_a_fix_reads_as_advice_then_records():
    """What is shown to a person is the sentence, then one line a record."""
    assert str(Fix("Publish the record below.", records=("a.example. A 192.0.2.1",))) == (
        "Publish the record below.\na.example. A 192.0.2.1"
    )


def test_some_says_how_many_more():
    """A list in a sentence is cut, and says so."""
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
