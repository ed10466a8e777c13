"""Who runs a name? The zone that it is in, found by walking up to the nearest SOA record (RFC 1034 section 4.2).

The rule of this file: a name that did not answer could have been the zone cut. So what is found above it is where to
ask further, and never taken for the zone itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, StartOfAuthority, Status
from exporter.checks.check import Check, parallel
from exporter.checks.names import DomainName

_AT_ONCE = 8
"""How many names are asked for at once: the cut is nearly always among the first few, but IPv6 has 34 labels."""

_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
"""What the local part of a mail address can be without quotes (RFC 5321 section 4.1.2)."""


@dataclass(frozen=True, slots=True)
class ZoneCut:
    """The zone of *name*, and who runs it.

    *zone* is the nearest name above, or the name itself, that is known to have an SOA record; None if there is none.
    *unanswered* is the name nearest to *zone* whose question went unanswered, and how: the zone may begin there.
    *servers* are the name servers of *zone*, as it lists them; empty if that is not known.
    """

    name: DomainName
    zone: DomainName | None
    soa: StartOfAuthority | None = None
    servers: tuple[DomainName, ...] = ()
    unanswered: tuple[DomainName, Status] | None = None

    @property
    def is_certain(self) -> bool:
        """Whether *zone* is the zone that the name is in, not just one above it."""
        return self.zone is not None and self.unanswered is None

    @property
    def mailbox(self) -> str | None:
        """The mail address of whoever runs *zone*; None if RNAME is none."""
        return None if self.soa is None else mailbox(self.soa.rname)


@dataclass(frozen=True, slots=True)
class ReverseZones:
    """Who runs the PTR records of an address.

    *owner* is the name that has, or should have, the PTR records: the reverse name, or where CNAMEs lead from there.
    In that case *delegating* is the zone of the reverse name, which hands it over so (RFC 2317); else None.
    """

    address: Address
    owner: DomainName
    cut: ZoneCut
    delegating: ZoneCut | None = None


def zone_cut(name: DomainName) -> Check[ZoneCut]:
    """Walk up from *name* to the nearest SOA record, and ask its zone for the name servers.

    An SOA record behind a CNAME is another name's, so it does not count.
    """
    names = list(_lineage(name))
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
    """Find who runs the PTR records of *address*, and who delegated them (RFC 2317)."""
    reverse = address.reverse_name
    (ptr,) = yield [Question(reverse, "PTR")]
    owner = ptr.chain[-1] if ptr.chain else reverse
    if not ptr.is_conclusive:
        # The way to the PTR record was lost with the answer; its first step may still be known.
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
    """The mail address that an SOA record's RNAME stands for (RFC 1035 section 8); None if it stands for none."""
    labels = rname.labels
    local = labels[0].decode("latin-1") if labels else ""
    domain = DomainName.from_labels(labels[1:])
    usable = _ATOM.fullmatch(local) and not local.startswith(".") and not local.endswith(".") and ".." not in local
    return f"{local}@{domain}" if usable and domain.is_hostname and domain.is_qualified else None


def _own_soa(answer: Answer) -> StartOfAuthority | None:
    if answer.chain:
        return None
    return next((record for record in answer.records if isinstance(record, StartOfAuthority)), None)


def _lineage(name: DomainName) -> Iterator[DomainName]:
    yield name
    while name != ".":
        name = name.parent
        yield name
