"""What is counted of a pool, over its whole life in this process.

The rule of this file: a count only grows, and every known label value stands at 0 from the start.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.checks.domain import DomainCheckName
from exporter.checks.verdicts import CheckName, Result
from exporter.state.unlisted import UnlistedSamples

CheckResult = tuple[CheckName | DomainCheckName, Result]


def zeros(checks: Iterable[CheckName | DomainCheckName], results: Iterable[Result]) -> dict[CheckResult, int]:
    """A count of 0 for each pair."""
    return {(check, result): 0 for check in checks for result in results}


@dataclass(slots=True)
class PoolCounters:
    """*samples*, by what each check came to; *changes* of conclusive results, by the new one; *rounds* that ended.

    *unlisted* is what came of random draws, which none of the others has.
    """

    samples: dict[CheckResult, int] = field(default_factory=dict)
    changes: dict[CheckResult, int] = field(default_factory=dict)
    rounds: int = 0
    unlisted: UnlistedSamples = field(default_factory=UnlistedSamples)

    def open(self, checks: Iterable[CheckName]) -> None:
        """Show *checks* from now on, at 0 if they were not shown before."""
        checks = tuple(checks)
        self.samples = zeros(checks, Result) | self.samples
        self.changes = zeros(checks, (Result.PASS, Result.FAIL)) | self.changes

    @property
    def all_changes(self) -> int:
        """Changes of every check together."""
        return sum(self.changes.values())
