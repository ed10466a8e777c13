"""Haraka: each switch under ``[reject]`` of its plugins fcrdns and helo.checks separately.

From haraka-plugin-fcrdns 1.2.1 `index.js` lines 60-290, haraka-plugin-helo.checks 1.1.3 `index.js`, Haraka 3.3
`connection.js` lines 738-790 and 899-920. Node reports every failure of a reverse lookup as "not found", and both
plugins treat most failures of a forward lookup as an empty answer. So an outage looks like a fault, or like a pass.
"""

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import Check
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.public_suffix import is_in_known_suffix, registrable_domain
from exporter.checks.receivers import evidence
from exporter.checks.receivers.evidence import Forward
from exporter.checks.receivers.verdicts import ACCEPTED, SmtpReply, combined, refused
from exporter.checks.result import CheckName, some

_AT_CONNECT, _AT_HELO, _LATER = 554, 550, 450

_TIMED_OUT = frozenset({Status.TIMEOUT, Status.CANARY, Status.TLS})
"""What is a timeout for the resolver of a receiver; the other inconclusive statuses are replies to it."""


def no_rdns(address: Address, _helo: HeloName) -> Check[SmtpReply]:
    """`reject.no_rdns`: there must be a PTR name."""
    ptr = yield from evidence.ask_ptr(address)
    if ptr.names:
        return ACCEPTED
    why = evidence.no_ptr(address) if ptr.is_conclusive else evidence.silent_ptr(address)
    return refused(_AT_CONNECT, why, CheckName.FCRDNS).conclusive_if(ptr.is_conclusive)


def no_fcrdns(address: Address, _helo: HeloName) -> Check[SmtpReply]:
    """`reject.no_fcrdns`: a PTR name must resolve into the /24 of the client; an address without PTR names passes."""
    ptr = yield from evidence.ask_ptr(address)
    if not ptr.names:
        return ACCEPTED.conclusive_if(ptr.is_conclusive)
    names = [name for name in ptr.names[: evidence.NAME_LIMIT] if organizational_domain(name) is not None]
    if not names:
        why = f"Haraka looks up no PTR name of {address}, because none is in a registered domain: {some(ptr.names)}"
        return refused(_AT_CONNECT, why, CheckName.FCRDNS)
    # Haraka asks for both families, but only records of the client's family can match.
    answers = yield from evidence.ask_names(names, [address.rdtype])
    if any(_is_near(address, own) for (own,) in answers.values()):
        return ACCEPTED
    is_known = all(own.is_conclusive for (own,) in answers.values())
    which = f"no PTR name of {address}"
    if len(names) < len(ptr.names):
        which = f"none of the PTR names of {address} that Haraka looks up ({some(names)})"
    why = f"{which} resolves to it, or to an address in the same /24"
    return refused(_AT_CONNECT, why, CheckName.FCRDNS).conclusive_if(is_known)


def _is_near(address: Address, own: Answer) -> bool:
    if address.family == 6:
        return address in own.records
    return any(it.packed[:3] == address.packed[:3] for it in own.addresses)


def helo_rdns_match(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`reject.rdns_match`: HELO must be the first PTR name, or share its organizational domain."""
    if _is_literal(helo.text):
        return ACCEPTED  # the check fails, but the plugin then forgets to refuse
    ptr = yield from evidence.ask_ptr(address)
    if not ptr.names:
        why = evidence.no_ptr(address) if ptr.is_conclusive else evidence.silent_ptr(address)
        return refused(_AT_HELO, why, CheckName.FCRDNS).conclusive_if(ptr.is_conclusive)
    return combined([_evaluate_rdns_match(helo, name) for name in ptr.names[: evidence.NAME_LIMIT]])


def _evaluate_rdns_match(helo: HeloName, name: DomainName) -> SmtpReply:
    if helo.text.lower() == name or _same_organization(helo, name):
        return ACCEPTED
    why = f"the HELO name {helo} is not in the domain of the PTR name {name}"
    return refused(_AT_HELO, why, CheckName.HELO_ALIGNED, CheckName.HELO_PTR_MATCH)


def helo_forward_dns(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`reject.forward_dns`: HELO must resolve to the client, or be in the first PTR name's organizational domain.

    A name that resolves to nothing at all passes: only one that resolves elsewhere is refused.
    """
    if _is_literal(helo.text):
        return ACCEPTED
    if helo.name is None or not _is_valid(helo.text):
        return refused(_AT_HELO, f"the HELO name {helo} is invalid", CheckName.HELO_SYNTAX)
    questions = evidence.forward_questions(address, helo.name)
    ptr, *forward = yield [Question(address.reverse_name, "PTR"), *questions]
    seen = evidence.match_both(address, *forward)
    match seen.forward:
        case Forward.CONFIRMS | Forward.ABSENT:
            return ACCEPTED
        case Forward.SILENT if any(answer.status in _TIMED_OUT for answer in forward):
            return refused(_LATER, f"the DNS does not say what the HELO name {helo} resolves to").inconclusive()
        case Forward.SILENT:
            return ACCEPTED.inconclusive()
    why = f"the HELO name {helo} resolves to other addresses than {address}, and is not in its PTR name's domain"
    elsewhere = refused(_AT_HELO, why, CheckName.HELO_ADDRESS_MATCH, CheckName.HELO_ALIGNED)
    names = ptr.names[: evidence.NAME_LIMIT]
    replies = [ACCEPTED if _same_organization(helo, name) else elsewhere for name in names] or [elsewhere]
    return combined(replies).conclusive_if(seen.is_conclusive and ptr.is_conclusive)


def helo_valid_hostname(_address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`reject.valid_hostname`: a dot, and a top-level domain that exists."""
    yield from ()
    if _is_literal(helo.text) or _is_valid(helo.text):
        return ACCEPTED
    return refused(_AT_HELO, f"the HELO name {helo} is no name in a registered domain", CheckName.HELO_SYNTAX)


def helo_literal_mismatch(address: Address, helo: HeloName) -> Check[SmtpReply]:
    """`reject.literal_mismatch`: an address literal must be in the /24 of the client; an IPv6 literal never is."""
    yield from ()
    if not _is_literal(helo.text):
        return ACCEPTED
    inside = _inside(helo.text)
    if address.family == 4 and evidence.is_ipv4(inside) and inside.split(".")[:3] == str(address).split(".")[:3]:
        return ACCEPTED
    why = f"the address literal {helo} is not in the same /24 as {address}"
    return refused(_AT_HELO, why, CheckName.HELO_SYNTAX)


def _is_literal(text: str) -> bool:
    return text.startswith("[") and text.endswith("]") and evidence.is_ip(_inside(text))


def _inside(text: str) -> str:
    return text[1:-1].removeprefix("IPv6:")


def _is_valid(text: str) -> bool:
    return "." in text and organizational_domain(text) is not None


def _same_organization(helo: HeloName, name: DomainName) -> bool:
    mine = organizational_domain(helo.text)
    return mine is not None and mine == organizational_domain(name)


def organizational_domain(text: str) -> str | None:
    """The registered domain of a name; None below a top-level domain that is not on the Public Suffix List.

    Haraka ships a copy of the list, so a private top-level domain is not valid, nor is one for documentation.
    """
    if text.endswith(".") or not is_in_known_suffix(text):
        return None
    return registrable_domain(text.lower())
