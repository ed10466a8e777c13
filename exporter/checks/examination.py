"""Everything about one address, HELO name or domain, for a person: all checks, all receivers, and the zones to fix."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from exporter.checks.report import DEFAULT_AUTHENTICATION, AuthenticationSettings, Report, Target, report
from exporter.checks.result import CheckName, Finding, Fix, Reason, Result
from exporter.checks.spf.evaluate import spf_helo, spf_mailfrom
from exporter.checks.spf.fixes import authorising
from exporter.checks.spf.results import SpfResult, SpfVerdict
from exporter.checks.zone_cut import ReverseZones, ZoneCut, reverse_zones, zone_cut

_MAX_ZONES = 12
"""Zones to look for when an address or a HELO name is examined: their fixes never name more."""
_MAX_DOMAIN_ZONES = 40
"""The same for a domain: one for each selector, and a few more."""

Zones = Mapping[DomainName, ZoneCut]
"""The zones in which the records of the fixes are published, or that may fail DNSSEC validation, by owner name."""


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything about one target.

    Attributes:
        report: The result of every check.
        receivers: For each HELO name, the verdict of every receiver.
        spf: For each HELO name, the SPF results: of that name, of the given sender, then of the domains that the
            address sends for. A target without HELO names has one entry, without the first of these results.
        generic_names: PTR names that look generic.
        reverse: Who runs the PTR records.
        zones: The zones of the fixes.
    """

    report: Report
    receivers: tuple[tuple[ReceiverVerdict, ...], ...]
    spf: tuple[tuple[SpfVerdict, ...], ...]
    generic_names: "tuple[GenericName, ...]"
    reverse: ReverseZones
    zones: Zones


@dataclass(frozen=True, slots=True)
class NameExamination:
    """Everything about one HELO name."""

    report: HeloNameReport
    zones: Zones


@dataclass(frozen=True, slots=True)
class DomainExamination:
    """Everything about one domain."""

    report: DomainReport
    zones: Zones


def examine(
    target: Target,
    *,
    suffix: DomainName | None = None,
    mail_from: str | None = None,
    wanted: AuthenticationSettings = DEFAULT_AUTHENTICATION,
    blocklists: Sequence[Blocklist] = (),
) -> Check[Examination]:
    """Examine *target*. *suffix* and *wanted* are as in `report`; *blocklists* are asked and tested now.

    *mail_from* is a mailbox or a domain whose SPF is evaluated as well.
    """
    address = target.address
    checks: list[Check[Any]] = [report(target, suffix=suffix, wanted=wanted)]
    checks += [dnsbl(CheckName.DNSBL, address, one) for one in blocklists if address.family in one.families]
    basic, *listings = yield from parallel(checks)
    basic = basic._replace(findings=basic.findings + tuple([listing.finding for listing in listings]))
    predicted = yield from parallel([receivers(address, helo, tuple(Receiver)) for helo in target.helos])
    senders = [*([] if mail_from is None else [mail_from]), *wanted.mail_from]
    evaluated = yield from parallel([_spf(target, helo, senders) for helo in target.helos or (None,)])
    fixes = [finding.fix for finding in basic.findings if finding.result is Result.FAIL]
    fixes += [spf_fix(target, verdict) for verdicts in evaluated for verdict in verdicts]
    names = basic.iprev.ptr_names[:NAME_LIMIT]
    asked = [*[helo.name for helo in target.helos if helo.name is not None], *names, *wanted.mail_from]
    owners = [*_owners(fixes), *_bogus(basic.findings, asked)]
    lookups: list[Check[Any]] = [reverse_zones(address), _zones(owners, _MAX_ZONES)]
    reverse, zones = yield from parallel(lookups)
    hints = tuple([hint for name in names if (hint := generic_name(address, name)) is not None])
    return Examination(basic, predicted, evaluated, hints, reverse, zones)


