"""What came of addresses that were drawn at random from IPv6 ranges that are too big to be listed.

The rule of this file: nothing is kept of an address but where it fails, and of those only the latest. None of it counts
in anything that is said of the pool's own addresses: an address that nobody uses has no PTR record, and need not.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.report import Report
from exporter.checks.verdicts import Finding, IprevVerdict

KEPT = 20
"""How many failures are remembered."""


class UnlistedFailure(NamedTuple):
    """An address that has PTR names of which none resolves back; *at* is Unix time."""

    address: Address
    finding: Finding
    at: float


@dataclass(slots=True)
class UnlistedSamples:
    """*verdicts* counts samples by what they came to; *failures* are the latest that fail, the newest last."""

    verdicts: dict[IprevVerdict, int] = field(default_factory=lambda: dict.fromkeys(IprevVerdict, 0))
    failures: deque[UnlistedFailure] = field(default_factory=lambda: deque(maxlen=KEPT))

    def note(self, report: Report, at: float) -> None:
        """Take in what was found at Unix time *at*."""
        verdict = report.iprev.verdict
        self.verdicts[verdict] += 1
        if verdict is IprevVerdict.FAIL:
            self.failures.append(UnlistedFailure(report.target.address, report.iprev.finding, at))
