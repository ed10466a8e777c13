"""What a check is, and the one driver that runs every check.

The rule of this file: it knows nothing of resolvers, clocks or event loops. A check yields the questions that it needs
answered at once, is sent their answers in the same order, and returns its verdict. Whoever runs it brings an `Ask`:
the service brings a resolver that calls back later, a test brings a table that calls back at once.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Generic, TypeVar

from exporter.checks.answers import Answer, Question, Status

T = TypeVar("T")

Check = Generator[Sequence[Question], Sequence[Answer], T]
"""A check under way: yields questions, is sent their answers in order, returns its verdict."""

OnAnswer = Callable[[Question, Answer], None]

Ask = Callable[[Question, OnAnswer], None]
"""Gets one question answered: calls back exactly once, now or later, and never raises for what the DNS said."""

Evidence = Mapping[Question, Answer]
"""What a check asked and was told, in the order of the answers."""


class CheckRun(Generic[T]):
    """One check on its way from its first question to its verdict.

    A question is asked once: a check that yields it again, or twice in one step, is sent the same answer, so that no
    verdict rests on two answers to one question. *done* is called once, with the verdict and the evidence; or, if the
    check itself is broken, *failed* with what it raised.
    """

    __slots__ = ("_ask", "_batch", "_check", "_done", "_failed", "_open", "evidence")

    def __init__(
        self,
        check: Check[T],
        ask: Ask,
        done: Callable[[T, Evidence], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._check = check
        self._ask = ask
        self._done = done
        self._failed = failed
        self._batch: Sequence[Question] = ()
        self._open: int  # answers that are missing, and one more while questions are asked
        self.evidence: dict[Question, Answer] = {}

    def start(self) -> None:
        """Ask the first questions. If every answer is at hand, the verdict is given before this returns."""
        self._advance(None)

    def give_up(self, status: Status) -> None:
        """Take every question that is still open, or yet to come, as unanswered for this inconclusive reason.

        Raises `ValueError` for a conclusive one: giving up must not look like "no such record".
        """
        if status.is_conclusive:
            raise ValueError(f"{status} is no inconclusive reason to give up")
        unanswered = Answer(status)
        self._ask = lambda question, on_answer: on_answer(question, unanswered)
        for question in [question for question in self._batch if question not in self.evidence]:
            self._take(question, unanswered)

    def _advance(self, answers: Sequence[Answer] | None) -> None:
        """Step the check until it has to wait, or is done."""
        evidence = self.evidence
        check = self._check
        while True:
            try:
                batch = check.send(answers)  # type: ignore[arg-type]  # None starts a generator
            except StopIteration as stop:
                verdict: T = stop.value
                break
            except Exception as error:  # noqa: BLE001  # a broken check must not take the resolver down with it
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
            return  # too late: it was given up
        evidence[question] = answer
        self._open -= 1
        if not self._open:
            batch = self._batch
            self._advance([answer] if len(batch) == 1 else [evidence[question] for question in batch])


def run_check(check: Check[T], answer: Callable[[Question], Answer]) -> tuple[T, Evidence]:
    """Run a check to its end on answers that are at hand: those of a table, or of a record of earlier questions."""
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
    """Run several checks as one: each step asks what all the unfinished ones want to know next."""
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
