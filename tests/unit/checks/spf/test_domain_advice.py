"""SPF of a domain: what is to be done about a fault, what could be better, and where the limits are."""

import pytest

from exporter.checks.answers import Question, Status
from exporter.checks.check import run_check
from exporter.checks.result import Reason, Result
from exporter.checks.spf.domain import spf_domain
from tests.factories import World, name
from tests.unit.checks.spf.test_domain import evaluate, many


def test_ten_lookups_are_allowed():
    """The limit itself is within it (RFC 7208 section 4.6.4)."""
    report = evaluate(many(5))

    assert (report.lookups, [it.result for it in report.findings]) == (10, [Result.PASS])


LOOKUPS = " ".join([f"a:www{number}.example.net" for number in range(11)])
FOUND = "\n".join([f"www{number}.example.net A 192.0.2.80" for number in range(11)])
VOID = "a.example a:b.example a:c.example"


@pytest.mark.parametrize(
    ("zone", "reason", "advice", "line"),
    [
        pytest.param(
            many(6) + "\nexample.org TXT x",
            Reason.SPF_LOOKUP_LIMIT,
            "Remove terms, or replace them by the ip4 and ip6 terms behind them: include:i0.example.net (2 lookups), "
            "include:i1.example.net (2 lookups), include:i2.example.net (2 lookups) and 3 more.",
            None,
            id="the-dearest-terms-are-named",
        ),
        pytest.param(
            f"example.org TXT v=spf1 include:b.example include:a.example -all\nwww.example A 192.0.2.80\n{FOUND}\n"
            f"b.example TXT v=spf1 a:www.example -all\na.example TXT v=spf1 include:c.example -all\n"
            f"c.example TXT v=spf1 {LOOKUPS} -all",
            Reason.SPF_LOOKUP_LIMIT,
            "Remove terms, or replace them by the ip4 and ip6 terms behind them: include:a.example (13 lookups), "
            "include:b.example (2 lookups).",
            None,
            id="a-branch-costs-what-is-below-it",
        ),
        pytest.param(
            f"example.org TXT v=spf1 {LOOKUPS} -all\n{FOUND}",
            Reason.SPF_LOOKUP_LIMIT,
            "Remove terms, or replace them by the ip4 and ip6 terms behind them.",
            None,
            id="without-includes-none-is-dearer",
        ),
        pytest.param(
            "example.org TXT v=spf1 include:a.example -all\na.example TXT v=spf1 include:b.example -all\n"
            "b.example TXT v=spf1 include:a.example -all",
            Reason.SPF_LOOP,
            "Ask for the record of b.example to be corrected.",
            None,
            id="a-loop-of-others",
        ),
        pytest.param(
            "example.org TXT v=spf1 a include:example.org -all\nexample.org A 192.0.2.1",
            Reason.SPF_LOOP,
            "Remove the term, which names nobody else.",
            "v=spf1 a -all",
            id="a-loop-of-its-own",
        ),
        pytest.param(
            "example.org TXT v=spf1 mx +all",
            Reason.SPF_PASSES_ALL,
            "End the record in ~all.",
            "v=spf1 mx ~all",
            id="everybody-by-all",
        ),
        pytest.param(
            "example.org TXT v=spf1 mx ip4:192.0.2.0/24 all ip4:192.0.2.1/0 a/1",
            Reason.SPF_PASSES_ALL,
            "End the record in ~all, without what lets everybody pass too: ip4:192.0.2.1/0, a/1.",
            "v=spf1 mx ip4:192.0.2.0/24 ~all",
            id="everybody-by-all-and-by-networks-behind-it",
        ),
        pytest.param(
            "example.org TXT v=spf1 all mx include:a.example\na.example TXT v=spf1 ip4:0.0.0.0/1 -all",
            Reason.SPF_PASSES_ALL,
            "End the record in ~all, without what lets everybody pass too: include:a.example.",
            "v=spf1 mx ~all",
            id="everybody-by-all-and-by-an-include-behind-it",
        ),
        pytest.param(
            "example.org TXT v=spf1 ip4:0.0.0.0/2 ip4:64.0.0.0/2 all",
            Reason.SPF_PASSES_ALL,
            "End the record in ~all, and remove terms that authorise large networks.",
            None,
            id="everybody-by-all-and-by-several-networks",
        ),
        pytest.param(
            "example.org TXT v=spf1 include:a.example -all\na.example TXT v=spf1 +all",
            Reason.SPF_PASSES_ALL,
            "Remove the terms that authorise this many: large networks, and includes of them.",
            None,
            id="everybody-by-somebody-else",
        ),
        pytest.param(
            f"example.org TXT v=spf1 a:{VOID} ip4:192.0.2.1 -all",
            Reason.SPF_VOID_LOOKUP_LIMIT,
            "Remove the terms that find nothing, and name the addresses that the others find.",
            "v=spf1 ip4:192.0.2.1 -all",
            id="void-lookups-of-its-own",
        ),
        pytest.param(
            f"example.org TXT v=spf1 include:x.example -all\nx.example TXT v=spf1 a:{VOID} -all",
            Reason.SPF_VOID_LOOKUP_LIMIT,
            "Ask for these terms to be removed, or their names to be published.",
            None,
            id="void-lookups-of-others",
        ),
        pytest.param(
            "example.org TXT v=spf1 a include:gone.example -all\nexample.org A 192.0.2.1",
            Reason.SPF_NO_TARGET,
            "Publish the record without include:gone.example, whose target authorises nobody, "
            "or have the target publish one.",
            "v=spf1 a -all",
            id="an-include-of-nothing",
        ),
        pytest.param(
            "example.org TXT v=spf1 a ip4:moo -all\nexample.org A 192.0.2.1",
            Reason.SPF_SYNTAX,
            "Publish the record repaired.",
            "v=spf1 a -all",
            id="what-cannot-be-read",
        ),
        pytest.param(
            "",
            Reason.SPF_NONE,
            "Publish an SPF record that names what sends for the domain. If nothing does, publish the one below.",
            "v=spf1 -all",
            id="none",
        ),
    ],
)
def test_what_is_to_be_done(zone, reason, advice, line):
    """The advice names what costs or fails most; the record, where one of ours helps, is what is left without it."""
    (finding,) = [it for it in evaluate(zone).findings if it.reason is reason]

    assert finding.fix.advice == advice
    assert finding.fix.records == (() if line is None else (f'example.org. TXT "{line}"',))


