"""What is sampled of a domain, in the form in which voices are compared.

The rule of this file: a domain's checks may have several findings each, and another number of them in each sample; so
opinions (`exporter.sampling.opinions`) are compared by slot, each of which comes to one result.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import structlog

from exporter.checks.check import Check, Evidence
from exporter.checks.domain import DomainFinding
from exporter.checks.domain_report import DomainReport, domain_report
from exporter.checks.verdicts import CheckName, Finding, Reason, Result
from exporter.sampling.disagreement import weigh
from exporter.sampling.subjects import OnChange
from exporter.state.disputes import DOMAINS, Dispute, Disputes
from exporter.state.domain import DomainState
from exporter.state.domain_board import DomainBoard
from exporter.state.domain_held import slots

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """What one run of a domain's checks came to."""

    report: DomainReport

    @property
    def findings(self) -> Sequence[Finding]:
        """One for each slot, the worst of it: a failure before what is unknown. Same slots, same order."""
        return [_stand_in(found) for found in slots(self.report.findings).values()]


class DomainSubject:
    """A domain of the board, sampled by the settings that it has now."""

    __slots__ = ("_board", "_disputes", "_on_change", "_settings")

    def __init__(self, board: DomainBoard, state: DomainState, disputes: Disputes, on_change: OnChange) -> None:
        self._board = board
        self._settings = state.settings
        self._disputes = disputes
        self._on_change = on_change

    @property
    def _state(self) -> DomainState:
        return self._board[self._settings.name]

    def check(self) -> Check[Told]:
        return Told((yield from domain_report(self._settings.name, self._settings.selectors)))

    def turn(self) -> int | None:
        return None

    def worsens(self, report: Told) -> bool:
        return self._state.worsens(report.report)

    def is_news(self, report: Told) -> bool:
        return self._state.is_news(report.report)

    def confirmed(self, earlier: Sequence[Told], last: Told) -> Told:
        return Told(self._state.confirmed([told.report for told in earlier], last.report))

    def doubted(self, report: Told, doubts: Mapping[int, Finding]) -> Told:
        places = {slot: place for place, slot in enumerate(slots(report.report.findings))}

        def change(finding: DomainFinding) -> DomainFinding:
            doubt = doubts.get(places[finding.check, finding.subject])
            if doubt is None:
                return finding
            return replace(finding, result=doubt.result, reason=doubt.reason, sentence=doubt.sentence, mend=None)

        return Told(report.report.with_findings(change))

    def waited(self) -> int:
        return self._disputes.waited(DOMAINS, self._settings.name)

    def record(
        self,
        report: Told,
        evidence: Evidence,
        dispute: Dispute | None = None,
        *,
        is_waiting: bool = False,
    ) -> None:
        name, now = self._settings.name, time.time()
        if dispute is not None or is_waiting or not self._disputes.is_empty:
            weigh(self._disputes, DOMAINS, name, report.findings, dispute, now, is_waiting=is_waiting)
        for change in self._board.record(name, report.report, evidence, now):
            self._on_change("", change)

    def broken(self, error: Exception) -> None:
        log.error("a check is broken", domain=self._settings.name, exc_info=error)


def _stand_in(findings: Sequence[DomainFinding]) -> Finding:
    """One finding for all of a slot, in the words of an address's: whoever compares looks at no check's name."""
    order = (Result.FAIL, Result.UNKNOWN, Result.PASS)
    worst = min(findings, key=lambda finding: order.index(finding.result))
    check, reason = cast("CheckName", worst.check), cast("Reason | None", worst.reason)
    return Finding(check, worst.result, worst.subject, reason, worst.sentence)
