"""What is counted of a pool, over its whole life in this process.

The rule of this file: a count only grows, and every known label value stands at 0 from the start.
"""

import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.domain import DomainCheckName
from exporter.checks.report import Report
from exporter.checks.result import CheckName, Finding, IprevVerdict, Result

# SECTION exporter.state.unlisted
# What came of addresses that were drawn at random from IPv6 ranges that are too big to be listed.
#
# The rule of this file: nothing is kept of an address but where it fails, and of those only the latest. None of
# it counts
# in anything that is said of the pool's own addresses: an address that nobody uses has no PTR record, and need
# not.

KEPT = 20
"""How many failures are remembered."""


class NotEnumerableFailure(NamedTuple):
    """An address that has PTR names of which none resolves back; *at* is Unix time."""

    address: Address
    finding: Finding
    at: float


@dataclass(slots=True)
class NotEnumerableSamples:
    """*verdicts* counts samples by what they came to; *failures* are the latest that fail, the newest last."""

    verdicts: dict[IprevVerdict, int] = field(default_factory=lambda: dict.fromkeys(IprevVerdict, 0))
    failures: deque[NotEnumerableFailure] = field(default_factory=lambda: deque(maxlen=KEPT))

    def note(self, report: Report, at: float) -> None:
        """Take in what was found at Unix time *at*."""
        verdict = report.iprev.verdict
        self.verdicts[verdict] += 1
        if verdict is IprevVerdict.FAIL:
            self.failures.append(NotEnumerableFailure(report.target.address, report.iprev.finding, at))


# SECTION exporter.state.counters

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
    not_enumerable: NotEnumerableSamples = field(default_factory=NotEnumerableSamples)

    def open(self, checks: Iterable[CheckName]) -> None:
        """Show *checks* from now on, at 0 if they were not shown before."""
        checks = tuple(checks)
        self.samples = zeros(checks, Result) | self.samples
        self.changes = zeros(checks, (Result.PASS, Result.FAIL)) | self.changes

    @property
    def all_changes(self) -> int:
        """Changes of every check together."""
        return sum(self.changes.values())


# SECTION exporter.state.sample
# What the share of bad addresses is estimated from: one round's draws, every address as likely as any other.
#
# The rule of this file: only draws count, and only what the DNS answered; what is sampled because something
# else failed
# does not. A round's sums are shown when it has ended, so that no half of a pool stands for the whole.

Sums = Mapping[CheckName, tuple[int, int]]
"""By check: addresses with a conclusive result, and how many of them fail."""


class SampleState:
    """Where a pool's sampling stands, and the sums of the latest round that ended.

    *key* chooses the order of draws, *turn* counts rounds, *reached* is the latest draw that was begun: whoever stores
    them goes on where it stopped.
    """

    __slots__ = ("_sums", "key", "latest", "cursor", "round_number")

    def __init__(self, checks: Iterable[CheckName], key: int | None = None, round_number: int = 0) -> None:
        self.key = secrets.randbits(63) if key is None else key
        self.round_number = round_number
        self.cursor: Address | None = None
        self.latest: Sums = dict.fromkeys(checks, (0, 0))
        self._sums: dict[CheckName, tuple[int, int]] = {}

    def begin(self) -> None:
        """Begin the sums of a round."""
        self._sums = dict.fromkeys(self.latest, (0, 0))

    def note(self, results: Mapping[CheckName, Result]) -> None:
        """Count a draw, by what each check came to."""
        for check, result in results.items():
            if result is not Result.UNKNOWN and check in self._sums:
                addresses, failures = self._sums[check]
                self._sums[check] = (addresses + 1, failures + (result is Result.FAIL))

    def end(self) -> None:
        """Show the sums of the round that ends, and go on to the next turn."""
        self.latest = self._sums or self.latest
        self._sums = {}
        self.round_number += 1

    def copy_from(self, old: "SampleState") -> None:
        """Go on where *old* stands; its sums are shown until the next round has ended."""
        self.key, self.round_number, self.cursor = old.key, old.round_number, old.cursor
        self.latest = {check: old.latest.get(check, sums) for check, sums in self.latest.items()}
