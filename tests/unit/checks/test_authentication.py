"""What an address proves beside its names: SPF of both identities, in a sample and by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import AuthenticationSettings, authentication, report, spf_passes
from exporter.checks.result import CheckName, Finding, Reason, Result
from exporter.checks.spf.compile import compile_spf
from tests.factories import World, name, target
from tests.strategies import OURS, outages
from tests.unit.checks.spf.worlds import DOMAINS, spf_worlds

OUR_IP = "192.0.2.1"
HELO = "mail.example.org"


def judged(zone, *, ip=OUR_IP, helos=(HELO,), **wanted):
    """The findings of one target in a world of these records."""
    findings, _ = run_check(authentication(target(ip, *helos), AuthenticationSettings(**wanted)), World.parse(zone))
    return findings


@pytest.mark.parametrize(
    ("zone", "result", "reason"),
    [
        pytest.param("mail.example.org TXT v=spf1 a -all\nmail.example.org A 192.0.2.1", "pass", None, id="pass"),
        pytest.param("mail.example.org TXT v=spf1 ip4:192.0.2.2 -all", "fail", "spf-fail", id="fail"),
        pytest.param("mail.example.org TXT v=spf1 ~all", "fail", "spf-softfail", id="softfail"),
        pytest.param("mail.example.org TXT v=spf1 ?all", "fail", "spf-neutral", id="neutral"),
        pytest.param("mail.example.org TXT v=spf1 ipv4:192.0.2.1", "fail", "spf-syntax", id="permerror"),
        pytest.param("mail.example.org TXT !servfail", "unknown", "servfail", id="temperror"),
        pytest.param("mail.example.org A 192.0.2.1", "pass", None, id="no-record-is-no-failure"),
        pytest.param("", "pass", None, id="no-name-is-no-failure-of-this-check"),
    ],
)
def test_the_helo_identity(zone, result, reason):
    """Only a record that is there can fail; what the DNS does not say is unknown."""
    (finding,) = judged(zone)
    assert (finding.check, finding.subject) == (CheckName.SPF_HELO, HELO)
    assert (finding.result, finding.reason) == (result, reason)


@pytest.mark.parametrize(
    ("helo", "fixes"),
    [
        pytest.param(HELO, ('mail.example.org. TXT "v=spf1 ip4:192.0.2.1 -all"',), id="a-name-is-told-what-to-publish"),
        pytest.param("[192.0.2.1]", (), id="a-literal-can-have-no-record"),
        pytest.param("localhost", (), id="nor-can-a-single-label"),
    ],
)
def test_where_a_record_is_required_its_absence_fails(helo, fixes):
    """The same absence is a remark on a pass where it is not."""
    (remark,) = judged("", helos=(helo,))
    (finding,) = judged("", helos=(helo,), helo_spf_required=True)
    assert (remark.result, remark.reason) == (Result.PASS, None)
    assert remark.sentence
    assert (finding.result, finding.reason) == (Result.FAIL, Reason.SPF_NONE)
    assert finding.fix.records == fixes


def test_a_domain_without_a_record_fails():
    """Whoever sends for a domain has a record in it."""
    (finding,) = judged("", helos=(), mail_from=(name("example.org"),))
    assert (finding.check, finding.subject) == (CheckName.SPF_MAILFROM, "example.org")
    assert (finding.result, finding.reason) == (Result.FAIL, Reason.SPF_NONE)


def test_one_finding_for_each_name_and_domain_in_order():
    """HELO names first, then the domains, then what lists say, whatever the DNS does."""
    listing = Finding(CheckName.DNSBL, Result.PASS, "zen.example.org")
    domains = (name("example.org"), name("example.com"))
    findings = judged("", helos=(HELO, "mx.example.org"), mail_from=domains, listings=(listing,))
    assert [(it.check, it.subject) for it in findings] == [
        (CheckName.SPF_HELO, HELO),
        (CheckName.SPF_HELO, "mx.example.org"),
        (CheckName.SPF_MAILFROM, "example.org"),
        (CheckName.SPF_MAILFROM, "example.com"),
        (CheckName.DNSBL, "zen.example.org"),
    ]


def test_a_sample_has_them_after_the_findings_of_names():
    """With and without a HELO name, and without anything asked for there are none."""
    wanted = AuthenticationSettings(mail_from=(name("example.org"),))
    for ours in (target(OUR_IP, HELO), target(OUR_IP)):
        plain, _ = run_check(report(ours), World())
        whole, _ = run_check(report(ours, wanted=wanted), World())
        alone, _ = run_check(authentication(ours, wanted), World())
        assert whole.findings == plain.findings + alone
        assert whole.iprev == plain.iprev


@pytest.mark.parametrize(
    ("finding", "passes"),
    [
        pytest.param(Finding(CheckName.SPF_HELO, Result.PASS, HELO), True, id="authorised"),
        pytest.param(Finding(CheckName.SPF_HELO, Result.FAIL, HELO, Reason.SPF_NONE), False, id="not-authorised"),
        pytest.param(judged("")[0], None, id="nothing-published-nor-needed"),
    ],
)
def test_what_a_held_finding_says_of_spf(finding, passes):
    """A name without a record is not authorised by one."""
    assert spf_passes(finding) is passes


WANTED = AuthenticationSettings(mail_from=tuple(map(name, DOMAINS)))


@given(st.sampled_from(OURS), st.sampled_from(DOMAINS), spf_worlds(), st.booleans(), st.data())
def test_an_outage_may_withhold_a_finding_but_never_change_one(address, helo, world, is_required, data):
    """Whatever answers are lost, each finding stays what it is or turns unknown."""
    ours = target(str(address), helo)
    wanted = AuthenticationSettings(helo_spf_required=is_required, mail_from=WANTED.mail_from)
    before, evidence = run_check(authentication(ours, wanted), world)
    after, _ = run_check(authentication(ours, wanted), world.without_answers_to(data.draw(outages(list(evidence)))))

    for was, is_now in zip(before, after, strict=True):
        assert (was.check, was.subject) == (is_now.check, is_now.subject)
        assert is_now == was or is_now.result is Result.UNKNOWN


@given(st.sampled_from(OURS), st.sampled_from(DOMAINS), spf_worlds())
def test_a_compiled_record_says_the_same_as_an_evaluated_one(address, helo, world):
    """What is worked out for all addresses at once gives each the finding of its own evaluation."""
    ours = target(str(address), helo)
    compiled = {domain: run_check(compile_spf(domain), world)[0] for domain in {*DOMAINS, helo}}
    shared, _ = run_check(
        authentication(ours, AuthenticationSettings(mail_from=WANTED.mail_from, compiled=compiled.get)), world
    )
    alone, _ = run_check(authentication(ours, WANTED), world)

    assert shared == alone
