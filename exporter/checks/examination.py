"""Everything that can be found out about one address in one go: for a person who wants it explained.

The rule of this file: it judges nothing itself. It runs every check and every model of a receiver over one set of
answers, and finds out who can fix what they complain of.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from exporter.checks.addresses import Address
from exporter.checks.check import Check, parallel
from exporter.checks.dnsbl import Blocklist, dnsbl
from exporter.checks.domain_report import DomainReport, domain_report
from exporter.checks.helo import HeloName
from exporter.checks.helo_name import HeloNameReport, helo_name
from exporter.checks.iprev import NAME_LIMIT
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver, ReceiverVerdict, receivers
from exporter.checks.report import NOTHING_MORE, Report, Target, Wanted, report
from exporter.checks.result import CheckName, Fix, Result
from exporter.checks.spf.evaluate import authorising, spf_helo, spf_mailfrom
from exporter.checks.spf.results import SpfResult, SpfVerdict
from exporter.checks.zone_cut import ReverseZones, ZoneCut, reverse_zones, zone_cut

# SECTION exporter.checks.generic_names
# Does a PTR name look as if nobody chose it? Receivers distrust what a provider gave to a line, not to a
# server.
#
# The rule of this file: it is a hint and never a failure, because many a good server has such a name. So it
# flags only
# what no provider of mail would write: the whole address, or the words that access providers use for their
# lines.

_LINE_WORDS = frozenset(
    {
        *("adsl", "sdsl", "vdsl", "xdsl", "dsl", "ppp", "pppoe", "dialup", "dialin", "isdn", "broadband", "bband"),
        *("dynamic", "dyn", "dynip", "dhcp", "dip", "catv", "docsis", "cablemodem", "hsd", "hsia", "ftth", "fttx"),
        *("fttb", "gpon", "wimax", "gprs", "umts", "cgn", "cgnat", "residential", "resnet"),
    }
)
"""Words that name a kind of line: one of them is enough."""

_CUSTOMER_WORDS = frozenset(
    {
        *(
            "pool",
            "pools",
            "client",
            "clients",
            "customer",
            "customers",
            "cust",
            "cable",
            "cpe",
            "res",
            "user",
            "users",
        ),
        *("dial", "mobile", "lte", "wireless", "nat", "subscriber", "host", "static", "fiber", "unassigned"),
    }
)
"""Words that name a customer's place: they count beside the last octets of the address."""

_PLACEHOLDERS = frozenset(
    {
        *(
            "unassigned",
            "unused",
            "undefined",
            "unallocated",
            "reserved",
            "not-set",
            "notset",
            "no-reverse",
            "noreverse",
        ),
        *("no-rdns", "nordns", "no-ptr", "noptr", "unknown", "reverse-not-set", "no-dns-yet", "localhost"),
    }
)

_DIGITS = re.compile(r"[0-9]+")
_WORD = re.compile(r"[a-z]+")
_HEX_RUN = re.compile(r"(?<![0-9a-f])(?:0x)?([0-9a-f]{8})(?![0-9a-f])")
_NIBBLES_OF_AN_INTERFACE = 16
_OWN_LABELS = 2


class GenericRule(StrEnum):
    """What a PTR name was flagged for."""

    REVERSE_TREE = "reverse-tree"
    """It is a name of the reverse tree itself."""
    PLACEHOLDER = "placeholder"
    """It says that nobody has set it."""
    ADDRESS = "address"
    """The address is spelled out in it."""
    LINE = "line"
    """It has a word for a kind of access line."""
    CUSTOMER = "customer"
    """It has a word for a customer, and the end of the address."""


@dataclass(frozen=True, slots=True)
class GenericName:
    """A hint about one PTR name: which rule flagged it, and a sentence for a person."""

    name: DomainName
    rule: GenericRule
    sentence: str


def generic_name(address: Address, name: DomainName) -> GenericName | None:
    """Say what makes *name*, a PTR name of *address*, look like that of a line or of no one; None if nothing does."""
    rule_and_what = _flag(address, name)
    if rule_and_what is None:
        return None
    rule, what = rule_and_what
    sentence = (
        f"The PTR name {name} looks generic: it {what}. Some receivers distrust such names; a name chosen for the mail "
        "server, like mail.example.org, avoids that."
    )
    return GenericName(name, rule, sentence)


def _flag(address: Address, name: DomainName) -> tuple[GenericRule, str] | None:
    labels = name.split(".")
    if labels[-1] == "arpa":
        return GenericRule.REVERSE_TREE, "is in the reverse tree"
    own = labels[:-_OWN_LABELS]  # what is left of the provider's own name: adsl.example is a provider
    for label in labels[: max(len(own), 1)]:
        if label in _PLACEHOLDERS:
            return GenericRule.PLACEHOLDER, f"says {label!r}"
    host = ".".join(own)
    if _spells(address, host):
        return GenericRule.ADDRESS, f"spells out {address}"
    words = _WORD.findall(host)
    for word in words:
        if word in _LINE_WORDS:
            return GenericRule.LINE, f"has the word {word!r}, which names a kind of access line"
    for word in words:
        if word in _CUSTOMER_WORDS and _has_last_bytes(address, host):
            return GenericRule.CUSTOMER, f"has the word {word!r} and the end of {address}"
    return None


