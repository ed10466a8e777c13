"""Names that no mail server can have, and so no PTR record, MX record, CNAME or HELO can name."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from exporter.checks.public_suffix import is_in_known_suffix, registrable_domain

_SPECIAL_USE = {
    "alt": "RFC 9476",
    "home.arpa": "RFC 8375",
    "invalid": "RFC 6761",
    "local": "RFC 6762",
    "localhost": "RFC 6761",
    "onion": "RFC 7686",
    "test": "RFC 6761",
}
"""Domains that are not in the public DNS. ``example`` is left out, as the addresses for documentation are."""

_PRIVATE = ("corp", "home", "internal", "intranet", "lan", "localdomain", "private")
"""Top-level domains that private networks use (RFC 6762 appendix G), and one that Linux systems do."""

_REVERSE = (DomainName("in-addr.arpa"), DomainName("ip6.arpa"))
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")  # RFC 1123, and the underscore that the DNS allows
_USUAL = ("com", "net", "org")


class Misuse(StrEnum):
    """Why a name is not that of a mail server. The values end those of the reasons, such as ``ptr-address``."""

    MISSING_DOT = "missing-dot"
    """A record was written without the final dot, so a name server appended the name of the zone."""
    ADDRESS = "address"
    """It is an IP address."""
    SPECIAL_USE = "special-use"
    """It is not in the public DNS (RFC 6761)."""
    SYNTAX = "syntax"
    """It is not a fully qualified host name."""


class UnusableName(NamedTuple):
    """A name that cannot be used; *what* says so as a clause, *meant* is what the record should probably name."""

    misuse: Misuse
    what: str
    meant: DomainName | Address | None = None


def special_use(name: DomainName) -> str:
    """What keeps *name* out of the public DNS, as a clause; "" for a name that may be in it."""
    for domain, source in _SPECIAL_USE.items():
        if name == domain or name.endswith(f".{domain}"):
            return f"is in .{domain}, which is not in the public DNS ({source})"
    top = name.rpartition(".")[2]
    if top in _PRIVATE:
        return f"is in .{top}, which only private networks use"
    return ""


def unusable(name: DomainName, owner: DomainName) -> UnusableName | None:
    """Why *name*, the target of a record at *owner*, cannot be the name of a mail server; None if it can.

    This is a guess from the name alone, for a name that does not lead to the right address: one that does is right.
    """
    address = _address(name)
    if address is not None:
        return UnusableName(Misuse.ADDRESS, "is an address, not a name", address)
    appended = _appended(name, owner)
    if appended is not None:
        return appended
    if clause := special_use(name):
        return UnusableName(Misuse.SPECIAL_USE, clause)
    if not name.is_qualified:
        return UnusableName(Misuse.SYNTAX, "is the root" if name == "." else "is a single label, without a domain")
    if not all(map(_LABEL.fullmatch, name.split("."))):
        return UnusableName(Misuse.SYNTAX, "is not a host name, which has letters, digits and inner hyphens")
    if not _is_public(name):
        top = name.rpartition(".")[2]
        return UnusableName(Misuse.SPECIAL_USE, f"is in .{top}, which is not a top-level domain of the public DNS")
    return None


def _address(name: DomainName) -> Address | None:
    try:
        return Address.parse(name)
    except ValueError:
        return None


def _appended(name: DomainName, owner: DomainName) -> UnusableName | None:
    """Whether *name* ends in the name of a zone that *owner* may be in, with a whole name before it."""
    for zone in _zones(owner):
        if name == zone or not name.is_under(zone):
            continue
        labels = name.labels
        written = DomainName.from_labels(labels[: len(labels) - len(zone.labels)])
        what = f"ends in {zone}, the name of its zone: its record lacks the final dot"
        address = _address(written)
        if address is not None:
            return UnusableName(Misuse.ADDRESS, f"is an address, with the name of the zone {zone} after it", address)
        if _is_whole(written, zone):
            return UnusableName(Misuse.MISSING_DOT, what, None if special_use(written) else written)
    if any(name.is_under(tree) for tree in _REVERSE):
        return UnusableName(Misuse.SYNTAX, "is in the reverse tree, where no server has its name")
    return None


def _zones(owner: DomainName) -> Sequence[DomainName]:
    """The names of zones that *owner* may be in, the longest first."""
    top = registrable_domain(owner)
    zones = []
    while top is not None and owner.is_under(top):
        zones.append(owner)
        owner = owner.parent
    return zones


def _is_whole(written: DomainName, zone: DomainName) -> bool:
    """Whether *written* has a domain of its own, and is not just a host or a subdomain of *zone*."""
    if not written.is_qualified or not all(map(_LABEL.fullmatch, written.split("."))):
        return False
    if written.is_under(zone) or any(zone.is_under(tree) for tree in _REVERSE):
        return registrable_domain(written) is not None and not written.rpartition(".")[2].isdigit()
    # mail.eu.example.org is a host of example.org, though there is a top-level domain eu.
    long = len(written.labels) > 2 or written.rpartition(".")[2] in _USUAL
    return long and _is_public(written) and registrable_domain(written) is not None


def _is_public(name: DomainName) -> bool:
    """Whether the public DNS has its top-level domain; ``example`` counts, too."""
    return is_in_known_suffix(name) or name.endswith(".example")
