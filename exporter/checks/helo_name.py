"""The reverse check of a HELO name: is every address that it resolves to forward-confirmed, and in the pool?

One address that is not confirmed is a failure, even if others are unknown. A pass needs every answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, why_unanswered
from exporter.checks.check import Check, parallel
from exporter.checks.helo import HeloName, evaluate_resolves, evaluate_syntax, forward_questions
from exporter.checks.iprev import Iprev, ServerName, iprev
from exporter.checks.result import CheckName, Finding, IprevVerdict, Reason, Result, some, unknown

ADDRESS_LIMIT = 64
"""How many addresses of each family are checked: the first in order, so every sample drops the same ones."""


@dataclass(frozen=True, slots=True)
class HeloNameReport:
    """What is known about the addresses of one HELO name.

    Attributes:
        helo: The name.
        resolves: None if that is unknown.
        findings: `helo-syntax`, `helo-resolves` and `fcrdns`, each about the name.
        addresses: All known addresses of both families, sorted.
        confirmed: Those that pass `iprev`.
        unconfirmed: Those that fail it.
        unknown: Those whose `iprev` is inconclusive.
        unfollowed: Those beyond the limit.
        outside: Those that are not in the pool, confirmed or not.
        is_complete: Whether both forward lookups were conclusive, so that there are no other addresses.
    """

    helo: HeloName
    resolves: bool | None
    findings: tuple[Finding, Finding, Finding]
    addresses: tuple[Address, ...] = ()
    confirmed: tuple[Address, ...] = ()
    unconfirmed: tuple[Address, ...] = ()
    unknown: tuple[Address, ...] = ()
    unfollowed: tuple[Address, ...] = ()
    outside: tuple[Address, ...] = ()
    is_complete: bool = True


def helo_name(
    helo: HeloName, contains: Callable[[Address], bool], *, limit: int = ADDRESS_LIMIT
) -> Check[HeloNameReport]:
    """Look up the addresses of *helo*, then run `iprev` on each; *contains* says whether an address is in the pool.

    *limit* is for each family, so that a missing answer for one family does not change which of the other are checked.
    """
    syntax = evaluate_syntax(helo)
    if helo.name is None:
        resolves, confirmed = (replace(syntax, check=check) for check in (CheckName.HELO_RESOLVES, CheckName.FCRDNS))
        return HeloNameReport(helo, resolves=False, findings=(syntax, resolves, confirmed))
    a, aaaa = yield forward_questions(helo.name)
    resolves = evaluate_resolves(helo, a, aaaa)
    followed = (*a.addresses[:limit], *aaaa.addresses[:limit])
    name = helo.host_name
    verdicts = yield from parallel(
        [
            iprev(address, server=None if name is None else ServerName(name, a if address.family == 4 else aaaa))
            for address in followed
        ]
    )
    by_address = dict(sorted(zip(followed, verdicts, strict=True)))
    addresses = tuple(sorted({*a.addresses, *aaaa.addresses}))
    return HeloNameReport(
        helo,
        resolves=None if resolves.result is Result.UNKNOWN else resolves.result is Result.PASS,
        findings=(syntax, resolves, _evaluate_confirmed(helo, resolves, (a, aaaa), by_address)),
        addresses=addresses,
        confirmed=_with_verdict(by_address, IprevVerdict.PASS),
        unconfirmed=_with_verdict(by_address, IprevVerdict.FAIL, IprevVerdict.PERMERROR),
        unknown=_with_verdict(by_address, IprevVerdict.TEMPERROR),
        unfollowed=tuple([address for address in addresses if address not in by_address]),
        outside=tuple([address for address in addresses if not contains(address)]),
        is_complete=a.is_conclusive and aaaa.is_conclusive,
    )


def _with_verdict(by_address: dict[Address, Iprev], *verdicts: IprevVerdict) -> tuple[Address, ...]:
    return tuple([address for address, one in by_address.items() if one.verdict in verdicts])


def _evaluate_confirmed(
    helo: HeloName, resolves: Finding, forward: Sequence[Answer], by_address: dict[Address, Iprev]
) -> Finding:
    """Whether every address of the name is forward-confirmed; a name that does not resolve has none."""
    check = CheckName.FCRDNS
    failed = [address for address, one in by_address.items() if one.finding.result is Result.FAIL]
    if failed:
        first = by_address[failed[0]].finding
        which = f"{len(failed)} of the {len(by_address)} addresses" if len(by_address) > 1 else "the one address"
        sentence = f"Not forward-confirmed: {which} of the HELO name {helo}: {some(failed)}. {first.sentence}"
        return replace(first, subject=helo.text, sentence=sentence)
    for answer in forward:
        if not answer.is_conclusive:
            lookup = f"The lookup of the HELO name {helo}"
            why = why_unanswered(helo.name, answer)
            sentence = f"{lookup} got no answer ({why}): not all of its addresses are known."
            return unknown(check, helo.text, Reason.of(answer.status), sentence)
    for one in by_address.values():
        if one.finding.result is Result.UNKNOWN:
            return replace(one.finding, subject=helo.text)
    if not by_address:
        return replace(resolves, check=check)
    size = sum(len(answer.records) for answer in forward)
    remark = f"Checked: {len(by_address)} of the {size} addresses of the HELO name {helo}."
    return Finding(check, Result.PASS, helo.text, sentence=remark if size > len(by_address) else "")
