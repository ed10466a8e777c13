"""Receivers that are known by what they publish, or by what they refuse, and not by their source.

Read in RFC 8601 sections 2.7.3 and 3; Google's sender guidelines ("IP addresses", and the reply ``550-5.7.25``);
Microsoft's KB 3019655, whose receivers compare HELO with the PTR name.
"""

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.iprev import NAME_LIMIT as IPREV_NAME_LIMIT
from exporter.checks.names import DomainName
from exporter.checks.receivers.evidence import NAME_LIMIT, Forward, ask_ptr, no_ptr, see_names, sight, silent_ptr
from exporter.checks.receivers.verdicts import ACCEPTED, Outcome, deferred, refused, rejected
from exporter.checks.result import CheckName

_GMAIL = 550


def iprev(address: Address, _said: HeloName) -> Check[Outcome]:
    """`iprev`: a receiver that lets in what passes and nothing else; of many names, it looks at the first ten."""
    return (yield from _forward_confirmed(address, IPREV_NAME_LIMIT, code=None))


def gmail(address: Address, _said: HeloName) -> Check[Outcome]:
    """Gmail: there must be a PTR name that resolves to the client; what it does in an outage is not published."""
    return (yield from _forward_confirmed(address, NAME_LIMIT, code=_GMAIL))


def _forward_confirmed(address: Address, limit: int, *, code: int | None) -> Check[Outcome]:
    ptr = yield from ask_ptr(address)
    if not ptr.is_conclusive:
        return deferred(silent_ptr(address))
    if not ptr.names:
        return _unconfirmed(code, no_ptr(address))
    seen = yield from see_names(address, ptr.names[:limit])
    if any(each.forward is Forward.CONFIRMS for each in seen.values()):
        return ACCEPTED
    if any(each.forward is Forward.SILENT for each in seen.values()):
        return deferred(f"the DNS does not say what every PTR name of {address} resolves to")
    return _unconfirmed(code, f"no PTR name of {address} resolves to it")


def _unconfirmed(code: int | None, why: str) -> Outcome:
    return rejected(why, CheckName.FCRDNS) if code is None else refused(code, why, CheckName.FCRDNS)


def helo_equals_ptr(address: Address, helo: HeloName) -> Check[Outcome]:
    """HELO must be one of the PTR names; nobody looks whether that resolves."""
    if helo.name is None:
        return _not_a_name(helo)
    ptr = yield from ask_ptr(address)
    if helo.name in ptr.records:
        return ACCEPTED
    if not ptr.is_conclusive:
        return deferred(silent_ptr(address))
    return _not_ptr(address, helo, ptr.names)


def helo_equals_verified_ptr(address: Address, helo: HeloName) -> Check[Outcome]:
    """HELO must be one of the PTR names, and resolve to the client."""
    if helo.name is None:
        return _not_a_name(helo)
    ptr, own = yield [Question(address.reverse_name, "PTR"), Question(helo.name, address.rdtype)]
    if not ptr.is_conclusive:
        return deferred(silent_ptr(address))
    if helo.name not in ptr.records:
        return _not_ptr(address, helo, ptr.names)
    match sight(address, own).forward:
        case Forward.CONFIRMS:
            return ACCEPTED
        case Forward.SILENT:
            return deferred(f"the DNS does not say whether {helo} resolves to {address}")
    return rejected(f"{helo} is a PTR name of {address}, and does not resolve to it", CheckName.HELO_ADDRESS_MATCH)


def _not_ptr(address: Address, helo: HeloName, names: tuple[DomainName, ...]) -> Outcome:
    if not names:
        # Whatever the sender means its names to be, it does not mean to have none.
        return rejected(no_ptr(address), CheckName.FCRDNS)
    return rejected(f"the HELO name {helo} is not a PTR name of {address}", CheckName.HELO_PTR_MATCH)


def _not_a_name(helo: HeloName) -> Outcome:
    return rejected(f"the HELO name {helo} is no domain name", CheckName.HELO_SYNTAX)
