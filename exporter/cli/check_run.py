"""Runs examinations, a few at a time, and says what they come to.

The rule of this file: outcomes come in the order of the subjects, however the answers arrive; what is printed for one
configuration can be compared from one day to the next.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Protocol

from exporter.checks.answers import Question
from exporter.checks.check import Evidence, OnAnswer, Run
from exporter.checks.examination import Examination, examine
from exporter.checks.spf.results import SpfResult
from exporter.checks.verdicts import CheckName, Result
from exporter.cli.check_subjects import Subject


class Asker(Protocol):
    """What answers: `exporter.dns.resolvers.Resolvers`, or anything like it."""

    def ask(self, question: Question, on_answer: OnAnswer) -> None:
        """Get *question* answered; calls back exactly once."""


class Overall(IntEnum):
    """What one examination, or all of them, come to; the value is the exit code."""

    PASS = 0
    """Every expected check passes."""
    FINDING = 1
    """An expected check fails."""
    INCONCLUSIVE = 4
    """None is known to fail, but not all are known to pass."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A subject, what came out for it, and every answer that this rests on."""

    subject: Subject
    examination: Examination
    evidence: Evidence

    @property
    def overall(self) -> Overall:
        """Whether everything that is expected of the subject is so; a MAIL FROM that was given has to pass SPF."""
        results = [
            finding.result for finding in self.examination.report.findings if finding.check in self.subject.expect
        ]
        results += [
            _spf_result(verdict.result, is_doubtful=verdict.doubt is not None)
            for verdicts in self.examination.spf
            for verdict in verdicts
            if verdict.identity == "mailfrom"
        ]
        if Result.FAIL in results:
            return Overall.FINDING
        return Overall.INCONCLUSIVE if Result.UNKNOWN in results else Overall.PASS

    def failing(self, result: Result = Result.FAIL) -> list[CheckName]:
        """The expected checks that come to *result*, each once."""
        return list(
            dict.fromkeys(
                finding.check
                for finding in self.examination.report.findings
                if finding.check in self.subject.expect and finding.result is result
            )
        )


def worst(outcomes: Iterable[Overall]) -> Overall:
    """What several come to: a finding outweighs what is not known."""
    seen = set(outcomes)
    return next((one for one in (Overall.FINDING, Overall.INCONCLUSIVE) if one in seen), Overall.PASS)


async def examined(subjects: Iterable[Subject], asker: Asker, *, at_once: int) -> AsyncIterator[Examined]:
    """Examine all *subjects*, *at_once* of them at the same time, and give them back in their order."""
    rest = iter(subjects)
    under_way = deque(_start(subject, asker) for subject in islice(rest, at_once))
    while under_way:
        yield await under_way.popleft()
        under_way.extend(_start(subject, asker) for subject in islice(rest, 1))


def _start(subject: Subject, asker: Asker) -> asyncio.Future[Examined]:
    outcome: asyncio.Future[Examined] = asyncio.get_running_loop().create_future()
    Run(
        examine(subject.target, suffix=subject.suffix, mail_from=subject.mail_from),
        asker.ask,
        lambda found, evidence: outcome.set_result(Examined(subject, found, evidence)),
        outcome.set_exception,
    ).start()
    return outcome


def _spf_result(result: SpfResult, *, is_doubtful: bool) -> Result:
    if result is SpfResult.TEMPERROR or is_doubtful:
        return Result.UNKNOWN
    return Result.PASS if result is SpfResult.PASS else Result.FAIL
