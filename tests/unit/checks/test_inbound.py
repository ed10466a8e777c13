"""MX, MTA-STS and TLS reporting: results, sentences and fixes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Status, Text
from exporter.checks.check import run_check
from exporter.checks.inbound import mta_sts, mx, tls_rpt
from exporter.checks.result import Result
from tests.factories import World, name
from tests.mistakes import broken
from tests.strategies import outages

DOMAIN = name("example.org")
STS = "_mta-sts.example.org TXT v=STSv1; id=20260101;"
STS_HOST = "mta-sts.example.org A 192.0.2.80"
RPT = "_smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:tls@example.org,https://example.net/tls"

CASES = [
    (mx, "example.org MX 10 mx.example.org\nmx.example.org A 192.0.2.1", "pass", None, None),
    (mx, "example.org MX 10 mx.example.org\nmx.example.org AAAA 2001:db8::1", "pass", None, None),
    (mx, "example.org MX 0 .", "pass", None, None),
    (mx, "example.org MX 0 .\nexample.org MX 10 mx.example.org", "fail", "mx-null", None),
    (mx, "example.org MX 10 mx.example.org", "fail", "mx-unresolvable", None),
    (
        mx,
        "example.org MX 10 mx.example.org\nmx.example.org CNAME m.example.org\nm.example.org A 192.0.2.1",
        "pass",
        None,
        "mx-alias",
    ),
    (
        mx,
        (
            "example.org MX 10 mx.example.org\nmx.example.org CNAME m.example.org\n"
            "m.example.org A 192.0.2.1\nmx.example.org AAAA !timeout"
        ),
        "pass",
        None,
        "mx-alias",
    ),
    (mx, "example.org A 192.0.2.1", "pass", None, "mx-missing"),
    (mx, "", "fail", "mx-missing", None),
    (
        mx,
        "example.org MX 10 mx.example.org\nmx.example.org A 192.0.2.1\nmx.example.org AAAA !timeout",
        "pass",
        None,
        None,
    ),
    (mx, "example.org TXT x\nexample.org AAAA !refused", "unknown", "refused", None),
    (mx, "example.org A 192.0.2.1\nexample.org AAAA !refused", "pass", None, "mx-missing"),
    (
        mx,
        (
            "example.org MX 10 a.example.org\nexample.org MX 20 b.example.org\n"
            "a.example.org A 192.0.2.1\na.example.org AAAA !timeout\nb.example.org A !servfail"
        ),
        "unknown",
        "servfail",
        None,
    ),
    (mx, "example.org MX !timeout", "unknown", "timeout", None),
    (mx, "example.org MX 10 mx.example.org\nmx.example.org A !servfail", "unknown", "servfail", None),
    (mta_sts, f"{STS}\n{STS_HOST}", "pass", None, None),
    (mta_sts, STS, "fail", "mta-sts-no-host", None),
    (mta_sts, "", "fail", "mta-sts-missing", None),
    (mta_sts, f"{STS}\n_mta-sts.example.org TXT v=STSv1; id=2;", "fail", "mta-sts-several-records", None),
    (mta_sts, "_mta-sts.example.org TXT v=STSv1; id=2026-01-01;", "fail", "mta-sts-syntax", None),
    (mta_sts, "_mta-sts.example.org TXT v=STSv1;", "fail", "mta-sts-syntax", None),
    (mta_sts, "_mta-sts.example.org TXT v=STSv10; id=1", "fail", "mta-sts-missing", None),
    (mta_sts, "_mta-sts.example.org TXT v=STSv1", "fail", "mta-sts-missing", None),
    (mta_sts, f"_mta-sts.example.org TXT v=STSv1\n{STS}\n{STS_HOST}", "pass", None, None),
    (mta_sts, f"_mta-sts.example.org TXT v=STSv1\t; id={'a' * 32}\n{STS_HOST}", "pass", None, None),
    (mta_sts, f"_mta-sts.example.org TXT v=STSv1; id={'a' * 33}\n{STS_HOST}", "fail", "mta-sts-syntax", None),
    (mta_sts, f"{STS}\nmta-sts.example.org AAAA 2001:db8::80", "pass", None, None),
    (mta_sts, f"{STS}\nmta-sts.example.org AAAA !refused", "unknown", "refused", None),
    (mta_sts, f"_mta-sts.example.org TXT something else\n{STS}\n{STS_HOST}", "pass", None, None),
    (mta_sts, "_mta-sts.example.org TXT !refused", "unknown", "refused", None),
    (tls_rpt, RPT, "pass", None, None),
    (tls_rpt, "", "fail", "tls-rpt-missing", None),
    (
        tls_rpt,
        f"{RPT}\n_smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:x@y.example",
        "fail",
        "tls-rpt-several-records",
        None,
    ),
    (tls_rpt, "_smtp._tls.example.org TXT v=TLSRPTv1; rua=tls@example.org", "fail", "tls-rpt-syntax", None),
    (tls_rpt, "_smtp._tls.example.org TXT v=TLSRPTv1;", "fail", "tls-rpt-syntax", None),
    (tls_rpt, "_smtp._tls.example.org TXT v=TLSRPTv1", "fail", "tls-rpt-missing", None),
    (tls_rpt, "_smtp._tls.example.org TXT x; v=TLSRPTv1; rua=mailto:a@example.org", "fail", "tls-rpt-missing", None),
    (tls_rpt, f"_smtp._tls.example.org TXT v=TLSRPTv1\n{RPT}", "pass", None, None),
    (tls_rpt, "_smtp._tls.example.org TXT !servfail", "unknown", "servfail", None),
]


@pytest.mark.parametrize(("check", "zone", "result", "reason", "hint"), CASES)
def test_verdicts(check, zone, result, reason, hint):
    """Each state has its result, reason and hint; and publishing the fix ends it."""
    world = World.parse(zone)
    report, _ = run_check(check(DOMAIN), world)
    hints = getattr(report, "hints", ())

    assert (report.finding.result, report.finding.reason) == (result, reason)
    assert [it.reason for it in hints] == ([hint] if hint else [])
    assert (report.finding.fix is not None) == (report.finding.result is Result.FAIL)
    for found in (report.finding, *hints):
        if found.fix and found.fix.records:
            after, _ = run_check(check(DOMAIN), world.apply(found.fix))
            assert found.reason not in {after.finding.reason, *[it.reason for it in getattr(after, "hints", ())]}


@given(st.sampled_from([mx, mta_sts, tls_rpt]), st.lists(st.sampled_from([zone for _, zone, *_ in CASES])), st.data())
def test_an_outage_withholds_a_verdict_but_never_changes_it(check, zones, data):
    """Losing answers leaves the verdict alone or makes it unknown."""
    world = World.parse("\n".join(zones))
    before, evidence = run_check(check(DOMAIN), world)
    after, _ = run_check(check(DOMAIN), world.without_answers_to(data.draw(outages(list(evidence)))))

    assert after.finding.result in {before.finding.result, Result.UNKNOWN}


@given(
    st.sampled_from([mx, mta_sts, tls_rpt]), st.lists(st.sampled_from([zone for _, zone, *_ in CASES])), st.randoms()
)
def test_the_order_of_records_never_matters(check, zones, random):
    """Records in any order, each of them twice, give the same report."""
    world = World.parse("\n".join(zones))

    def shuffled(asked):
        answer = world(asked)
        known = [*answer.records, *answer.records]
        random.shuffle(known)
        return Answer(answer.status, tuple(known), answer.chain, answer.ttl)

    assert run_check(check(DOMAIN), shuffled) == run_check(check(DOMAIN), world)


def test_hosts_are_sorted_by_preference():
    """The first is where mail goes first."""
    zone = "example.org MX 20 a.example.org\nexample.org MX 10 b.example.org"
    report, evidence = run_check(mx(DOMAIN), World.parse(zone))

    assert report.hosts == ("b.example.org", "a.example.org")
    assert len(evidence) == 5


def test_a_host_that_half_answers_is_not_gone():
    """One family without records and the other without an answer is unknown, not unresolvable."""
    world = World.parse("example.org MX 10 mx.example.org").without_answers_to(
        {Question(name("mx.example.org"), "AAAA"): Status.TIMEOUT}
    )

    assert run_check(mx(DOMAIN), world)[0].finding.result is Result.UNKNOWN


def first(check, zone):
    """The finding of a domain in a world of these records, or the one hint about what passes."""
    report, _ = run_check(check(DOMAIN), World.parse(zone))
    hints = getattr(report, "hints", ())
    return hints[0] if report.finding.result is Result.PASS else report.finding


STS_LINE = ('_mta-sts.example.org. TXT "v=STSv1; id=1;"',)
RPT_LINE = ('_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:tls-reports@example.org"',)
RPT_AT = "_smtp._tls.example.org TXT v=TLSRPTv1;"


@pytest.mark.parametrize(
    ("check", "zone", "sentence", "zone_to_fix", "records"),
    [
        pytest.param(
            mx,
            "example.org MX 10 a.example.org\nexample.org MX 20 b.example.org\nb.example.org A 192.0.2.1",
            "The mail exchange a.example.org of example.org does not resolve: 1 of 2.",
            "example.org",
            (),
            id="one-host-is-gone",
        ),
        pytest.param(
            mx,
            "example.org MX 10 a.example.org\nexample.org MX 20 b.example.org",
            "The mail exchanges a.example.org, b.example.org of example.org do not resolve: 2 of 2.",
            "example.org",
            (),
            id="both-are-gone",
        ),
        pytest.param(
            mx,
            "example.org MX 10 a.example.org\na.example.org AAAA 2001:db8::1\nexample.org MX 20 b.example.org\n"
            "b.example.org CNAME a.example.org",
            "The mail exchange b.example.org of example.org is an alias, which an MX record must not name (RFC 2181).",
            "example.org",
            (),
            id="one-is-an-alias",
        ),
        pytest.param(
            mx,
            "",
            "example.org does not exist, and no address either: mail to it, bounces included, goes nowhere.",
            "example.org",
            (),
            id="no-such-domain",
        ),
        pytest.param(
            mx,
            "example.org TXT x",
            "example.org has no MX record, and no address either: mail to it, bounces included, goes nowhere.",
            "example.org",
            (),
            id="neither-mx-nor-address",
        ),
        pytest.param(
            mx,
            "example.org CNAME www.example.org\nwww.example.org CNAME w3.example.net\nw3.example.net A 192.0.2.80",
            "example.org is a CNAME that leads to w3.example.net, which has no MX record, so its mail goes to the host "
            "of that name.",
            "example.org",
            (),
            id="the-fix-of-an-alias-is-at-its-own-name",
        ),
        pytest.param(
            mta_sts,
            "_mta-sts.example.org CNAME a.example.net\na.example.net CNAME b.example.net\nb.example.net TXT x",
            "example.org announces no MTA-STS policy: b.example.net has no record that begins with v=STSv1.",
            "b.example.net",
            ('b.example.net. TXT "v=STSv1; id=1;"',),
            id="sts-missing-at-the-end-of-its-aliases",
        ),
        pytest.param(
            mta_sts,
            f"{STS}\n_mta-sts.example.org TXT v=STSv1; id=1;",
            "example.org has 2 MTA-STS records, so senders ignore all of them (RFC 8461 section 3.1).",
            "_mta-sts.example.org",
            ('_mta-sts.example.org. TXT "v=STSv1; id=20260101;"',),
            id="sts-twice",
        ),
        pytest.param(
            mta_sts,
            "_mta-sts.example.org TXT v=STSv1; id=a-b;",
            "The MTA-STS record of example.org cannot be read: its id= is not 1 to 32 letters and digits.",
            "_mta-sts.example.org",
            ('_mta-sts.example.org. TXT "v=STSv1; id=ab;"',),
            id="sts-with-a-bad-id",
        ),
        pytest.param(
            mta_sts,
            "_mta-sts.example.org TXT v=STSv1; id=1; moo",
            "The MTA-STS record of example.org cannot be read: moo is no tag of the form name=value.",
            "_mta-sts.example.org",
            STS_LINE,
            id="sts-that-is-no-list-of-tags",
        ),
        pytest.param(
            mta_sts,
            STS,
            "The MTA-STS policy of example.org cannot be fetched: its host mta-sts.example.org does not resolve.",
            "mta-sts.example.org",
            (),
            id="sts-without-a-host",
        ),
        pytest.param(
            tls_rpt,
            "_smtp._tls.example.org CNAME a.example.net\na.example.net CNAME b.example.net\nb.example.net TXT x",
            "example.org asks for no TLS reports: b.example.net has no record that begins with v=TLSRPTv1.",
            "b.example.net",
            ('b.example.net. TXT "v=TLSRPTv1; rua=mailto:tls-reports@example.org"',),
            id="rpt-missing-at-the-end-of-its-aliases",
        ),
        pytest.param(
            tls_rpt,
            f"{RPT_AT} rua=mailto:a@example.org\n{RPT_AT} rua=mailto:b@example.org",
            "example.org has 2 TLS reporting records, so senders ignore all of them (RFC 8460 section 3).",
            "_smtp._tls.example.org",
            ('_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:a@example.org,mailto:b@example.org"',),
            id="rpt-twice",
        ),
        pytest.param(
            tls_rpt,
            RPT_AT,
            "The TLS reporting record of example.org cannot be read: its rua= has nothing, "
            "where a mailto: or https: URI is wanted.",
            "_smtp._tls.example.org",
            RPT_LINE,
            id="rpt-to-nowhere",
        ),
        pytest.param(
            tls_rpt,
            f"{RPT_AT} rua=mailto:a@example.org, moo, baa",
            "The TLS reporting record of example.org cannot be read: its rua= has moo, "
            "where a mailto: or https: URI is wanted.",
            "_smtp._tls.example.org",
            ('_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:a@example.org"',),
            id="rpt-to-what-is-no-place",
        ),
        pytest.param(
            tls_rpt,
            f"{RPT_AT} rua=mailto:a@example.org; moo",
            "The TLS reporting record of example.org cannot be read: moo is no tag of the form name=value.",
            "_smtp._tls.example.org",
            ('_smtp._tls.example.org. TXT "v=TLSRPTv1; rua=mailto:a@example.org"',),
            id="rpt-that-is-no-list-of-tags",
        ),
    ],
)
def test_the_sentence_says_what_is_wrong(check, zone, sentence, zone_to_fix, records):
    """What was found, and the record to publish where a sender looks at last; what it replaces is what is there."""
    world = World.parse(zone)
    found = first(check, zone)

    assert found.sentence == sentence
    assert (found.fix.zone, found.fix.records) == (zone_to_fix, records)
    if check is not mx:
        known = [text for asked in world.records for text in world(asked).texts if text != b"x"]
        at = next((str(asked.name) for asked in world.records), "")
        expected = [f'{at}. TXT "{text.decode()}"' for text in known] if records and known else []
        assert sorted(found.fix.replaces) == sorted(expected)


def test_the_other_fields_of_a_report():
    """Hosts, identifier, URIs and record, if there are any; a null MX names no host."""
    null, _ = run_check(mx(DOMAIN), World.parse("example.org MX 0 ."))
    both, _ = run_check(mx(DOMAIN), World.parse("example.org MX 0 .\nexample.org MX 10 a.example.org"))
    policy, _ = run_check(mta_sts(DOMAIN), World.parse(f"{STS}\n{STS_HOST}"))
    unread, _ = run_check(mta_sts(DOMAIN), World.parse("_mta-sts.example.org TXT v=STSv1; id=-;"))
    reports, _ = run_check(tls_rpt(DOMAIN), World.parse(f"{RPT_AT} rua=mailto:a@example.org , https://example.net/x"))
    nowhere, _ = run_check(tls_rpt(DOMAIN), World.parse(RPT_AT))

    assert (null.is_null, null.hosts) == (True, ())
    assert (both.is_null, both.hosts) == (False, ("a.example.org",))
    assert (policy.policy_id, policy.record) == ("20260101", b"v=STSv1; id=20260101;")
    assert (unread.policy_id, unread.record) == ("", b"v=STSv1; id=-;")
    assert reports.uris == ("mailto:a@example.org", "https://example.net/x")
    assert reports.record == b"v=TLSRPTv1; rua=mailto:a@example.org , https://example.net/x"
    assert (nowhere.uris, nowhere.record) == ((), b"v=TLSRPTv1;")


@pytest.mark.parametrize(
    ("zone", "hosts"),
    [
        ("mx.example.org A 192.0.2.1", ("mx.example.org",)),
        ("mx.example.org A !timeout", ("mx.example.org",)),
        ("", ("mx.example.org",)),
        ("mx.example.org CNAME m.example.org\nm.example.org A 192.0.2.1", ("mx.example.org",)),
    ],
)
def test_hosts_and_aliases_are_reported_with_any_result(zone, hosts):
    """A host that is gone or silent is one of the domain's all the same, and none of these is a null MX."""
    report, _ = run_check(mx(DOMAIN), World.parse(f"example.org MX 10 mx.example.org\n{zone}"))

    assert (report.hosts, report.is_null) == (hosts, False)


def test_twenty_hosts_are_asked_for():
    """The first ones by preference; the others are reported, but not looked up."""
    zone = "\n".join([f"example.org MX {number} mx{number}.example.org" for number in range(10, 40)])
    hosts = [f"mx{number}.example.org A 192.0.2.{number}" for number in range(10, 30)]
    report, evidence = run_check(mx(DOMAIN), World.parse("\n".join([zone, *hosts])))

    assert report.finding.result is Result.PASS
    assert len(report.hosts) == 30
    assert len(evidence) == 1 + 2 * 20


WHOLE = "v=TLSRPTv1; rua=mailto:a@example.org,mailto:b@example.org"


@given(broken(WHOLE))
def test_a_tls_reporting_record_is_repaired_without_loss(text):
    """Whatever is broken about it: once it counts, reports go where they were meant to go."""
    asked = Question(name("_smtp._tls.example.org"), "TXT")
    world = World({asked: frozenset({Text(text.encode())})})
    for _ in range(2):
        report, _ = run_check(tls_rpt(DOMAIN), world)
        world = world if report.finding.fix is None else world.apply(report.finding.fix)

    assert run_check(tls_rpt(DOMAIN), world)[0].uris == ("mailto:a@example.org", "mailto:b@example.org")
