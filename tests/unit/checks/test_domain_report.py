"""A whole sample of a domain: every check is in it, says what it says alone, and none waits for another."""

from exporter.checks.check import run_check
from exporter.checks.dkim import dkim
from exporter.checks.dmarc import dmarc
from exporter.checks.domain_report import domain_report
from exporter.checks.inbound import mta_sts, mx, tls_rpt
from exporter.checks.result import DOMAIN_CHECKS, Result
from exporter.checks.spf.domain import spf_domain
from tests.factories import World, name

DOMAIN = name("example.org")
KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
SOUND = World.parse(
    f"""
    example.org MX 10 mx.example.org
    mx.example.org A 192.0.2.25
    example.org TXT v=spf1 mx -all
    s1._domainkey.example.org TXT {KEY}
    s2._domainkey.example.org TXT {KEY}
    _dmarc.example.org TXT v=DMARC1; p=reject; rua=mailto:dmarc@example.org
    _mta-sts.example.org TXT v=STSv1; id=1;
    mta-sts.example.org A 192.0.2.80
    _smtp._tls.example.org TXT v=TLSRPTv1; rua=mailto:tls@example.org
    """
)


def test_a_sound_domain_passes_everything():
    """One pass for each check, and for each selector, in the order of their names."""
    report, _ = run_check(domain_report(DOMAIN, ["s1", "s2"]), SOUND)

    assert {it.result for it in report.findings} == {Result.PASS}
    assert [it.check for it in report.findings] == ["spf", "dkim", "dkim", "dmarc", "mx", "mta-sts", "tls-rpt"]
    assert list(dict.fromkeys(it.check for it in report.findings)) == list(DOMAIN_CHECKS)
    assert report.hints == ()


def test_an_empty_domain_fails_everything_with_a_fix():
    """Nothing published is a failure of every check, each with advice; published, the records make them pass."""
    world = World()
    report, _ = run_check(domain_report(DOMAIN, ["s1"]), world)

    assert {it.result for it in report.findings} == {Result.FAIL}
    assert all(it.sentence and it.fix for it in report.findings)
    for finding in report.findings:
        world = world.apply(finding.fix)
    after, _ = run_check(domain_report(DOMAIN, ["s1"]), world)
    assert {it.check for it in after.findings if it.result is Result.FAIL} == {"dkim", "mx", "mta-sts"}


def test_each_check_says_what_it_says_alone():
    """Running together changes no report."""
    report, _ = run_check(domain_report(DOMAIN, ["s1"]), SOUND)
    alone = [run_check(check, SOUND)[0] for check in (spf_domain(DOMAIN), dmarc(DOMAIN), mx(DOMAIN), mta_sts(DOMAIN))]

    assert [report.spf.findings, report.dmarc, report.mx, report.mta_sts] == [alone[0].findings, *alone[1:]]
    assert report.dkim == (run_check(dkim("s1", DOMAIN), SOUND)[0],)
    assert report.tls_rpt == run_check(tls_rpt(DOMAIN), SOUND)[0]


def test_the_checks_do_not_wait_for_each_other():
    """The first step asks the first question of every check at once."""
    first = [str(question) for question in next(domain_report(DOMAIN, ["s1"]))]

    assert {"example.org TXT", "_dmarc.example.org TXT", "example.org MX", "s1._domainkey.example.org TXT"} <= set(
        first
    )
    assert {"_mta-sts.example.org TXT", "_smtp._tls.example.org TXT"} <= set(first)
