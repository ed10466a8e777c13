"""Predictions: every scenario, and what is true for every receiver."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Question
from exporter.checks.check import run_check
from exporter.checks.helo import HeloName
from exporter.checks.receivers import (
    DEFAULT_RECEIVERS,
    POLICIES,
    Receiver,
    ReceiverResult,
    by_design,
    receivers,
)
from exporter.checks.receivers.haraka import organizational_domain
from exporter.checks.result import ADDRESS_CHECKS, CheckName
from tests.factories import World, address
from tests.strategies import HELOS, HOSTS, INCONCLUSIVE, outages, target_addresses, worlds
from tests.unit.checks.receivers.scenarios import SCENARIOS, Expected

ALL = tuple(Receiver)
OURS = address("192.0.2.1")
MICROSOFT_365 = {CheckName.FCRDNS, CheckName.HELO_SYNTAX, CheckName.HELO_RESOLVES, CheckName.HELO_ALIGNED}
DEDICATED = set(ADDRESS_CHECKS)

helos = st.sampled_from([*HELOS, *map(HeloName.parse, ["[IPv6:2001:db8::1]", "[2001:db8::1]", "odd_name.example.org"])])


@st.composite
def exchanged_worlds(draw):
    """Draw a DNS in which some names have mail exchanges: one of the others, or none that takes mail."""
    world = draw(worlds())
    exchanges = draw(st.dictionaries(st.sampled_from(HOSTS), st.sampled_from([*HOSTS, "."])))
    return world.publish(f"{owner} MX 10 {exchange}" for owner, exchange in exchanges.items())


def predict(client, helo, world, policies=ALL):
    """Predict, by receiver."""
    verdicts, evidence = run_check(receivers(client, helo, policies), world)
    return {it.receiver: it for it in verdicts}, evidence


@given(target_addresses, helos, exchanged_worlds(), st.data())
def test_an_outage_withholds_a_verdict_but_never_invents_one(client, helo, world, data):
    """Losing answers leaves a verdict as it was, or makes it inconclusive."""
    before, evidence = predict(client, helo, world)
    status = data.draw(st.sampled_from(INCONCLUSIVE))
    one_by_one = [{question: status} for question in evidence]

    for lost in [data.draw(outages(list(evidence))) if evidence else {}, *one_by_one]:
        for receiver, verdict in predict(client, helo, world.without_answers_to(lost))[0].items():
            if verdict.is_conclusive:
                was = before[receiver]
                assert (verdict.result, verdict.code, verdict.share) == (was.result, was.code, was.share)
                assert by_design(verdict, MICROSOFT_365) == by_design(was, MICROSOFT_365)


@given(target_addresses, helos, worlds())
def test_what_the_dns_answered_is_conclusive(client, helo, world):
    """Where every question is answered, every verdict is conclusive."""
    verdicts, evidence = predict(client, helo, world)

    if all(answer.is_conclusive for answer in evidence.values()):
        assert all(verdict.is_conclusive for verdict in verdicts.values())


@given(target_addresses, helos, worlds(), st.sampled_from(ALL))
def test_a_policy_judges_alone_as_in_company(client, helo, world, receiver):
    """Who else is asked for changes no verdict, and asks no question that the policy does not need."""
    together, all_evidence = predict(client, helo, world)
    alone, evidence = predict(client, helo, world, [receiver])

    assert alone == {receiver: together[receiver]}
    assert evidence.keys() <= all_evidence.keys()


@given(target_addresses, helos, worlds(), st.data())
def test_a_verdict_agrees_with_itself(client, helo, world, data):
    """Accepted is a share of one and no code; a refusal has a class that fits its code, and lets not everybody in."""
    lost = data.draw(outages([Question(client.reverse_name, "PTR")]))
    for verdict in predict(client, helo, world.without_answers_to(lost))[0].values():
        assert 0 <= verdict.share <= 1
        assert (verdict.result is ReceiverResult.ACCEPT) == (verdict.share == 1)
        if verdict.code is not None:
            assert verdict.result is (ReceiverResult.TEMPFAIL if verdict.code < 500 else ReceiverResult.REJECT)
        assert verdict.sentence.startswith(verdict.receiver)
        if verdict.result is not ReceiverResult.ACCEPT and verdict.is_conclusive:
            assert verdict.lacks


@pytest.mark.parametrize(
    ("receiver", "asked"),
    [
        ("postfix-reject-invalid-helo-hostname", set()),
        ("postfix-reject-unknown-reverse-client-hostname", {"1.2.0.192.in-addr.arpa PTR"}),
        ("postfix-reject-unknown-client-hostname", {"1.2.0.192.in-addr.arpa PTR", "mta1.example.org A"}),
        (
            "postfix-reject-unknown-helo-hostname",
            {"mta1.example.org A", "mta1.example.org AAAA", "mta1.example.org MX"},
        ),
        ("strict-helo-equals-ptr", {"1.2.0.192.in-addr.arpa PTR"}),
        (
            "exim-verify-helo",
            {"1.2.0.192.in-addr.arpa PTR", "mta1.example.org A", "mta1.example.org AAAA"},
        ),
    ],
)
def test_only_what_the_policy_looks_at_is_asked_for(receiver, asked):
    """A policy costs its own questions."""
    world = World.parse("1.2.0.192.in-addr.arpa PTR mta1.example.org\nmta1.example.org A 192.0.2.1")

    _, evidence = predict(OURS, HeloName.parse("mta1.example.org"), world, [Receiver(receiver)])

    assert set(map(str, evidence)) == asked


def test_a_thousand_ptr_names_are_bounded_work():
    """However many names an address has, few are asked for."""
    world = World.parse("\n".join(f"1.2.0.192.in-addr.arpa PTR x{number}.example.org" for number in range(1000)))

    _, evidence = predict(OURS, HeloName.parse("mta1.example.org"), world)

    assert len(evidence) <= 50


POOL = """
1.2.0.192.in-addr.arpa PTR mail-bn1lp0150.outbound.example.org
mail-bn1lp0150.outbound.example.org A 192.0.2.1
na01-bn1-obe.outbound.example.org A 192.0.2.7
"""


@pytest.mark.parametrize(
    ("zone", "expected", "receiver", "outcome"),
    [
        pytest.param(POOL, MICROSOFT_365, "strict-helo-equals-ptr", True, id="a-pool-name-is-no-ptr-name-by-design"),
        pytest.param(POOL, MICROSOFT_365, "exim-verify-helo", True, id="a-pool-name-omits-the-address-by-design"),
        pytest.param(POOL, DEDICATED, "strict-helo-equals-ptr", False, id="a-dedicated-sender-means-to-match"),
        pytest.param(
            POOL, DEDICATED - {CheckName.HELO_PTR_MATCH}, "exim-verify-helo", False, id="the-address-match-was-meant"
        ),
        pytest.param(POOL, MICROSOFT_365, "gmail", False, id="what-is-accepted-is-not-refused-by-design"),
        pytest.param("x.example.org A 192.0.2.7", MICROSOFT_365, "gmail", False, id="no-ptr-name-is-a-fault"),
        pytest.param(
            "x.example.org A 192.0.2.7",
            MICROSOFT_365,
            "strict-helo-equals-ptr",
            False,
            id="nobody-means-to-have-no-ptr",
        ),
        pytest.param(
            "1.2.0.192.in-addr.arpa PTR !servfail",
            MICROSOFT_365,
            "strict-helo-equals-ptr",
            False,
            id="an-outage-is-none",
        ),
    ],
)
def test_by_design_is_what_the_sender_does_not_promise(zone, expected, receiver, outcome):
    """A refusal is by design when nothing that the profile expects would have prevented it."""
    helo = HeloName.parse("na01-bn1-obe.outbound.example.org")

    verdicts, _ = predict(OURS, helo, World.parse(zone), [Receiver(receiver)])

    assert by_design(verdicts[Receiver(receiver)], expected) is outcome


def test_every_receiver_has_a_policy_with_a_source():
    """The table is complete, and says where each entry was read."""
    assert set(POLICIES) == set(Receiver)
    assert all(policy.source for policy in POLICIES.values())
    assert set(DEFAULT_RECEIVERS) < set(Receiver)


def test_a_random_first_name_gives_a_share():
    """The sentence says how many connections are refused, with which code, and why."""
    world = World.parse(
        "1.2.0.192.in-addr.arpa PTR mta1.example.org\n1.2.0.192.in-addr.arpa PTR mta2.example.org\n"
        "mta1.example.org A 192.0.2.1\nmta2.example.org A 198.51.100.2"
    )

    verdicts, _ = predict(OURS, HeloName.parse("mta1.example.org"), world, [Receiver.POSTFIX_UNKNOWN_CLIENT])

    (verdict,) = verdicts.values()
    assert (verdict.share, verdict.sentence) == (
        0.5,
        f"{verdict.receiver} defers 50% of the connections with 450: mta2.example.org does not resolve to 192.0.2.1.",
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mail.example.org", "example.org"),
        ("example.org", "example.org"),
        ("a.b.c.Example.ORG", "example.org"),
        ("mail.example.co.uk", "example.co.uk"),
        ("example.com.br", "example.com.br"),
        ("co.uk", None),
        ("org", None),
        ("mail.example.test", None),
        ("mail.example.local", None),
        ("192.0.2.1", None),
        ("mail..example.org", None),
        ("mail.example.org.", None),
        ("mail.example.xn--p1ai", "example.xn--p1ai"),
    ],
)
def test_organizational_domain(name, expected):
    """The registered domain is guessed, and is none where the top-level domain is not a real one."""
    assert organizational_domain(name) == expected


@pytest.mark.parametrize("text", ["", "two words", "mail.example.org ", "b\u00fccher.example"])
def test_a_server_refuses_what_is_not_one_word_of_ascii(text):
    """Every mail server answers 501 (RFC 5321 section 4.3.2); a policy about names alone judges as ever."""
    world = World.parse("1.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.1")
    verdicts, _ = predict(OURS, HeloName.received(text), world)
    codes = {receiver: verdict.code for receiver, verdict in verdicts.items()}

    assert codes[Receiver.GMAIL] is None
    assert {code for receiver, code in codes.items() if receiver.startswith(("postfix", "exim", "haraka"))} == {501}
    assert {code for receiver, code in codes.items() if receiver.startswith(("opensmtpd", "send", "cour"))} == {501}
    assert all(verdict.is_conclusive and verdict.sentence.isascii() for verdict in verdicts.values())


def test_haraka_names_the_reason_why_it_looks_up_no_name():
    """A PTR name in a private top-level domain confirms the address, and Haraka does not ask for it."""
    world = World.parse("1.2.0.192.in-addr.arpa PTR mail.office.lan\nmail.office.lan A 192.0.2.1")
    verdict = predict(OURS, HeloName.parse("mail.example.org"), world)[0][Receiver.HARAKA_NO_FCRDNS]

    assert (verdict.code, verdict.is_conclusive) == (554, True)
    assert "because none is in a registered domain: mail.office.lan" in verdict.sentence


@pytest.mark.parametrize("scenario", [pytest.param(it, id=it.name) for it in SCENARIOS])
def test_every_receiver_does_what_the_scenario_says(scenario):
    """Each policy's result, code and share are those of the scenario, and inconclusive where it says so."""
    verdicts, _ = run_check(receivers(scenario.address, scenario.helo, tuple(Receiver)), scenario.world)

    assert {it.receiver: (it.result, it.code, pytest.approx(it.share)) for it in verdicts} == {
        receiver: (expected.result, expected.code, expected.share)
        for receiver in Receiver
        for expected in [scenario.expected(receiver)]
    }
    assert {it.receiver for it in verdicts if not it.is_conclusive} == scenario.unsure


def test_every_receiver_refuses_somewhere_and_accepts_somewhere():
    """No policy is modelled that the scenarios cannot distinguish from one with a constant answer."""
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
