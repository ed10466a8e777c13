"""Receivers without public source code, known from their documents or from their refusals.

From RFC 8601 sections 2.7.3 and 3; Google's sender guidelines ("IP addresses", and the reply ``550-5.7.25``);
Microsoft's KB 3019655, whose receivers compare HELO with the PTR name.
"""

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.iprev import NAME_LIMIT as IPREV_NAME_LIMIT
from exporter.checks.names import DomainName
from exporter.checks.receivers.evidence import NAME_LIMIT, Forward, ask_ptr, match_names, match_own, no_ptr, silent_ptr
from exporter.checks.receivers.verdicts import ACCEPTED, SmtpReply, deferred, refused, rejected
from exporter.checks.result import CheckName

_GMAIL = 550


def iprev(address: Address, _helo: HeloName) -> Check[SmtpReply]:
    """`iprev`: a receiver that accepts only a pass; it looks at the first ten PTR names."""
    return (yield from _forward_confirmed(address, IPREV_NAME_LIMIT, code=None))


def gmail(address: Address, _helo: HeloName) -> Check[SmtpReply]:
    """Gmail: there must be a PTR name that resolves to the client. Its behaviour in an outage is not published."""
    return (yield from _forward_confirmed(address, NAME_LIMIT, code=_GMAIL))


def _forward_confirmed(address: Address, limit: int, *, code: int | None) -> Check[SmtpReply]:
    ptr = yield from ask_ptr(address)
    if not ptr.is_conclusive:
        return deferred(silent_ptr(address))
    if not ptr.names:
        return _unconfirmed(code, no_ptr(address))
    seen = yield from match_names(address, ptr.names[:limit])
    if any(each.forward is Forward.CONFIRMS for each in seen.values()):
        return ACCEPTED
    if any(each.forward is Forward.SILENT for each in seen.values()):
        return deferred(f"the DNS does not say what every PTR name of {address} resolves to")
    which = "no PTR name" if len(seen) == len(ptr.names) else f"none of the first {len(seen)} PTR names"
    return _unconfirmed(code, f"{which} of {address} resolves to it")


def _unconfirmed(code: int | None, why: str) -> SmtpReply:
    return rejected(why, CheckName.FCRDNS) if code is None else refused(code, why, CheckName.FCRDNS)


def helo_equals_ptr(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """HELO must be one of the PTR names, which need not resolve."""
    if helo.name is None:
        return _not_a_name(helo)
    ptr = yield from ask_ptr(address)
    if helo.name in ptr.records:
        return ACCEPTED
    if not ptr.is_conclusive:
        return deferred(silent_ptr(address))
    return _not_ptr(address, helo, ptr.names)


def helo_equals_verified_ptr(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """HELO must be one of the PTR names, and resolve to the client."""
    if helo.name is None:
        return _not_a_name(helo)
    ptr, own = yield [Question(address.reverse_name, "PTR"), Question(helo.name, address.rdtype)]
    if not ptr.is_conclusive:
        return deferred(silent_ptr(address))
    if helo.name not in ptr.records:
        return _not_ptr(address, helo, ptr.names)
    match match_own(address, own).forward:
        case Forward.CONFIRMS:
            return ACCEPTED
        case Forward.SILENT:
            return deferred(f"the DNS does not say whether {helo} resolves to {address}")
    return rejected(f"{helo} is a PTR name of {address}, and does not resolve to it", CheckName.HELO_ADDRESS_MATCH)


def _not_ptr(address: Address, helo: HeloName, names: tuple[DomainName, ...]) -> SmtpReply:
    if not names:
        # Never by design: nobody wants to have no PTR name.
        return rejected(no_ptr(address), CheckName.FCRDNS)
    return rejected(f"the HELO name {helo} is not a PTR name of {address}", CheckName.HELO_PTR_MATCH)


def _not_a_name(helo: HeloName) -> SmtpReply:
    return rejected(f"the HELO name {helo} is no domain name", CheckName.HELO_SYNTAX)
