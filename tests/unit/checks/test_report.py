"""A whole sample: what an outage, another order, or another target may do to its findings."""

import random

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question
from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.checks.result import CheckName, IprevVerdict, Result
from tests.factories import World, name, target
from tests.strategies import outages, targets, worlds

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
        assert is_now == was or is_now.result is Result.UNKNOWN


@given(targets, worlds(), st.data())
def test_an_answer_that_comes_back_never_turns_one_verdict_into_its_opposite(ours, world, data):
    """Two samples in two different outages never contradict each other."""
    _, evidence = run_check(report(ours), world)
    one, other = (
        run_check(report(ours), world.without_answers_to(data.draw(outages(list(evidence)))))[0] for _ in range(2)
    )

    for first, second in zip(one.findings, other.findings, strict=True):
        assert first == second or Result.UNKNOWN in {first.result, second.result}


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
        *[check for _ in ours.helos for check in list(CheckName)[1:6]],
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
    """An address without PTR is told to point it at its host name, not at localhost."""
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
