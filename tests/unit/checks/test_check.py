"""The driver: asks once, keeps order, survives any order of answers, can be given up at any time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check, CheckRun, parallel, run_check
from exporter.checks.report import report
from tests.factories import NODATA, NXDOMAIN, TIMEOUT, question
from tests.strategies import INCONCLUSIVE, targets, worlds

A = question("a.example.org", "A")
B = question("b.example.org", "A")
C = question("c.example.org", "A")


class Later:
    """An `Ask` that answers when the test wants it, one question at a time."""

    def __init__(self, answer):
        self.answer = answer
        self.asked: list[Question] = []
        self.open = []

    def __call__(self, asked, on_answer):
        self.asked.append(asked)
        self.open.append((asked, on_answer))

    def answer_one(self, index=0):
        """Answer one of the open questions."""
        asked, on_answer = self.open.pop(index)
        on_answer(asked, self.answer(asked))


class Outcome:
    """What became of a run: its verdicts, its failures."""

    def __init__(self):
        self.verdicts = []
        self.failures = []

    def done(self, verdict, evidence):
        """Take a verdict."""
        self.verdicts.append((verdict, dict(evidence)))

    def run(self, check, ask):
        """Build the run that ends here."""
        return CheckRun(check, ask, self.done, self.failures.append)


def statuses(*steps) -> Check[list[Status]]:
    """Ask *steps* one after the other; the verdict is every status, in order."""
    seen = []
    for step in steps:
        seen += [answer.status for answer in (yield step)]
    return seen


def test_answers_are_sent_in_the_order_of_the_questions():
    """A check is sent its answers in its own order, however they came in."""
    table = {A: NODATA, B: NXDOMAIN, C: TIMEOUT}
    later, outcome = Later(table.__getitem__), Outcome()
    outcome.run(statuses([A, B, C]), later).start()

    while later.open:
        later.answer_one(-1)

    assert outcome.verdicts == [
        ([Status.NODATA, Status.NXDOMAIN, Status.TIMEOUT], {C: TIMEOUT, B: NXDOMAIN, A: NODATA})
    ]
    assert list(outcome.verdicts[0][1]) == [C, B, A]


@given(targets, worlds(), st.integers())
def test_any_order_of_answers_gives_the_same_verdict(target, world, seed):
    """The asynchronous driver reaches the verdict of the synchronous one, in whatever order answers come."""
    expected, evidence = run_check(report(target), world)
    later, outcome, order = Later(world), Outcome(), random.Random(seed)
    outcome.run(report(target), later).start()

    while later.open:
        later.answer_one(order.randrange(len(later.open)))

    assert outcome.verdicts == [(expected, dict(evidence))]


@given(targets, worlds(), st.integers())
def test_a_question_is_asked_once(target, world, seed):
    """A check never gets two answers to one question."""
    later, outcome, order = Later(world), Outcome(), random.Random(seed)
    outcome.run(report(target), later).start()

    while later.open:
        later.answer_one(order.randrange(len(later.open)))

    assert len(later.asked) == len(set(later.asked))
    assert set(later.asked) == set(outcome.verdicts[0][1])


def test_the_same_question_in_one_step_and_in_the_next():
    """A question that a check repeats is asked once and answered alike."""
    later, outcome = Later(lambda _: NODATA), Outcome()
    outcome.run(statuses([A, A], [A, B]), later).start()

    later.answer_one()
    later.answer_one()

    assert later.asked == [A, B]
    assert outcome.verdicts[0][0] == [Status.NODATA] * 4


@given(targets, worlds(), st.integers(), st.sampled_from(INCONCLUSIVE), st.data())
def test_giving_up_at_any_time_ends_the_check(target, world, seed, status, data):
    """Whenever a run is given up, it ends at once, with the verdict that lost answers give, once."""
    later, outcome, order = Later(world), Outcome(), random.Random(seed)
    run = outcome.run(report(target), later)
    steps = data.draw(st.integers(0, 20))
    if steps == 0:
        run.give_up(status)
    run.start()
    for _ in range(steps):
        if later.open:
            later.answer_one(order.randrange(len(later.open)))

    run.give_up(status)
    while later.open:  # too late
        later.answer_one()
    run.give_up(status)

    assert len(outcome.verdicts) == 1
    verdict, evidence = outcome.verdicts[0]
    answered = {asked for asked, answer in evidence.items() if answer.status is not status}
    expected, _ = run_check(report(target), lambda asked: world(asked) if asked in answered else Answer(status))
    assert verdict == expected


def test_giving_up_while_the_questions_are_being_asked():
    """A resolver that loses heart in the middle of a step is given up safely."""
    outcome = Outcome()
    asked = []

    def ask(wanted, on_answer):
        asked.append(wanted)
        run.give_up(Status.NETWORK)

    run = outcome.run(statuses([A, B], [C]), ask)
    run.start()

    assert asked == [A]
    assert [verdict for verdict, _ in outcome.verdicts] == [[Status.NETWORK] * 3]


def test_giving_up_needs_a_reason_that_is_inconclusive():
    """Giving up can never look like "no such record"."""
    run = Outcome().run(statuses([A]), Later(lambda _: NODATA))

    with pytest.raises(ValueError, match="conclusive"):
        run.give_up(Status.NXDOMAIN)


def test_an_answer_that_comes_twice_counts_once():
    """The second answer to a question changes nothing."""
    outcome, calls = Outcome(), []
    outcome.run(statuses([A, B]), lambda wanted, on_answer: calls.append((wanted, on_answer))).start()

    for wanted, on_answer in [calls[0], calls[0], calls[1], calls[1]]:
        on_answer(wanted, NODATA if wanted == A else NXDOMAIN)

    assert outcome.verdicts == [([Status.NODATA, Status.NXDOMAIN], {A: NODATA, B: NXDOMAIN})]


def test_a_check_that_asks_nothing():
    """A step without questions, and a check without steps, end at once."""
    assert run_check(statuses([]), lambda _: NODATA) == ([], {})
    assert run_check(statuses(), lambda _: NODATA) == ([], {})


def test_a_long_check_on_answers_at_hand_needs_no_stack():
    """Ten thousand steps, all answered on the spot, do not recurse."""
    steps = [[question(f"{number}.example.org", "A")] for number in range(10_000)]

    verdict, evidence = run_check(statuses(*steps), lambda _: NODATA)

    assert len(verdict) == len(evidence) == 10_000


def broken() -> Check[None]:
    """Ask once, then fall over."""
    yield [A]
    raise RuntimeError("a defect")


def test_a_broken_check_is_reported_and_goes_no_further():
    """What a defective check raises reaches `failed`, not the resolver that called back."""
    later, outcome = Later(lambda _: NODATA), Outcome()
    outcome.run(broken(), later).start()

    later.answer_one()

    assert [str(error) for error in outcome.failures] == ["a defect"]
    assert outcome.verdicts == []
    with pytest.raises(RuntimeError, match="a defect"):
        run_check(broken(), lambda _: NODATA)


@given(st.lists(st.lists(st.lists(st.sampled_from([A, B, C]), max_size=3), max_size=4), max_size=5), st.integers())
def test_parallel_checks_are_what_they_are_alone(plans, seed):
    """Checks that run as one reach the verdicts that each reaches alone, in as many steps as the longest."""
    table = {A: NODATA, B: NXDOMAIN, C: TIMEOUT}
    later, outcome, order = Later(table.__getitem__), Outcome(), random.Random(seed)
    outcome.run(parallel([statuses(*plan) for plan in plans]), later).start()

    while later.open:
        later.answer_one(order.randrange(len(later.open)))

    alone = tuple(run_check(statuses(*plan), table.__getitem__)[0] for plan in plans)
    assert [verdict for verdict, _ in outcome.verdicts] == [alone]
    assert len(later.asked) == len(set(later.asked))


def test_parallel_checks_wait_for_each_other_only_by_step():
    """The first step of all checks is asked at once."""
    later = Later(lambda _: NODATA)
    Outcome().run(parallel([statuses([A], [C]), statuses([B])]), later).start()

    assert later.asked == [A, B]
