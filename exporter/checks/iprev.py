"""Is an address forward-confirmed? RFC 8601 sections 2.7.3 and 3, where the check is called ``iprev``.

One PTR name that resolves to the address is enough. If there is none, a missing answer counts more than a mismatch: it
could have been the one that confirms the address.
"""

from collections.abc import Mapping
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status, why_unanswered
from exporter.checks.check import Check
from exporter.checks.host_names import special_use, unusable
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName, Finding, Fix, IprevVerdict, Reason, Result, some, unknown

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


class ServerName(NamedTuple):
    """A name for the server at the address, such as its HELO name, and the answer to its forward lookup."""

    name: DomainName
    forward: Answer


def iprev(address: Address, *, server: ServerName | None = None) -> Check[Iprev]:
    """Look up the PTR names of *address*, then the addresses of those names; *server* is for the fix.

    Names are sorted before they are limited, so every sample drops the same ones. Only records of the family of the
    address can contain it, so only they are asked for.
    """
    (ptr,) = yield [Question(address.reverse_name, "PTR")]
    return (yield from follow(address, ptr, server=server))


def follow(address: Address, ptr: Answer, *, server: ServerName | None = None) -> Check[Iprev]:
    """The rest of `iprev`, for a caller that already has the answer to the PTR question."""
    names = ptr.names[:NAME_LIMIT]
    forward: dict[DomainName, Answer] = {}
    if names:
        rdtype = address.rdtype
        answers = yield [Question(name, rdtype) for name in names]
        forward.update(zip(names, answers, strict=True))
    found = evaluate_iprev(address, ptr, forward, server=server)
    if found.finding.reason is Reason.PTR_MISSING_DOT:
        problems = [unusable(name, ptr.owner(address.reverse_name)) for name in names]
        meant = next((it.meant for it in problems if it is not None and isinstance(it.meant, DomainName)), None)
        if meant is not None and (server is None or meant != server.name):
            (answer,) = yield [Question(meant, address.rdtype)]
            return evaluate_iprev(address, ptr, forward, server=ServerName(meant, answer))
    return found


def evaluate_single_name(address: Address, ptr: Answer, names: tuple[DomainName, ...], forward: Answer) -> Iprev:
    """The same as `evaluate_iprev`, but fast for a *ptr* with one name. Nearly all addresses have one."""
    if address in forward.records:
        return _new(Iprev, (_PASS, _CONFIRMED, names, names))
    return evaluate_iprev(address, ptr, {names[0]: forward})


def evaluate_iprev(
    address: Address, ptr: Answer, forward: Mapping[DomainName, Answer], *, server: ServerName | None = None
) -> Iprev:
    """The verdict that follows from the answer to the PTR question and from the forward lookups of the PTR names."""
    if not ptr.is_conclusive:
        lookup, why = f"The PTR lookup of {address} ({address.reverse_name})", why_unanswered(address.reverse_name, ptr)
        sentence = f"{lookup} got no answer ({why}): nothing is known to be wrong with the address."
        return Iprev(IprevVerdict.TEMPERROR, _unknown(ptr, sentence))
    if ptr.status is not Status.ANSWER:
        return Iprev(IprevVerdict.PERMERROR, _no_ptr(address, ptr, server))
    confirmed = tuple([name for name, answer in forward.items() if address in answer.records])
    if confirmed:
        return Iprev(IprevVerdict.PASS, _CONFIRMED, ptr.names, confirmed)
    for name, answer in forward.items():
        if not answer.is_conclusive:
            lookup, why = (
                f"The {address.rdtype} lookup of {name}, a PTR name of {address},",
                why_unanswered(name, answer),
            )
            sentence = f"{lookup} got no answer ({why}), and no other PTR name confirms the address."
            return Iprev(IprevVerdict.TEMPERROR, _unknown(answer, sentence), ptr.names)
    return Iprev(IprevVerdict.FAIL, _mismatch(address, ptr, forward, server), ptr.names)


def behind_nat(address: Address) -> Fix:
    """What to do about an address that receivers do not see: no record about it would help."""
    where = "as in the Received header of a message that arrived"
    return Fix(
        f"Check the public address that receivers see in place of {address}, {where}. Publish nothing for this one."
    )


def _unknown(answer: Answer, sentence: str) -> Finding:
    return unknown(CheckName.FCRDNS, "", Reason.of(answer.status), sentence)


def _failed(address: Address, reason: Reason, sentence: str, fix: Fix) -> Finding:
    if special := address.special_use:
        reason, fix = Reason.ADDRESS_NOT_PUBLIC, behind_nat(address)
        sentence = f"{address} is {special}: receivers see the public address of the NAT before it. {sentence}"
    return Finding(CheckName.FCRDNS, Result.FAIL, reason=reason, sentence=sentence, fix=fix)


