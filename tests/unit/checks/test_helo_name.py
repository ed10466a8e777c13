"""The reverse check of a HELO name: its addresses, confirmed or not, inside the pool or not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.check import CheckRun, run_check
from exporter.checks.helo import HeloName
from exporter.checks.helo_name import helo_name
from exporter.checks.iprev import iprev
from exporter.checks.result import CheckName, IprevVerdict, Result
from tests.factories import World, address, addresses
from tests.strategies import HELOS, OURS, outages, worlds

HELO = HeloName.parse("mail.example.org")

helos = st.sampled_from(HELOS)
limits = st.sampled_from([1, 64])


def ours(candidate):
    """Whether an address is in the pool that these tests have."""
    return candidate in OURS


def evaluate(zone, helo=HELO, **options):
    """Judge a HELO name in a world of these records."""
    return run_check(helo_name(helo, ours, **options), World.parse(zone))[0]


@given(helos, worlds(), limits, st.data())
def test_an_outage_withholds_a_verdict_but_never_changes_it(helo, world, limit, data):
    """Lost answers turn a finding unknown or leave its result, and move no address into another class."""
    before, evidence = run_check(helo_name(helo, ours, limit=limit), world)
    lost = data.draw(outages(list(evidence) or [Question(OURS[0].reverse_name, "PTR")]))
    after, _ = run_check(helo_name(helo, ours, limit=limit), world.without_answers_to(lost))

    assert after.resolves in {before.resolves, None}
    for was, is_now in zip(before.findings, after.findings, strict=True):
        assert is_now.result in {was.result, Result.UNKNOWN}
    assert set(after.addresses) <= set(before.addresses)
    assert set(after.confirmed) <= set(before.confirmed)
    assert set(after.unconfirmed) <= set(before.unconfirmed)
    assert set(after.unfollowed) <= set(before.unfollowed)
    assert set(after.outside) <= set(before.outside)
    if set(after.addresses) < set(before.addresses):
        assert not after.is_complete


@given(helos, worlds(), limits, st.integers())
def test_any_order_of_answers_gives_the_same_report(helo, world, limit, seed):
    """The report does not depend on which answer came first, and no question is asked twice."""
    expected, evidence = run_check(helo_name(helo, ours, limit=limit), world)
    outcome, waiting, asked, order = [], [], [], random.Random(seed)

    def ask(question, on_answer):
        asked.append(question)
        waiting.append((question, on_answer))

    def done(verdict, evidence):
        outcome.append((verdict, dict(evidence)))

    def failed(error):
        raise error

    CheckRun(helo_name(helo, ours, limit=limit), ask, done, failed).start()
    while waiting:
        question, on_answer = waiting.pop(order.randrange(len(waiting)))
        on_answer(question, world(question))

    assert outcome == [(expected, dict(evidence))]
    assert len(asked) == len(set(asked))


@given(helos, worlds(), limits)
def test_every_address_is_in_one_class(helo, world, limit):
    """Each known address is confirmed, unconfirmed, unknown or not followed, as `iprev` says of it alone."""
    found, _ = run_check(helo_name(helo, ours, limit=limit), world)

    classes = [*found.confirmed, *found.unconfirmed, *found.unknown, *found.unfollowed]
    assert sorted(classes) == list(found.addresses)
    for candidate in found.addresses:
        verdict = run_check(iprev(candidate), world)[0].verdict
        assert (candidate in found.confirmed) <= (verdict is IprevVerdict.PASS)
        assert (candidate in found.unconfirmed) <= (verdict in {IprevVerdict.FAIL, IprevVerdict.PERMERROR})
    assert set(found.outside) == {candidate for candidate in found.addresses if not ours(candidate)}
    assert [finding.check for finding in found.findings] == [
        CheckName.HELO_SYNTAX,
        CheckName.HELO_RESOLVES,
        CheckName.FCRDNS,
    ]
    assert {finding.subject for finding in found.findings} == {helo.text}


RIGHT = """
    mail.example.org A 192.0.2.1
    mail.example.org AAAA 2001:db8::1
    1.2.0.192.in-addr.arpa PTR mta1.example.org
    mta1.example.org A 192.0.2.1
    1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mail.example.org
