"""What a DMARC policy record says (RFC 9989 sections 4.7 and 4.8).

The rule of this file: it reads as receivers must. Unknown tags do not count, what cannot be read is as if it were not
there, and both are noted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote

from exporter.checks.names import DomainName
from exporter.checks.tags import parse_tags

_VALUES = {
    "t": re.compile("[yn]"),
    "psd": re.compile("[ynu]"),
    "adkim": re.compile("[rs]"),
    "aspf": re.compile("[rs]"),
    "fo": re.compile("[01ds](?::[01ds])*"),
}
HISTORIC = ("pct", "rf", "ri")
"""Tags of RFC 7489 that nobody is to read any more (RFC 9989 section 9.3)."""

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x2b\x2d-\x7e]+")
_SIZE = re.compile(r"![0-9]+[kmgt]?\Z", re.IGNORECASE)


class Policy(StrEnum):
    """What is asked of receivers for mail that fails DMARC, weakest first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def strength(self) -> int:
        """How much it asks, to compare."""
        return list(Policy).index(self)


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One record, read. *p*, *sp* and *np* are None where they are absent or cannot be read.

    *bad_policies* are those of them that are there and cannot be read, *bad_tags* the other tags of which that is so,
    both as written. *historic* are tags that no longer count, *obsolete_sizes* URIs with a ``!size`` that does not.
    """

    text: bytes
    p: Policy | None
    sp: Policy | None
    np: Policy | None
    testing: bool = False
    psd: str = "u"
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    bad_policies: tuple[str, ...] = ()
    bad_tags: tuple[str, ...] = ()
    historic: tuple[str, ...] = ()
    obsolete_sizes: tuple[str, ...] = field(default=())

    @property
    def is_applied(self) -> bool:
        """Whether receivers go by it: its policies can be read, or it wants reports (section 4.10.1)."""
        return bool(self.rua) or (self.p is not None and not self.bad_policies)

    @property
    def own(self) -> Policy:
        """The policy for the domain that publishes it."""
        return Policy.NONE if self.p is None or self.bad_policies else self.p

    @property
    def subdomains(self) -> Policy:
        """The policy for existing subdomains without a record of their own."""
        return self.own if self.sp is None or self.bad_policies else self.sp

    @property
    def nonexistent(self) -> Policy:
        """The policy for subdomains that do not exist."""
        return self.subdomains if self.np is None or self.bad_policies else self.np


def dmarc_records(texts: Sequence[bytes]) -> tuple[DmarcRecord, ...]:
    """The policy records among TXT records: those that begin with ``v=DMARC1``, spelled so (section 4.7)."""
    read = [parse_dmarc(text) for text in texts]
    return tuple([record for record in read if record is not None])


@lru_cache(maxsize=1024)
def parse_dmarc(text: bytes) -> DmarcRecord | None:
    """Read a record; None if it is no DMARC policy record."""
    tags = parse_tags(text)
    if not tags.pairs or tags.pairs[0] != ("v", "DMARC1"):
        return None
    bad_policies, bad_tags = [], [tags.problem] if tags.problem else []
    policies: dict[str, Policy | None] = {}
    for name in ("p", "sp", "np"):
        value = tags.get(name).lower()
        policies[name] = Policy(value) if value in set(Policy) else None
        if name in tags and policies[name] is None:
            bad_policies.append(f"{name}={tags.get(name)}")
    read: dict[str, str] = {}
    for name, form in _VALUES.items():
        value = tags.get(name).lower()
        if form.fullmatch(value):
            read[name] = value
        elif name in tags:
            bad_tags.append(f"{name}={tags.get(name)}")
    uris: dict[str, tuple[str, ...]] = {}
    sizes: list[str] = []
    for name in ("rua", "ruf"):
        listed = [uri.strip() for uri in tags.get(name).split(",")] if name in tags else []
        sizes += [uri for uri in listed if _SIZE.search(uri)]
        plain = [_SIZE.sub("", uri) for uri in listed]
        uris[name] = tuple([uri for uri in plain if _is_uri(uri)])
        bad_tags += [f"{name}={uri}" for uri in plain if not _is_uri(uri)]
    return DmarcRecord(
        text,
        policies["p"],
        policies["sp"],
        policies["np"],
        testing=read.get("t") == "y",
        psd=read.get("psd", "u"),
        rua=uris["rua"],
        ruf=uris["ruf"],
        bad_policies=tuple(bad_policies),
        bad_tags=tuple(bad_tags),
        historic=tuple([name for name in HISTORIC if name in tags]),
        obsolete_sizes=tuple(sizes),
    )


def _is_uri(text: str) -> bool:
    if _URI.fullmatch(text) is None or "!" in text:
        return False
    return not text.lower().startswith("mailto:") or destination(text) is not None


def destination(uri: str) -> DomainName | None:
    """The host that a ``mailto:`` URI's reports go to; None for another scheme, or no address."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != "mailto":
        return None
    local, at, host = unquote(rest.partition("?")[0]).rpartition("@")
    try:
        name = DomainName(host) if at and local and "\\" not in host else None
    except ValueError:
        return None
    return name if name is not None and name.is_hostname else None
