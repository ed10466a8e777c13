"""Which failures only follow from another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.checks.result import ADDRESS_CHECKS, CheckName, Finding, Reason, Result, causes
from tests.factories import World, target

EVERYTHING = frozenset(ADDRESS_CHECKS)
PTR = "10.2.0.192.in-addr.arpa PTR"


def found(zone, helo, expect=EVERYTHING):
    """The checks that fail for themselves, and those that follow, each with its cause."""
    done, _ = run_check(report(target("192.0.2.10", helo)), World.parse(zone))
    follow = causes(done.findings, expect)
    failing = [one for one in done.findings if one.result is Result.FAIL]
    return (
        {one.check.value for one in failing if (one.check, one.subject) not in follow},
        {check.value: cause.check.value for (check, _), cause in follow.items()},
    )


HELO_A = "mail.example.org A 192.0.2.10"


@pytest.mark.parametrize(
    ("zone", "helo", "own", "follow"),
    [
        pytest.param(
            HELO_A, "mail.example.org", {"fcrdns"}, {"helo-ptr-match": "fcrdns", "helo-aligned": "fcrdns"}, id="no-ptr"
        ),
        pytest.param(
            f"{PTR} mail.example.org", "mail.example.org",
            {"fcrdns"}, {"helo-resolves": "fcrdns", "helo-address-match": "fcrdns"}, id="no-a-record-for-both",
        ),
        pytest.param(
            f"{PTR} mail.example.org\nmail.example.org A 192.0.2.99", "mail.example.org",
            {"fcrdns"}, {"helo-address-match": "fcrdns"}, id="the-a-record-of-both-is-another",
        ),
        pytest.param(
            f"{PTR} ptr.example.org\nmail.example.org A 192.0.2.99", "mail.example.org",
            {"fcrdns", "helo-address-match", "helo-ptr-match"}, {}, id="two-names-are-wrong-independently",
        ),
        pytest.param(
            f"{PTR} ptr.example.org\nptr.example.org A 192.0.2.10", "mail.example.org",
            {"helo-resolves", "helo-ptr-match"}, {"helo-address-match": "helo-resolves"}, id="no-such-helo-name",
        ),
        pytest.param(
            f"{PTR} ptr.example.org\nptr.example.org A 192.0.2.10\n{HELO_A}", "mail.example.org",
            {"helo-ptr-match"}, {}, id="two-names-for-one-server",
        ),
        pytest.param(
            f"{PTR} ptr.example.org\nptr.example.org A 192.0.2.10", "[192.0.2.10]",
            {"helo-syntax"},
            dict.fromkeys(["helo-resolves", "helo-address-match", "helo-ptr-match", "helo-aligned"], "helo-syntax"),
            id="no-host-name",
        ),
        pytest.param(
            HELO_A, "mail",
            {"fcrdns", "helo-syntax"},
            {"helo-resolves": "helo-syntax", "helo-address-match": "helo-syntax", "helo-ptr-match": "fcrdns",
             "helo-aligned": "fcrdns"},
            id="two-causes",
        ),
    ],
)  # fmt: skip
def test_what_follows_from_what(zone, helo, own, follow):
    """One missing record is one problem; two independent faults are two."""
    assert found(zone, helo) == (own, follow)


def test_an_expected_failure_is_never_folded_under_one_that_is_not():
    """Where `fcrdns` is not expected, a missing PTR record is still a problem."""
    own, follow = found(HELO_A, "mail.example.org", frozenset({CheckName.HELO_PTR_MATCH}))

    assert own == {"fcrdns", "helo-ptr-match"}
    assert follow == {"helo-aligned": "fcrdns"}


def test_spf_of_one_domain_fails_once():
    """The HELO name and the sender have the same record."""
    several = [
        Finding(check, Result.FAIL, "example.org", Reason.SPF_FAIL)
        for check in (CheckName.SPF_HELO, CheckName.SPF_MAILFROM)
    ]

    assert list(causes(several).values()) == [several[1]]


@st.composite
def findings(draw):
    """Findings of an address with two HELO names, in any combination."""
    slots = [(CheckName.FCRDNS, "")]
    slots += [
        (check, helo) for helo in ("a.example.org", "b.example.org") for check in ADDRESS_CHECKS if check != "fcrdns"
    ]
    reasons = {slot: draw(st.sampled_from([None, *Reason])) for slot in slots}
    return [
        Finding(check, Result.PASS if reason is None else Result.FAIL, subject, reason)
        for (check, subject), reason in reasons.items()
    ]


@given(findings(), st.sets(st.sampled_from(ADDRESS_CHECKS)))
def test_a_cause_is_a_failure_without_a_cause_and_expectations_still_count(several, expect):
    """Nothing is folded twice, and an address that fails an expected check keeps a problem."""
    follow = causes(several, expect)

    failing = [one for one in several if one.result is Result.FAIL]
    for slot, cause in follow.items():
        assert cause in failing
        assert (cause.check, cause.subject) not in follow
        assert slot[0] not in expect or cause.check in expect
    expected = [one for one in failing if one.check in expect]
    assert bool(expected) == any((one.check, one.subject) not in follow for one in expected)
