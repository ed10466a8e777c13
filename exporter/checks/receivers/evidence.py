"""What receivers see of the names of an address. The modules of the receivers decide what follows from it.

No more than `NAME_LIMIT` names are asked for. They are sorted first, so every sample drops the same ones.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, RRType, Status
from exporter.checks.check import Check
from exporter.checks.names import DomainName
from exporter.checks.receivers.verdicts import ACCEPTED, SmtpReply, refused
from exporter.checks.result import CheckName

NAME_LIMIT = 20
"""How many PTR names or mail exchanges are looked up. Real receivers have no limit, but real senders have few names."""


class Forward(Enum):
    """How the forward records of a name fit an address."""

    CONFIRMS = auto()
    """They contain the address."""
    DIFFERS = auto()
    """They exist, but do not contain the address."""
    ABSENT = auto()
    """There are none: NXDOMAIN or NODATA."""
    SILENT = auto()
    """The DNS did not answer."""


@dataclass(frozen=True, slots=True)
class ForwardMatch:
    """How a name fits an address, and whether every answer that could change that was there."""

    forward: Forward
    is_conclusive: bool = True


_SILENT = ForwardMatch(Forward.SILENT, is_conclusive=False)


def match_own(address: Address, own: Answer) -> ForwardMatch:
    """Match a name by its records of the family of the address, as getaddrinfo(3) does for one family."""
    if address in own.records:
        return ForwardMatch(Forward.CONFIRMS)
    if not own.is_conclusive:
        return _SILENT
    return ForwardMatch(Forward.DIFFERS if own.status is Status.ANSWER else Forward.ABSENT)


def match_both(address: Address, own: Answer, other: Answer) -> ForwardMatch:
    """Match a name by its A and AAAA records together, where an answer for one family is enough."""
    if own.status is Status.ANSWER:
        return match_own(address, own)
    if other.status is Status.ANSWER:
        return ForwardMatch(Forward.DIFFERS, is_conclusive=own.is_conclusive)
    if own.is_conclusive and other.is_conclusive:
        return ForwardMatch(Forward.ABSENT)
    return _SILENT


def ask_ptr(address: Address) -> Check[Answer]:
    """Ask for the PTR names of *address*."""
    (ptr,) = yield [Question(address.reverse_name, "PTR")]
    return ptr


def ask_names(names: Sequence[DomainName], rdtypes: Sequence[RRType]) -> Check[Mapping[DomainName, tuple[Answer, ...]]]:
    """Ask for records of several names at once: the answers of each, in the order of *rdtypes*."""
    if not names:
        return {}
    answers = yield [Question(name, rdtype) for name in names for rdtype in rdtypes]
    width = len(rdtypes)
    return {name: tuple(answers[index * width : (index + 1) * width]) for index, name in enumerate(names)}


def match_names(address: Address, names: Sequence[DomainName]) -> Check[Mapping[DomainName, ForwardMatch]]:
    """Match names by their records of the family of the address."""
    answers = yield from ask_names(names, [address.rdtype])
    return {name: match_own(address, own) for name, (own,) in answers.items()}


def match_names_in_both(address: Address, names: Sequence[DomainName]) -> Check[Mapping[DomainName, ForwardMatch]]:
    """Match names by their A and AAAA records."""
    answers = yield from ask_names(names, family_first(address))
    return {name: match_both(address, own, other) for name, (own, other) in answers.items()}


def family_first(address: Address) -> tuple[RRType, RRType]:
    """The types of forward records, that of the family of the address first."""
    return ("A", "AAAA") if address.family == 4 else ("AAAA", "A")


def forward_questions(address: Address, name: DomainName) -> list[Question]:
    """Both forward lookups of a name, that of the family of the address first."""
    return [Question(name, rdtype) for rdtype in family_first(address)]


def invalid_name(code: int, name: DomainName) -> SmtpReply:
    """The refusal because of a PTR name that the receiver does not look up."""
    return refused(code, f"the PTR name {name} cannot be a host's, so it does not count", CheckName.FCRDNS)


def name_reply(code: int, address: Address, name: DomainName, seen: ForwardMatch | None) -> SmtpReply:
    """The reply of a receiver that wants the PTR name *name* to resolve to the client."""
    if seen is None:
        return invalid_name(code, name)
    if seen.forward is Forward.CONFIRMS:
        return ACCEPTED
    return refused(code, describe(address, name, seen.forward), CheckName.FCRDNS).conclusive_if(seen.is_conclusive)


def describe(address: Address, name: DomainName, forward: Forward) -> str:
    """How a PTR name or HELO name fits the address, as a clause."""
    match forward:
        case Forward.CONFIRMS:
            return f"{name} resolves to {address}"
        case Forward.DIFFERS:
            return f"{name} does not resolve to {address}"
        case Forward.ABSENT:
            return f"{name} has no {address.rdtype} record"
        case Forward.SILENT:
            return f"the DNS does not say what {name} resolves to"


def no_ptr(address: Address) -> str:
    """The clause for an address without a PTR name."""
    return f"{address} has no PTR name"


def silent_ptr(address: Address) -> str:
    """The clause for a PTR question without an answer."""
    return f"the DNS does not say which PTR names {address} has"


def is_ip(text: str) -> bool:
    """Whether it is an address of either family."""
    return is_ipv4(text) or is_ipv6(text)


def is_ipv4(text: str) -> bool:
    """Whether it is four decimal numbers up to 255, with leading zeros allowed as in the parsers of the receivers."""
    numbers = text.split(".")
    return len(numbers) == 4 and all(it.isdigit() and len(it) <= 3 and int(it) <= 255 for it in numbers)


def is_ipv6(text: str) -> bool:
    """Whether it is an IPv6 address without a zone."""
    if "%" in text:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
