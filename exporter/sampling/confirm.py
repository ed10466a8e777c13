"""One sample of one subject: ask, evaluate, and confirm a new failure with other sources before recording it.

A source is a resolver, or one server of the only resolver. A failure that is not known yet is recorded when two sources
report it independently, with the same reason. If sources contradict each other, a third one decides; without a third
one the result is unknown. One source is enough if it reports the failure twice, and either no other source can be asked
or none has confirmed or contradicted it for three samples in a row. Any change is recorded only if the servers that
gave the answers pass their canaries afterwards: one of them may have begun to give wrong answers since its last canary.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from typing import Generic, NamedTuple, Protocol, TypeVar

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check, CheckRun, Evidence, OnAnswer
from exporter.checks.result import Finding, Reason, Result
from exporter.dns.resolvers import Source
from exporter.state.disputes import Dispute
from exporter.state.known import Failure, failures

_MAX_SOURCES = 3
_MAX_UNCONFIRMED_SAMPLES = 2
"""After so many samples in a row in which no two sources agreed, the first one is asked again, and believed."""


class HasFindings(Protocol):
    """A report. All reports on one subject have the same findings in the same order."""

    @property
    def findings(self) -> Sequence[Finding]: ...


R = TypeVar("R", bound=HasFindings)


class Asker(Protocol):
    """What sampling needs of `exporter.dns.resolvers.Resolvers`.

    One question takes *deadline_seconds* at most. Asking more than *max_in_flight* questions at a time is no faster.
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
        source: Source | None = None,
    ) -> None:
        """Answer *question*, with an answer not older than *max_age_seconds*. Calls back exactly once.

        With *confirm*, skip the cache and prefer another server. With *source*, ask only that source.
        """

    def sources(self, servers: Collection[str]) -> frozenset[Source]:
        """The sources that these *servers* belong to."""

    def another(self, heard: Collection[Source]) -> Source | None:
        """A working source that is not in *heard*; None if there is none."""

    def source_at(self, number: int) -> Source | None:
        """The source with this *number*, modulo the number of working sources; None if there is only one."""

    def verify(self, servers: Collection[str], verified: Callable[[Status | None], None]) -> None:
        """Ask the canaries of *servers*, named as in `Answer.server`.

        Calls *verified* exactly once: with None if all pass, else with the reason not to believe the servers.
        """


