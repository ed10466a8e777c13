"""One sample on its way: ask, judge, and where that is news for the worse, ask again before it is believed."""

from collections.abc import Callable
from math import inf
from typing import Generic, Protocol, TypeVar

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check, Evidence, OnAnswer, Run

R = TypeVar("R")


class Asker(Protocol):
    """What sampling needs of the DNS: `exporter.dns.resolvers.Resolvers`, or anything that answers like it.

    One question takes *deadline_seconds* at most; it is worth having *max_in_flight* of them under way.
    """

    @property
    def deadline_seconds(self) -> float: ...
    @property
    def max_in_flight(self) -> int: ...

    def ask(
        self, question: Question, on_answer: OnAnswer, *, max_age_seconds: float = inf, confirm: bool = False
    ) -> None:
        """Get *question* answered by an answer not older than *max_age_seconds*.

        Calls back exactly once. With *confirm*, goes past the cache, and to another server where there is one.
        """


class Subject(Protocol[R]):
    """What is sampled: how to judge it, when a report needs confirming, and where the outcome goes."""

    def check(self) -> Check[R]:
        """Begin the check anew."""

    def worsens(self, report: R) -> bool:
        """Whether *report* has a failure that must be confirmed."""

    def confirmed(self, first: R, second: R) -> R:
        """What to believe of *first* after *second*."""

    def record(self, report: R, evidence: Evidence) -> None:
        """Take in the outcome."""

    def broken(self, error: Exception) -> None:
        """Take in that the check itself raised *error*: a defect of ours."""


class Sampling(Generic[R]):
    """One sample of one subject. *finished* is called once, when the outcome is recorded."""

    __slots__ = ("_asker", "_dropped", "_finished", "_first", "_max_age", "_run", "_subject", "_unanswered")

    def __init__(self, subject: Subject[R], asker: Asker, max_age_seconds: float, finished: Callable[[], None]) -> None:
        self._subject = subject
        self._asker = asker
        self._max_age = max_age_seconds
        self._finished = finished
        self._first: R | None = None
        self._dropped = False
        self._unanswered = False
        self._run: Run[R] = Run(subject.check(), self._ask, self._judged, self._broke)

    def start(self) -> None:
        """Ask the first questions. May finish before it returns, if all the answers are at hand."""
        self._run.start()

    def give_up(self) -> None:
        """End it now: whatever is not answered yet counts as a time-out."""
        self._unanswered = True
        self._run.give_up(Status.TIMEOUT)

    def drop(self) -> None:
        """Forget about it: its outcome is not recorded, *finished* is not called."""
        self._dropped = True

    def _ask(self, question: Question, on_answer: OnAnswer) -> None:
        if self._unanswered:
            on_answer(question, Answer(Status.TIMEOUT))
        elif self._first is None:
            self._asker.ask(question, on_answer, max_age_seconds=self._max_age)
        else:
            self._asker.ask(question, on_answer, confirm=True)

    def _judged(self, report: R, evidence: Evidence) -> None:
        if self._dropped:
            return
        if self._first is not None:
            report = self._subject.confirmed(self._first, report)
        elif self._subject.worsens(report):
            self._first = report
            self._run = Run(self._subject.check(), self._ask, self._judged, self._broke)
            self._run.start()
            return
        self._subject.record(report, evidence)
        self._finished()

    def _broke(self, error: Exception) -> None:
        if not self._dropped:
            self._subject.broken(error)
            self._finished()