def examine_name(helo: HeloName, contains: Callable[[Address], bool]) -> Check[NameExamination]:
    """Examine a HELO name; *contains* says whether an address is in the pool."""
    report: HeloNameReport = yield from helo_name(helo, contains)
    fixes = [finding.fix for finding in report.findings if finding.result is Result.FAIL]
    owners = [*_owners(fixes), *_bogus(report.findings, [helo.name])]
    return NameExamination(report, (yield from _zones(owners, _MAX_ZONES)))


def examine_domain(domain: DomainName, selectors: Sequence[str] = ()) -> Check[DomainExamination]:
    """Examine a domain. Raises `ValueError` as `domain_report` does."""
    report: DomainReport = yield from domain_report(domain, selectors)
    fixes = [*[finding.fix for finding in report.findings], *[hint.fix for hint in report.hints]]
    owners = [*_owners(fixes), *_bogus(report.findings, [domain])]
    return DomainExamination(report, (yield from _zones(owners, _MAX_DOMAIN_ZONES)))


def spf_fix(target: Target, verdict: SpfVerdict) -> Fix | None:
    """What to publish where SPF does not authorise the address; None if that is unknown.

    A HELO name needs no SPF record, so there is no fix for one without.
    """
    result = verdict.result
    if result in {SpfResult.PASS, SpfResult.TEMPERROR} or (result is SpfResult.NONE and verdict.identity == "helo"):
        return None
    if verdict.unanswered_ptr is not None or not verdict.owner:
        return None
    host = "a" if verdict.identity == "helo" else "mx"
    return authorising(target.address, verdict.owner, verdict.records, why=verdict.outcome.why, host=host)


def owner_of(line: str) -> DomainName:
    """The owner name of a line of a fix."""
    return DomainName(line.split(None, 1)[0])


def _owners(fixes: Iterable[Fix | None]) -> list[DomainName]:
    return [owner_of(line) for fix in fixes if fix is not None for line in (*fix.records, *fix.replaces)]


def _bogus(findings: Iterable[Finding], asked: Iterable[DomainName | None]) -> list[DomainName]:
    """The names in *asked* if a zone fails DNSSEC validation: which of them are in it, their zone cuts show."""
    is_bogus = any(finding.reason is Reason.DNSSEC_BOGUS for finding in findings)
    return [name for name in asked if name is not None] if is_bogus else []


def _zones(names: Iterable[DomainName], limit: int) -> Check[Zones]:
    """Find the zones of the first *limit* names."""
    owners = list(dict.fromkeys(names))[:limit]
    cuts = yield from parallel([zone_cut(owner) for owner in owners])
    return dict(zip(owners, cuts, strict=True))


def _spf(target: Target, helo: HeloName | None, senders: Sequence[str]) -> Check[tuple[SpfVerdict, ...]]:
    evaluations = [] if helo is None else [spf_helo(target.address, helo)]
    text = "" if helo is None else helo.text
    evaluations += [spf_mailfrom(target.address, sender, helo=text) for sender in dict.fromkeys(senders)]
    return (yield from parallel(evaluations))


_ACCESS_LINES = frozenset({
    "adsl", "sdsl", "vdsl", "xdsl", "dsl", "ppp", "pppoe", "dialup", "dialin", "isdn", "broadband", "bband", "dynamic",
    "dyn", "dynip", "dhcp", "dip", "catv", "docsis", "cablemodem", "hsd", "hsia", "ftth", "fttx", "fttb", "gpon",
    "wimax", "gprs", "umts", "cgn", "cgnat", "residential", "resnet",
})  # fmt: skip
"""Words that name a kind of access line: one of them is enough."""

_CUSTOMERS = frozenset({
    "pool", "pools", "client", "clients", "customer", "customers", "cust", "cable", "cpe", "res", "user", "users",
    "dial", "mobile", "lte", "wireless", "nat", "subscriber", "host", "static", "fiber", "unassigned",
})  # fmt: skip
"""Words that name a customer: they count only together with the last bytes of the address."""

