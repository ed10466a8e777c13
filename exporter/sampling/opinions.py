"""Whom to ask, and whom to believe, when a sample says that something got worse.

The rule of this file: a failure that is not held is believed when two voices (`exporter.dns.voices`) have it, each on
its own. Where they contradict each other a third decides, and where there is none, neither is believed. Only where
nobody else can be asked, or nobody else knew for three samples in a row, is the word of one voice enough, given twice.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from exporter.checks.check import Evidence
from exporter.checks.verdicts import Finding, Reason, Result
from exporter.dns.voices import Voice
from exporter.state.disputes import Dispute

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
        accuser = self._unanswered()
        if accuser is not None and self._judge.waited() >= _PATIENCE_SAMPLES:
            return Wanted(accuser)
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
        f"{dispute.defender} finds nothing wrong, but {dispute.accuser} does, so neither is believed: "
        f"{failing.sentence}",
    )