@pytest.mark.parametrize(
    ("zone", "reasons", "line"),
    [
        pytest.param(
            "example.org TXT v=spf1 a ?ALL", ["spf-neutral-all"], "v=spf1 a ~all", id="a-neutral-end-is-replaced"
        ),
        pytest.param("example.org TXT v=spf1 a", ["spf-neutral-all"], "v=spf1 a ~all", id="or-put-there"),
        pytest.param(
            "example.org TXT v=spf1 a redirect=x.example\nx.example TXT v=spf1 ?all",
            ["spf-neutral-all"],
            None,
            id="the-end-of-somebody-else",
        ),
        pytest.param(
            "example.org TXT v=spf1 a redirect=x.example\nx.example TXT v=spf1 -all", [], None, id="redirected"
        ),
        pytest.param(
            "example.org TXT v=spf1 a ~all redirect=x.example\nx.example TXT v=spf1 ?all",
            ["spf-unreachable"],
            None,
            id="a-redirect-after-all-is-not-followed",
        ),
        pytest.param("example.org TXT v=spf1 -all a", ["spf-unreachable"], None, id="a-term-after-all"),
        pytest.param(
            "example.org TXT v=spf1 a include:x.example -all\nx.example TXT v=spf1 ptr -all",
            ["spf-ptr"],
            None,
            id="ptr-below",
        ),
    ],
)
def test_what_could_be_better(zone, reasons, line):
    """Neutral ends, terms that nobody reads, ptr; a fix only where the record is the domain's own."""
    hints = evaluate(f"{zone}\nexample.org A 192.0.2.1").hints

    assert [it.reason for it in hints] == reasons
    assert [it.fix.records for it in hints if it.fix] == ([(f'example.org. TXT "{line}"',)] if line else [])


@pytest.mark.parametrize(
    ("zone", "lost", "line"),
    [
        pytest.param("MX 10 mx.example.org", "A", "v=spf1 mx ~all", id="a-mail-exchange-decides"),
        pytest.param("A 192.0.2.1", "MX", None, id="a-lost-mail-exchange"),
        pytest.param("A 192.0.2.1", "AAAA", "v=spf1 a ~all", id="an-address-decides"),
        pytest.param("TXT x", "A", None, id="a-lost-address"),
    ],
)
def test_a_lost_answer_changes_no_first_record(zone, lost, line):
    """While the DNS does not say whether the domain sends mail, no record is proposed, and the result is unknown."""
    domain = name("example.org")
    world = World.parse(f"example.org {zone}").without_answers_to({Question(domain, lost): Status.TIMEOUT})
    (finding,) = run_check(spf_domain(domain), world)[0].findings

    assert finding.result is (Result.FAIL if line else Result.UNKNOWN)
    assert (finding.fix.records if finding.fix else None) == ((f'example.org. TXT "{line}"',) if line else None)