_PLACEHOLDERS = frozenset({
    "unassigned", "unused", "undefined", "unallocated", "reserved", "not-set", "notset", "no-reverse", "noreverse",
    "no-rdns", "nordns", "no-ptr", "noptr", "unknown", "reverse-not-set", "no-dns-yet", "localhost",
})  # fmt: skip

_DIGITS = re.compile(r"[0-9]+")
_WORD = re.compile(r"[a-z]+")
_HEX_RUN = re.compile(r"(?<![0-9a-f])(?:0x)?([0-9a-f]{8})(?![0-9a-f])")
_NIBBLES_OF_AN_INTERFACE = 16
_OWN_LABELS = 2


class GenericRule(StrEnum):
    """Why a PTR name looks generic."""

    REVERSE_TREE = "reverse-tree"
    """It is in the reverse tree itself."""
    PLACEHOLDER = "placeholder"
    """It is a placeholder: nobody has set a name."""
    ADDRESS = "address"
    """It spells out the address."""
    LINE = "line"
    """It has a word for a kind of access line."""
    CUSTOMER = "customer"
    """It has a word for a customer and the last bytes of the address."""


@dataclass(frozen=True, slots=True)
class GenericName:
    """A hint about one PTR name: why it looks generic, and a sentence for a person."""

    name: DomainName
    rule: GenericRule
    sentence: str


def generic_name(address: Address, name: DomainName) -> GenericName | None:
    """Whether *name*, a PTR name of *address*, looks as if nobody chose it for a mail server; None if not.

    This is only a hint: many good servers have such a name. So only names that no mail provider would choose count:
    those that spell out the address, or have a word that access providers use for their lines.
    """
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
    own = labels[:-_OWN_LABELS]  # without the domain of the provider: adsl.example is a provider
    for label in labels[: max(len(own), 1)]:
        if label in _PLACEHOLDERS:
            return GenericRule.PLACEHOLDER, f"says {label!r}"
    host = ".".join(own)
    if _spells(address, host):
        return GenericRule.ADDRESS, f"spells out {address}"
    found = _WORD.findall(host)
    for word in found:
        if word in _ACCESS_LINES:
            return GenericRule.LINE, f"has the word {word!r}, which names a kind of access line"
    for word in found:
        if word in _CUSTOMERS and _has_last_bytes(address, host):
            return GenericRule.CUSTOMER, f"has the word {word!r} and the end of {address}"
    return None


def _spells(address: Address, host: str) -> bool:
    if address.family == 6:
        return _spells_ipv6(address, host)
    numbers = list(address.packed)
    if address.packed.hex() in _HEX_RUN.findall(host):
        return True
    found = _numbers(host)
    if any(found[start : start + 4] in (numbers, numbers[::-1]) for start in range(len(found) - 3)):
        return True
    padded = "".join(f"{byte:03d}" for byte in numbers), "".join(f"{byte:03d}" for byte in reversed(numbers))
    return any(run in padded for run in _DIGITS.findall(host))


def _numbers(host: str) -> list[int]:
    return [int(run) for run in _DIGITS.findall(host) if len(run) <= 3]  # digits of a byte


def _spells_ipv6(address: Address, host: str) -> bool:
    """Whether the last 64 bits are in it: as four groups, or as sixteen nibbles in either direction."""
    nibbles = address.packed.hex()[_NIBBLES_OF_AN_INTERFACE:]
    groups = [nibbles[start : start + 4].lstrip("0") or "0" for start in range(0, len(nibbles), 4)]
    tokens = [token.lstrip("0") or "0" for token in re.findall(r"[0-9a-f]+", host)]
    if any(tokens[start : start + 4] == groups for start in range(len(tokens) - 3)):
        return True
    bare = host.replace("-", "").replace(".", "")
    return nibbles in bare or nibbles[::-1] in bare


def _has_last_bytes(address: Address, host: str) -> bool:
    return address.family == 4 and set(address.packed[2:]) <= set(_numbers(host))
