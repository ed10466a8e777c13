"""Everything that one sample finds out about one domain. The checks do not wait for each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from exporter.checks.check import Check, parallel
from exporter.checks.dkim import DkimReport, dkim
from exporter.checks.dmarc import DmarcReport, dmarc
from exporter.checks.domain import Hint
from exporter.checks.inbound import MtaStsReport, MxReport, TlsRptReport, mta_sts, mx, tls_rpt
from exporter.checks.names import DomainName
from exporter.checks.result import Finding
from exporter.checks.spf.domain import SpfDomainReport, spf_domain


@dataclass(frozen=True, slots=True)
class DomainReport:
    """The result of one sample of one domain.

    Attributes:
        domain: The domain.
        spf: Its SPF record.
        dkim: One report for each selector, in the order of the selectors.
        dmarc: Its DMARC record.
        mx: Its mail exchanges.
        mta_sts: Its MTA-STS record.
        tls_rpt: Its TLS reporting record.
    """

    domain: DomainName
    spf: SpfDomainReport
    dkim: tuple[DkimReport, ...]
    dmarc: DmarcReport
    mx: MxReport
    mta_sts: MtaStsReport
    tls_rpt: TlsRptReport

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, in the order of `CheckName`; SPF and DMARC may have several."""
        dkim_findings = [report.finding for report in self.dkim]
        others = (self.mx.finding, self.mta_sts.finding, self.tls_rpt.finding)
        return (*self.spf.findings, *dkim_findings, *self.dmarc.findings, *others)

    @property
    def hints(self) -> tuple[Hint, ...]:
        """Every hint, in the same order."""
        dkim_hints = [hint for report in self.dkim for hint in report.hints]
        return (*self.spf.hints, *dkim_hints, *self.dmarc.hints, *self.mx.hints)

    def with_findings(self, change: Callable[[Finding], Finding]) -> "DomainReport":
        """A copy of the report with *change* applied to each finding."""
        return DomainReport(
            self.domain,
            replace(self.spf, findings=tuple(map(change, self.spf.findings))),
            tuple([replace(report, finding=change(report.finding)) for report in self.dkim]),
            replace(self.dmarc, findings=tuple(map(change, self.dmarc.findings))),
            replace(self.mx, finding=change(self.mx.finding)),
            replace(self.mta_sts, finding=change(self.mta_sts.finding)),
            replace(self.tls_rpt, finding=change(self.tls_rpt.finding)),
        )


def domain_report(domain: DomainName, selectors: Sequence[str] = ()) -> Check[DomainReport]:
    """Run every check on *domain*. Raises `ValueError` if a name would be too long, or a selector is not valid."""
    checks: list[Check[Any]] = [spf_domain(domain), dmarc(domain), mx(domain), mta_sts(domain), tls_rpt(domain)]
    checks += [dkim(selector, domain) for selector in selectors]
    spf, dmarc_report, mx_report, sts, rpt, *dkim_reports = yield from parallel(checks)
    return DomainReport(domain, spf, tuple(dkim_reports), dmarc_report, mx_report, sts, rpt)
