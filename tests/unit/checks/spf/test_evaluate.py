"""SPF of one address: bad input, the trace, and what an outage may do. The RFC's clauses are in the official suite."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Status, Text
from exporter.checks.check import run_check
from exporter.checks.helo import HeloName
from exporter.checks.result import CheckName, Reason, Result
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.evaluate import compiled_finding, spf, spf_finding, spf_helo, spf_mailfrom
from exporter.checks.spf.results import SpfResult
from tests.examples import examples
from tests.factories import World, address, question
from tests.strategies import outages
from tests.unit.checks.spf.worlds import DOMAINS, spf_clients, spf_limits, spf_worlds

OURS = address("192.0.2.1")
CHECK = CheckName.FCRDNS  # any will do: the finding only carries it


def evaluate(zone, ours=OURS, domain="example.org"):
    """Judge *ours* in a world of these records."""
    return run_check(spf(ours, "mailfrom", domain), World.parse(zone))[0]


@examples(60)
@given(spf_worlds(), spf_clients, spf_limits, st.data())
def test_an_outage_withholds_a_result_but_never_changes_it(world, ours, limits, data):
    """Losing answers leads to temperror, to the same result, or to one that is marked as open."""
    before, evidence = run_check(spf(ours, "mailfrom", DOMAINS[0], limits=limits), world)
    lost = data.draw(outages(list(evidence)))
    after, _ = run_check(spf(ours, "mailfrom", DOMAINS[0], limits=limits), world.without_answers_to(lost))

    if after.result is SpfResult.TEMPERROR:
        assert after.outcome.reason in {Reason.of(status) for status in lost.values()}
    elif after.unanswered_ptr is None:
        assert after == before
    finding = spf_finding(CHECK, ours, after)
    assert finding.result in {Result.UNKNOWN, spf_finding(CHECK, ours, before).result}


@examples(60)
@given(spf_worlds(), spf_clients, st.randoms())
def test_the_order_of_records_never_matters(world, ours, random):
    """Records in any order, each of them twice, give the same result, trace and counts."""

    def shuffled(asked):
        answer = world(asked)
        records = [*answer.records, *answer.records]
        random.shuffle(records)
        return Answer(answer.status, tuple(records), answer.chain, answer.ttl)

    check = spf(ours, "mailfrom", DOMAINS[0])
    assert run_check(check, shuffled) == run_check(spf(ours, "mailfrom", DOMAINS[0]), world)


@examples(60)
@given(spf_worlds(), spf_clients)
def test_publishing_the_fix_fixes(world, ours):
    """Published in place of the present records, the fix ends in a pass; a private address has no record in it."""
    verdict, _ = run_check(spf_mailfrom(ours, DOMAINS[0]), world)
    finding = spf_finding(CHECK, ours, verdict)

    if finding.result is Result.FAIL and ours.special_use:
        assert finding.fix.records == finding.fix.replaces == ()
    elif finding.result is Result.FAIL:
        fixed, _ = run_check(spf_mailfrom(ours, DOMAINS[0]), world.apply(finding.fix))
        assert fixed.result is SpfResult.PASS


@examples(60)
@given(spf_worlds(), spf_clients)
def test_a_compiled_record_gives_the_finding_of_an_evaluation(world, ours):
    """Sentence and fix included."""
    compiled, _ = run_check(compile_spf(DOMAINS[0]), world)
    evaluated = spf_finding(CHECK, ours, run_check(spf_mailfrom(ours, DOMAINS[0]), world)[0])

    assert compiled_finding(CHECK, ours, compiled) in {None, evaluated}


LONG = " ".join(f"ip4:10.{number >> 8}.{number & 255}.0/24" for number in range(4000))


@pytest.mark.parametrize(
    ("zone", "result", "reason"),
    [
        pytest.param('example.org TXT "v=spf1 ip4:192." "0.2.1 -all"', "pass", None, id="several-strings"),
        pytest.param(f"example.org TXT v=spf1 {LONG} ip4:192.0.2.1 -all", "pass", None, id="64-kilobytes"),
        pytest.param("example.org TXT v=spf1 a:m\u00fcller.example -all", "permerror", "spf-syntax", id="non-ascii"),
        pytest.param(
            "example.org TXT v=spf1 +all\nexample.org TXT v=spf1 -all", "permerror", "spf-several-records", id="two"
        ),
        pytest.param("example.org TXT v=spf1 include:example.org", "permerror", "spf-lookup-limit", id="include-loop"),
        pytest.param(
            "example.org TXT v=spf1 redirect=example.org", "permerror", "spf-lookup-limit", id="redirect-loop"
        ),
        pytest.param("example.org TXT v=spf1 exists:%{x}.example -all", "permerror", "spf-syntax", id="unknown-macro"),
        pytest.param("example.org TXT v=spf1 exists:%{d0}.example -all", "permerror", "spf-syntax", id="macro-of-0"),
        pytest.param("example.org TXT v=spf1 exists:%{l999999999999r.} -all", "fail", "spf-fail", id="macro-of-many"),
        pytest.param("example.org TXT v=spf1 a:..%{d}.. -all", "permerror", "spf-syntax", id="rubbish-name"),
        pytest.param("example.org TXT v=spf1 a:%%%_%-.%{d} -all", "fail", "spf-fail", id="rubbish-expanded"),
        pytest.param("example.org TXT v=spf1 ip4:192.0.2.01", "permerror", "spf-syntax", id="leading-zero"),
        pytest.param("example.org TXT v=spf1", "neutral", "spf-neutral", id="empty"),
        pytest.param("example.org TXT v=spf10 +all", "none", "spf-none", id="another-version"),
        pytest.param("example.org A 192.0.2.1", "none", "spf-none", id="nodata"),
        pytest.param("", "none", "spf-none", id="nxdomain"),
        pytest.param("example.org TXT !servfail", "temperror", "servfail", id="servfail"),
    ],
)
def test_bad_input(zone, result, reason):
    """Each gets the result of RFC 7208 and a named reason."""
    verdict = evaluate(zone)

    assert (verdict.result, verdict.outcome.reason) == (result, reason)


@given(st.binary(max_size=300), spf_clients)
def test_any_octets_get_a_result(octets, ours):
    """No record can break an evaluation, and what is no SPF record is not taken for one."""
    for text in (octets, b"v=spf1 " + octets):
        world = World({question("example.org", "TXT"): frozenset({Text(text)})})
        verdict, _ = run_check(spf(ours, "mailfrom", "example.org"), world)
        assert verdict.result is not SpfResult.TEMPERROR
        spf_finding(CHECK, ours, verdict)


@given(st.text(max_size=30), st.text(max_size=30), spf_clients)
def test_any_sender_and_helo_can_be_expanded(sender, helo, ours):
    """Whatever a client says, macros of it expand to a name that can be asked for, or that is not asked for."""
    world = World.parse("example.org TXT v=spf1 exists:%{s}.%{L}.%{o}.%{h} a:%{H1r-} -all")
    verdict, _ = run_check(spf(ours, "mailfrom", "example.org", sender=sender, helo=helo), world)

    assert verdict.result is SpfResult.FAIL


def test_the_trace_tells_the_way():
    """Every term is there with what it was compared to and what was counted so far."""
    verdict = evaluate(
        """
        example.org TXT v=spf1 a mx include:other.example ~all
        example.org A 192.0.2.9
        example.org MX 10 gone.example.org
        other.example TXT v=spf1 ip4:198.51.100.0/24 -all
        """
    )

    assert [tuple(step) for step in verdict.trace] == [
        (0, "example.org", "a", "no match", "example.org A: 192.0.2.9", 1, 0),
        (0, "example.org", "mx", "no match", "example.org MX: answer, 1 hosts", 2, 1),
        (1, "other.example", "ip4:198.51.100.0/24", "no match", "", 3, 1),
        (1, "other.example", "-all", "match", "", 3, 1),
        (0, "example.org", "include:other.example", "no match", "other.example: fail", 3, 1),
        (0, "example.org", "~all", "match", "", 3, 1),
    ]
    assert (verdict.lookups, verdict.void_lookups, verdict.result) == (3, 1, "softfail")


def test_an_unanswered_ptr_leaves_doubt():
    """RFC 7208 section 5.5 takes it for no match; the finding is unknown, for it might have matched."""
    verdict = evaluate("example.org TXT v=spf1 ptr -all\n1.2.0.192.in-addr.arpa PTR !timeout")
    finding = spf_finding(CHECK, OURS, verdict)

    assert (verdict.result, verdict.unanswered_ptr) == (SpfResult.FAIL, Status.TIMEOUT)
    assert (finding.result, finding.reason) == (Result.UNKNOWN, Reason.TIMEOUT)


def test_a_helo_identity_that_can_have_no_record():
    """An address literal or a single label is none, without a question, and no record is advised for it."""
    for helo in ("[192.0.2.1]", "localhost"):
        verdict, evidence = run_check(spf_helo(OURS, HeloName.parse(helo)), World())
        finding = spf_finding(CHECK, OURS, verdict)

        assert verdict.result is SpfResult.NONE
        assert evidence == {}
        assert (finding.reason, finding.subject, finding.fix.records) == (Reason.SPF_NONE, helo, ())


def test_the_fix_of_a_redirect_is_in_the_domain_itself():
    """Whoever runs the redirect's target need not hear of it."""
    verdict = evaluate("example.org TXT v=spf1 redirect=other.example\nother.example TXT v=spf1 -all")
    finding = spf_finding(CHECK, OURS, verdict)

    assert finding.fix.records == ('example.org. TXT "v=spf1 ip4:192.0.2.1 redirect=other.example"',)


def test_the_fix_replaces_what_is_there():
    """The line to publish and the line to take out are both given, at the end of the CNAME chain."""
    zone = "mta.example.org CNAME spf.example.net\nspf.example.net TXT v=spf1 a -all"
    verdict, _ = run_check(spf_helo(OURS, HeloName.parse("mta.example.org")), World.parse(zone))
    finding = spf_finding(CHECK, OURS, verdict)

    assert finding.sentence == (
        "SPF of mta.example.org for 192.0.2.1 is fail, not pass: -all in the record of mta.example.org matches."
    )
    assert finding.fix.zone == "spf.example.net"
    assert finding.fix.records == ('spf.example.net. TXT "v=spf1 ip4:192.0.2.1 a -all"',)
    assert finding.fix.replaces == ('spf.example.net. TXT "v=spf1 a -all"',)
