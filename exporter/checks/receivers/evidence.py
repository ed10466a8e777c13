"""What a receiver gets to see of an address's names, in the ways in which receivers look.

The rule of this file: it sorts answers into what can be told apart, and leaves what follows from it to the rules.
Nobody asks for more than `NAME_LIMIT` names, sorted first, so that every sample drops the same ones.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, RRType, Status
from exporter.checks.check import Check
from exporter.checks.names import DomainName

NAME_LIMIT = 20
"""How many PTR names, and how many mail exchanges, are followed. Real receivers follow them all; few names are real."""


class Forward(Enum):
    """What the forward records of a name say of an address."""

    CONFIRMS = auto()
    """They contain it."""
    DIFFERS = auto()
    """They are there, and do not."""
    ABSENT = auto()
    """There are none, for NXDOMAIN or NODATA."""
    SILENT = auto()
    """The DNS did not say."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a receiver makes of a name, and whether every answer that could have changed that was there."""

    forward: Forward
    is_conclusive: bool = True


SILENT = Sight(Forward.SILENT, is_conclusive=False)


def sight(address: Address, own: Answer) -> Sight:
    """Judge a name by its records of the address's own family, as getaddrinfo(3) does for one family."""
    if address in own.records:
        return Sight(Forward.CONFIRMS)
    if not own.is_conclusive:
        return SILENT
    return Sight(Forward.DIFFERS if own.status is Status.ANSWER else Forward.ABSENT)


def sight_of_both(address: Address, own: Answer, other: Answer) -> Sight:
    """Judge a name by its A and AAAA records together, where an answer to either is enough to have found some."""
    if own.status is Status.ANSWER:
        return sight(address, own)
    if other.status is Status.ANSWER:
        return Sight(Forward.DIFFERS, is_conclusive=own.is_conclusive)
    if own.is_conclusive and other.is_conclusive:
        return Sight(Forward.ABSENT)
    return SILENT


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


def see_names(address: Address, names: Sequence[DomainName]) -> Check[Mapping[DomainName, Sight]]:
    """Look at names through the records of the address's own family."""
    answers = yield from ask_names(names, [address.rdtype])
    return {name: sight(address, own) for name, (own,) in answers.items()}


def see_names_in_both(address: Address, names: Sequence[DomainName]) -> Check[Mapping[DomainName, Sight]]:
    """Look at names through their A and AAAA records."""
    answers = yield from ask_names(names, family_first(address))
    return {name: sight_of_both(address, own, other) for name, (own, other) in answers.items()}


def family_first(address: Address) -> tuple[RRType, RRType]:
    """The types of forward records, that of the address's own family first."""
    return ("A", "AAAA") if address.family == 4 else ("AAAA", "A")


def describe(address: Address, name: DomainName, forward: Forward) -> str:
    """Say in a clause what is wrong with a PTR name, or with a HELO name."""
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
    """Say in a clause that there is no PTR name."""
    return f"{address} has no PTR name"


def silent_ptr(address: Address) -> str:
    """Say in a clause that the PTR question went unanswered."""
    return f"the DNS does not say which PTR names {address} has"


# SECTION exporter.checks.receivers.literals
# Addresses as they stand in HELO, read as leniently as the receivers' own parsers do.
#
# The rule of this file: no error and no `Address` comes out of it; it only says what a text could be taken for.


def is_ipv4(text: str) -> bool:
    """Whether it is four decimal numbers up to 255, leading zeros allowed."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdigit() and len(part) <= 3 and int(part) <= 255 for part in parts)


def is_ipv6(text: str) -> bool:
    """Whether it is an IPv6 address without a zone."""
    if "%" in text:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
