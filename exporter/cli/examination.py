"""Runs examinations, a few at a time, and says what they come to.

The rule of this file: outcomes come in the order of the subjects, however the answers arrive; what is printed for one
configuration can be compared from one day to the next.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import islice

from exporter.checks.check import Evidence
from exporter.checks.examination import Examination, examine, examine_domain, examine_name
from exporter.checks.result import CheckName, Fix, Result
from exporter.checks.spf.results import SpfResult, SpfVerdict
from exporter.cli.subjects import DomainExamined, DomainSubject, NameExamined, NameSubject, Overall, Subject
from exporter.cli.trace import Asker, Trace, answered


@dataclass(frozen=True, slots=True)
class Examined:
    """A subject, what came out for it, and every answer that this rests on.

    *names* are its HELO names, the other way round, and *traces* what each name server says, where that was asked for.
    """

    subject: Subject
    examination: Examination
    evidence: Evidence
    names: tuple[NameExamined, ...] = ()
    traces: tuple[Trace, ...] = ()

    @property
    def overall(self) -> Overall:
        """Whether everything that is expected of the subject is so.

        A MAIL FROM that was given has to pass SPF, and name servers that were asked must not contradict each other.
        """
        results = [
            finding.result for finding in self.examination.report.findings if finding.check in self.subject.expect
        ]
        results += [
            _spf_result(verdict.result, is_doubtful=verdict.doubt is not None)
            for verdicts in self.examination.spf
            for verdict in verdicts
            if self.was_given(verdict)
        ]
        results += [Result.FAIL for traced in self.traces if traced.is_contradictory]
        return Overall.of(results)

    def was_given(self, verdict: SpfVerdict) -> bool:
        """Whether it is about the MAIL FROM that was given, and not one that the pool has: those have findings."""
        given = self.subject.mail_from
        return verdict.identity == "mailfrom" and given is not None and verdict.domain == given.rpartition("@")[2]

    def is_told(self, fix: Fix) -> bool:
        """Whether an expected check that fails has this fix, or one with the same records."""
        return any(
            finding.fix is not None and finding.fix.records == fix.records and finding.check in self.subject.expect
            for finding in self.examination.report.findings
        )

    def failing(self, result: Result = Result.FAIL) -> list[CheckName]:
        """The expected checks that come to *result*, each once."""
        return list(
            dict.fromkeys(
                finding.check
                for finding in self.examination.report.findings
                if finding.check in self.subject.expect and finding.result is result
            )
        )


AnySubject = Subject | NameSubject | DomainSubject
AnyExamined = Examined | NameExamined | DomainExamined


async def examined(subjects: Iterable[AnySubject], asker: Asker, *, at_once: int) -> AsyncIterator[AnyExamined]:
    """Examine all *subjects*, *at_once* of them at the same time, and give them back in their order."""
    rest = iter(subjects)
    under_way = deque(_start(subject, asker) for subject in islice(rest, at_once))
    while under_way:
        yield await under_way.popleft()
        under_way.extend(_start(subject, asker) for subject in islice(rest, 1))


def _start(subject: AnySubject, asker: Asker) -> asyncio.Task[AnyExamined]:
    return asyncio.create_task(_examine(subject, asker))


async def _examine(subject: AnySubject, asker: Asker) -> AnyExamined:
    if isinstance(subject, DomainSubject):
        checked, seen = await answered(examine_domain(subject.name, subject.selectors), asker)
        return DomainExamined(subject, checked, seen)
    if isinstance(subject, NameSubject):
        return await _examine_name(subject, asker)
    check = examine(
        subject.target,
        suffix=subject.suffix,
        mail_from=subject.mail_from,
        wanted=subject.proof,
        blocklists=subject.blocklists,
    )
    found, evidence = await answered(check, asker)
    names = await asyncio.gather(*[_examine_name(name, asker) for name in subject.names])
    return Examined(subject, found, evidence, tuple(names))


async def _examine_name(subject: NameSubject, asker: Asker) -> NameExamined:
    found, evidence = await answered(examine_name(subject.helo, subject.contains), asker)
    return NameExamined(subject, found, evidence)


def _spf_result(result: SpfResult, *, is_doubtful: bool) -> Result:
    if result is SpfResult.TEMPERROR or is_doubtful:
        return Result.UNKNOWN
    return Result.PASS if result is SpfResult.PASS else Result.FAIL
