"""Everything that can be found out about one HELO name in one go, for a person who wants it explained.

The rule of this file: as that of `exporter.checks.examination`: it judges nothing itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.checks.addresses import Address
from exporter.checks.check import Check, parallel
from exporter.checks.examination import owner_of
from exporter.checks.helo import HeloName
from exporter.checks.helo_name import HeloNameReport, helo_name
from exporter.checks.names import DomainName
from exporter.checks.verdicts import Result
from exporter.checks.zone_cut import ZoneCut, zone_cut

_MAX_OWNERS = 12


@dataclass(frozen=True, slots=True)
class NameExamination:
    """What came out for one HELO name; *zones* are those in which the names of its mends are published, by name."""

    report: HeloNameReport
    zones: Mapping[DomainName, ZoneCut]


def examine_name(said: HeloName, contains: Callable[[Address], bool]) -> Check[NameExamination]:
    """Follow *said* to its addresses and back; *contains* says whether an address is in the pool."""
    report: HeloNameReport = yield from helo_name(said, contains)
    mends = [finding.mend for finding in report.findings if finding.result is Result.FAIL]
    lines = [line for mend in mends if mend is not None for line in mend.records]
    owners = list(dict.fromkeys(owner_of(line) for line in lines))[:_MAX_OWNERS]
    cuts = yield from parallel([zone_cut(owner) for owner in owners])
    return NameExamination(report, dict(zip(owners, cuts, strict=True)))
