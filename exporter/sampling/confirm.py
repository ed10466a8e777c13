"""One sample on its way: ask, judge, and where that is news for the worse, ask others before it is believed.

The rule of this file: news is recorded only when the servers that told it pass their canaries after that, for a
resolver may have begun to lie since it was last checked; and bad news only when `Opinions` say so.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from typing import Generic, NamedTuple, Protocol, TypeVar

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check, CheckRun, Evidence, OnAnswer
from exporter.checks.result import Finding, Reason, Result
from exporter.dns.resolvers import Voice
from exporter.state.disputes import Dispute

# SECTION exporter.sampling.opinions
# Whom to ask, and whom to believe, when a sample says that something got worse.
#
# The rule of this file: a failure that is not held is believed when two voices (`exporter.dns.voices`) have it,
# each on
# its own. Where they contradict each other a third decides, and where there is none, neither is believed. Only
# where
# nobody else can be asked, or nobody else knew for three samples in a row, is the word of one voice enough,
# given twice.

_MOST_OPINIONS = 3
_PATIENCE_SAMPLES = 2
"""For how many samples in a row a failure is held back because nobody else says anything about it."""


class Judged(Protocol):
    """Any report: several on one subject have the same findings, in the same order."""

    @property
    def findings(self) -> Sequence[Finding]: ...


R = TypeVar("R", bound=Judged)


class Judge(Protocol[R]):
    """What can be made of several reports on one subject, given what is held of it."""

    def confirmed(self, earlier: Sequence[R], last: R) -> R:
        """What to believe of *last*, to whose failures one of *earlier* is a witness or none is."""

    def doubted(self, report: R, doubts: Mapping[int, Finding]) -> R:
        """*report* with the findings at these places instead of its own, all unknown."""

    def waited(self) -> int:
        """How many samples in a row came to a failure that nobody else said anything about."""


class Electorate(Protocol):
    """Who can be asked: see `exporter.dns.resolvers.Resolvers`."""

    def voices(self, servers: Collection[str]) -> frozenset[Voice]: ...
    def another(self, heard: Collection[Voice]) -> Voice | None: ...


class Opinion(NamedTuple, Generic[R]):
    """What one run of a check came to."""

    report: R
    evidence: Evidence

    @property
    def conclusive(self) -> int:
        """How many of its findings say something."""
        return sum(it.result is not Result.UNKNOWN for it in self.report.findings)


class Outcome(NamedTuple, Generic[R]):
    """What to record once the canaries of *servers* pass; *is_waiting* says that nobody else was heard of it."""

    report: R
    evidence: Evidence
    servers: frozenset[str]
    dispute: Dispute | None = None
    is_waiting: bool = False


class Wanted(NamedTuple):
    """Who should be asked next; None for whoever there is."""

    voice: Voice | None


class Opinions(Generic[R]):
    """The opinions on one subject, from the first report on that says that it got worse."""

    __slots__ = ("_again", "_apart", "_electorate", "_first", "_judge", "_witness")

    def __init__(self, judge: Judge[R], electorate: Electorate, report: R, evidence: Evidence) -> None:
        self._judge = judge
        self._electorate = electorate
        self._first = self._witness = Opinion(report, evidence)
        self._again: Opinion[R] | None = None
        voices = electorate.voices(servers_of(evidence))
        # What several had a part in is nobody's own opinion: any one of them may be wrong.
        self._apart: dict[Voice, Opinion[R]] = dict.fromkeys(voices, self._first) if len(voices) == 1 else {}

    def wanted(self) -> Wanted | None:
        """Who should be asked next; None if nobody needs to be."""
        if self._again is not None:
            return None
        if len(self._apart) < 2 or (len(self._apart) < _MOST_OPINIONS and self._is_open()):
            another = self._electorate.another(self._apart)
            if another is not None:
                return Wanted(another)
        if len(self._apart) < 2:
            return Wanted(None)
        failing_source = self._unanswered()
        if failing_source is not None and self._judge.waited() >= _PATIENCE_SAMPLES:
            return Wanted(failing_source)
        return None

    def add(self, voice: Voice | None, report: R, evidence: Evidence) -> None:
        """Take in the report that asking *voice* led to."""
        opinion = Opinion(report, evidence)
        if voice is not None and voice not in self._apart:
            self._apart[voice] = opinion
        else:
            self._again = opinion
            self._witness = self._first if voice is None else self._apart[voice]

    def outcome(self) -> Outcome[R]:
        """What to believe of all this."""
        if self._again is not None:
            report, evidence = self._again
            return Outcome(self._judge.confirmed([self._witness.report], report), evidence, servers_of(evidence))
        # Whoever knows most has the last word; the latest, if there are several.
        *earlier, last = sorted(self._apart.values(), key=lambda opinion: opinion.conclusive)
        report = self._judge.confirmed([opinion.report for opinion in earlier], last.report)
        is_waiting = self._unanswered() is not None
        disputes = {place: dispute for place, dispute in enumerate(map(self._dispute, self._places())) if dispute}
        if not disputes:
            return Outcome(report, last.evidence, servers_of(last.evidence), None, is_waiting)
        doubts = {
            place: _doubt(dispute)
            for place, dispute in disputes.items()
            if report.findings[place].result is not self._majority(place)
        }
        servers = frozenset(server for opinion in self._apart.values() for server in servers_of(opinion.evidence))
        if doubts:
            report = self._judge.doubted(report, doubts)
        return Outcome(report, last.evidence, servers, next(iter(disputes.values())), is_waiting)

    def _places(self) -> range:
        return range(len(self._first.report.findings))

    def _of(self, place: int, result: Result) -> list[Voice]:
        return [voice for voice, it in self._apart.items() if it.report.findings[place].result is result]

    def _majority(self, place: int) -> Result | None:
        """What most of those who know say, if two do."""
        most = max((Result.FAIL, Result.PASS), key=lambda result: len(self._of(place, result)))
        return most if len(self._of(place, most)) > 1 else None

    def _is_open(self) -> bool:
        """Whether there is a failure of which two have not said the same yet."""
        return any(self._of(place, Result.FAIL) and self._majority(place) is None for place in self._places())

    def _unanswered(self) -> Voice | None:
        """Who alone has a failure that nobody else says anything about."""
        for place in self._places():
            failing = self._of(place, Result.FAIL)
            if len(failing) == 1 and not self._of(place, Result.PASS):
                return failing[0]
        return None

    def _dispute(self, place: int) -> Dispute | None:
        failing, passing = self._of(place, Result.FAIL), self._of(place, Result.PASS)
        if not failing or not passing:
            return None
        return Dispute(self._apart[failing[0]].report.findings[place], failing[0], passing[0])


def servers_of(evidence: Evidence) -> frozenset[str]:
    """Who gave the answers."""
    return frozenset([answer.server for answer in evidence.values() if answer.server])


def _doubt(dispute: Dispute) -> Finding:
    failing = dispute.failing
    return Finding(
        failing.check,
        Result.UNKNOWN,
        failing.subject,
        Reason.DISAGREEMENT,
        f"{dispute.passing_source} finds nothing wrong, but {dispute.failing_source} does, so neither is believed: "
        f"{failing.sentence}",
    )


# SECTION exporter.sampling.sampling


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

    def is_changed(self, report: R) -> bool:
        """Whether *report* says anything else than what is known."""

    def record(
        self, report: R, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        """Take in the outcome: see `Outcome`."""

    def broken(self, error: Exception) -> None:
        """Take in that the check itself raised *error*: a defect of ours."""


class Sampling(Generic[R]):
    """One sample of one subject. *finished* is called once, when the outcome is recorded.

    It lets go of its `CheckRun` as soon as that has ended: the two know each other, and thousands of such pairs a second
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
        self._run: CheckRun[R] | None = CheckRun(subject.check(), self._ask, self._judged, self._broke)

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
        elif self._unanswered is None and self._subject.is_changed(report):
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
        run = self._run = CheckRun(self._subject.check(), self._ask, self._judged, self._broke)
        run.start()

    def _broke(self, error: Exception) -> None:
        self._run = None
        if self._dropped:
            return
        try:
            self._subject.broken(error)
        finally:
            self._finished()
