"""iprev: each clause of RFC 8601 section 2.7.3, and what is true in any world."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import run_check
from exporter.checks.iprev import NAME_LIMIT, ServerName, iprev
from exporter.checks.result import SIGN_AGAIN, IprevVerdict, Reason, Result
from tests.factories import World, address, name, names
from tests.strategies import INCONCLUSIVE, outages, target_addresses, worlds

OURS = address("192.0.2.1")


def evaluate(zone, ours=OURS, server=None):
    """Judge *ours* in a world of these records; *server* is the name that the server has."""
    world = World.parse(zone)
    named = None if server is None else ServerName(name(server), world(Question(name(server), ours.rdtype)))
    return run_check(iprev(ours, server=named), world)[0]


@given(target_addresses, worlds(), st.data())
def test_an_outage_withholds_a_verdict_but_never_changes_it(ours, world, data):
    """Losing answers moves the verdict to temperror or leaves verdict and finding alone."""
    before, evidence = run_check(iprev(ours), world)
    lost = data.draw(outages(list(evidence)))
    after, _ = run_check(iprev(ours), world.without_answers_to(lost))

    if after.verdict is IprevVerdict.TEMPERROR:
        assert after.finding.result is Result.UNKNOWN
        if before.verdict is not IprevVerdict.TEMPERROR:
            assert after.finding.reason in {Reason.of(status) for status in lost.values()}
    else:
        assert (after.verdict, after.finding) == (before.verdict, before.finding)
        assert set(after.confirmed_names) <= set(before.confirmed_names)


@given(target_addresses, worlds(), st.integers())
def test_the_order_of_records_never_matters(ours, world, seed):
    """Records in any order, each of them twice, give the same verdict, words and evidence."""

    def shuffled(question):
        answer = world(question)
        records = [*answer.records, *answer.records]
        random.Random(seed).shuffle(records)
        return Answer(answer.status, tuple(records), answer.chain, answer.ttl)

    assert run_check(iprev(ours), shuffled) == run_check(iprev(ours), world)


@given(target_addresses, worlds())
def test_the_verdict_follows_from_the_records(ours, world):
    """Pass, fail, permerror and temperror mean exactly what RFC 8601 section 2.7.3 says."""
    verdict, evidence = run_check(iprev(ours), world)
    ptr = world(Question(ours.reverse_name, "PTR"))
    forward = [world(Question(ptr_name, ours.rdtype)) for ptr_name in ptr.names[:NAME_LIMIT]]

    if any(ours in answer.records for answer in forward):
        expected = IprevVerdict.PASS
    elif not all(answer.is_conclusive for answer in (ptr, *forward)):
        expected = IprevVerdict.TEMPERROR
    elif ptr.status.is_negative:
        expected = IprevVerdict.PERMERROR
    else:
        expected = IprevVerdict.FAIL
    assert verdict.verdict is expected
    assert (verdict.finding.result is Result.PASS) == (expected is IprevVerdict.PASS)
    assert verdict.ptr_names == ptr.names
    assert len(evidence) == 1 + len(forward)


@given(target_addresses, worlds())
def test_publishing_the_fix_fixes(ours, world):
    """Publishing the records that a failure asks for ends in a pass."""
    before = run_check(iprev(ours), world)[0]

    if before.finding.fix and before.finding.fix.records:
        assert run_check(iprev(ours), world.publish(before.finding.fix.records))[0].verdict is IprevVerdict.PASS


@given(target_addresses, worlds(), st.data())
def test_only_the_own_family_is_asked_for(ours, world, data):
    """A missing AAAA of an IPv4 host, or the reverse, cannot hurt: it is not asked for."""
    _, evidence = run_check(iprev(ours), world)

    assert {asked.rdtype for asked in evidence} <= {"PTR", ours.rdtype}


@pytest.mark.parametrize("status", INCONCLUSIVE)
def test_silence_is_never_no_ptr(status):
    """Every way of not answering the PTR question is temperror, with its own reason, and says nothing is wrong."""
    verdict, _ = run_check(iprev(OURS), lambda _: Answer(status))

    assert verdict.verdict is IprevVerdict.TEMPERROR
    assert verdict.finding.reason is Reason.of(status)
    assert "nothing is known to be wrong" in verdict.finding.sentence
    assert verdict.finding.fix is (SIGN_AGAIN if status is Status.DNSSEC_BOGUS else None)


def test_eleven_names_are_cut_to_the_same_ten():
    """Of more names than the limit, the first ten in sorted order are followed, whatever order they came in."""
    texts = [f"mta{number:02}.example.org" for number in range(NAME_LIMIT + 1)]
    zone = "\n".join(f"{OURS.reverse_name} PTR {text}" for text in reversed(texts))

    last_confirms, evidence = run_check(iprev(OURS), World.parse(f"{zone}\n{texts[-1]} A {OURS}"))
    tenth_confirms, _ = run_check(iprev(OURS), World.parse(f"{zone}\n{texts[-2]} A {OURS}"))

    assert last_confirms.verdict is IprevVerdict.FAIL
    assert last_confirms.ptr_names == names(*texts)
    assert Question(name(texts[-1]), "A") not in evidence
    assert tenth_confirms.verdict is IprevVerdict.PASS


@pytest.mark.parametrize(
    ("zone", "reason", "sentence", "zone_to_fix", "records"),
    [
        pytest.param(
            "",
            "ptr-nxdomain",
            "192.0.2.1 has no PTR name: 1.2.0.192.in-addr.arpa does not exist.",
            "1.2.0.192.in-addr.arpa",
            ("1.2.0.192.in-addr.arpa. PTR mail.example.org.", "mail.example.org. A 192.0.2.1"),
            id="ptr-nxdomain",
        ),
        pytest.param(
            """1.2.0.192.in-addr.arpa CNAME 1.0-127.2.0.192.in-addr.arpa
               1.0-127.2.0.192.in-addr.arpa TXT reserved""",
            "ptr-nodata",
            "192.0.2.1 has no PTR name: 1.0-127.2.0.192.in-addr.arpa, where 1.2.0.192.in-addr.arpa leads by CNAME, "
            "has no PTR record.",
            "1.0-127.2.0.192.in-addr.arpa",
            ("1.0-127.2.0.192.in-addr.arpa. PTR mail.example.org.", "mail.example.org. A 192.0.2.1"),
            id="the-fix-goes-where-the-delegation-leads",
        ),
        pytest.param(
            """1.2.0.192.in-addr.arpa PTR other.example.org
               1.2.0.192.in-addr.arpa PTR gone.example.org
               other.example.org A 192.0.2.9""",
            "forward-mismatch",
            "192.0.2.1 is not forward-confirmed: its PTR name other.example.org resolves to 192.0.2.9, "
            "not to 192.0.2.1, and no other of its PTR names confirms it.",
            "other.example.org",
            ("other.example.org. A 192.0.2.1",),
            id="the-name-nearest-to-right-is-named",
        ),
        pytest.param(
            """1.2.0.192.in-addr.arpa PTR a.example.org
               1.2.0.192.in-addr.arpa PTR mail.example.org
               a.example.org A 192.0.2.9
               mail.example.org A 192.0.2.8""",
            "forward-mismatch",
            "192.0.2.1 is not forward-confirmed: its PTR name mail.example.org resolves to 192.0.2.8, "
            "not to 192.0.2.1, and no other of its PTR names confirms it.",
            "mail.example.org",
            ("mail.example.org. A 192.0.2.1",),
            id="of-equals-the-servers-own-name-is-named",
        ),
        pytest.param(
            """1.2.0.192.in-addr.arpa PTR mta.example.org
               mta.example.org CNAME host.example.com
               host.example.com AAAA 2001:db8::1""",
            "forward-nodata",
            "192.0.2.1 is not forward-confirmed: its PTR name mta.example.org is a CNAME that leads to "
            "host.example.com, which has no A record.",
            "host.example.com",
            ("host.example.com. A 192.0.2.1",),
            id="forward-nodata-behind-a-cname",
        ),
        pytest.param(
            "1.2.0.192.in-addr.arpa PTR gone.example.org",
            "forward-nxdomain",
            "192.0.2.1 is not forward-confirmed: its PTR name gone.example.org does not exist.",
            "gone.example.org",
            ("gone.example.org. A 192.0.2.1",),
            id="forward-nxdomain",
        ),
    ],
)
def test_the_sentence_says_what_is_wrong(zone, reason, sentence, zone_to_fix, records):
    """A failure says what is wrong, what was expected, and what to publish where."""
    finding = evaluate(zone, server="mail.example.org").finding

    assert (finding.reason, finding.sentence) == (reason, sentence)
    assert (finding.fix.zone, finding.fix.records) == (zone_to_fix, records)


def test_nobody_is_advised_to_publish_at_the_root():
    """Of a PTR record that points at the root, only the PTR record can be fixed: ".." would be no owner name."""
    fix = evaluate(f"{OURS.reverse_name} PTR .").finding.fix

    assert (fix.zone, fix.records) == (OURS.reverse_name, ())


def test_without_a_server_name_the_advice_has_no_records():
    """Without the name of the server, the fix has no records."""
    finding = evaluate("").finding

    assert finding.fix.records == ()
    assert "with the name of the server" in finding.fix.advice


@pytest.mark.parametrize("status", [Status.SERVFAIL, Status.CHAIN])
def test_one_silent_name_outweighs_mismatches(status):
    """The lookup that failed is named: its answer could have been the confirming one."""
    verdict = evaluate(f"""
        1.2.0.192.in-addr.arpa PTR a.example.org
        1.2.0.192.in-addr.arpa PTR b.example.org
        a.example.org A 192.0.2.9
        b.example.org A !{status}""")

    assert verdict.finding.reason is Reason.of(status)
    assert verdict.finding.sentence == (
        f"The A lookup of b.example.org, a PTR name of 192.0.2.1, got no answer ({status}), "
        "and no other PTR name confirms the address."
    )
