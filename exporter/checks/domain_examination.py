"""Everything that can be found out about one domain in one go, for a person who wants it explained.

The rule of this file: as that of `exporter.checks.examination`: it judges nothing itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporter.checks.check import Check, parallel
from exporter.checks.domain_report import DomainReport, domain_report
from exporter.checks.examination import owner_of
from exporter.checks.names import DomainName
from exporter.checks.zone_cut import ZoneCut, zone_cut

_MAX_OWNERS = 40
"""Names to publish at whose zone is looked for: a selector each, and a few more."""


@dataclass(frozen=True, slots=True)
class DomainExamination:
    """What came out for one domain; *zones* are those in which the names of its mends are published, by name."""

    report: DomainReport
    zones: Mapping[DomainName, ZoneCut]


def examine_domain(domain: DomainName, selectors: Sequence[str] = ()) -> Check[DomainExamination]:
    """Run every check on *domain*. Raises `ValueError` as `domain_report` does."""
    report: DomainReport = yield from domain_report(domain, selectors)
    mends = [*[finding.mend for finding in report.findings], *[hint.mend for hint in report.hints]]
    lines = [line for mend in mends if mend is not None for line in (*mend.records, *mend.replaces)]
    owners = list(dict.fromkeys(owner_of(line) for line in lines))[:_MAX_OWNERS]
    cuts = yield from parallel([zone_cut(owner) for owner in owners])
    return DomainExamination(report, dict(zip(owners, cuts, strict=True)))