def _no_ptr(address: Address, ptr: Answer, server: ServerName | None) -> Finding:
    reason = Reason.PTR_NXDOMAIN if ptr.status is Status.NXDOMAIN else Reason.PTR_NODATA
    what = "does not exist" if ptr.status is Status.NXDOMAIN else "has no PTR record"
    owner = ptr.owner(address.reverse_name)
    via = f", where {address.reverse_name} leads by CNAME," if ptr.chain else ""
    advice = f"Ask the operator of the reverse zone of {address} to publish a PTR record at {owner}"
    if server is None:
        advice = f"{advice} with the name of the server, and publish the {address.rdtype} record of that name."
        fix = Fix(advice, zone=owner)
    else:
        fix = _pointing(address, owner, server, f"{advice} with")
    return _failed(address, reason, f"{address} has no PTR name: {owner}{via} {what}.", fix)


def _pointing(address: Address, owner: DomainName, server: ServerName, advice: str, *wrong: str) -> Fix:
    """Give the PTR record at *owner* the name of the server, which gets a forward record unless it has it."""
    records = [f"{owner}. PTR {server.name}."]
    if address in server.forward.records:
        advice = f"{advice} the name {server.name}, which resolves to the address:"
        return Fix(advice, owner, tuple(records), wrong)
    records.append(f"{server.forward.owner(server.name)}. {address.rdtype} {address}")
    if server.forward.status is Status.ANSWER:
        advice = (
            f"{advice} the name of the server. Is that {server.name}, which resolves to "
            f"{some(server.forward.addresses)}? If it is, publish the records below. If it is not, make the server say "
            "its own name in HELO, and publish that."
        )
    else:
        advice = f"{advice} the name {server.name}, and make that resolve to the address:"
    return Fix(advice, owner, tuple(records), wrong)


def _mismatch(
    address: Address, ptr: Answer, forward: Mapping[DomainName, Answer], server: ServerName | None
) -> Finding:
    """Describe the PTR name that is nearest to being right: one that a server can have, that resolves, that exists."""
    nearest = {Status.ANSWER: 0, Status.NODATA: 1, Status.NXDOMAIN: 2}
    owner = ptr.owner(address.reverse_name)
    problems = {name: unusable(name, owner) for name in forward}

    def key(name: DomainName) -> tuple[bool, int, bool, DomainName]:
        is_other = server is None or name != server.name
        return problems[name] is not None, nearest[forward[name].status], is_other, name

    name = min(forward, key=key)
    answer, problem = forward[name], problems[name]
    end = answer.owner(name)
    via = f" is a CNAME that leads to {end}, which" if answer.chain else ""
    match answer.status:
        case Status.ANSWER:
            reason = Reason.FORWARD_MISMATCH
            what = f"resolves to {some(answer.addresses)}, not to {address}"
        case Status.NODATA:
            reason, what = Reason.FORWARD_NODATA, f"has no {address.rdtype} record"
        case _:
            reason, what = Reason.FORWARD_NXDOMAIN, "does not exist"
    what = f"{via} {what}".strip()
    if problem is not None:
        reason = Reason(f"ptr-{problem.misuse}")
        what = f"{problem.what}. It {what}"
    others = ""
    if len(ptr.names) > len(forward):
        others = f", and none of the first {len(forward)} of its {len(ptr.names)} PTR names confirms it"
    elif len(forward) > 1:
        others = ", and no other of its PTR names confirms it"
    sentence = f"{address} is not forward-confirmed: its PTR name {name} {what}{others}."
    if server is not None and server.name in ptr.names and address in server.forward.records:
        # It is beyond the limit. Receivers that take the first name rarely meet it, either.
        advice = f"Keep the PTR record with {server.name}, which resolves to the address, and remove the others:"
        fix = Fix(advice, owner, replaces=tuple([f"{owner}. PTR {one}." for one in ptr.names if one != server.name]))
    elif server is not None and server.name != name and (problem is not None or address in server.forward.records):
        fix = _pointing(address, owner, server, "Give the PTR record", *[f"{owner}. PTR {one}." for one in forward])
    elif problem is not None or not end.is_qualified or special_use(end):
        advice = f"Point the PTR record at the name of the server, which must have the {address.rdtype} record."
        fix = Fix(advice, zone=owner)
    else:
        advice = f"Publish the {address.rdtype} record below, or point the PTR record at a name that has it."
        fix = Fix(advice, zone=end, records=(f"{end}. {address.rdtype} {address}",))
    return _failed(address, reason, sentence, fix)