"""


def test_all_is_right():
    """Addresses of both families, each confirmed by a PTR name of its own, all in the pool."""
    found = evaluate(RIGHT)

    assert found.resolves is True
    assert found.confirmed == found.addresses == addresses("192.0.2.1", "2001:db8::1")
    assert found.outside == found.unconfirmed == found.unknown == ()
    assert {finding.result for finding in found.findings} == {Result.PASS}


@pytest.mark.parametrize(
    ("more", "reason", "sentence"),
    [
        pytest.param(
            "mail.example.org A 192.0.2.9",
            "ptr-nxdomain",
            "Not forward-confirmed: 1 of the 3 addresses of the HELO name mail.example.org: 192.0.2.9. "
            "192.0.2.9 has no PTR name: 9.2.0.192.in-addr.arpa does not exist.",
            id="one-has-no-ptr",
        ),
        pytest.param(
            "mail.example.org A 192.0.2.9\n9.2.0.192.in-addr.arpa PTR !timeout",
            "timeout",
            "The PTR lookup of 192.0.2.9 (9.2.0.192.in-addr.arpa) got no answer (timeout): "
            "nothing is known to be wrong with the address.",
            id="one-is-unknown",
        ),
        pytest.param(
            "mail.example.org AAAA !servfail",
            "servfail",
            "The lookup of the HELO name mail.example.org got no answer (servfail): "
            "not all of its addresses are known.",
            id="one-family-is-unknown",
        ),
        pytest.param(
            "mail.example.org A 192.0.2.9\nmail.example.org AAAA !servfail",
            "ptr-nxdomain",
            "Not forward-confirmed: 1 of the 2 addresses of the HELO name mail.example.org: 192.0.2.9. "
            "192.0.2.9 has no PTR name: 9.2.0.192.in-addr.arpa does not exist.",
            id="a-known-failure-outweighs-silence",
        ),
        pytest.param(
            "mail.example.org A 192.0.2.8\nmail.example.org A 192.0.2.9\n"
            "8.2.0.192.in-addr.arpa PTR other.example.org\nother.example.org A 192.0.2.7",
            "forward-mismatch",
            "Not forward-confirmed: 2 of the 4 addresses of the HELO name mail.example.org: 192.0.2.8, 192.0.2.9. "
            "192.0.2.8 is not forward-confirmed: its PTR name other.example.org resolves to 192.0.2.7, "
            "not to 192.0.2.8.",
            id="the-first-of-several-is-explained",
        ),
    ],
)
def test_the_sentence_about_the_addresses(more, reason, sentence):
    """One address that is known to be wrong decides; failing that, all must be known."""
    finding = evaluate(RIGHT + more).findings[2]

    assert (finding.reason, finding.sentence) == (reason, sentence)


def test_the_only_address():
    """A name with one address speaks of the one."""
    finding = evaluate("mail.example.org A 192.0.2.1").findings[2]

    assert finding.sentence.startswith(
        "Not forward-confirmed: the one address of the HELO name mail.example.org: 192.0.2.1. "
    )
    assert finding.fix.records == ("1.2.0.192.in-addr.arpa. PTR mail.example.org.",)


def test_strangers_are_outside_the_pool_even_where_confirmed():
    """Being outside the pool and being confirmed are two things."""
    found = evaluate("mail.example.org A 192.0.2.9\n9.2.0.192.in-addr.arpa PTR mail.example.org")

    assert found.confirmed == found.outside == addresses("192.0.2.9")


@pytest.mark.parametrize(
    ("zone", "resolves", "reason"),
    [
        ("", False, "helo-nxdomain"),
        ("mail.example.org TXT x", False, "helo-nodata"),
        ("mail.example.org A !timeout\nmail.example.org AAAA !refused", None, "timeout"),
        ("mail.example.org TXT x\nmail.example.org AAAA !refused", None, "refused"),
    ],
)
def test_a_name_without_addresses(zone, resolves, reason):
    """What does not resolve has no address that is confirmed; what is silent may have."""
    found = evaluate(zone)

    assert found.resolves is resolves
    assert [finding.reason for finding in found.findings] == [None, reason, reason]


def test_a_literal_is_not_looked_up():
    """An address literal has no addresses but its finding."""
    found, evidence = run_check(helo_name(HeloName.parse("[192.0.2.1]"), ours), World())

    assert found.resolves is False
    assert found.is_complete is True
    assert {finding.reason.value for finding in found.findings} == {"helo-literal"}
    assert evidence == {}


def test_a_thousand_addresses_are_bounded():
    """Of many addresses the first 64 of each family are followed, always the same ones; the others are counted."""
    many = [Address(bytes([198, 51, 100 + number // 256, number % 256])) for number in range(1000)]
    zone = "\n".join(f"mail.example.org A {candidate}" for candidate in many)

    found, evidence = run_check(helo_name(HELO, ours), World.parse(zone))

    assert len(evidence) == 2 + 64
    assert found.unconfirmed == tuple(many[:64])
    assert found.unfollowed == tuple(many[64:])
    assert len(found.outside) == 1000
    assert found.addresses[0] == address("198.51.100.0")


def test_a_pass_says_that_it_is_about_some_of_the_addresses():
    """Those beyond the limit do not count as confirmed without a word."""
    zone = [f"mail.example.org A 192.0.2.{n}\n{n}.2.0.192.in-addr.arpa PTR mail.example.org" for n in range(65)]

    for many, remark in ((zone, "Checked: 64 of the 65 addresses of the HELO name mail.example.org."), (zone[1:], "")):
        found, _ = run_check(helo_name(HELO, ours), World.parse("\n".join(many)))
        assert (found.findings[2].result, found.findings[2].sentence) == (Result.PASS, remark)


def test_the_silence_of_one_family_lets_no_address_of_the_other_in():
    """The limit is each family's own: lost A records do not bring AAAA records under it that were beyond it before."""
    zone = """
        mail.example.org A 192.0.2.1
        mail.example.org AAAA 2001:db8::1
        mail.example.org AAAA 2001:db8::2
        1.2.0.192.in-addr.arpa PTR mail.example.org
        1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR mail.example.org
    """

    both, without_a = (evaluate(zone + lost, limit=1) for lost in ("", "mail.example.org A !timeout"))

    assert both.unfollowed == without_a.unfollowed == addresses("2001:db8::2")
    assert both.findings[2].result is Result.PASS
    assert without_a.findings[2].result is Result.UNKNOWN
