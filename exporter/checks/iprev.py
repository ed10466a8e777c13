"""Is an address forward-confirmed? RFC 8601 sections 2.7.3 and 3, where the check is called ``iprev``.

One PTR name that resolves to the address is enough. If there is none, a missing answer counts more than a mismatch: it
could have been the one that confirms the address.
"""

from collections.abc import Mapping
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Fix, IprevVerdict, Reason, Result, some

NAME_LIMIT = 10
"""How many PTR names are looked up. RFC 8601 section 3 wants a limit; RFC 7208 section 4.6.4 has ten."""

_new = tuple.__new__  # builds a NamedTuple in a third of the time
_PASS = IprevVerdict.PASS
_CONFIRMED = Finding(CheckName.FCRDNS, Result.PASS)


class Iprev(NamedTuple):
    """The verdict on one address.

    Attributes:
        verdict: As RFC 8601 has it.
        finding: The same as the finding of `fcrdns`.
        ptr_names: All PTR names, sorted.
        confirmed_names: Those of the first `NAME_LIMIT` PTR names that resolve to the address.
    """

    verdict: IprevVerdict
    finding: Finding
    ptr_names: tuple[DomainName, ...] = ()
    confirmed_names: tuple[DomainName, ...] = ()


def iprev(address: Address, *, server_name: DomainName | None = None) -> Check[Iprev]:
    """Look up the PTR names of *address*, then the addresses of those names; *server_name* is for the fix.

    Names are sorted before they are limited, so every sample drops the same ones. Only records of the family of the
    address can contain it, so only they are asked for.
    """
    (ptr,) = yield [Question(address.reverse_name, "PTR")]
    return (yield from follow(address, ptr, server_name=server_name))


def follow(address: Address, ptr: Answer, *, server_name: DomainName | None = None) -> Check[Iprev]:
    """The rest of `iprev`, for a caller that already has the answer to the PTR question."""
    names = ptr.names[:NAME_LIMIT]
    forward: dict[DomainName, Answer] = {}
    if names:
        rdtype = address.rdtype
        answers = yield [Question(name, rdtype) for name in names]
        forward.update(zip(names, answers, strict=True))
    return evaluate_iprev(address, ptr, forward, server_name=server_name)


def evaluate_single_name(address: Address, ptr: Answer, names: tuple[DomainName, ...], forward: Answer) -> Iprev:
    """The same as `evaluate_iprev`, but fast for a *ptr* with one name. Nearly all addresses have one."""
    if address in forward.records:
        return _new(Iprev, (_PASS, _CONFIRMED, names, names))
    return evaluate_iprev(address, ptr, {names[0]: forward})


def evaluate_iprev(
    address: Address, ptr: Answer, forward: Mapping[DomainName, Answer], *, server_name: DomainName | None = None
) -> Iprev:
    """The verdict that follows from the answer to the PTR question and from the forward lookups of the PTR names."""
    if not ptr.is_conclusive:
        lookup = f"The PTR lookup of {address} ({address.reverse_name})"
        sentence = f"{lookup} got no answer ({ptr.status}): nothing is known to be wrong with the address."
        return Iprev(IprevVerdict.TEMPERROR, _unknown(ptr, sentence))
    if ptr.status is not Status.ANSWER:
        return Iprev(IprevVerdict.PERMERROR, _no_ptr(address, ptr, server_name))
    confirmed = tuple([name for name, answer in forward.items() if address in answer.records])
    if confirmed:
        return Iprev(IprevVerdict.PASS, _CONFIRMED, ptr.names, confirmed)
    for name, answer in forward.items():
        if not answer.is_conclusive:
            lookup = f"The {address.rdtype} lookup of {name}, a PTR name of {address},"
            sentence = f"{lookup} got no answer ({answer.status}), and no other PTR name confirms the address."
            return Iprev(IprevVerdict.TEMPERROR, _unknown(answer, sentence), ptr.names)
    return Iprev(IprevVerdict.FAIL, _mismatch(address, forward, server_name), ptr.names)


def _unknown(answer: Answer, sentence: str) -> Finding:
    return Finding(CheckName.FCRDNS, Result.UNKNOWN, reason=Reason.of(answer.status), sentence=sentence)


def _no_ptr(address: Address, ptr: Answer, server_name: DomainName | None) -> Finding:
    reason = Reason.PTR_NXDOMAIN if ptr.status is Status.NXDOMAIN else Reason.PTR_NODATA
    what = "does not exist" if ptr.status is Status.NXDOMAIN else "has no PTR record"
    owner = ptr.chain[-1] if ptr.chain else address.reverse_name
    via = f", where {address.reverse_name} leads by CNAME," if ptr.chain else ""
    advice = f"Ask the operator of the reverse zone of {address} to publish a PTR record at {owner}"
    if server_name is None:
        advice = f"{advice} with the name of the server, and publish the {address.rdtype} record of that name."
        fix = Fix(advice, zone=owner)
    else:
        records = (f"{owner}. PTR {server_name}.", f"{server_name}. {address.rdtype} {address}")
        fix = Fix(f"{advice}, and make its name resolve to the address:", zone=owner, records=records)
    sentence = f"{address} has no PTR name: {owner}{via} {what}."
    return Finding(CheckName.FCRDNS, Result.FAIL, reason=reason, sentence=sentence, fix=fix)


def _mismatch(address: Address, forward: Mapping[DomainName, Answer], server_name: DomainName | None) -> Finding:
    """Describe the PTR name that is nearest to being right: one that resolves, or else one that exists."""
    nearest = {Status.ANSWER: 0, Status.NODATA: 1, Status.NXDOMAIN: 2}
    name = min(forward, key=lambda name: (nearest[forward[name].status], name != server_name, name))
    answer = forward[name]
    owner = answer.chain[-1] if answer.chain else name
    match answer.status:
        case Status.ANSWER:
            reason = Reason.FORWARD_MISMATCH
            what = f"resolves to {some(answer.addresses)}, not to {address}"
        case Status.NODATA:
            reason, what = Reason.FORWARD_NODATA, f"has no {address.rdtype} record"
        case _:
            reason, what = Reason.FORWARD_NXDOMAIN, "does not exist"
    others = ", and no other of its PTR names confirms it" if len(forward) > 1 else ""
    sentence = f"{address} is not forward-confirmed: its PTR name {name} {what}{others}."
    if not owner.is_qualified:  # the root, localhost, a top-level domain: the operator cannot publish there
        fix = Fix(f"Point the PTR record at a name that has the {address.rdtype} record.", zone=address.reverse_name)
    else:
        advice = f"Publish the {address.rdtype} record below, or point the PTR record at a name that has it."
        fix = Fix(advice, zone=owner, records=(f"{owner}. {address.rdtype} {address}",))
    return Finding(CheckName.FCRDNS, Result.FAIL, reason=reason, sentence=sentence, fix=fix)
