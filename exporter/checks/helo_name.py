"""A HELO name, the other way round: is every address that it resolves to forward-confirmed, and in the pool?

Whoever says the name should be one of its addresses, so a name that covers strangers, or addresses without a
confirmed PTR name, is worth knowing of even where each pair of address and name looks right.

The rule: one address that is known not to be confirmed is a failure, whatever else is unknown. Failing that, a pass
needs every answer: both forward lookups, and a verdict on every address that is followed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Status
from exporter.checks.check import Check, parallel
from exporter.checks.helo import HeloName, forward_questions, judge_resolves, judge_syntax
from exporter.checks.iprev import Iprev, iprev
from exporter.checks.result import CheckName, Finding, IprevVerdict, Reason, Result, some

ADDRESS_LIMIT = 64
"""How many addresses of each family are followed. The first in order, so that every sample drops the same ones."""


@dataclass(frozen=True, slots=True)
class HeloNameReport:
    """What the addresses of one HELO name came to.

    *resolves* is None while unknown. *addresses* are all that are known, of both families, sorted; *confirmed* those
    whose `iprev` passes, *unconfirmed* those where it fails, *unknown* those where it is inconclusive, *unfollowed*
    those beyond the limit. *outside* are those that the pool does not contain, whatever else they are.
    *is_complete* says whether both forward lookups were conclusive, so that there are no other addresses.

    *findings* are `helo-syntax`, `helo-resolves` and `fcrdns`, each about the name.
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
    """Follow *said* to its addresses, and each of them back, all at once.

    *contains* says whether an address is in the pool. *limit* bounds the addresses that are followed, in each family
    on its own: were it one limit for both, the silence of one family could let in others of the other.
    """
    syntax = judge_syntax(helo)
    if helo.name is None:
        resolves, confirmed = (replace(syntax, check=check) for check in (CheckName.HELO_RESOLVES, CheckName.FCRDNS))
        return HeloNameReport(helo, resolves=False, findings=(syntax, resolves, confirmed))
    a, aaaa = yield forward_questions(helo.name)
    resolves = judge_resolves(helo, a, aaaa)
    followed = (*a.addresses[:limit], *aaaa.addresses[:limit])
    verdicts = yield from parallel([iprev(address, server_name=helo.host_name) for address in followed])
    judged = dict(sorted(zip(followed, verdicts, strict=True)))
    addresses = tuple(sorted({*a.addresses, *aaaa.addresses}))
    return HeloNameReport(
        helo,
        resolves=None if resolves.result is Result.UNKNOWN else resolves.result is Result.PASS,
        findings=(syntax, resolves, _judge_confirmed(helo, resolves, (a, aaaa), judged)),
        addresses=addresses,
        confirmed=_those(judged, IprevVerdict.PASS),
        unconfirmed=_those(judged, IprevVerdict.FAIL, IprevVerdict.PERMERROR),
        unknown=_those(judged, IprevVerdict.TEMPERROR),
        unfollowed=tuple([address for address in addresses if address not in judged]),
        outside=tuple([address for address in addresses if not contains(address)]),
        is_complete=a.is_conclusive and aaaa.is_conclusive,
    )


def _those(judged: dict[Address, Iprev], *verdicts: IprevVerdict) -> tuple[Address, ...]:
    return tuple([address for address, iprev_ in judged.items() if iprev_.verdict in verdicts])


def _judge_confirmed(
    helo: HeloName, resolves: Finding, forward: Sequence[Answer], judged: dict[Address, Iprev]
) -> Finding:
    """Judge whether every address of the name is forward-confirmed; what does not resolve has none that is."""
    check = CheckName.FCRDNS
    findings = [verdict.finding for verdict in judged.values()]
    failed = [address for address, verdict in judged.items() if verdict.finding.result is Result.FAIL]
    if failed:
        first = judged[failed[0]].finding
        which = f"{len(failed)} of the {len(judged)} addresses" if len(judged) > 1 else "the one address"
        sentence = f"Not forward-confirmed: {which} of the HELO name {helo}: {some(failed)}. {first.sentence}"
        return replace(first, subject=helo.text, sentence=sentence)
    silent = next((answer.status for answer in forward if not answer.is_conclusive), None)
    if silent is not None:
        return _unknown(helo, silent)
    unanswered = next((finding for finding in findings if finding.result is Result.UNKNOWN), None)
    if unanswered is not None:
        return replace(unanswered, subject=helo.text)
    if not judged:
        return replace(resolves, check=check)
    return Finding(check, Result.PASS, helo.text)


def _unknown(helo: HeloName, status: Status) -> Finding:
    sentence = f"The lookup of the HELO name {helo} got no answer ({status}): not all of its addresses are known."
    return Finding(CheckName.FCRDNS, Result.UNKNOWN, helo.text, Reason.of(status), sentence)
