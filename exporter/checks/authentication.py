"""What an address proves beside its names: SPF of its HELO names and of the domains that it sends for, and block lists.

The rule of this file: how many findings there are, and of what, follows from the target and from what is wanted of it,
never from what the DNS says; so that two samples of a target can be compared finding by finding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from exporter.checks.addresses import Address
from exporter.checks.check import Check, parallel
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.spf.compiled import CompiledSpf
from exporter.checks.spf.findings import compiled_finding, spf_finding, spf_helo, spf_mailfrom
from exporter.checks.target import Target
from exporter.checks.verdicts import CheckName, Finding, Reason, Result

Compiled = Callable[[str], CompiledSpf | None]
"""Gives what is known of a domain's record for all addresses at once; None where it has to be evaluated."""


def _never(domain: str) -> None:  # noqa: ARG001  # what `Compiled` says
    return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be found out about one target beside its names.

    *helo_spf_required* says whether a HELO name without any SPF record fails. *mail_from* are the domains that the
    address sends for. *listings* are what block lists are known to say of it, which is asked at their own pace.
    """

    helo_spf_required: bool = False
    mail_from: tuple[DomainName, ...] = ()
    compiled: Compiled = _never
    listings: tuple[Finding, ...] = ()


NOTHING_MORE = Wanted()
"""SPF of the HELO names, which needs no record."""


def authentication(target: Target, wanted: Wanted) -> Check[tuple[Finding, ...]]:
    """Judge *target*: `spf-helo` for each HELO name, `spf-mailfrom` for each domain, then the listings.

    Domains are judged with the first HELO name, for records that look at it (the macro ``%{h}``).
    """
    helo = target.helos[0].text if target.helos else ""
    checks = [_of_helo(target.address, said, wanted) for said in target.helos]
    checks += [_of_domain(target.address, domain, helo, wanted) for domain in wanted.mail_from]
    return (yield from parallel(checks)) + wanted.listings


def _of_helo(address: Address, said: HeloName, wanted: Wanted) -> Check[Finding]:
    check = CheckName.SPF_HELO
    finding = _at_hand(check, address, said.text, wanted)
    if finding is None:
        finding = spf_finding(check, address, (yield from spf_helo(address, said)))
    if finding.reason is Reason.SPF_NONE and not wanted.helo_spf_required:
        return without_record(said.text)
    return finding


def _of_domain(address: Address, domain: DomainName, helo: str, wanted: Wanted) -> Check[Finding]:
    check = CheckName.SPF_MAILFROM
    finding = _at_hand(check, address, domain, wanted)
    return finding or spf_finding(check, address, (yield from spf_mailfrom(address, domain, helo=helo)))


def _at_hand(check: CheckName, address: Address, domain: str, wanted: Wanted) -> Finding | None:
    compiled = wanted.compiled(domain)
    return None if compiled is None else compiled_finding(check, address, compiled)


@lru_cache(maxsize=4096)
def without_record(helo: str) -> Finding:
    """The finding of a HELO name that publishes no SPF record, and needs none: a pass, with a remark.

    RFC 7208 section 8.1: the result none says nothing about the client, and no receiver refuses for it.
    """
    remark = f"{helo} has no SPF record. For a HELO name none is needed."
    return Finding(CheckName.SPF_HELO, Result.PASS, helo, sentence=remark)


def spf_passes(finding: Finding) -> bool | None:
    """Whether SPF authorises the address, by a finding that is held; None where nothing is published, nor needed."""
    if finding.result is Result.PASS:
        return None if finding.sentence else True
    return False
