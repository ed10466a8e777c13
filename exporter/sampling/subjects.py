"""The two things that are sampled: an address of a pool, and a HELO name of a pool, the other way round."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from exporter.checks.check import Check, Evidence
from exporter.checks.helo_name import HeloNameReport, helo_name
from exporter.checks.report import Report, report
from exporter.checks.verdicts import Finding, IprevVerdict, Result
from exporter.sampling.authentication import Authentication
from exporter.sampling.disagreement import weigh
from exporter.state.address import AddressState
from exporter.state.change import Change
from exporter.state.disputes import Dispute, Disputes
from exporter.state.held import gathered
from exporter.state.pool import FAILING, PoolState

log = structlog.get_logger()

OnChange = Callable[[str, Change], None]
"""Hears of each conclusive change: the pool's name, "" where it is about a domain, and the change."""


class ReportSubject(ABC):
    """What all samples of an address have in common, whatever becomes of them. *known* is what they are news to."""

    __slots__ = ()

    @property
    @abstractmethod
    def known(self) -> AddressState: ...

    def turn(self) -> int | None:
        return None

    def worsens(self, report: Report) -> bool:
        return self.known.worsens(report)

    def is_news(self, report: Report) -> bool:
        return self.known.is_news(report)

    def confirmed(self, earlier: Sequence[Report], last: Report) -> Report:
        return confirmed_report(self.known, earlier, last)

    def doubted(self, report: Report, doubts: Mapping[int, Finding]) -> Report:
        return doubted_report(report, doubts)

    def waited(self) -> int:
        return 0


class AddressSubject(ReportSubject):
    """The address at *index* of a pool. What is known of it is looked up once a check: nobody else records it."""

    __slots__ = ("_authentication", "_before", "_disputes", "_index", "_on_change", "_pool")

    def __init__(
        self, pool: PoolState, index: int, disputes: Disputes, on_change: OnChange, authentication: Authentication
    ) -> None:
        self._authentication = authentication
        self._pool = pool
        self._index = index
        self._disputes = disputes
        self._on_change = on_change
        self._before: AddressState | None = None

    @property
    def known(self) -> AddressState:
        if self._before is None:
            self._before = self._pool[self._index]
        return self._before

    def check(self) -> Check[Report]:
        pool = self._pool.pool
        self._before = None
        state = self.known
        return report(
            state.target,
            suffix=pool.suffix,
            policies=pool.receivers,
            before=state.predicted() if pool.receivers else None,
            wanted=self._authentication.wanted(pool, self._index, state.target),
        )

    def turn(self) -> int | None:
        pool = self._pool
        return pool.counters.rounds if pool.healths[self._index] == FAILING else None

    def waited(self) -> int:
        return self._disputes.waited(self._pool.pool.name, self.known.target.address)

    def record(
        self, report: Report, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        now = time.time()
        if dispute is not None or is_waiting or not self._disputes.is_empty:
            weigh(
                self._disputes,
                self._pool.pool.name,
                report.target.address,
                report.findings,
                dispute,
                now,
                is_waiting=is_waiting,
            )
        for change in self._pool.record(self._index, report, evidence, now):
            self._on_change(self._pool.pool.name, change)

    def broken(self, error: Exception) -> None:
        target = self.known.target
        log.error("a check is broken", pool=self._pool.pool.name, ip=str(target.address), exc_info=error)


class HeloNameSubject:
    """The HELO name *text* of a pool: its addresses are followed back."""

    __slots__ = ("_disputes", "_pool", "_text")

    def __init__(self, pool: PoolState, text: str, disputes: Disputes) -> None:
        self._pool = pool
        self._text = text
        self._disputes = disputes

    def check(self) -> Check[HeloNameReport]:
        return helo_name(self._pool.helos[self._text].said, self._pool.pool.contains)

    def turn(self) -> int | None:
        is_failing = any(each.result is Result.FAIL for each in self._pool.helos[self._text].held.values())
        return self._pool.counters.rounds if is_failing else None

    def worsens(self, report: HeloNameReport) -> bool:
        return self._pool.helos[self._text].worsens(report)

    def is_news(self, report: HeloNameReport) -> bool:
        return self._pool.helos[self._text].is_news(report)

    def confirmed(self, earlier: Sequence[HeloNameReport], last: HeloNameReport) -> HeloNameReport:
        syntax, resolves, fcrdns = gathered([each.findings for each in earlier])
        return self._pool.helos[self._text].confirmed(replace(earlier[0], findings=(syntax, resolves, fcrdns)), last)

    def doubted(self, report: HeloNameReport, doubts: Mapping[int, Finding]) -> HeloNameReport:
        syntax, resolves, fcrdns = [doubts.get(place, each) for place, each in enumerate(report.findings)]
        known = report.resolves if resolves.result is not Result.UNKNOWN else None
        return replace(report, resolves=known, findings=(syntax, resolves, fcrdns))

    def waited(self) -> int:
        return self._disputes.waited(self._pool.pool.name, self._text)

    def record(
        self,
        report: HeloNameReport,
        evidence: Evidence,  # noqa: ARG002  # kept with addresses only
        dispute: Dispute | None = None,
        *,
        is_waiting: bool = False,
    ) -> None:
        now = time.time()
        if dispute is not None or is_waiting or not self._disputes.is_empty:
            weigh(
                self._disputes, self._pool.pool.name, self._text, report.findings, dispute, now, is_waiting=is_waiting
            )
        self._pool.record_helo(report, now)

    def broken(self, error: Exception) -> None:
        log.error("a check is broken", pool=self._pool.pool.name, helo=self._text, exc_info=error)


def confirmed_report(known: AddressState, earlier: Sequence[Report], last: Report) -> Report:
    """The report to believe where *earlier* ones had something worse than what is *known*, and *last* followed."""
    first = earlier[0]
    if len(earlier) > 1:
        first = first._replace(findings=gathered([each.findings for each in earlier]))
    return known.confirmed(first, last)


def doubted_report(report: Report, doubts: Mapping[int, Finding]) -> Report:
    """*report* with the findings at these places instead of its own, all unknown."""
    findings = tuple([doubts.get(place, each) for place, each in enumerate(report.findings)])
    iprev = report.iprev
    if 0 in doubts:
        iprev = iprev._replace(verdict=IprevVerdict.TEMPERROR, finding=doubts[0])
    return report._replace(iprev=iprev, findings=findings)
