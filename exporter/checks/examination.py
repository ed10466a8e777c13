"""Everything that can be found out about one address in one go: for a person who wants it explained.

The rule of this file: it judges nothing itself. It runs every check and every model of a receiver over one set of
answers, and finds out who can mend what they complain of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.checks.authentication import NOTHING_MORE, Wanted
from exporter.checks.check import Check, parallel
from exporter.checks.dnsbl import Blocklist, dnsbl
from exporter.checks.generic_names import GenericName, generic_name
from exporter.checks.iprev import NAME_LIMIT
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver, ReceiverVerdict, receivers
from exporter.checks.report import Report, Target, report
from exporter.checks.spf.findings import spf_helo, spf_mailfrom
from exporter.checks.spf.mends import authorising
from exporter.checks.spf.results import SpfResult, SpfVerdict
from exporter.checks.verdicts import CheckName, Mend, Result
from exporter.checks.zone_cut import ReverseZones, ZoneCut, reverse_zones, zone_cut

EVERY_RECEIVER = tuple(Receiver)

_MAX_OWNERS = 12
"""Names to publish at whose zone is looked for; nobody's mends name more."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What came out for one target.

    *receivers* and *spf* have one entry for each HELO name, in their order; of a target without any, *spf* has one for
    MAIL FROM alone: the one that was given, then the domains that the address sends for. *zones* are those in which the
    names of the mends are published, by name.
    """

    report: Report
    receivers: tuple[tuple[ReceiverVerdict, ...], ...]
    spf: tuple[tuple[SpfVerdict, ...], ...]
    generic_names: tuple[GenericName, ...]
    reverse: ReverseZones
    zones: Mapping[DomainName, ZoneCut]


def examine(
    target: Target,
    *,
    suffix: DomainName | None = None,
    mail_from: str | None = None,
    wanted: Wanted = NOTHING_MORE,
    blocklists: Sequence[Blocklist] = (),
) -> Check[Examination]:
    """Run every check, model and evaluation on *target*; *mail_from* is a mailbox, or a domain, for SPF.

    *wanted* is as in `report`; *blocklists* are asked now, and tested along.
    """
    address = target.address
    parts: list[Check[Any]] = [report(target, suffix=suffix, wanted=wanted)]
    parts += [dnsbl(CheckName.DNSBL, address, one) for one in blocklists if address.family in one.families]
    judged, *listings = yield from parallel(parts)
    judged = judged._replace(findings=judged.findings + tuple([listing.finding for listing in listings]))
    predicted = yield from parallel([receivers(address, said, EVERY_RECEIVER) for said in target.helos])
    senders = [*([] if mail_from is None else [mail_from]), *wanted.mail_from]
    evaluated = yield from parallel([_spf(target, index, senders) for index in range(max(1, len(target.helos)))])
    owners = list(dict.fromkeys(_owners(judged, evaluated, target)))[:_MAX_OWNERS]
    everyone: Sequence[Check[Any]] = [reverse_zones(address), *[zone_cut(owner) for owner in owners]]
    reverse, *cuts = yield from parallel(everyone)
    names = judged.iprev.ptr_names[:NAME_LIMIT]
    hints = tuple([hint for name in names if (hint := generic_name(address, name)) is not None])
    return Examination(judged, predicted, evaluated, hints, reverse, dict(zip(owners, cuts, strict=True)))


def owner_of(line: str) -> DomainName:
    """The name at which a line of a mend is to be published."""
    return DomainName(line.split(None, 1)[0])


def spf_mend(target: Target, verdict: SpfVerdict) -> Mend | None:
    """What to publish where SPF does not let the address send, if that is known.

    A HELO name needs no SPF record, so for one without nothing is suggested.
    """
    if verdict.result in {SpfResult.PASS, SpfResult.TEMPERROR} or verdict.doubt is not None or not verdict.owner:
        return None
    if verdict.identity == "helo" and verdict.result is SpfResult.NONE:
        return None
    return authorising(target.address, verdict.owner, verdict.records)


def _spf(target: Target, index: int, senders: Sequence[str]) -> Check[tuple[SpfVerdict, ...]]:
    said = target.helos[index] if target.helos else None
    evaluations = [spf_helo(target.address, said)] if said is not None else []
    helo = said.text if said is not None else ""
    evaluations += [spf_mailfrom(target.address, sender, helo=helo) for sender in dict.fromkeys(senders)]
    return (yield from parallel(evaluations))


def _owners(judged: Report, evaluated: Sequence[Sequence[SpfVerdict]], target: Target) -> list[DomainName]:
    mends = [finding.mend for finding in judged.findings if finding.result is Result.FAIL]
    mends += [spf_mend(target, verdict) for verdicts in evaluated for verdict in verdicts]
    return [owner_of(line) for mend in mends if mend is not None for line in mend.records]
