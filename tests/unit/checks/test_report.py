"""The report of one address: its findings, the predictions, SPF and block lists."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks import report as module
from exporter.checks.answers import Answer, Question
from exporter.checks.check import run_check
from exporter.checks.receivers import DEFAULT_RECEIVERS, Receiver
from exporter.checks.report import AuthenticationSettings, Predicted, authentication, predictions, report, spf_passes
from exporter.checks.result import ADDRESS_CHECKS, CheckName, Finding, IprevVerdict, Reason, Result
from exporter.checks.spf.compile import compile_spf
from tests.factories import SERVFAIL, World, name, question, target
from tests.strategies import OURS, outages, targets, worlds
from tests.unit.checks.spf.worlds import DOMAINS, spf_worlds

suffixes = st.sampled_from([None, name("example.org"), name("outbound.example.com")])


@given(targets, worlds(), suffixes, st.data())
def test_an_outage_may_withhold_a_verdict_but_never_change_one(ours, world, suffix, data):
    """Whatever answers are lost, each finding stays what it is or turns unknown, and so does the iprev verdict."""
    before, evidence = run_check(report(ours, suffix=suffix), world)
    lost = data.draw(outages(list(evidence)))
    after, _ = run_check(report(ours, suffix=suffix), world.without_answers_to(lost))

    assert after.iprev.verdict in {before.iprev.verdict, IprevVerdict.TEMPERROR}
    for was, is_now in zip(before.findings, after.findings, strict=True):
        assert (was.check, was.subject) == (is_now.check, is_now.subject)
        assert without_fix(is_now) == without_fix(was) or is_now.result is Result.UNKNOWN


def without_fix(finding):
    """The finding itself: which records its fix lists depends on what is known to be there."""
    return replace(finding, fix=None)


@given(targets, worlds(), st.data())
def test_an_answer_that_comes_back_never_turns_one_verdict_into_its_opposite(ours, world, data):
    """Two samples in two different outages never contradict each other."""
    _, evidence = run_check(report(ours), world)
    one, other = (
        run_check(report(ours), world.without_answers_to(data.draw(outages(list(evidence)))))[0] for _ in range(2)
    )

    for first, second in zip(one.findings, other.findings, strict=True):
        assert without_fix(first) == without_fix(second) or Result.UNKNOWN in {first.result, second.result}


@given(targets, worlds(), st.integers())
def test_the_order_of_records_never_matters(ours, world, seed):
    """Records in any order give the same report and the same evidence."""

    def shuffled(question):
        answer = world(question)
        records = list(answer.records)
        random.Random(seed).shuffle(records)
        return Answer(answer.status, tuple(records), answer.chain, answer.ttl)

    assert run_check(report(ours), shuffled) == run_check(report(ours), world)


@given(targets, worlds())
def test_a_fixed_order_of_findings(ours, world):
    """A report has `fcrdns` first, then five findings for each HELO name, as they were configured."""
    judged, _ = run_check(report(ours), world)

    assert [finding.check for finding in judged.findings] == [
        CheckName.FCRDNS,
        *[check for _ in ours.helos for check in list(ADDRESS_CHECKS)[1:6]],
    ]
    assert [finding.subject for finding in judged.findings[1::5]] == [helo.text for helo in ours.helos]
    assert judged.findings[0] == judged.iprev.finding
    assert judged.is_conclusive is (judged.iprev.verdict is not IprevVerdict.TEMPERROR)


@given(targets, worlds())
def test_two_steps_are_enough(ours, world):
    """A sample takes two round trips: everything that waits for nothing, then the PTR names."""
    check, steps, answers = report(ours), [], None
    known = set()
    try:
        while True:
            batch = check.send(answers)
            steps += [set(batch) - known] if set(batch) - known else []
            known |= set(batch)
            answers = [world(question) for question in batch]
    except StopIteration:
        pass

    assert len(steps) <= 2
    assert Question(ours.address.reverse_name, "PTR") in steps[0]


def test_the_fix_names_the_first_name_that_a_server_should_say():
    """The fix of an address without PTR points it at its host name, not at localhost."""
    judged, _ = run_check(report(target("192.0.2.1", "localhost", "mail.example.org")), World())

    assert judged.iprev.finding.fix.records == (
        "1.2.0.192.in-addr.arpa. PTR mail.example.org.",
        "mail.example.org. A 192.0.2.1",
    )


def test_a_question_that_two_checks_share_is_asked_once():
    """A PTR name that is the HELO name too is looked up once."""
    world = World.parse("1.2.0.192.in-addr.arpa PTR mail.example.org\nmail.example.org A 192.0.2.1")
    asked = []

    def ask(question):
        asked.append(question)
        return world(question)

    run_check(report(target("192.0.2.1", "mail.example.org", "Mail.Example.Org")), ask)

    assert sorted(map(str, asked)) == ["1.2.0.192.in-addr.arpa PTR", "mail.example.org A", "mail.example.org AAAA"]


EVERYONE = tuple(Receiver)
MTA_NAME = "mail.example.org"
MTA = target("192.0.2.10", MTA_NAME)
RIGHT = World.parse(
    """
    10.2.0.192.in-addr.arpa PTR mail.example.org
    mail.example.org A 192.0.2.10
    mail.example.org MX 10 mx.example.org
    mx.example.org A 192.0.2.20
    """
)


def sampled(ours, world, before=None):
    """A report with every receiver in it, and its evidence."""
    return run_check(report(ours, policies=EVERYONE, before=before), world)


@given(targets, worlds(), worlds(), st.data())
def test_a_prediction_after_another_is_the_one_that_would_have_been_made_without_it(ours, first, second, data):
    """Whatever the DNS was like before, the verdicts are those of the DNS as it is."""
    earlier, evidence = sampled(ours, first)
    now = data.draw(st.sampled_from([first, second])).without_answers_to(data.draw(outages(list(evidence))))

    fresh, _ = sampled(ours, now)
    built_on, _ = sampled(ours, now, Predicted(evidence, earlier.receivers))

    assert built_on == fresh


def test_unchanged_evidence_is_not_judged_again(monkeypatch):
    """The same answers give the very same verdicts, without running a single model."""
    earlier, evidence = sampled(MTA, RIGHT)
    monkeypatch.setattr(module, "receivers", None)

    later, again = sampled(MTA, RIGHT, Predicted(evidence, earlier.receivers))

    assert later.receivers is earlier.receivers
    assert again.keys() == evidence.keys()


def test_what_spf_asked_is_not_asked_again():
    """TXT records are no receiver's here, so one that is among the evidence costs nothing and decides nothing."""
    earlier, evidence = sampled(MTA, RIGHT)
    more = {**evidence, question("example.org", "TXT"): SERVFAIL}

    later, asked = run_check(predictions(MTA, EVERYONE, Predicted(more, earlier.receivers)), RIGHT)

    assert later is earlier.receivers
    assert question("example.org", "TXT") not in asked


