"""Checks subjects, a few at a time, and keeps what was found out about each."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Container, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Generic, TypeVar

from exporter.checks.check import Evidence
from exporter.checks.examination import (
    DomainExamination,
    Examination,
    NameExamination,
    examine,
    examine_domain,
    examine_name,
)
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Fix, Result, Slot, causes
from exporter.checks.spf.results import SpfResult, SpfVerdict
from exporter.cli.subjects import AddressJob, AnyJob, DomainJob, NameJob
from exporter.cli.trace import AnswerSource, Trace, answered
from exporter.inventory.expansion import Expansion, Trouble
from exporter.inventory.pool import Pool

JobT = TypeVar("JobT", AddressJob, NameJob, DomainJob)
ExaminationT = TypeVar("ExaminationT", Examination, NameExamination, DomainExamination)


class Overall(IntEnum):
    """The outcome of one or several checks; the value is the exit code."""

    PASS = 0
    """Every expected check passes."""
    FINDING = 1
    """An expected check fails."""
    INCONCLUSIVE = 4
    """No expected check is known to fail, but some are unknown."""

    @classmethod
    def of(cls, results: Iterable[Result]) -> "Overall":
        """The outcome of expected checks with these *results*."""
        seen = set(results)
        if Result.FAIL in seen:
            return cls.FINDING
        return cls.INCONCLUSIVE if Result.UNKNOWN in seen else cls.PASS


def worst(outcomes: Iterable[Overall]) -> Overall:
    """The outcome of several: a finding outweighs an unknown."""
    seen = set(outcomes)
    return next((one for one in (Overall.FINDING, Overall.INCONCLUSIVE) if one in seen), Overall.PASS)


def check_label(finding: Finding) -> str:
    """The name of the check; for DKIM with the selector."""
    return f"{finding.check} {finding.subject}" if finding.check is CheckName.DKIM else finding.check.value


@dataclass(frozen=True, slots=True)
class Checked(Generic[JobT, ExaminationT]):
    """A job, what was found out, and all answers behind it."""

    job: JobT
    examination: ExaminationT
    evidence: Evidence

    @property
    def expected(self) -> list[Finding]:
        """The findings of the checks that have to pass."""
        return [finding for finding in self.examination.report.findings if finding.check in self.job.expect]

    @property
    def overall(self) -> Overall:
        """Whether all expected checks pass."""
        return Overall.of(finding.result for finding in self.expected)

    @property
    def causes(self) -> Mapping[Slot, Finding]:
        """The failures that only follow from another one; see `exporter.checks.result.causes`."""
        return causes(self.examination.report.findings, self.job.expect)

    def failing(self, result: Result = Result.FAIL) -> list[str]:
        """The expected checks with this *result*, each once, without failures that only follow from another one."""
        follow: Container[object] = self.causes
        found = [one for one in self.expected if one.result is result and (one.check, one.subject) not in follow]
        return list(dict.fromkeys(map(check_label, found)))


@dataclass(frozen=True, slots=True)
class CheckedAddress(Checked[AddressJob, Examination]):
    """A checked address; *names* are the reverse checks of its HELO names, *traces* those of `--trace`."""

    names: tuple["CheckedName", ...] = ()
    traces: tuple[Trace, ...] = ()

    @property
    def overall(self) -> Overall:
        """Whether all expected checks pass.

        SPF has to pass for a MAIL FROM of the command line, and name servers that were traced have to agree.
        """
        results = [finding.result for finding in self.expected]
        results += [_spf_result(verdict) for verdict in self.mail_from_verdicts]
        results += [Result.FAIL for traced in self.traces if traced.is_contradictory]
        return Overall.of(results)

    @property
    def mail_from_verdicts(self) -> list[SpfVerdict]:
        """The SPF verdicts for the MAIL FROM of the command line; a pool's own MAIL FROM domains have findings."""
        mail_from = self.job.mail_from
        if mail_from is None:
            return []
        domain = mail_from.rpartition("@")[2]
        verdicts = [verdict for several in self.examination.spf for verdict in several]
        return [verdict for verdict in verdicts if verdict.identity == "mailfrom" and verdict.domain == domain]

    def is_fixed_by_finding(self, fix: Fix) -> bool:
        """Whether an expected check that fails has a fix with the same records."""
        return any(finding.fix is not None and finding.fix.records == fix.records for finding in self.expected)


@dataclass(frozen=True, slots=True)
class CheckedName(Checked[NameJob, NameExamination]):
    """A HELO name after its reverse check."""

    @property
    def inside(self) -> int:
        """How many of its addresses are in the pool."""
        found = self.examination.report
        return len(found.addresses) - len(found.outside)


@dataclass(frozen=True, slots=True)
class CheckedDomain(Checked[DomainJob, DomainExamination]):
    """A checked domain."""


@dataclass(frozen=True, slots=True)
class CheckedPool:
    """A pool whose addresses come from an SPF record, or of which only some are checked.

    Attributes:
        pool: The pool.
        checked: How many of its addresses are checked.
        spf: The domain of its SPF record, if it has one.
        found: What the SPF record authorises.
    """

    pool: Pool
    checked: int
    spf: DomainName | None = None
    found: Expansion | None = None

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong with its SPF record."""
        return () if self.found is None else self.found.troubles

    @property
    def overall(self) -> Overall:
        """Whether its addresses are known. Ranges that cannot be enumerated are not a finding."""
        wrong = set(self.troubles) - {Trouble.NOT_ENUMERABLE}
        if not wrong:
            return Overall.PASS
        return Overall.INCONCLUSIVE if wrong == {Trouble.UNANSWERED} else Overall.FINDING


AnyChecked = CheckedAddress | CheckedName | CheckedDomain


async def checked(jobs: Iterable[AnyJob], source: AnswerSource, *, at_once: int) -> AsyncIterator[AnyChecked]:
    """Do all *jobs*, *at_once* of them concurrently, and yield the results in the order of the jobs."""
    rest = iter(jobs)
    tasks = deque(asyncio.create_task(_check(job, source)) for job in islice(rest, at_once))
    while tasks:
        yield await tasks.popleft()
        tasks.extend(asyncio.create_task(_check(job, source)) for job in islice(rest, 1))


async def _check(job: AnyJob, source: AnswerSource) -> AnyChecked:
    if isinstance(job, DomainJob):
        return CheckedDomain(job, *await answered(examine_domain(job.name, job.selectors), source))
    if isinstance(job, NameJob):
        return await _check_name(job, source)
    check = examine(
        job.target, suffix=job.suffix, mail_from=job.mail_from, wanted=job.authentication, blocklists=job.blocklists
    )
    found, evidence = await answered(check, source)
    names = await asyncio.gather(*[_check_name(name, source) for name in job.names])
    return CheckedAddress(job, found, evidence, tuple(names))


async def _check_name(job: NameJob, source: AnswerSource) -> CheckedName:
    return CheckedName(job, *await answered(examine_name(job.helo, job.contains), source))


def _spf_result(verdict: SpfVerdict) -> Result:
    if verdict.result is SpfResult.TEMPERROR or verdict.unanswered_ptr is not None:
        return Result.UNKNOWN
    return Result.PASS if verdict.result is SpfResult.PASS else Result.FAIL
