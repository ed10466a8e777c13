"""One sample on its way: ask, judge, and where that is news for the worse, ask others before it is believed.

The rule of this file: news is recorded only when the servers that told it pass their canaries after that, for a
resolver may have begun to lie since it was last checked; and bad news only when `Opinions` say so.
"""

from collections.abc import Callable, Collection
from math import inf
from typing import Generic, Protocol

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check, Evidence, OnAnswer, Run
from exporter.dns.voices import Voice
from exporter.sampling.opinions import Electorate, Judge, Opinions, Outcome, R, servers_of
from exporter.state.disputes import Dispute


class Asker(Electorate, Protocol):
    """What sampling needs of the DNS: `exporter.dns.resolvers.Resolvers`, or anything that answers like it.

    One question takes *deadline_seconds* at most; it is worth having *max_in_flight* of them under way.
    """

    @property
    def deadline_seconds(self) -> float: ...
    @property
    def max_in_flight(self) -> int: ...

    def ask(
        self,
        question: Question,
        on_answer: OnAnswer,
        *,
        max_age_seconds: float = inf,
        confirm: bool = False,
        voice: Voice | None = None,
    ) -> None:
        """Get *question* answered by an answer not older than *max_age_seconds*.

        Calls back exactly once. With *confirm*, goes past the cache, and to another server where there is one; with
        *voice*, to that one and nobody else.
        """

    def in_turn(self, turn: int) -> Voice | None:
        """Of those who can be asked, the one whose turn it is; None where there is no choice."""

    def verify(self, servers: Collection[str], verified: Callable[[Status | None], None]) -> None:
        """Tell *verified* why those *servers*, named as in `Answer.server`, are not believed, None if they are.

        Calls back exactly once, after their canaries were asked.
        """


class Subject(Judge[R], Protocol[R]):
    """What is sampled: how to judge it, when a report needs confirming, and where the outcome goes."""

    def check(self) -> Check[R]:
        """Begin the check anew."""

    def turn(self) -> int | None:
        """Whose turn it is to be asked, as a number that goes up; None if it does not matter who is.

        It matters where a failure is held: who is asked first may be the only one who still sees it.
        """

    def worsens(self, report: R) -> bool:
        """Whether *report* has a failure that must be confirmed."""

    def is_news(self, report: R) -> bool:
        """Whether *report* says anything else than what is known."""

    def record(
        self, report: R, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        """Take in the outcome: see `Outcome`."""

    def broken(self, error: Exception) -> None:
        """Take in that the check itself raised *error*: a defect of ours."""


class Sampling(Generic[R]):
    """One sample of one subject. *finished* is called once, when the outcome is recorded.

    It lets go of its `Run` as soon as that has ended: the two know each other, and thousands of such pairs a second
    would wait in memory for the garbage collector, which would hold the event loop to take them away.
    """

    __slots__ = (
        "_asker",
        "_dropped",
        "_finished",
        "_max_age",
        "_opinions",
        "_run",
        "_subject",
        "_unanswered",
        "_verifying",
        "_voice",
        "_was_doubted",
    )

    def __init__(self, subject: Subject[R], asker: Asker, max_age_seconds: float, finished: Callable[[], None]) -> None:
        self._subject = subject
        self._asker = asker
        self._max_age = max_age_seconds
        self._finished = finished
        self._opinions: Opinions[R] | None = None
        self._voice: Voice | None = None
        self._dropped = False
        self._unanswered: Status | None = None
        self._verifying = False
        self._was_doubted = False
        self._run: Run[R] | None = Run(subject.check(), self._ask, self._judged, self._broke)

    def start(self) -> None:
        """Ask the first questions. May finish before it returns, if all the answers are at hand."""
        turn = self._subject.turn()
        if turn is not None:
            self._voice = self._asker.in_turn(turn)
        if self._run is not None:
            self._run.start()

    def give_up(self) -> None:
        """End it now: whatever is not answered yet counts as a time-out."""
        self._unanswered = Status.TIMEOUT
        if self._verifying:
            self._verifying = False
            self._start_over()
        elif self._run is not None:
            self._run.give_up(Status.TIMEOUT)

    def drop(self) -> None:
        """Forget about it: its outcome is not recorded, *finished* is not called."""
        self._dropped = True
        self._run = None

    def _ask(self, question: Question, on_answer: OnAnswer) -> None:
        if self._unanswered is not None:
            on_answer(question, Answer(self._unanswered))
        elif self._opinions is None:
            self._asker.ask(question, on_answer, max_age_seconds=self._max_age, voice=self._voice)
        else:
            self._asker.ask(question, on_answer, confirm=True, voice=self._voice)

    def _judged(self, report: R, evidence: Evidence) -> None:
        self._run = None
        if self._dropped:
            return
        opinions = self._opinions
        if opinions is not None:
            opinions.add(self._voice, report, evidence)
        elif self._subject.worsens(report):
            self._opinions = opinions = Opinions(self._subject, self._asker, report, evidence)
        elif self._unanswered is None and self._subject.is_news(report):
            self._verify(Outcome(report, evidence, servers_of(evidence)))
            return
        else:
            self._record(report, evidence)
            return
        wanted = opinions.wanted()
        if wanted is not None:
            self._voice = wanted.voice
            self._rerun()
            return
        outcome = opinions.outcome()
        if self._unanswered is None:
            self._verify(outcome)
        else:
            self._record(outcome.report, outcome.evidence, outcome.dispute, is_waiting=outcome.is_waiting)

    def _record(
        self, report: R, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        try:
            self._subject.record(report, evidence, dispute, is_waiting=is_waiting)
        finally:
            self._finished()  # whoever cannot take a report in, or log it, must not keep a round from its end

    def _verify(self, outcome: Outcome[R]) -> None:
        """Record the outcome if those who gave the answers still pass their canaries."""

        def verified(doubt: Status | None) -> None:
            if self._dropped or not self._verifying:
                return
            self._verifying = False
            if doubt is None:
                self._record(outcome.report, outcome.evidence, outcome.dispute, is_waiting=outcome.is_waiting)
                return
            if self._was_doubted:  # once is enough: who lies now and then is not believed today
                self._unanswered = doubt
            self._was_doubted = True
            self._start_over()

        self._verifying = True
        self._asker.verify(outcome.servers, verified)

    def _start_over(self) -> None:
        self._opinions = self._voice = None
        self._rerun()

    def _rerun(self) -> None:
        run = self._run = Run(self._subject.check(), self._ask, self._judged, self._broke)
        run.start()

    def _broke(self, error: Exception) -> None:
        self._run = None
        if self._dropped:
            return
        try:
            self._subject.broken(error)
        finally:
            self._finished()
