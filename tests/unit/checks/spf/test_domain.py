"""SPF of a domain: every fault is found, said of the right record, and fixed by what the fix says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.result import Reason, Result
from exporter.checks.spf.domain import spf_domain
from tests.domains import overall
from tests.examples import examples
from tests.factories import World, name
from tests.strategies import outages
from tests.unit.checks.spf.worlds import DOMAINS, REAL, spf_worlds


def evaluate(zone, domain="example.org"):
    """Judge a domain in a world of these records."""
    return run_check(spf_domain(name(domain)), World.parse(zone))[0]


def many(count):
    """A record of includes, each with one more lookup in it."""
    zone = [f"i{number}.example.net TXT v=spf1 a:www.example.net -all" for number in range(count)]
    includes = " ".join(f"include:i{number}.example.net" for number in range(count))
    return "\n".join([f"example.org TXT v=spf1 {includes} -all", "www.example.net A 192.0.2.80", *zone])


@pytest.mark.parametrize(
    ("zone", "reason", "words"),
    [
        pytest.param("", Reason.SPF_NONE, "example.org has no SPF record", id="none"),
        pytest.param(
            "example.org TXT v=spf1 ip4:192.0.2.1 ~all\nexample.org TXT v=spf1 ip4:192.0.2.2 -all",
            Reason.SPF_SEVERAL_RECORDS,
            "example.org has 2 SPF records",
            id="two-records",
        ),
        pytest.param("example.org TXT v=spf1 ipv4:192.0.2.1 -all", Reason.SPF_SYNTAX, "ipv4:192.0.2.1", id="syntax"),
        pytest.param("example.org TXT v=spf1 +all", Reason.SPF_PASSES_ALL, "4,294,967,296", id="plus-all"),
        pytest.param("example.org TXT v=spf1 ip4:0.0.0.0/1 -all", Reason.SPF_PASSES_ALL, "everybody", id="half"),
        pytest.param(many(6), Reason.SPF_LOOKUP_LIMIT, "12 DNS lookups; 10 are allowed", id="lookups"),
        pytest.param("example.org TXT v=spf1 include:example.org -all", Reason.SPF_LOOP, "in circles", id="loop"),
        pytest.param(
            "example.org TXT v=spf1 a:a.example mx:b.example a:c.example -all",
            Reason.SPF_VOID_LOOKUP_LIMIT,
            "a:a.example in the record of example.org, mx:b.example",
            id="void-lookups",
        ),
        pytest.param(
            "example.org TXT v=spf1 include:gone.example -all", Reason.SPF_NO_TARGET, "leads to gone.example", id="gone"
        ),
        pytest.param(
            "example.org TXT v=spf1 mx -all\n" + "\n".join(f"example.org MX 1 mx{n}.example.org" for n in range(11)),
            Reason.SPF_MX_LIMIT,
            "11 mail exchanges",
            id="exchanges",
        ),
    ],
)
def test_faults(zone, reason, words):
    """Each fault is a failure with its reason, its sentence, and a fix."""
    report = evaluate(zone)
    finding = next(it for it in report.findings if it.reason is reason)

    assert (finding.result, finding.subject) == (Result.FAIL, "example.org")
    assert words in finding.sentence
    assert finding.fix is not None


@examples(60)
@given(spf_worlds())
def test_publishing_the_fix_removes_the_fault(world):
    """Whoever publishes the record of a fix does not get to hear of that fault again."""
    domain = name(DOMAINS[0])
    for finding in run_check(spf_domain(domain), world)[0].findings:
        if finding.fix and finding.fix.records:
            after, _ = run_check(spf_domain(domain), world.apply(finding.fix))
            assert (finding.reason, finding.sentence) not in [(it.reason, it.sentence) for it in after.findings]


@examples(60)
@given(spf_worlds(), st.data())
def test_an_outage_withholds_a_verdict_but_never_changes_it(world, data):
    """Losing answers leaves the verdict alone or makes it unknown."""
    before, evidence = run_check(spf_domain(name(DOMAINS[0])), world)
    lost = data.draw(outages(list(evidence)))
    after, _ = run_check(spf_domain(name(DOMAINS[0])), world.without_answers_to(lost))

    assert overall(after.findings) in {overall(before.findings), Result.UNKNOWN}


def test_a_fault_of_somebody_else_is_said_to_be_theirs():
    """The fix for an included record that is broken names whose it is, and no record of ours."""
    report = evaluate("example.org TXT v=spf1 include:them.example -all\nthem.example TXT v=spf1 ip4:moo")
    (finding,) = report.findings

    assert (finding.reason, finding.fix.zone, finding.fix.records) == (Reason.SPF_SYNTAX, "them.example", ())


def test_several_records_become_one():
    """The fix authorises what either did, and ends as the first did that has an end."""
    (finding,) = evaluate("example.org TXT v=spf1 ip4:192.0.2.1 ~all\nexample.org TXT v=spf1 mx -all").findings

    assert finding.fix.records == ('example.org. TXT "v=spf1 ip4:192.0.2.1 mx ~all"',)
    assert len(finding.fix.replaces) == 2


def test_a_sound_domain():
    """The shape of a Microsoft 365 tenant: valid, counted, and who it authorises."""
    report, _ = run_check(spf_domain(name("tenant.example")), REAL)

    assert [it.result for it in report.findings] == [Result.PASS]
    assert (report.lookups, report.void_lookups, report.limits.lookups) == (4, 1, 10)  # its MX host has no AAAA record
    assert report.domains == ("tenant.example", "spf.protection.outlook.example", "_spf.crm.example")
    assert report.authorised4 == 458_752  # the terms after exists: depend on it, and are not counted
    assert report.hints == ()


@pytest.mark.parametrize(
    ("record", "reason", "words"),
    [
        ("v=spf1 a ?all", Reason.SPF_NEUTRAL_ALL, "ends in neutral"),
        ("v=spf1 ip4:192.0.2.1", Reason.SPF_NEUTRAL_ALL, "ends in neutral"),
        ("v=spf1 ptr -all", Reason.SPF_PTR, "uses ptr"),
        ("v=spf1 -all a redirect=x.example", Reason.SPF_UNREACHABLE, "are ignored: a, redirect=x.example"),
    ],
)
def test_hints(record, reason, words):
    """What works and could be better is a hint, and no failure."""
    report = evaluate(f"example.org TXT {record}\nexample.org A 192.0.2.1")

    assert [it.result for it in report.findings] == [Result.PASS]
    assert [hint.reason for hint in report.hints] == [reason]
    assert words in report.hints[0].sentence


def test_a_tree_without_end_is_bounded():
    """However deep and wide a tree of includes grows, few questions are asked, and the limit is told."""
    asked = []

    def answer(question):
        asked.append(question)
        child = f"x{question.name}"[-60:].lstrip(".")
        return World.parse(f"{question.name} TXT v=spf1 include:a.{child} include:b.{child} -all")(question)

    report, _ = run_check(spf_domain(name("example.org")), answer)

    assert Reason.SPF_LOOKUP_LIMIT in [it.reason for it in report.findings]
    assert len(asked) <= 2 * 60 + 50


def test_woven_records_of_64_kilobytes_are_bounded():
    """Records that all include each other, thousands of terms each, ask little and say what is wrong a few times."""
    fill = " ".join(f"-ip4:10.{number >> 8}.{number & 255}.1" for number in range(2500))
    woven = " ".join(f"include:n{number}.example.org" for number in range(12))
    zone = [f"n{number}.example.org TXT v=spf1 {fill} a:x{number} {woven} -all" for number in range(12)]
    report, evidence = run_check(
        spf_domain(name("n0.example.org")), World.parse("\n".join(zone).replace("a:x", "a:x.y"))
    )

    assert Reason.SPF_LOOP in [it.reason for it in report.findings]
    assert len(report.findings) <= 23
    assert len(evidence) <= 200
