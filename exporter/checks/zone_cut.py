"""Who runs the zone of a name? Looks for the nearest SOA record, from the name upwards (RFC 1034 section 4.2)."""

import re
from dataclasses import dataclass, replace

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, StartOfAuthority, Status
from exporter.checks.check import Check, parallel
from exporter.checks.names import DomainName
from exporter.checks.public_suffix import is_public_suffix

_AT_ONCE = 8
"""Names to ask for at once: the zone cut is nearly always near the name, but IPv6 reverse names have 34 labels."""

_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
"""The local part of a mail address without quotes (RFC 5321 section 4.1.2)."""


@dataclass(frozen=True, slots=True)
class ZoneCut:
    """The zone of a name, and who runs it.

    Attributes:
        name: The name.
        zone: The longest name at or above *name* that is known to have an SOA record; None if there is none.
        soa: That record.
        servers: The name servers that *zone* lists; empty if they are not known.
        unanswered: The name below *zone*, nearest to it, whose lookup got no answer, and how. It may be the zone cut.
    """

    name: DomainName
    zone: DomainName | None
    soa: StartOfAuthority | None = None
    servers: tuple[DomainName, ...] = ()
    unanswered: tuple[DomainName, Status] | None = None

    @property
    def bogus_zone(self) -> DomainName | None:
        """The zone that fails DNSSEC validation, if that is why it is not known: all names below fail with it."""
        is_bogus = self.unanswered is not None and self.unanswered[1] is Status.DNSSEC_BOGUS
        return self.unanswered[0] if is_bogus and self.unanswered else None

    @property
    def is_certain(self) -> bool:
        """Whether *zone* is the zone of the name, and not perhaps one above it."""
        return self.zone is not None and self.unanswered is None

    @property
    def is_delegated(self) -> bool:
        """False if *name* is known to be just below the root or a public suffix, whose operator cannot publish it."""
        zone = self.zone
        return not self.is_certain or zone == self.name or not (zone == "." or is_public_suffix(str(zone)))

    @property
    def mailbox(self) -> str | None:
        """The mail address of the person who runs *zone*; None if RNAME is not a mail address."""
        return None if self.soa is None else mailbox(self.soa.rname)


@dataclass(frozen=True, slots=True)
class ReverseZones:
    """Who runs the PTR records of an address.

    Attributes:
        address: The address.
        owner: The name that has the PTR records, or should: the reverse name, or the end of its CNAME chain.
        cut: The zone of *owner*.
        delegating: The zone of the reverse name, if it delegates by CNAME (RFC 2317).
    """

    address: Address
    owner: DomainName
    cut: ZoneCut
    delegating: ZoneCut | None = None


def zone_cut(name: DomainName) -> Check[ZoneCut]:
    """Find the nearest SOA record at or above *name*, and the name servers of its zone."""
    names = [name]
    while names[-1] != ".":
        names.append(names[-1].parent)
    unanswered: tuple[DomainName, Status] | None = None
    for start in range(0, len(names), _AT_ONCE):
        batch = names[start : start + _AT_ONCE]
        answers = yield [Question(each, "SOA") for each in batch]
        for each, answer in zip(batch, answers, strict=True):
            soa = _own_soa(answer)
            if soa is not None:
                (servers,) = yield [Question(each, "NS")]
                return ZoneCut(name, each, soa, () if servers.chain else servers.names, unanswered)
            if not answer.is_conclusive:
                unanswered = (each, answer.status)
    return ZoneCut(name, None, unanswered=unanswered)


def reverse_zones(address: Address) -> Check[ReverseZones]:
    """Find the zone of the PTR records of *address*, and the zone that delegated them (RFC 2317)."""
    reverse = address.reverse_name
    (ptr,) = yield [Question(reverse, "PTR")]
    owner = ptr.chain[-1] if ptr.chain else reverse
    if not ptr.is_conclusive:
        # Without an answer the CNAME chain is unknown, but its first link may still be known.
        (alias,) = yield [Question(reverse, "CNAME")]
        owner = (*alias.names, reverse)[0]
        if not alias.is_conclusive:
            cut = yield from zone_cut(reverse)
            return ReverseZones(address, reverse, replace(cut, unanswered=cut.unanswered or (reverse, alias.status)))
    if owner == reverse:
        return ReverseZones(address, owner, (yield from zone_cut(owner)))
    cut, delegating = yield from parallel([zone_cut(owner), zone_cut(reverse.parent)])
    return ReverseZones(address, owner, cut, delegating)


def mailbox(rname: DomainName) -> str | None:
    """The mail address in the RNAME of an SOA record (RFC 1035 section 8); None if it is not one."""
    labels = rname.labels
    local = labels[0].decode("latin-1") if labels else ""
    domain = DomainName.from_labels(labels[1:])
    usable = _ATOM.fullmatch(local) and not local.startswith(".") and not local.endswith(".") and ".." not in local
    return f"{local}@{domain}" if usable and domain.is_hostname and domain.is_qualified else None


def _own_soa(answer: Answer) -> StartOfAuthority | None:
    if answer.chain:
        return None  # an SOA record behind a CNAME belongs to another name
    return next((record for record in answer.records if isinstance(record, StartOfAuthority)), None)
