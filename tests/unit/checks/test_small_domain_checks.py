"""MX, MTA-STS and TLS-RPT: each state of the records, and what must hold in any world."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import run_check
from exporter.checks.inbound import mta_sts, mx, tls_rpt
from exporter.checks.result import Result
from tests.factories import World, name
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
    """Each state has its result, reason and hint; and whoever publishes the fix does not hear of it again."""
    world = World.parse(zone)
    report, _ = run_check(check(DOMAIN), world)
    hints = getattr(report, "hints", ())

    assert (report.finding.result, report.finding.reason) == (result, reason)
    assert [it.reason for it in hints] == ([hint] if hint else [])
    assert (report.finding.fix is not None) == (report.finding.result is Result.FAIL)
    for helo in (report.finding, *hints):
        if helo.fix and helo.fix.records:
            after, _ = run_check(check(DOMAIN), world.apply(helo.fix))
            assert helo.reason not in {after.finding.reason, *[it.reason for it in getattr(after, "hints", ())]}


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


def test_hosts_are_told_by_preference():
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
