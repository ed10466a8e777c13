"""What is remembered of one HELO name, the other way round, and how one more sample changes it. Pure."""

from dataclasses import dataclass, field, replace

from exporter.checks.helo import HeloName
from exporter.checks.helo_name import HeloNameReport
from exporter.checks.result import Result
from exporter.state.known import KnownFindings, confirmed_findings, update_known, worsens


@dataclass(frozen=True, slots=True)
class HeloState:
    """The latest report on one HELO name, and the last conclusive value of each number; None before there is one.

    *sampled_at* is Unix time, 0.0 for never.
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
        """How many addresses of the pool the name resolves to: its share of the pool."""
        if self.addresses is None or self.addresses_outside_pool is None:
            return None
        return self.addresses - self.addresses_outside_pool

    def observe(self, report: HeloNameReport, at: float) -> "HeloState":
        """The state after one more report, which is to be believed."""
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

    def worsens(self, report: HeloNameReport) -> bool:
        """Whether *report* has a failure that must be confirmed before it is believed."""
        return worsens(self.known, report.findings)

    def is_changed(self, report: HeloNameReport) -> bool:
        """Whether *report* says anything else than the latest one."""
        latest = self.latest
        return latest is not None and (report.findings, report.addresses) != (latest.findings, latest.addresses)

    def confirmed(self, first: HeloNameReport, second: HeloNameReport) -> HeloNameReport:
        """The report to believe when *first* worsened the state, and *second* was asked to confirm it."""
        syntax, resolves, fcrdns = confirmed_findings(self.known, first.findings, second.findings)
        known = second.resolves if resolves.result is not Result.UNKNOWN else None
        return replace(second, resolves=known, findings=(syntax, resolves, fcrdns))
