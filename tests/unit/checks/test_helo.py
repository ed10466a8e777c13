"""HELO names: what a server may say, and how it fits the address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Question
from exporter.checks.check import run_check
from exporter.checks.helo import HeloName, evaluate_syntax, helo
from exporter.checks.result import ADDRESS_CHECKS, CheckName, Result
from tests.factories import World, address, name
from tests.strategies import HELOS, NEIGHBOURS, targets, worlds

OURS = address("192.0.2.1")


def evaluate(text, zone, ours=OURS, **options):
    """Judge a HELO name of *ours* in a world of these records, check by check."""
    world = World.parse(zone)
    findings, _ = run_check(
        helo(ours, HeloName.parse(text), world(Question(ours.reverse_name, "PTR")), **options), world
    )
    return {finding.check: finding for finding in findings}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mail.example.org", None),
        ("MAIL.Example.ORG", None),
        ("a.b", None),
        ("xn--bcher-kva.example", None),
        ("localhost", "helo-unqualified"),
        ("mail", "helo-unqualified"),
        ("mail.example.org.", "helo-syntax"),
        ("localhost.", "helo-syntax"),
        (".", "helo-syntax"),
        ("..", "helo-syntax"),
        ("a..b", "helo-syntax"),
        (".mail.example.org", "helo-syntax"),
        ("mail_1.example.org", "helo-syntax"),
        ("-mail.example.org", "helo-syntax"),
        ("mail-.example.org", "helo-syntax"),
        ("*.example.org", "helo-syntax"),
        ("mail.example.org:25", "helo-syntax"),
        (r"\109ail.example.org", "helo-syntax"),
        ("<script>.example.org", "helo-syntax"),
        ("a" * 64 + ".example.org", "helo-syntax"),
        ("a." * 127 + "org", "helo-syntax"),
        ("[192.0.2.10]", "helo-literal"),
        ("[IPv6:2001:db8::1]", "helo-literal"),
        ("[", "helo-literal"),
        ("192.0.2.10", "helo-literal"),
        ("2001:db8::1", "helo-literal"),
        ("192.0.2.300", "helo-literal"),
        ("3221225985", "helo-literal"),
    ],
)
def test_syntax(text, reason):
    """A qualified host name passes; anything else that a server can say has its finding (RFC 5321 section 2.3.5)."""
    finding = evaluate_syntax(HeloName.parse(text))

    assert finding.reason == reason
    assert finding.subject == text
    assert finding.result is (Result.FAIL if reason else Result.PASS)


@pytest.mark.parametrize(
    "text", ["", " ", "mail example.org", "mail\t", "mail\n", "m\u00fcller.example", "a\0b", "a\x7f", "\uff11.example"]
)
def test_what_no_server_can_say(text):
    """A text that HELO cannot carry is refused when it is configured."""
    with pytest.raises(ValueError, match="HELO"):
        HeloName.parse(text)


printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=300)
dotted = st.from_regex(r"[A-Za-z0-9_-]{1,9}([.][A-Za-z0-9-]{1,9}){0,3}[.]?", fullmatch=True)


@given(printable | dotted)
def test_whatever_a_server_can_say_is_judged(text):
    """Any printable argument has a syntax finding, and only a qualified host name passes."""
    helo = HeloName.parse(text)
    passes = evaluate_syntax(helo).result is Result.PASS

    assert passes == (helo.host_name is not None and not text.endswith("."))
    if passes:
        assert text.lower() == helo.name


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("mail.example.org", "example.org"),
        ("mail.eu.example.org", "example.org"),
        ("example.org", "example.org"),
        ("example.co.uk", "example.co.uk"),
        ("mail.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("mail.example.test", "example.test"),
        ("localhost", "localhost"),
        ("[192.0.2.1]", None),
    ],
)
def test_the_default_suffix_is_the_registered_domain(text, suffix):
    """Where no suffix is configured, PTR names are expected in the domain that somebody registered."""
    assert HeloName.parse(text).default_suffix() == suffix


@given(targets, worlds(), st.sampled_from(HELOS))
def test_five_findings_in_the_order_of_their_names(target, world, helo_name):
    """For any name, each check gives one finding about it, in a fixed order."""
    findings, _ = run_check(helo(target.address, helo_name, world(Question(target.address.reverse_name, "PTR"))), world)

    assert [finding.check for finding in findings] == list(ADDRESS_CHECKS)[1:6]
    assert {finding.subject for finding in findings} == {helo_name.text}


@given(st.sampled_from(NEIGHBOURS), worlds(), st.sampled_from(HELOS))
def test_publishing_the_fix_fixes(ours, world, helo_name):
    """Publishing the records of a fix ends in a pass; a name that no server should use has no such fix."""
    asked = Question(ours.reverse_name, "PTR")
    findings, _ = run_check(helo(ours, helo_name, world(asked)), world)

    for finding in findings:
        if finding.fix and finding.fix.records:
            assert helo_name.host_name is not None
            fixed = world.publish(finding.fix.records)
            again, _ = run_check(helo(ours, helo_name, fixed(asked)), fixed)
            assert {it.check: it.result for it in again}[finding.check] is Result.PASS


PTR = "1.2.0.192.in-addr.arpa PTR mail.example.org"
FORWARD = "mail.example.org A 192.0.2.1"


@pytest.mark.parametrize(
    ("text", "zone", "reasons"),
    [
        pytest.param("mail.example.org", f"{PTR}\n{FORWARD}", {}, id="all-is-right"),
        pytest.param("MAIL.example.org", f"{PTR}\n{FORWARD}", {}, id="case-is-nothing"),
        pytest.param(
            "mail.example.org",
            f"{PTR}\nmail.example.org AAAA 2001:db8::1",
            {"helo-address-match": "helo-nodata"},
            id="the-other-family-resolves-but-does-not-match",
        ),
        pytest.param(
            "mail.example.org",
            f"{PTR}\n{FORWARD}\nmail.example.org AAAA !servfail",
            {},
            id="the-other-family-may-be-silent",
        ),
        pytest.param(
            "mail.example.org",
            f"{PTR}\nmail.example.org A 192.0.2.9\nmail.example.org AAAA !timeout",
            {"helo-address-match": "helo-mismatch"},
            id="one-family-is-enough-to-resolve",
        ),
        pytest.param(
            "mail.example.org",
            f"{PTR}\nmail.example.org TXT x\nmail.example.org AAAA !timeout",
            {"helo-resolves": "timeout", "helo-address-match": "helo-nodata"},
            id="unknown-only-where-its-own-answer-is-missing",
        ),
        pytest.param(
            "mail.example.org",
            PTR,
            {"helo-resolves": "helo-nxdomain", "helo-address-match": "helo-nxdomain"},
            id="the-name-does-not-exist",
        ),
        pytest.param(
            "other.example.org",
            f"{PTR}\n{FORWARD}\nother.example.org A 192.0.2.1",
            {"helo-ptr-match": "helo-not-ptr"},
            id="another-name-of-the-same-domain",
        ),
        pytest.param(
            "mail.example.net",
            f"{PTR}\n{FORWARD}\nmail.example.net A 192.0.2.1",
            {"helo-ptr-match": "helo-not-ptr", "helo-aligned": "helo-not-aligned"},
            id="a-name-of-another-domain",
        ),
        pytest.param(
            "mail.example.org",
            f"1.2.0.192.in-addr.arpa PTR a.example.net\n1.2.0.192.in-addr.arpa PTR mta.example.org\n{FORWARD}",
            {"helo-ptr-match": "helo-not-ptr"},
            id="one-aligned-ptr-name-is-enough",
        ),
        pytest.param(
            "mail.example.org",
            FORWARD,
            {"helo-ptr-match": "ptr-nxdomain", "helo-aligned": "ptr-nxdomain"},
            id="no-ptr",
        ),
        pytest.param(
            "mail.example.org",
            f"{FORWARD}\n1.2.0.192.in-addr.arpa TXT x",
            {"helo-ptr-match": "ptr-nodata", "helo-aligned": "ptr-nodata"},
            id="no-ptr-nodata",
        ),
        pytest.param(
            "mail.example.org",
            f"{FORWARD}\n1.2.0.192.in-addr.arpa PTR !refused",
            {"helo-ptr-match": "refused", "helo-aligned": "refused"},
            id="the-reverse-tree-is-silent",
        ),
        pytest.param(
            "[192.0.2.1]",
            f"{PTR}\n{FORWARD}",
            dict.fromkeys(
                ["helo-syntax", "helo-resolves", "helo-address-match", "helo-ptr-match", "helo-aligned"], "helo-literal"
            ),
            id="a-literal-has-nothing-to-look-up",
        ),
    ],
)
def test_findings(text, zone, reasons):
    """Each check of the pair stands alone."""
    found = evaluate(text, zone)

    assert {check.value: finding.reason.value for check, finding in found.items() if finding.reason} == reasons


def test_the_configured_suffix_is_what_both_names_are_checked_against():
    """With a suffix, a HELO name outside it fails even where HELO and PTR agree, and no answer can change that."""
    found = evaluate("mail.example.org", f"{PTR}\n{FORWARD}", suffix=name("outbound.example.com"))

    assert found[CheckName.HELO_ALIGNED].sentence == "The HELO name mail.example.org is not in outbound.example.com."


@pytest.mark.parametrize("text", ["localhost", "localhost.", "mail_1.example.org", "."])
def test_nobody_is_advised_to_publish_localhost(text):
    """For a name that no server should say the fix is to say another one, not to publish it."""
    for finding in evaluate(text, "").values():
        assert finding.fix.records == ()
        assert "localhost" not in finding.fix.advice


def test_microsoft_365_by_design():
    """KB 3019655: the HELO name resolves to part of the pool and is no PTR name; it is aligned all the same."""
    ours = address("157.56.110.65")
    found = evaluate(
        "na01-bn1-obe.outbound.protection.outlook.com",
        """65.110.56.157.in-addr.arpa PTR mail-bn1on0065.outbound.protection.outlook.com
           mail-bn1on0065.outbound.protection.outlook.com A 157.56.110.65
           na01-bn1-obe.outbound.protection.outlook.com A 207.46.163.149
           na01-bn1-obe.outbound.protection.outlook.com A 207.46.163.150""",
        ours,
        suffix=name("outbound.protection.outlook.com"),
    )

    assert {check.value: it.reason.value for check, it in found.items() if it.reason} == {
        "helo-address-match": "helo-mismatch",
        "helo-ptr-match": "helo-not-ptr",
    }


ALIASES = "mail.example.org CNAME mta.example.org\nmta.example.org CNAME mta1.example.net\n"
DELEGATED = "1.2.0.192.in-addr.arpa CNAME 1.a.example.org\n1.a.example.org CNAME 1.b.example.net\n"


@pytest.mark.parametrize(
    ("text", "zone", "check", "sentence", "records"),
    [
        pytest.param(
            "[192.0.2.1]",
            "",
            "helo-ptr-match",
            "The HELO name [192.0.2.1] is an address literal, not a host name.",
            (),
            id="a-literal",
        ),
        pytest.param(
            "192.0.2.1", "", "helo-syntax", "The HELO name 192.0.2.1 is a bare address, not a host name.", (), id="bare"
        ),
        pytest.param(
            "mail.example.org",
            f"{ALIASES}mta1.example.net A 192.0.2.9\nmta1.example.net A 192.0.2.8",
            "helo-address-match",
            "The HELO name mail.example.org is a CNAME that leads to mta1.example.net, which resolves to 192.0.2.8, "
            "192.0.2.9, not to 192.0.2.1.",
            ("mta1.example.net. A 192.0.2.1",),
            id="the-end-of-its-aliases-is-where-the-record-goes",
        ),
        pytest.param(
            "mail.example.org",
            f"{ALIASES}mta1.example.net TXT x",
            "helo-address-match",
            "The HELO name mail.example.org is a CNAME that leads to mta1.example.net, which has no A record, so it "
            "does not resolve to 192.0.2.1.",
            ("mta1.example.net. A 192.0.2.1",),
            id="and-so-it-is-without-an-address",
        ),
        pytest.param(
            "mail.example.org",
            f"{DELEGATED}1.b.example.net PTR other.example.org",
            "helo-ptr-match",
            "The HELO name mail.example.org is not a PTR name of 192.0.2.1; its PTR name is other.example.org.",
            ("1.b.example.net. PTR mail.example.org.",),
            id="the-ptr-record-goes-to-the-end-of-the-delegation",
        ),
        pytest.param(
            "mail.example.org",
            "mail.example.org A !timeout\nmail.example.org AAAA 2001:db8::1",
            "helo-address-match",
            "The mail.example.org A lookup got no answer (timeout): nothing is known to be wrong.",
            None,
            id="no-answer-about-the-address",
        ),
        pytest.param(
            "mail.example.org",
            "mail.example.org TXT x\nmail.example.org AAAA !servfail",
            "helo-resolves",
            "The mail.example.org AAAA lookup got no answer (servfail): nothing is known to be wrong.",
            None,
            id="no-answer-about-one-family",
        ),
        pytest.param(
            "mail.example.org",
            "1.2.0.192.in-addr.arpa PTR !refused",
            "helo-ptr-match",
            "The 1.2.0.192.in-addr.arpa PTR lookup got no answer (refused): nothing is known to be wrong.",
            None,
            id="no-answer-about-the-ptr",
        ),
        pytest.param(
            "mail.example.org",
            "1.2.0.192.in-addr.arpa PTR !refused",
            "helo-aligned",
            "The PTR lookup got no answer (refused): nothing is known to be wrong.",
            None,
            id="no-answer-about-the-alignment",
        ),
    ],
)
def test_the_sentence_says_what_is_wrong(text, zone, check, sentence, records):
    """The sentence names what was found, and the record to publish has the owner that a server would look at last."""
    finding = evaluate(text, zone)[check]

    assert finding.sentence == sentence
    assert (finding.fix.records if finding.fix else None) == records
    if records:
        assert finding.fix.zone == records[0].partition(". ")[0]
