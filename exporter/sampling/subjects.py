"""What is sampled: addresses, HELO names, domains, random addresses, and the target of a probe."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import structlog

from exporter.checks.addresses import Address
from exporter.checks.check import Check, Evidence
from exporter.checks.domain_report import DomainReport, domain_report
from exporter.checks.helo_name import HeloNameReport, helo_name
from exporter.checks.report import AuthenticationSettings, Report, Target, report
from exporter.checks.result import Finding, IprevVerdict, Result
from exporter.inventory.pool import Pool
from exporter.sampling.confirm import Asker, HasFindings, Sampling
from exporter.sampling.spf_cache import Authentication, wanted_now
from exporter.state.address import AddressState
from exporter.state.blocklists import Blocklists
from exporter.state.counters import NotEnumerableSamples
from exporter.state.disputes import DOMAINS, Dispute, Disputed, Disputes
from exporter.state.domain import DomainBoard, DomainState
from exporter.state.journal import Change
from exporter.state.known import Failure, failures, slots
from exporter.state.pool import FAILING, PoolState, worst

log = structlog.get_logger()

OnChange = Callable[[str, Change], None]
"""Called with each conclusive change: the name of the pool, or "" for a domain, and the change."""


class ReportSubject(ABC):
    """What all samples of an address have in common. *known* is what they are compared with."""

    __slots__ = ()

    @property
    @abstractmethod
    def known(self) -> AddressState: ...

    def rotation(self) -> int | None:
        return None

    def worsens(self, report: Report) -> bool:
        return self.known.worsens(report)

    def is_changed(self, report: Report) -> bool:
        return self.known.is_changed(report)

    def known_failures(self) -> set[Failure]:
        return failures(self.known.known.values())

    def confirmed(self, earlier: Sequence[Report], last: Report) -> Report:
        return self.known.confirmed(earlier, last)

    def with_unknown(self, report: Report, unknown: Mapping[int, Finding]) -> Report:
        findings = tuple([unknown.get(index, each) for index, each in enumerate(report.findings)])
        iprev = report.iprev
        if 0 in unknown:
            iprev = iprev._replace(verdict=IprevVerdict.TEMPERROR, finding=unknown[0])
        return report._replace(iprev=iprev, findings=findings)

    def unconfirmed_samples(self) -> int:
        return 0


class AddressSubject(ReportSubject):
    """The address at *index* of a pool. Its state is read once a check."""

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
            wanted=self.wanted(),
        )

    def wanted(self) -> AuthenticationSettings:
        """What to evaluate of SPF and block lists."""
        return self._authentication.wanted(self._pool.pool, self._index, self.known.target)

    def rotation(self) -> int | None:
        pool = self._pool
        return pool.counters.rounds if pool.healths[self._index] == FAILING else None

    def unconfirmed_samples(self) -> int:
        return self._disputes.waited(self._pool.pool.name, self.known.target.address)

    def record(
        self, report: Report, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        pool, now = self._pool.pool.name, time.time()
        _record_dispute(self._disputes, pool, report.target.address, report, dispute, now, is_waiting=is_waiting)
        for change in self._pool.record(self._index, report, evidence, now):
            self._on_change(pool, change)

    def broken(self, error: Exception) -> None:
        address = self.known.target.address
        log.error("a check is broken", pool=self._pool.pool.name, ip=str(address), exc_info=error)


class FreshSubject(AddressSubject):
    """An address that is sampled again past the cache."""

    __slots__ = ()

    def wanted(self) -> AuthenticationSettings:
        return self._authentication.wanted_now(self._pool.pool, self.known.target)


class DrawnSubject(AddressSubject):
    """An address that a round drew. *counts* says whether it is part of the estimate of the failing share.

    *failed* is called when a new failure is recorded, so after it was confirmed.
    """

    __slots__ = ("_counts", "_failed")

    def __init__(
        self,
        pool: PoolState,
        index: int,
        disputes: Disputes,
        on_change: OnChange,
        authentication: Authentication,
        *,
        counts: bool,
        failed: Callable[[], None],
    ) -> None:
        super().__init__(pool, index, disputes, on_change, authentication)
        self._counts = counts
        self._failed = failed

    def record(
        self, report: Report, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        state, index = self._pool, self._index
        was_failing = state.healths[index] == FAILING
        super().record(report, evidence, dispute, is_waiting=is_waiting)
        if self._counts:
            state.sample.note(worst(report.findings))
        if state.healths[index] == FAILING and not was_failing:
            self._failed()


class NotEnumerableSubject(ReportSubject):
    """A random address of a range that is too large to enumerate. The outcome only counts in *samples*.

    A PTR name that does not resolve back is confirmed like any other failure.
    """

    __slots__ = ("_pool", "_samples", "_state")

    def __init__(self, pool: str, address: Address, samples: NotEnumerableSamples) -> None:
        self._pool = pool
        self._samples = samples
        self._state = AddressState(Target(address, ()))

    @property
    def known(self) -> AddressState:
        return self._state

    def check(self) -> Check[Report]:
        return report(self._state.target)

    def worsens(self, report: Report) -> bool:
        return report.iprev.verdict is IprevVerdict.FAIL

    def is_changed(self, report: Report) -> bool:  # noqa: ARG002  # nothing was known before
        return False

    def record(
        self,
        report: Report,
        evidence: Evidence,  # noqa: ARG002  # an address that fails can be checked again
        dispute: Dispute | None = None,  # noqa: ARG002  # only configured addresses have disputes
        *,
        is_waiting: bool = False,  # noqa: ARG002
    ) -> None:
        self._samples.note(report, time.time())

    def broken(self, error: Exception) -> None:
        log.error("a check is broken", pool=self._pool, ip=str(self._state.target.address), exc_info=error)


class ProbeSubject(ReportSubject):
    """A target of *pool* that is sampled for one request: the result of *outcome* is set, the board is not changed.

    A failure that is not *known* is confirmed as in the background.
    """

    def __init__(
        self,
        pool: Pool,
        target: Target,
        known: AddressState,
        outcome: "asyncio.Future[AddressState]",
        wanted: AuthenticationSettings,
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
        dispute: Dispute | None = None,  # noqa: ARG002  # the board is not changed
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
    """Sample *target*. After *timeout_seconds*, unanswered questions count as timed out."""
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


class HeloNameSubject:
    """The HELO name *text* of a pool, for the reverse check."""

    __slots__ = ("_disputes", "_pool", "_text")

    def __init__(self, pool: PoolState, text: str, disputes: Disputes) -> None:
        self._pool = pool
        self._text = text
        self._disputes = disputes

    def check(self) -> Check[HeloNameReport]:
        return helo_name(self._pool.helos[self._text].helo, self._pool.pool.contains)

    def rotation(self) -> int | None:
        is_failing = any(each.result is Result.FAIL for each in self._pool.helos[self._text].known.values())
        return self._pool.counters.rounds if is_failing else None

    def worsens(self, report: HeloNameReport) -> bool:
        return self._pool.helos[self._text].worsens(report)

    def is_changed(self, report: HeloNameReport) -> bool:
        return self._pool.helos[self._text].is_changed(report)

    def known_failures(self) -> set[Failure]:
        return failures(self._pool.helos[self._text].known.values())

    def confirmed(self, earlier: Sequence[HeloNameReport], last: HeloNameReport) -> HeloNameReport:
        return self._pool.helos[self._text].confirmed(earlier, last)

    def with_unknown(self, report: HeloNameReport, unknown: Mapping[int, Finding]) -> HeloNameReport:
        syntax, resolves, fcrdns = [unknown.get(index, each) for index, each in enumerate(report.findings)]
        known = report.resolves if resolves.result is not Result.UNKNOWN else None
        return replace(report, resolves=known, findings=(syntax, resolves, fcrdns))

    def unconfirmed_samples(self) -> int:
        return self._disputes.waited(self._pool.pool.name, self._text)

    def record(
        self,
        report: HeloNameReport,
        evidence: Evidence,  # noqa: ARG002  # kept with addresses only
        dispute: Dispute | None = None,
        *,
        is_waiting: bool = False,
    ) -> None:
        pool, now = self._pool.pool.name, time.time()
        _record_dispute(self._disputes, pool, self._text, report, dispute, now, is_waiting=is_waiting)
        self._pool.record_helo(report, now)

    def broken(self, error: Exception) -> None:
        log.error("a check is broken", pool=self._pool.pool.name, helo=self._text, exc_info=error)


@dataclass(frozen=True, slots=True)
class SlotReport:
    """A report on a domain, with one finding a slot. The checks of a domain have a varying number of findings."""

    report: DomainReport

    @property
    def findings(self) -> Sequence[Finding]:
        """The worst finding of each slot: a failure before an unknown one. Always the same slots in the same order."""
        return [_worst_of(found) for found in slots(self.report.findings).values()]


def _worst_of(findings: Sequence[Finding]) -> Finding:
    order = (Result.FAIL, Result.UNKNOWN, Result.PASS)
    return min(findings, key=lambda finding: order.index(finding.result))


class DomainSubject:
    """A domain of the board, with its current settings."""

    __slots__ = ("_board", "_disputes", "_on_change", "_settings")

    def __init__(self, board: DomainBoard, state: DomainState, disputes: Disputes, on_change: OnChange) -> None:
        self._board = board
        self._settings = state.settings
        self._disputes = disputes
        self._on_change = on_change

    @property
    def _state(self) -> DomainState:
        return self._board[self._settings.name]

    def check(self) -> Check[SlotReport]:
        return SlotReport((yield from domain_report(self._settings.name, self._settings.selectors)))

    def rotation(self) -> int | None:
        return None

    def worsens(self, report: SlotReport) -> bool:
        return self._state.worsens(report.report)

    def is_changed(self, report: SlotReport) -> bool:
        return self._state.is_changed(report.report)

    def known_failures(self) -> set[Failure]:
        return failures(chain.from_iterable(self._state.known.values()))

    def confirmed(self, earlier: Sequence[SlotReport], last: SlotReport) -> SlotReport:
        return SlotReport(self._state.confirmed([each.report for each in earlier], last.report))

    def with_unknown(self, report: SlotReport, unknown: Mapping[int, Finding]) -> SlotReport:
        indexes = {slot: index for index, slot in enumerate(slots(report.report.findings))}

        def change(finding: Finding) -> Finding:
            new = unknown.get(indexes[finding.check, finding.subject])
            if new is None:
                return finding
            return replace(finding, result=new.result, reason=new.reason, sentence=new.sentence, fix=None)

        return SlotReport(report.report.with_findings(change))

    def unconfirmed_samples(self) -> int:
        return self._disputes.waited(DOMAINS, self._settings.name)

    def record(
        self, report: SlotReport, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        name, now = self._settings.name, time.time()
        _record_dispute(self._disputes, DOMAINS, name, report, dispute, now, is_waiting=is_waiting)
        for change in self._board.record(name, report.report, evidence, now):
            self._on_change("", change)

    def broken(self, error: Exception) -> None:
        log.error("a check is broken", domain=self._settings.name, exc_info=error)


def _record_dispute(
    disputes: Disputes,
    pool: str,
    subject: Disputed,
    report: HasFindings,
    dispute: Dispute | None,
    now: float,
    *,
    is_waiting: bool,
) -> None:
    """Record that sources disagree or agree again about *subject*, and log when that begins or ends."""
    if dispute is None and not is_waiting and disputes.is_empty:
        return
    if is_waiting:
        disputes.wait(pool, subject)
    if dispute is not None:
        if disputes.note(pool, subject, dispute, now):
            log.warning(
                "resolvers disagree",
                **_log_fields(pool, subject),
                check=dispute.failing.check.value,
                failing=str(dispute.failing_source),
                passing=str(dispute.passing_source),
                sentence=dispute.failing.sentence,
            )
    elif not is_waiting and _settles(report.findings, disputes.of(pool, subject)) and disputes.settle(pool, subject):
        log.info("resolvers agree again", **_log_fields(pool, subject))


def _log_fields(pool: str, subject: Disputed) -> dict[str, str]:
    return {"domain": str(subject)} if pool == DOMAINS else {"pool": pool, "subject": str(subject)}


def _settles(findings: Sequence[Finding], dispute: Dispute | None) -> bool:
    """Whether a finding about the disputed slot is conclusive; any finding, if nothing is disputed."""
    slot = None if dispute is None else (dispute.failing.check, dispute.failing.subject)
    return any(each.result is not Result.UNKNOWN and slot in {None, (each.check, each.subject)} for each in findings)
