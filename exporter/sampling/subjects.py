"""The two things that are sampled: an address of a pool, and a HELO name of a pool, the other way round."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import structlog

from exporter.checks.check import Check, Evidence
from exporter.checks.domain import DomainFinding
from exporter.checks.domain_report import DomainReport, domain_report
from exporter.checks.helo_name import HeloNameReport, helo_name
from exporter.checks.report import Report, Target, Wanted, report
from exporter.checks.result import CheckName, Finding, IprevVerdict, Reason, Result
from exporter.inventory.pool import Pool
from exporter.sampling.confirm import Asker, Sampling
from exporter.sampling.spf_cache import Authentication, wanted_now
from exporter.state.address import AddressState
from exporter.state.blocklists import Blocklists
from exporter.state.disputes import DOMAINS, Dispute, Disputed, Disputes
from exporter.state.domain import DomainBoard, DomainState
from exporter.state.journal import Change
from exporter.state.known import merged, slots
from exporter.state.pool import FAILING, PoolState

# SECTION exporter.sampling.disagreement
# Keeps the books on who disagrees about what, and tells the log when that begins and when it ends.
#
# The rule of this file: one line for each dispute, not for each sample of it.

log = structlog.get_logger()


def weigh(
    disputes: Disputes,
    pool: str,
    subject: Disputed,
    findings: Sequence[Finding],
    dispute: Dispute | None,
    now: float,
    *,
    is_waiting: bool,
) -> None:
    """Take in that a sample of *subject*, at Unix time *now*, came to *findings*, and to this of the voices' accord."""
    if is_waiting:
        disputes.wait(pool, subject)
    if dispute is not None:
        if disputes.note(pool, subject, dispute, now):
            log.warning(
                "resolvers disagree",
                **_told(pool, subject),
                check=dispute.failing.check.value,
                failing=str(dispute.failing_source),
                passing=str(dispute.passing_source),
                sentence=dispute.failing.sentence,
            )
    elif not is_waiting and _says_something(findings, disputes.of(pool, subject)) and disputes.settle(pool, subject):
        log.info("resolvers agree again", **_told(pool, subject))


def _told(pool: str, subject: Disputed) -> dict[str, str]:
    return {"domain": str(subject)} if pool == DOMAINS else {"pool": pool, "subject": str(subject)}


def _says_something(findings: Sequence[Finding], dispute: Dispute | None) -> bool:
    """Whether anything is known by *findings* of what is disputed; of anything, where nothing is."""
    slot = None if dispute is None else (dispute.failing.check, dispute.failing.subject)
    return any(each.result is not Result.UNKNOWN and slot in {None, (each.check, each.subject)} for each in findings)


# SECTION exporter.sampling.subjects

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

    def is_changed(self, report: Report) -> bool:
        return self.known.is_changed(report)

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
        return helo_name(self._pool.helos[self._text].helo, self._pool.pool.contains)

    def turn(self) -> int | None:
        is_failing = any(each.result is Result.FAIL for each in self._pool.helos[self._text].known.values())
        return self._pool.counters.rounds if is_failing else None

    def worsens(self, report: HeloNameReport) -> bool:
        return self._pool.helos[self._text].worsens(report)

    def is_changed(self, report: HeloNameReport) -> bool:
        return self._pool.helos[self._text].is_changed(report)

    def confirmed(self, earlier: Sequence[HeloNameReport], last: HeloNameReport) -> HeloNameReport:
        syntax, resolves, fcrdns = merged([each.findings for each in earlier])
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
        first = first._replace(findings=merged([each.findings for each in earlier]))
    return known.confirmed(first, last)


def doubted_report(report: Report, doubts: Mapping[int, Finding]) -> Report:
    """*report* with the findings at these places instead of its own, all unknown."""
    findings = tuple([doubts.get(place, each) for place, each in enumerate(report.findings)])
    iprev = report.iprev
    if 0 in doubts:
        iprev = iprev._replace(verdict=IprevVerdict.TEMPERROR, finding=doubts[0])
    return report._replace(iprev=iprev, findings=findings)


# SECTION exporter.sampling.domain_subject
# What is sampled of a domain, in the form in which voices are compared.
#
# The rule of this file: a domain's checks may have several findings each, and another number of them in each
# sample; so
# opinions (`exporter.sampling.opinions`) are compared by slot, each of which comes to one result.


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

    def is_changed(self, report: Told) -> bool:
        return self._state.is_changed(report.report)

    def confirmed(self, earlier: Sequence[Told], last: Told) -> Told:
        return Told(self._state.confirmed([told.report for told in earlier], last.report))

    def doubted(self, report: Told, doubts: Mapping[int, Finding]) -> Told:
        places = {slot: place for place, slot in enumerate(slots(report.report.findings))}

        def change(finding: DomainFinding) -> DomainFinding:
            doubt = doubts.get(places[finding.check, finding.subject])
            if doubt is None:
                return finding
            return replace(finding, result=doubt.result, reason=doubt.reason, sentence=doubt.sentence, fix=None)

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


# SECTION exporter.sampling.probe
# One sample now, for whoever waits for it: the board hears nothing of it.
#
# The rule of this file: a failure that is not held by the board is confirmed before it is told, as in the
# background.


class ProbeSubject(ReportSubject):
    """A target of *pool*, of which *known* is known; *outcome* gets what the sample leads to."""

    def __init__(
        self,
        pool: Pool,
        target: Target,
        known: AddressState,
        outcome: "asyncio.Future[AddressState]",
        wanted: Wanted,
    ) -> None:
        self._pool = pool
        self._wanted = wanted
        self._target = target
        self._known = known.retarget(target)
        self._outcome = outcome

    @property
    def known(self) -> AddressState:
        return self._known

    def check(self) -> Check[Report]:
        pool = self._pool
        return report(self._target, suffix=pool.suffix, policies=pool.receivers, wanted=self._wanted)

    def record(
        self,
        report: Report,
        evidence: Evidence,
        dispute: Dispute | None = None,  # noqa: ARG002  # the board hears nothing of it
        *,
        is_waiting: bool = False,  # noqa: ARG002
    ) -> None:
        state, _ = AddressState(self._target).observe(report, evidence, time.time())
        if not self._outcome.done():
            self._outcome.set_result(state)

    def broken(self, error: Exception) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)


async def sample_now(
    pool: Pool,
    target: Target,
    known: AddressState,
    asker: Asker,
    timeout_seconds: float,
    blocklists: Blocklists | None = None,
) -> AddressState:
    """Sample *target*; after *timeout_seconds* whatever is not answered counts as a time-out."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[AddressState] = loop.create_future()
    wanted = wanted_now(pool, target, Blocklists() if blocklists is None else blocklists)
    sampling = Sampling(ProbeSubject(pool, target, known, outcome, wanted), asker, 0.0, lambda: None)
    end = loop.call_later(timeout_seconds, sampling.give_up)
    try:
        sampling.start()
        return await outcome
    finally:
        end.cancel()
        sampling.drop()
