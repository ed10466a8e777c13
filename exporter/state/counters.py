"""What is counted of a pool while the process runs. Every known label value starts at 0."""

# ruff: noqa: SLF001  # one object copies from another of its class

import secrets
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.report import Report
from exporter.checks.result import CheckName, Finding, IprevVerdict, Result

MAX_FAILURES = 20
"""How many failures in not enumerable ranges are kept: the latest."""

CheckResult = tuple[CheckName, Result]


def zeros(checks: Iterable[CheckName], results: Iterable[Result]) -> dict[CheckResult, int]:
    """A count of 0 for each pair."""
    return {(check, result): 0 for check in checks for result in results}


class NotEnumerableFailure(NamedTuple):
    """An address whose PTR names do not resolve back; *at* is Unix time."""

    address: Address
    finding: Finding
    at: float


@dataclass(slots=True)
class NotEnumerableSamples:
    """Samples of random addresses from IPv6 ranges that are too big to be enumerated.

    They count in nothing else: an unused address has no PTR record and needs none.

    Attributes:
        verdicts: The number of samples by verdict.
        failures: The latest failures, the newest last.
    """

    verdicts: dict[IprevVerdict, int] = field(default_factory=lambda: dict.fromkeys(IprevVerdict, 0))
    failures: deque[NotEnumerableFailure] = field(default_factory=lambda: deque(maxlen=MAX_FAILURES))

    def note(self, report: Report, at: float) -> None:
        """Count a sample that was taken at Unix time *at*."""
        verdict = report.iprev.verdict
        self.verdicts[verdict] += 1
        if verdict is IprevVerdict.FAIL:
            self.failures.append(NotEnumerableFailure(report.target.address, report.iprev.finding, at))


@dataclass(slots=True)
class PoolCounters:
    """The counters of one pool.

    Attributes:
        samples: Samples by check and result, the worst of several HELO names.
        changes: Changes of conclusive results, by check and new result.
        rounds: Rounds that ended.
        not_enumerable: Samples of not enumerable ranges, which no other counter has.
    """

    samples: dict[CheckResult, int] = field(default_factory=dict)
    changes: dict[CheckResult, int] = field(default_factory=dict)
    rounds: int = 0
    not_enumerable: NotEnumerableSamples = field(default_factory=NotEnumerableSamples)

    def open(self, checks: Iterable[CheckName]) -> None:
        """Show *checks* from now on, at 0 if they are new."""
        checks = tuple(checks)
        self.samples = zeros(checks, Result) | self.samples
        self.changes = zeros(checks, (Result.PASS, Result.FAIL)) | self.changes

    @property
    def all_changes(self) -> int:
        """The changes of all checks together."""
        return sum(self.changes.values())


Sums = Mapping[CheckName, tuple[int, int]]
"""By check: addresses with a conclusive result, and how many of them fail."""


class SampleState:
    """How far the random sampling of a pool has come, and the sums from which its share of failures is estimated.

    Only random draws with a conclusive result count: every address is as likely as any other.

    Attributes:
        key: Chooses the order of the draws.
        round_number: How many rounds have ended.
        cursor: The address that was drawn last; a restarted process goes on there.
        latest: The sums of the latest round that ended, so that half a round never stands for the whole pool. A check
            keeps those of an earlier round if most of its results were unknown: an outage changes no share.
    """

    __slots__ = ("_sums", "_unknown", "cursor", "key", "latest", "round_number")

    def __init__(self, checks: Iterable[CheckName], key: int | None = None, round_number: int = 0) -> None:
        self.key = secrets.randbits(63) if key is None else key
        self.round_number = round_number
        self.cursor: Address | None = None
        self.latest: Sums = dict.fromkeys(checks, (0, 0))
        self._sums: dict[CheckName, tuple[int, int]] = {}
        self._unknown: Counter[CheckName] = Counter()

    def begin(self) -> None:
        """Begin the sums of a round."""
        self._sums = dict.fromkeys(self.latest, (0, 0))
        self._unknown.clear()

    def note(self, results: Mapping[CheckName, Result]) -> None:
        """Count a draw by the result of each check."""
        for check, result in results.items():
            if result is Result.UNKNOWN:
                self._unknown[check] += 1
            elif check in self._sums:
                addresses, failures = self._sums[check]
                self._sums[check] = (addresses + 1, failures + (result is Result.FAIL))

    def end(self) -> None:
        """End the round and publish its sums."""
        known = {check: sums for check, sums in self._sums.items() if sums[0] >= self._unknown[check]}
        self.latest = {**self.latest, **known}
        self._sums = {}
        self.round_number += 1

    def copy_from(self, old: "SampleState") -> None:
        """Go on where *old* stopped, in the same round; its sums are shown until that has ended."""
        self.key, self.round_number, self.cursor = old.key, old.round_number, old.cursor
        self._sums = {check: old._sums.get(check, sums) for check, sums in self.latest.items()}
        self._unknown = old._unknown.copy()
        self.latest = {check: old.latest.get(check, sums) for check, sums in self.latest.items()}
