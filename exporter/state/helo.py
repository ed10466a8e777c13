"""The state of one HELO name, and how a sample changes it. Pure."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace

from exporter.checks.helo import HeloName
from exporter.checks.helo_name import HeloNameReport
from exporter.checks.result import CheckName, Result
from exporter.state.known import KnownFindings, confirmed, failures, update_known, worsens


@dataclass(frozen=True, slots=True)
class HeloState:
    """The results of the reverse check of one HELO name: from the name to its addresses.

    Attributes:
        helo: The HELO name.
        latest: The latest report, conclusive or not.
        known: The last conclusive findings.
        resolves: Whether the name last resolved; this and the counts are None before the first conclusive sample.
        addresses: How many addresses it resolves to.
        confirmed_addresses: How many of these are forward-confirmed.
        addresses_outside_pool: How many of these are not in the pool.
        sampled_at: Unix time of the latest sample, 0.0 for never.
    """

    helo: HeloName
    latest: HeloNameReport | None = None
    known: KnownFindings = field(default_factory=dict)
    resolves: bool | None = None
    addresses: int | None = None
    confirmed_addresses: int | None = None
    addresses_outside_pool: int | None = None
    sampled_at: float = 0.0

    @property
    def pool_addresses(self) -> int | None:
        """How many addresses of the pool the name resolves to."""
        if self.addresses is None or self.addresses_outside_pool is None:
            return None
        return self.addresses - self.addresses_outside_pool

    def fails(self, expect: Container[CheckName]) -> bool:
        """Whether a check of *expect* fails, by the known findings."""
        return any(each.result is Result.FAIL and each.check in expect for each in self.known.values())

    def observe(self, report: HeloNameReport, at: float) -> "HeloState":
        """Return the state after one more report, which must be confirmed already: see `confirmed`."""
        counted = report.is_complete and not report.unknown and report.findings[-1].result is not Result.UNKNOWN
        return HeloState(
            self.helo,
            report,
            update_known(self.known, report.findings)[0],
            self.resolves if report.resolves is None else report.resolves,
            len(report.addresses) if report.is_complete and report.resolves is not None else self.addresses,
            len(report.confirmed) if counted else self.confirmed_addresses,
            len(report.outside) if report.is_complete and report.resolves is not None else self.addresses_outside_pool,
            at,
        )

    def with_earlier(self, earlier: "HeloState") -> "HeloState":
        """Return the state with what only *earlier*, a saved state, knows."""
        if self.latest is None:
            return earlier
        return replace(
            self,
            known={**earlier.known, **self.known},
            resolves=earlier.resolves if self.resolves is None else self.resolves,
            addresses=earlier.addresses if self.addresses is None else self.addresses,
            confirmed_addresses=(
                earlier.confirmed_addresses if self.confirmed_addresses is None else self.confirmed_addresses
            ),
            addresses_outside_pool=(
                earlier.addresses_outside_pool if self.addresses_outside_pool is None else self.addresses_outside_pool
            ),
        )

    def worsens(self, report: HeloNameReport) -> bool:
        """Whether *report* has a new failure that a second sample must confirm."""
        return worsens(self.known.values(), report.findings)

    def is_changed(self, report: HeloNameReport) -> bool:
        """Whether *report* differs from the latest one."""
        latest = self.latest
        return latest is not None and (report.findings, report.addresses) != (latest.findings, latest.addresses)

    def confirmed(self, earlier: Sequence[HeloNameReport], last: HeloNameReport) -> HeloNameReport:
        """Return the report to record where *earlier* ones had a new failure and *last* followed."""
        seen = failures([*self.known.values(), *[finding for report in earlier for finding in report.findings]])
        syntax, resolves, fcrdns = [confirmed(finding, seen) for finding in last.findings]
        known = last.resolves if resolves.result is not Result.UNKNOWN else None
        return replace(last, resolves=known, findings=(syntax, resolves, fcrdns))