def test_another_kind_of_nothing_is_predicted_again():
    """A name that exists without addresses is not one that does not exist, though neither has records."""
    empty, gone = (
        World.parse(f"10.2.0.192.in-addr.arpa PTR x.example.org\n{more}") for more in (f"{MTA_NAME} TXT x", "")
    )
    earlier, evidence = sampled(MTA, empty)

    later, _ = sampled(MTA, gone, Predicted(evidence, earlier.receivers))

    assert later.receivers is not earlier.receivers
    assert later == sampled(MTA, gone)[0]


def test_what_nobody_wants_any_more_is_not_asked_for():
    """When the PTR name changes, the one before is forgotten; when the MX record does, its host."""
    earlier, evidence = sampled(MTA, RIGHT)
    moved = World.parse(
        """
        10.2.0.192.in-addr.arpa PTR other.example.org
        other.example.org A 192.0.2.10
        mail.example.org A 192.0.2.10
        mail.example.org MX 10 mx2.example.org
        """
    )
    _, asked = sampled(MTA, moved, Predicted(evidence, earlier.receivers))

    assert asked.keys() == sampled(MTA, moved)[1].keys()
    assert question("mx.example.org", "A") in evidence
    assert question("mx.example.org", "A") not in asked


def test_an_inconclusive_prediction_is_made_again():
    """What was a guess is not built on, even if the answers are the same."""
    silent = RIGHT.without_answers_to({question("10.2.0.192.in-addr.arpa", "PTR"): SERVFAIL.status})
    earlier, evidence = sampled(MTA, silent)

    assert not Predicted(evidence, earlier.receivers).matches(MTA, EVERYONE)


def test_other_receivers_are_predicted_again():
    """A reload that names others does not get the verdicts of the ones before."""
    earlier, evidence = sampled(MTA, RIGHT)
    before = Predicted(evidence, earlier.receivers)

    later, _ = run_check(report(MTA, policies=[Receiver.GMAIL], before=before), RIGHT)

    assert [[it.receiver for it in row] for row in later.receivers] == [[Receiver.GMAIL]]


@given(targets, worlds())
def test_without_receivers_nothing_more_is_asked_or_predicted(ours, world):
    """A pool that predicts none costs and says what it did before there were predictions."""
    with_none, evidence = run_check(report(ours, policies=()), world)
    with_all, more = sampled(ours, world)

    assert with_none.receivers == ()
    assert evidence.keys() <= more.keys()
    assert (with_none.iprev, with_none.findings) == (with_all.iprev, with_all.findings)


def test_an_address_without_helo_names_is_not_predicted():
    """There is nothing that a receiver could judge."""
    ours = target("192.0.2.10")

    judged, evidence = sampled(ours, RIGHT)

    assert judged.receivers == ()
    assert evidence.keys() == run_check(report(ours), RIGHT)[1].keys()


@given(targets, worlds(), st.booleans())
def test_the_short_list_makes_no_sample_wait_longer(ours, world, is_second):
    """Beside the checks, its questions take two round trips as well, so that time-outs do not add up."""
    judged, evidence = run_check(report(ours, policies=DEFAULT_RECEIVERS), world)
    before = Predicted(evidence, judged.receivers) if is_second else None
    check, steps, answers, known = report(ours, policies=DEFAULT_RECEIVERS, before=before), 0, None, set()
    try:
        while True:
            batch = check.send(answers)
            steps += bool(set(batch) - known)
            known |= set(batch)
            answers = [world(question) for question in batch]
    except StopIteration:
        pass

    assert steps <= 2


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
        pytest.param(HELO, ('mail.example.org. TXT "v=spf1 ip4:192.0.2.1 a ~all"',), id="a-fix-for-a-name"),
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
    """A fix for a domain has a record of that domain."""
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
        basic, _ = run_check(report(ours), World())
        whole, _ = run_check(report(ours, wanted=wanted), World())
        alone, _ = run_check(authentication(ours, wanted), World())
        assert whole.findings == basic.findings + alone
        assert whole.iprev == basic.iprev


@pytest.mark.parametrize(
    ("finding", "passes"),
    [
        pytest.param(Finding(CheckName.SPF_HELO, Result.PASS, HELO), True, id="authorised"),
        pytest.param(Finding(CheckName.SPF_HELO, Result.FAIL, HELO, Reason.SPF_NONE), False, id="not-authorised"),
        pytest.param(judged("")[0], None, id="nothing-published-nor-needed"),
    ],
)
def test_whether_a_finding_is_an_spf_pass(finding, passes):
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
