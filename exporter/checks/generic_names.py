"""Does a PTR name look as if nobody chose it? Receivers distrust what a provider gave to a line, not to a server.

The rule of this file: it is a hint and never a failure, because many a good server has such a name. So it flags only
what no provider of mail would write: the whole address, or the words that access providers use for their lines.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName

_LINE_WORDS = frozenset(
    {
        *("adsl", "sdsl", "vdsl", "xdsl", "dsl", "ppp", "pppoe", "dialup", "dialin", "isdn", "broadband", "bband"),
        *("dynamic", "dyn", "dynip", "dhcp", "dip", "catv", "docsis", "cablemodem", "hsd", "hsia", "ftth", "fttx"),
        *("fttb", "gpon", "wimax", "gprs", "umts", "cgn", "cgnat", "residential", "resnet"),
    }
)
"""Words that name a kind of line: one of them is enough."""

_CUSTOMER_WORDS = frozenset(
    {
        *(
            "pool",
            "pools",
            "client",
            "clients",
            "customer",
            "customers",
            "cust",
            "cable",
            "cpe",
            "res",
            "user",
            "users",
        ),
        *("dial", "mobile", "lte", "wireless", "nat", "subscriber", "host", "static", "fiber", "unassigned"),
    }
)
"""Words that name a customer's place: they count beside the last octets of the address."""

_PLACEHOLDERS = frozenset(
    {
        *(
            "unassigned",
            "unused",
            "undefined",
            "unallocated",
            "reserved",
            "not-set",
            "notset",
            "no-reverse",
            "noreverse",
        ),
        *("no-rdns", "nordns", "no-ptr", "noptr", "unknown", "reverse-not-set", "no-dns-yet", "localhost"),
    }
)

_DIGITS = re.compile(r"[0-9]+")
_WORD = re.compile(r"[a-z]+")
_HEX_RUN = re.compile(r"(?<![0-9a-f])(?:0x)?([0-9a-f]{8})(?![0-9a-f])")
_NIBBLES_OF_AN_INTERFACE = 16
_OWN_LABELS = 2


class GenericRule(StrEnum):
    """What a PTR name was flagged for."""

    REVERSE_TREE = "reverse-tree"
    """It is a name of the reverse tree itself."""
    PLACEHOLDER = "placeholder"
    """It says that nobody has set it."""
    ADDRESS = "address"
    """The address is spelled out in it."""
    LINE = "line"
    """It has a word for a kind of access line."""
    CUSTOMER = "customer"
    """It has a word for a customer, and the end of the address."""


@dataclass(frozen=True, slots=True)
class GenericName:
    """A hint about one PTR name: which rule flagged it, and a sentence for a person."""

    name: DomainName
    rule: GenericRule
    sentence: str


def generic_name(address: Address, name: DomainName) -> GenericName | None:
    """Say what makes *name*, a PTR name of *address*, look like that of a line or of no one; None if nothing does."""
    rule_and_what = _flag(address, name)
    if rule_and_what is None:
        return None
    rule, what = rule_and_what
    sentence = (
        f"The PTR name {name} looks generic: it {what}. Some receivers distrust such names; a name chosen for the mail "
        "server, like mail.example.org, avoids that."
    )
    return GenericName(name, rule, sentence)


def _flag(address: Address, name: DomainName) -> tuple[GenericRule, str] | None:
    labels = name.split(".")
    if labels[-1] == "arpa":
        return GenericRule.REVERSE_TREE, "is in the reverse tree"
    own = labels[:-_OWN_LABELS]  # what is left of the provider's own name: adsl.example is a provider
    for label in labels[: max(len(own), 1)]:
        if label in _PLACEHOLDERS:
            return GenericRule.PLACEHOLDER, f"says {label!r}"
    host = ".".join(own)
    if _spells(address, host):
        return GenericRule.ADDRESS, f"spells out {address}"
    words = _WORD.findall(host)
    for word in words:
        if word in _LINE_WORDS:
            return GenericRule.LINE, f"has the word {word!r}, which names a kind of access line"
    for word in words:
        if word in _CUSTOMER_WORDS and _has_last_octets(address, host):
            return GenericRule.CUSTOMER, f"has the word {word!r} and the end of {address}"
    return None


def _spells(address: Address, host: str) -> bool:
    if address.family == 6:  # the IP version
        return _spells_ipv6(address, host)
    octets = list(address.packed)
    if address.packed.hex() in _HEX_RUN.findall(host):
        return True
    runs = _DIGITS.findall(host)
    numbers = [int(run) for run in runs if len(run) <= 3]  # digits of an octet
    if any(numbers[start : start + 4] in (octets, octets[::-1]) for start in range(len(numbers) - 3)):
        return True
    padded = "".join(f"{octet:03d}" for octet in octets), "".join(f"{octet:03d}" for octet in reversed(octets))
    return any(run in padded for run in runs)


def _spells_ipv6(address: Address, host: str) -> bool:
    """Whether its last 64 bits are in it, in full: as four groups, or as sixteen nibbles in either direction."""
    nibbles = address.packed.hex()[_NIBBLES_OF_AN_INTERFACE:]
    groups = [nibbles[start : start + 4].lstrip("0") or "0" for start in range(0, len(nibbles), 4)]
    tokens = [token.lstrip("0") or "0" for token in re.findall(r"[0-9a-f]+", host)]
    if any(tokens[start : start + 4] == groups for start in range(len(tokens) - 3)):
        return True
    bare = host.replace("-", "").replace(".", "")
    return nibbles in bare or nibbles[::-1] in bare


def _has_last_octets(address: Address, host: str) -> bool:
    if address.family == 6:  # the IP version
        return False
    numbers = [int(run) for run in _DIGITS.findall(host) if len(run) <= 3]  # digits of an octet
    return address.packed[3] in numbers and address.packed[2] in numbers