def _spells(address: Address, host: str) -> bool:
    if address.family == 6:  # the IP version
        return _spells_ipv6(address, host)
    octets = list(address.packed)
    if address.packed.hex() in _HEX_RUN.findall(host):
        return True
    runs = _DIGITS.findall(host)
    numbers = [int(run) for run in runs if len(run) <= 3]  # digits of an octet
    if any(numbers[start : start + 4] in (octets, octets[::-1]) for start in range(len(numbers) - 3)):
        return True
    padded = "".join(f"{octet:03d}" for octet in octets), "".join(f"{octet:03d}" for octet in reversed(octets))
    return any(run in padded for run in runs)


def _spells_ipv6(address: Address, host: str) -> bool:
    """Whether its last 64 bits are in it, in full: as four groups, or as sixteen nibbles in either direction."""
    nibbles = address.packed.hex()[_NIBBLES_OF_AN_INTERFACE:]
    groups = [nibbles[start : start + 4].lstrip("0") or "0" for start in range(0, len(nibbles), 4)]
    tokens = [token.lstrip("0") or "0" for token in re.findall(r"[0-9a-f]+", host)]
    if any(tokens[start : start + 4] == groups for start in range(len(tokens) - 3)):
        return True
    bare = host.replace("-", "").replace(".", "")
    return nibbles in bare or nibbles[::-1] in bare


def _has_last_bytes(address: Address, host: str) -> bool:
    if address.family == 6:  # the IP version
        return False
    numbers = [int(run) for run in _DIGITS.findall(host) if len(run) <= 3]  # digits of an octet
    return address.packed[3] in numbers and address.packed[2] in numbers


# SECTION exporter.checks.examination

EVERY_RECEIVER = tuple(Receiver)

_MAX_OWNERS = 12
"""Names to publish at whose zone is looked for; nobody's fixes name more."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What came out for one target.

    *receivers* and *spf* have one entry for each HELO name, in their order; of a target without any, *spf* has one for
    MAIL FROM alone: the one that was given, then the domains that the address sends for. *zones* are those in which the
    names of the fixes are published, by name.
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
    predicted = yield from parallel([receivers(address, helo, EVERY_RECEIVER) for helo in target.helos])
    senders = [*([] if mail_from is None else [mail_from]), *wanted.mail_from]
    evaluated = yield from parallel([_spf(target, index, senders) for index in range(max(1, len(target.helos)))])
    owners = list(dict.fromkeys(_owners(judged, evaluated, target)))[:_MAX_OWNERS]
    everyone: Sequence[Check[Any]] = [reverse_zones(address), *[zone_cut(owner) for owner in owners]]
    reverse, *cuts = yield from parallel(everyone)
    names = judged.iprev.ptr_names[:NAME_LIMIT]
    hints = tuple([hint for name in names if (hint := generic_name(address, name)) is not None])
    return Examination(judged, predicted, evaluated, hints, reverse, dict(zip(owners, cuts, strict=True)))


def owner_of(line: str) -> DomainName:
    """The name at which a line of a fix is to be published."""
    return DomainName(line.split(None, 1)[0])


def spf_fix(target: Target, verdict: SpfVerdict) -> Fix | None:
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
    fixes = [finding.fix for finding in judged.findings if finding.result is Result.FAIL]
    fixes += [spf_fix(target, verdict) for verdicts in evaluated for verdict in verdicts]
    return [owner_of(line) for fix in fixes if fix is not None for line in fix.records]


# SECTION exporter.checks.name_examination
# Everything that can be found out about one HELO name in one go, for a person who wants it explained.
#
# The rule of this file: as that of `exporter.checks.examination`: it judges nothing itself.


@dataclass(frozen=True, slots=True)
class NameExamination:
    """What came out for one HELO name; *zones* are those in which the names of its fixes are published, by name."""

    report: HeloNameReport
    zones: Mapping[DomainName, ZoneCut]


def examine_name(helo: HeloName, contains: Callable[[Address], bool]) -> Check[NameExamination]:
    """Follow *said* to its addresses and back; *contains* says whether an address is in the pool."""
    report: HeloNameReport = yield from helo_name(helo, contains)
    fixes = [finding.fix for finding in report.findings if finding.result is Result.FAIL]
    lines = [line for fix in fixes if fix is not None for line in fix.records]
    owners = list(dict.fromkeys(owner_of(line) for line in lines))[:_MAX_OWNERS]
    cuts = yield from parallel([zone_cut(owner) for owner in owners])
    return NameExamination(report, dict(zip(owners, cuts, strict=True)))


# SECTION exporter.checks.domain_examination
# Everything that can be found out about one domain in one go, for a person who wants it explained.
#
# The rule of this file: as that of `exporter.checks.examination`: it judges nothing itself.

_MAX_OWNERS_DOMAIN_EXAMINATION = 40
"""Names to publish at whose zone is looked for: a selector each, and a few more."""


@dataclass(frozen=True, slots=True)
class DomainExamination:
    """What came out for one domain; *zones* are those in which the names of its fixes are published, by name."""

    report: DomainReport
    zones: Mapping[DomainName, ZoneCut]


def examine_domain(domain: DomainName, selectors: Sequence[str] = ()) -> Check[DomainExamination]:
    """Run every check on *domain*. Raises `ValueError` as `domain_report` does."""
    report: DomainReport = yield from domain_report(domain, selectors)
    fixes = [*[finding.fix for finding in report.findings], *[hint.fix for hint in report.hints]]
    lines = [line for fix in fixes if fix is not None for line in (*fix.records, *fix.replaces)]
    owners = list(dict.fromkeys(owner_of(line) for line in lines))[:_MAX_OWNERS_DOMAIN_EXAMINATION]
    cuts = yield from parallel([zone_cut(owner) for owner in owners])
    return DomainExamination(report, dict(zip(owners, cuts, strict=True)))
