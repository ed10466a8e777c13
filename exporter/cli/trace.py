"""`check --trace`: asks each authoritative server of the reverse zone, and names the one that differs.

The rule of this file: servers are asked without recursion, each by a resolver of its own, so that none answers for
another. Silence is no difference: it is told apart. Only servers that contradict each other about the record count:
then the verdict depends on which of them a receiver happens to ask.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Record, RRType, StartOfAuthority, Status
from exporter.checks.check import Check, CheckRun, Evidence, OnAnswer
from exporter.checks.names import DomainName
from exporter.checks.result import some
from exporter.checks.zone_cut import ReverseZones, ZoneCut, zone_cut
from exporter.dns.resolver import Resolver
from exporter.dns.resolvers import Resolvers, delegation
from exporter.dns.settings import Endpoint, ResolverSettings

# SECTION exporter.cli.check_asking
# Runs one check on what somebody answers, and awaits what comes of it.

ResultT = TypeVar("ResultT")


class Asker(Protocol):
    """What answers: `exporter.dns.resolvers.Resolvers`, or anything like it."""

    def ask(self, question: Question, on_answer: OnAnswer) -> None:
        """Get *question* answered; calls back exactly once."""


async def answered(check: Check[ResultT], asker: Asker) -> tuple[ResultT, Evidence]:
    """Run *check* on what *asker* answers: its outcome, and what that rests on."""
    outcome: asyncio.Future[tuple[ResultT, Evidence]] = asyncio.get_running_loop().create_future()
    CheckRun(check, asker.ask, lambda found, seen: outcome.set_result((found, seen)), outcome.set_exception).start()
    return await outcome


# SECTION exporter.cli.check_delegation
# `check --trace`: which servers the parent zone sends resolvers to, and which the zone itself lists.
#
# The rule of this file: the parent's servers are asked without recursion, so that what they say is their own. A
# delegation that differs from the zone's own list is told, and is no contradiction about the records of the
# zone.

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
        return tuple(sorted({name for helo in self.servers for name in helo.answer.names}))


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
    helo = await asyncio.gather(*[_ask(name, zone, resolvers, port) for name in cut.servers[:_MAX_SERVERS]])
    return Delegation(cut.zone, tuple(helo), tuple(_differences(zone, own, cut.zone, helo)))


async def _ask(name: DomainName, zone: DomainName, resolvers: Resolvers, port: int) -> ParentSaid:
    forward = await asyncio.gather(resolvers.resolve(Question(name, "A")), resolvers.resolve(Question(name, "AAAA")))
    address = next((address for answer in forward for address in answer.addresses), None)
    if address is None:
        return ParentSaid(name, None, next((it for it in forward if not it.is_conclusive), forward[0]))
    return ParentSaid(name, address, await delegation(zone, address, port))


def _differences(
    zone: DomainName, own: Sequence[DomainName], parent: DomainName, helo: Iterable[ParentSaid]
) -> list[str]:
    found = []
    named: list[frozenset[DomainName]] = []
    for one in helo:
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


# SECTION exporter.cli.check_trace

_MAX_SERVERS_CHECK_TRACE = 16
_MAX_ADDRESSES = 4
_TIMEOUT_SECONDS = 2.0
_ATTEMPTS = 2
_RDTYPES: tuple[RRType, RRType] = ("A", "AAAA")


@dataclass(frozen=True, slots=True)
class ServerSaid:
    """What one server said, at one of its addresses; *address* None where it has none, and why is in *answer*."""

    name: DomainName
    address: Address | None
    answer: Answer
    soa: Answer

    @property
    def serial(self) -> int | None:
        """The serial number of its copy of the zone."""
        return next((record.serial for record in self.soa.records if isinstance(record, StartOfAuthority)), None)

    def __str__(self) -> str:
        return f"{self.name} ({self.address})" if self.address is not None else str(self.name)


@dataclass(frozen=True, slots=True)
class Trace:
    """What the servers of *zone* said to *question*. *differences* names, in sentences, whoever says otherwise.

    *delegation* is how the parent zone delegates the zone; None where that is not known.
    """

    zone: DomainName
    question: Question
    servers: tuple[ServerSaid, ...]
    differences: tuple[str, ...]
    delegation: Delegation | None = None

    @property
    def is_contradictory(self) -> bool:
        """Whether servers that know the zone say different things to the question."""
        return len({_said(one.answer) for one in self.servers if _knows(one)}) > 1


async def trace(zones: ReverseZones, resolvers: Resolvers, *, port: int = 53) -> tuple[Trace, ...]:
    """Ask the servers of the zone with the PTR records, and of the one that delegates to it (RFC 2317)."""
    wanted = [(zones.cut, Question(zones.owner, "PTR"))]
    if zones.delegating is not None:
        wanted.append((zones.delegating, Question(zones.address.reverse_name, "CNAME")))
    traces = [_trace_zone(cut, cut.zone, question, resolvers, port) for cut, question in wanted if cut.zone is not None]
    return tuple(await asyncio.gather(*traces))


async def _trace_zone(cut: ZoneCut, zone: DomainName, question: Question, resolvers: Resolvers, port: int) -> Trace:
    delegation = await delegation_of(zone, cut.servers, resolvers, port=port)
    names = dict.fromkeys([*cut.servers, *(delegation.names if delegation is not None else ())])
    everyone = [_ask_server(name, zone, question, resolvers, port) for name in list(names)[:_MAX_SERVERS_CHECK_TRACE]]
    helo = [one for several in await asyncio.gather(*everyone) for one in several]
    return Trace(zone, question, tuple(helo), tuple(differences(zone, helo)), delegation)


async def _ask_server(
    name: DomainName, zone: DomainName, question: Question, resolvers: Resolvers, port: int
) -> list[ServerSaid]:
    forward = await asyncio.gather(*[resolvers.resolve(Question(name, rdtype)) for rdtype in _RDTYPES])
    addresses = [address for answer in forward for address in answer.addresses[:_MAX_ADDRESSES]]
    if not addresses:
        silent = next((answer for answer in forward if not answer.is_conclusive), forward[0])
        return [ServerSaid(name, None, silent, silent)]
    return list(await asyncio.gather(*[_ask_address(name, address, zone, question, port) for address in addresses]))


async def _ask_address(
    name: DomainName, address: Address, zone: DomainName, question: Question, port: int
) -> ServerSaid:
    settings = ResolverSettings(
        name=str(name),
        servers=(Endpoint("udp", str(address), port),),
        timeout_seconds=_TIMEOUT_SECONDS,
        attempts=_ATTEMPTS,
        canary=None,
        recursion_desired=False,
    )
    resolver = Resolver(settings)
    await resolver.start()
    try:
        answer, soa = await asyncio.gather(resolver.resolve(question), resolver.resolve(Question(zone, "SOA")))
    finally:
        await resolver.close()
    return ServerSaid(name, address, answer, soa)


def differences(zone: DomainName, servers: Sequence[ServerSaid]) -> list[str]:
    """Name each server that has no address, does not answer, is not in charge, or says what most others do not."""
    found: list[str] = []
    heard: list[ServerSaid] = []
    for one in servers:
        if one.address is None:
            found.append(f"{one} is a name server of {zone} and has no address ({one.answer.status}).")
        elif not one.answer.is_conclusive:
            found.append(f"{one} does not answer ({one.answer.status}).")
        elif not _knows(one):
            found.append(f"{one} does not know the zone {zone}, though it is named as its server.")
        else:
            heard.append(one)
    found += _odd(heard)
    serials = Counter(one.serial for one in heard if one.serial is not None)
    if len(serials) > 1:
        each = ", ".join(f"{one} has {one.serial}" for one in heard if one.serial is not None)
        found.append(f"The servers have different copies of {zone}, by the serial number: {each}.")
    return found


def _knows(one: ServerSaid) -> bool:
    """Whether the server answers, and not for a zone that it was never told of."""
    return one.address is not None and one.answer.is_conclusive and not (one.soa.is_conclusive and one.serial is None)


def _odd(heard: Sequence[ServerSaid]) -> list[str]:
    kinds = Counter(_said(one.answer) for one in heard)
    if len(kinds) < 2:
        return []
    (usual, most), (_, second) = kinds.most_common(2)
    if most == second:
        return [f"{one} says {_words(one.answer)}." for one in heard]
    usual_words = next(_words(one.answer) for one in heard if _said(one.answer) == usual)
    return [
        f"{one} differs: it says {_words(one.answer)}, most of the others {usual_words}."
        for one in heard
        if _said(one.answer) != usual
    ]


def _said(answer: Answer) -> tuple[Status, tuple[Record, ...], tuple[DomainName, ...]]:
    return answer.status, answer.records, answer.chain


def _words(answer: Answer) -> str:
    if answer.status is Status.ANSWER:
        return ", ".join(map(str, answer.names))
    return answer.status.value.upper()
