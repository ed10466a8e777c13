"""`check --trace`: which servers the parent zone sends resolvers to, and which the zone itself lists.

The rule of this file: the parent's servers are asked without recursion, so that what they say is their own. A
delegation that differs from the zone's own list is told, and is no contradiction about the records of the zone.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question
from exporter.checks.names import DomainName
from exporter.checks.verdicts import some
from exporter.checks.zone_cut import zone_cut
from exporter.cli.check_asking import answered
from exporter.dns import referral
from exporter.dns.resolvers import Resolvers

_MAX_SERVERS = 13


@dataclass(frozen=True, slots=True)
class ParentSaid:
    """What one server of the parent zone said the zone's servers are; *address* None where it has none."""

    name: DomainName
    address: Address | None
    answer: Answer

    def __str__(self) -> str:
        return f"{self.name} ({self.address})" if self.address is not None else str(self.name)


@dataclass(frozen=True, slots=True)
class Delegation:
    """How *parent* delegates a zone. *differences* name, in sentences, what does not fit the zone's own list."""

    parent: DomainName
    servers: tuple[ParentSaid, ...]
    differences: tuple[str, ...]

    @property
    def names(self) -> tuple[DomainName, ...]:
        """The servers to which the parent sends resolvers, sorted."""
        return tuple(sorted({name for said in self.servers for name in said.answer.names}))


async def delegation_of(
    zone: DomainName, own: Sequence[DomainName], resolvers: Resolvers, *, port: int = 53
) -> Delegation | None:
    """Ask the servers of the zone above *zone* how they delegate it; None where that zone is not known.

    *own* are the servers that the zone itself lists; empty if they are not known.
    """
    if zone == ".":
        return None
    cut, _ = await answered(zone_cut(zone.parent), resolvers)
    if cut.zone is None or not cut.is_certain or not cut.servers:
        return None
    said = await asyncio.gather(*[_ask(name, zone, resolvers, port) for name in cut.servers[:_MAX_SERVERS]])
    return Delegation(cut.zone, tuple(said), tuple(_differences(zone, own, cut.zone, said)))


async def _ask(name: DomainName, zone: DomainName, resolvers: Resolvers, port: int) -> ParentSaid:
    forward = await asyncio.gather(resolvers.resolve(Question(name, "A")), resolvers.resolve(Question(name, "AAAA")))
    address = next((address for answer in forward for address in answer.addresses), None)
    if address is None:
        return ParentSaid(name, None, next((it for it in forward if not it.is_conclusive), forward[0]))
    return ParentSaid(name, address, await referral.delegation(zone, address, port))


def _differences(
    zone: DomainName, own: Sequence[DomainName], parent: DomainName, said: Iterable[ParentSaid]
) -> list[str]:
    found = []
    named: list[frozenset[DomainName]] = []
    for one in said:
        if one.address is None:
            found.append(f"{one} is a name server of the parent zone {parent} and has no address.")
        elif not one.answer.is_conclusive:
            found.append(f"{one}, of the parent zone {parent}, does not say who serves {zone} ({one.answer.status}).")
        elif one.answer.status.is_negative:
            found.append(f"{one}, of the parent zone {parent}, delegates {zone} to nobody ({one.answer.status}).")
        else:
            named.append(frozenset(one.answer.names))
    if len(set(named)) > 1:
        found.append(f"The servers of the parent zone {parent} send resolvers of {zone} to different servers.")
    if not own:
        found.append(f"{zone} itself does not say which servers it has.")
    sent = {name for names in named for name in names}
    if sent and own:
        if strangers := sorted(sent - set(own)):
            found.append(f"The parent zone {parent} sends resolvers to {some(strangers)}; {zone} does not list that.")
        if unsent := sorted(set(own) - sent):
            found.append(f"{zone} lists {some(unsent)}; the parent zone {parent} sends nobody there.")
    return found
