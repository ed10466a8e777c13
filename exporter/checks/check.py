"""What a check is, and the driver that runs every check.

A check is a generator without I/O. It yields the questions whose answers it needs next, is sent the answers in the same
order, and returns its verdict. The caller brings an `Ask`: the service a resolver, a test a table.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Generic, TypeVar

from exporter.checks.answers import Answer, Question, Status

T = TypeVar("T")

Check = Generator[Sequence[Question], Sequence[Answer], T]
"""A running check: yields questions, is sent their answers in order, returns its verdict."""

OnAnswer = Callable[[Question, Answer], None]

Ask = Callable[[Question, OnAnswer], None]
"""Asks one question. Calls back exactly once, now or later; never raises for what the DNS answers."""

Evidence = Mapping[Question, Answer]
"""The questions of a check with their answers, in the order in which the answers arrived."""


class CheckRun(Generic[T]):
    """Runs one check from its first question to its verdict.

    Each question is asked once: a check that yields it again is sent the same answer. At the end *done* is called with
    the verdict and the evidence, or *failed* with the exception that the check raised.

    Attributes:
        evidence: The answers so far, by question.
    """

    __slots__ = ("_ask", "_batch", "_check", "_done", "_failed", "_open", "evidence")

    def __init__(
        self, check: Check[T], ask: Ask, done: Callable[[T, Evidence], None], failed: Callable[[Exception], None]
    ) -> None:
        self._check = check
        self._ask = ask
        self._done = done
        self._failed = failed
        self._batch: Sequence[Question] = ()
        self._open: int  # missing answers, plus one while questions are being asked
        self.evidence: dict[Question, Answer] = {}

    def start(self) -> None:
        """Ask the first questions. If *ask* answers at once, *done* is called before this returns."""
        self._advance(None)

    def give_up(self, status: Status) -> None:
        """Answer every open and every later question with this inconclusive status.

        Raises `ValueError` for a conclusive status: giving up must not look like "no such record".
        """
        if status.is_conclusive:
            raise ValueError(f"cannot give up with {status}: it is a conclusive status")
        unanswered = Answer(status)
        self._ask = lambda question, on_answer: on_answer(question, unanswered)
        for question in [question for question in self._batch if question not in self.evidence]:
            self._take(question, unanswered)

    def _advance(self, answers: Sequence[Answer] | None) -> None:
        """Run the check until it has to wait for an answer, or is done."""
        evidence = self.evidence
        check = self._check
        while True:
            try:
                batch = check.send(answers)  # type: ignore[arg-type]  # None starts a generator
            except StopIteration as stop:
                verdict: T = stop.value
                break
            except Exception as error:  # noqa: BLE001  # a broken check must not stop the resolver
                self._failed(error)
                return
            self._batch = batch
            if len(batch) == 1 and not (evidence and batch[0] in evidence):
                self._open = 2
                self._ask(batch[0], self._take)
            else:
                unknown = [question for question in dict.fromkeys(batch) if question not in evidence]
                self._open = len(unknown) + 1
                for question in unknown:
                    self._ask(question, self._take)
            self._open -= 1
            if self._open:
                return
            answers = [evidence[question] for question in batch]
        self._done(verdict, evidence)

    def _take(self, question: Question, answer: Answer) -> None:
        evidence = self.evidence
        if evidence and question in evidence:
            return  # too late: `give_up` has answered it
        evidence[question] = answer
        self._open -= 1
        if not self._open:
            batch = self._batch
            self._advance([answer] if len(batch) == 1 else [evidence[question] for question in batch])


def run_check(check: Check[T], answer: Callable[[Question], Answer]) -> tuple[T, Evidence]:
    """Run a check to its end, with *answer* as its source. Returns the verdict and the evidence."""
    outcome: list[tuple[T, Evidence]] = []
    failures: list[Exception] = []
    CheckRun(
        check,
        lambda question, on_answer: on_answer(question, answer(question)),
        lambda verdict, evidence: outcome.append((verdict, evidence)),
        failures.append,
    ).start()
    if failures:
        raise failures[0]
    return outcome[0]


def parallel(checks: Sequence[Check[T]]) -> Check[tuple[T, ...]]:
    """Run several checks as one: each step asks the next questions of all unfinished checks."""
    verdicts: dict[int, T] = {}
    wanted: dict[int, Sequence[Question]] = {}

    def step(index: int, answers: Sequence[Answer] | None) -> None:
        try:
            wanted[index] = checks[index].send(answers)  # type: ignore[arg-type]  # None starts a generator
        except StopIteration as stop:
            wanted.pop(index, None)
            verdicts[index] = stop.value

    for index in range(len(checks)):
        step(index, None)
    while wanted:
        answers = iter((yield [question for questions in wanted.values() for question in questions]))
        for index, questions in tuple(wanted.items()):
            step(index, [next(answers) for _ in questions])
    return tuple([verdicts[index] for index in range(len(checks))])