class Subject(Protocol[R]):
    """An address, HELO name or domain to sample: its check, what is known of it, and where the outcome goes."""

    def check(self) -> Check[R]:
        """A new run of the check."""

    def rotation(self) -> int | None:
        """The number of the source to ask first, increased for each sample; None for any source.

        While a failure is known, samples rotate: the source that is asked first may be the only one that still sees it.
        """

    def worsens(self, report: R) -> bool:
        """Whether *report* has a failure that must be confirmed."""

    def is_changed(self, report: R) -> bool:
        """Whether *report* differs from what is known."""

    def known_failures(self) -> set[Failure]:
        """The failures that are known."""

    def confirmed(self, earlier: Sequence[R], last: R) -> R:
        """*last*, with each new failure that none of *earlier* has turned into unknown."""

    def with_unknown(self, report: R, unknown: Mapping[int, Finding]) -> R:
        """*report* with the findings at these indexes replaced by unknown ones."""

    def unconfirmed_samples(self) -> int:
        """How many samples in a row had a failure that no other source confirmed or contradicted."""

    def record(
        self, report: R, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        """Record the outcome: see `Conclusion`."""

    def broken(self, error: Exception) -> None:
        """Log that the check itself raised *error*: a defect of the exporter."""


class Conclusion(NamedTuple, Generic[R]):
    """What to record if the canaries of *servers* pass.

    Attributes:
        report: The report to record.
        evidence: The questions and answers behind it.
        servers: All servers that the conclusion depends on.
        dispute: The first finding that sources contradict each other about, if any.
        is_waiting: Whether there is a failure that no other source confirmed or contradicted.
    """

    report: R
    evidence: Evidence
    servers: frozenset[str]
    dispute: Dispute | None = None
    is_waiting: bool = False


class Sampling(Generic[R]):
    """One sample of one subject. *finished* is called once, when the outcome is recorded.

    It drops its `CheckRun` as soon as that has ended, because the two refer to each other: thousands of such cycles a
    second would be left to the garbage collector, which blocks the event loop.
    """

    __slots__ = (
        "_asker",
        "_dropped",
        "_finished",
        "_has_restarted",
        "_max_age",
        "_quorum",
        "_run",
        "_source",
        "_subject",
        "_unanswered",
        "_verifying",
    )

    def __init__(self, subject: Subject[R], asker: Asker, max_age_seconds: float, finished: Callable[[], None]) -> None:
        self._subject = subject
        self._asker = asker
        self._max_age = max_age_seconds
        self._finished = finished
        self._quorum: Quorum[R] | None = None
        self._source: Source | None = None
        self._dropped = False
        self._unanswered: Status | None = None
        self._verifying = False
        self._has_restarted = False
        self._run: CheckRun[R] | None = CheckRun(subject.check(), self._ask, self._evaluated, self._broke)

    def start(self) -> None:
        """Ask the first questions. May finish before it returns, if all answers are cached."""
        rotation = self._subject.rotation()
        if rotation is not None:
            self._source = self._asker.source_at(rotation)
        if self._run is not None:
            self._run.start()

    def give_up(self) -> None:
        """End it now: unanswered questions count as timed out."""
        self._unanswered = Status.TIMEOUT
        if self._verifying:
            self._verifying = False
            self._restart()
        elif self._run is not None:
            self._run.give_up(Status.TIMEOUT)

    def drop(self) -> None:
        """End it without recording an outcome. *finished* is not called."""
        self._dropped = True
        self._run = None

    def _ask(self, question: Question, on_answer: OnAnswer) -> None:
        if self._unanswered is not None:
            on_answer(question, Answer(self._unanswered))
        elif self._quorum is None:
            self._asker.ask(question, on_answer, max_age_seconds=self._max_age, source=self._source)
        else:
            self._asker.ask(question, on_answer, confirm=True, source=self._source)

    def _evaluated(self, report: R, evidence: Evidence) -> None:
        self._run = None
        if self._dropped:
            return
        quorum = self._quorum
        if quorum is not None:
            quorum.add(self._source, report, evidence)
        elif self._subject.worsens(report):
            self._quorum = quorum = Quorum(self._subject, self._asker, report, evidence)
        elif self._unanswered is None and self._subject.is_changed(report):
            self._verify(Conclusion(report, evidence, servers_of(evidence)))
            return
        else:
            self._record(report, evidence)
            return
        rerun = quorum.rerun()
        if rerun is not None:
            self._source = rerun.source
            self._rerun()
            return
        conclusion = quorum.conclusion()
        if self._unanswered is None:
            self._verify(conclusion)
        else:
            self._record_conclusion(conclusion)

    def _record_conclusion(self, it: Conclusion[R]) -> None:
        self._record(it.report, it.evidence, it.dispute, is_waiting=it.is_waiting)

    def _record(
        self, report: R, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        try:
            self._subject.record(report, evidence, dispute, is_waiting=is_waiting)
        finally:
            self._finished()  # even if recording or logging failed: a round must not wait for this sample forever

    def _verify(self, conclusion: Conclusion[R]) -> None:
        """Record *conclusion* if the servers behind it still pass their canaries.

        Restart once only. If the servers fail their canaries again, record the sample as unknown.
        """

        def verified(failure: Status | None) -> None:
            if self._dropped or not self._verifying:
                return
            self._verifying = False
            if failure is None:
                self._record_conclusion(conclusion)
                return
            if self._has_restarted:
                self._unanswered = failure
            self._has_restarted = True
            self._restart()

        self._verifying = True
        self._asker.verify(conclusion.servers, verified)

    def _restart(self) -> None:
        self._quorum = self._source = None
        self._rerun()

    def _rerun(self) -> None:
        run = self._run = CheckRun(self._subject.check(), self._ask, self._evaluated, self._broke)
        run.start()

    def _broke(self, error: Exception) -> None:
        self._run = None
        if self._dropped:
            return
        try:
            self._subject.broken(error)
        finally:
            self._finished()


class SourceResult(NamedTuple, Generic[R]):
    """What one run of a check found."""

    report: R
    evidence: Evidence

    @property
    def conclusive(self) -> int:
        """How many findings pass or fail."""
        return sum(finding.result is not Result.UNKNOWN for finding in self.report.findings)


class Rerun(NamedTuple):
    """A further run of the check is needed: by *source* alone, or by any source if that is None."""

    source: Source | None


class Quorum(Generic[R]):
    """The results of different sources, beginning with the first *report* that has a new failure."""

    __slots__ = ("_again", "_asker", "_before", "_first", "_results", "_subject")

    def __init__(self, subject: Subject[R], asker: Asker, report: R, evidence: Evidence) -> None:
        self._subject = subject
        self._asker = asker
        self._first = self._before = SourceResult(report, evidence)
        self._again: SourceResult[R] | None = None
        sources = asker.sources(servers_of(evidence))
        # A result that several sources took part in counts for none of them: any one of them may be wrong.
        self._results: dict[Source, SourceResult[R]] = dict.fromkeys(sources, self._first) if len(sources) == 1 else {}

    def rerun(self) -> Rerun | None:
        """The next run of the check that is needed; None if there are enough results."""
        if self._again is not None:
            return None
        if len(self._results) < 2 or (len(self._results) < _MAX_SOURCES and self._is_open()):
            another = self._asker.another(self._results)
            if another is not None:
                return Rerun(another)
        if len(self._results) < 2:
            return Rerun(None)
        failing_source = self._unconfirmed()
        if failing_source is not None and self._subject.unconfirmed_samples() >= _MAX_UNCONFIRMED_SAMPLES:
            return Rerun(failing_source)
        return None

    def add(self, source: Source | None, report: R, evidence: Evidence) -> None:
        """Add the result of a `Rerun` of *source*."""
        result = SourceResult(report, evidence)
        if source is not None and source not in self._results:
            self._results[source] = result
        else:
            self._again = result
            self._before = self._first if source is None else self._results[source]

    def conclusion(self) -> Conclusion[R]:
        """What to record, given all results."""
        if self._again is not None:
            earlier, last, is_waiting = [self._before], self._again, False
        else:  # the result with the most conclusive findings decides; the latest one of several
            *earlier, last = sorted(self._results.values(), key=lambda result: result.conclusive)
            is_waiting = self._unconfirmed() is not None
        report = self._subject.confirmed([result.report for result in earlier], last.report)
        disputes = {index: dispute for index, dispute in enumerate(map(self._dispute, self._indexes())) if dispute}
        if not disputes:
            return Conclusion(report, last.evidence, servers_of(last.evidence), None, is_waiting)
        unknown = {
            index: _disputed_finding(dispute)
            for index, dispute in disputes.items()
            if (report.findings[index].result, report.findings[index].reason) != self._agreed(index)
        }
        servers = frozenset(server for result in self._results.values() for server in servers_of(result.evidence))
        if unknown:
            report = self._subject.with_unknown(report, unknown)
        return Conclusion(report, last.evidence, servers, next(iter(disputes.values())), is_waiting)

    def _indexes(self) -> range:
        return range(len(self._first.report.findings))

    def _sources(self, index: int, result: Result) -> list[Source]:
        """The sources that have *result* for the finding at *index*."""
        return [source for source, it in self._results.items() if it.report.findings[index].result is result]

    def _agreed(self, index: int) -> tuple[Result, Reason | None] | None:
        """The conclusive result at *index*, with its reason, that at least two sources have; None without one."""
        found = [it.report.findings[index] for it in self._results.values()]
        results = Counter([(it.result, it.reason) for it in found if it.result is not Result.UNKNOWN])
        return next((result for result, count in results.items() if count > 1), None)

    def _is_open(self) -> bool:
        """Whether there is a failure about which no two sources agree yet."""
        return any(self._sources(index, Result.FAIL) and self._agreed(index) is None for index in self._indexes())

    def _unconfirmed(self) -> Source | None:
        """The source of a failure that no other source confirms or contradicts. One that sees a known one does."""
        known = self._subject.known_failures()
        for index in self._indexes():
            failing = self._sources(index, Result.FAIL)
            is_open = failing and self._agreed(index) is None and not self._sources(index, Result.PASS)
            if is_open and known.isdisjoint(failures([it.report.findings[index] for it in self._results.values()])):
                return failing[0]
        return None

    def _dispute(self, index: int) -> Dispute | None:
        failing, passing = self._sources(index, Result.FAIL), self._sources(index, Result.PASS)
        if not failing or not passing:
            return None
        return Dispute(self._results[failing[0]].report.findings[index], failing[0], passing[0])


def servers_of(evidence: Evidence) -> frozenset[str]:
    """The servers that gave the answers."""
    return frozenset([answer.server for answer in evidence.values() if answer.server])


def _disputed_finding(dispute: Dispute) -> Finding:
    failing = dispute.failing
    return Finding(
        failing.check,
        Result.UNKNOWN,
        failing.subject,
        Reason.DISAGREEMENT,
        f"{dispute.passing_source} finds nothing wrong, but {dispute.failing_source} does, so neither is believed: "
        f"{failing.sentence}",
    )
