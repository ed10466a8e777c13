"""`check --trace`: ask each authoritative server of the reverse zone and of its parent, and compare their answers.

Each server is asked without recursion through a resolver of its own, so that no server answers for another.
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
from exporter.dns.resolvers import Resolvers, authoritative, delegation
from exporter.views.documents import answer_text

_MAX_PARENT_SERVERS = 13
_MAX_SERVERS = 16
_MAX_ADDRESSES = 4
"""How many addresses of each type are asked of a server with several."""
_RDTYPES: tuple[RRType, RRType] = ("A", "AAAA")

ResultT = TypeVar("ResultT")


class AnswerSource(Protocol):
    """Answers questions: `exporter.dns.resolvers.Resolvers`, or a fake of it."""

    def ask(self, question: Question, on_answer: OnAnswer) -> None:
        """Look *question* up; calls back exactly once."""


async def answered(check: Check[ResultT], source: AnswerSource) -> tuple[ResultT, Evidence]:
    """Run *check* on the answers of *source*, and return its result with the answers."""
    outcome: asyncio.Future[tuple[ResultT, Evidence]] = asyncio.get_running_loop().create_future()

    def done(found: ResultT, seen: Evidence) -> None:
        if not outcome.done():  # as it is after Ctrl-C
            outcome.set_result((found, seen))

    CheckRun(check, source.ask, done, outcome.set_exception).start()
    return await outcome


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one name server answered at one of its addresses.

    Attributes:
        name: The name of the server.
        address: The address that was asked; None if the server has none.
        answer: The answer, or that of the failed address lookup.
        soa: The server's answer for the SOA record of the zone; None for a server of the parent zone.
    """

    name: DomainName
    address: Address | None
    answer: Answer
    soa: Answer | None = None

    @property
    def serial(self) -> int | None:
        """The serial number of its copy of the zone."""
        records = () if self.soa is None else self.soa.records
        return next((record.serial for record in records if isinstance(record, StartOfAuthority)), None)

    @property
    def is_authoritative(self) -> bool:
        """Whether it answers and has the zone, unlike a lame server."""
        if self.address is None or not self.answer.is_conclusive:
            return False
        return self.serial is not None or (self.soa is not None and not self.soa.is_conclusive)

    def __str__(self) -> str:
        return f"{self.name} ({self.address})" if self.address is not None else str(self.name)


@dataclass(frozen=True, slots=True)
class Delegation:
    """How *parent* delegates a zone; *differences* are sentences about mismatches with the zone's own NS records."""

    parent: DomainName
    servers: tuple[ServerAnswer, ...]
    differences: tuple[str, ...]

    @property
    def names(self) -> tuple[DomainName, ...]:
        """The name servers in the parent's NS records, sorted."""
        return tuple(sorted({name for server in self.servers for name in server.answer.names}))


@dataclass(frozen=True, slots=True)
class Trace:
    """What the servers of one zone answered to one question.

    Attributes:
        zone: The zone.
        question: The question.
        servers: The answer of each server at each of its addresses.
        differences: Sentences about the servers that differ.
        delegation: How the parent zone delegates the zone; None if that is unknown.
    """

    zone: DomainName
    question: Question
    servers: tuple[ServerAnswer, ...]
    differences: tuple[str, ...]
    delegation: Delegation | None = None

    @property
    def is_contradictory(self) -> bool:
        """Whether authoritative servers give different answers, so that the verdict depends on which one is asked."""
        return len({_content(one.answer) for one in self.servers if one.is_authoritative}) > 1


async def trace(zones: ReverseZones, resolvers: Resolvers, *, port: int = 53) -> tuple[Trace, ...]:
    """Ask the servers of the zone with the PTR records, and of the zone that delegates to it by CNAME (RFC 2317)."""
    wanted = [(zones.cut, Question(zones.owner, "PTR"))]
    if zones.delegating is not None:
        wanted.append((zones.delegating, Question(zones.address.reverse_name, "CNAME")))
    traces = [_trace_zone(cut, cut.zone, question, resolvers, port) for cut, question in wanted if cut.zone is not None]
    return tuple(await asyncio.gather(*traces))


async def _trace_zone(cut: ZoneCut, zone: DomainName, question: Question, resolvers: Resolvers, port: int) -> Trace:
    parent = await delegation_of(zone, cut.servers, resolvers, port=port)
    names = list(dict.fromkeys([*cut.servers, *(parent.names if parent is not None else ())]))
    answers = await asyncio.gather(
        *[_ask_server(name, zone, question, resolvers, port) for name in names[:_MAX_SERVERS]]
    )
    servers = [one for several in answers for one in several]
    return Trace(zone, question, tuple(servers), tuple(differences(zone, servers)), parent)


async def _ask_server(
    name: DomainName, zone: DomainName, question: Question, resolvers: Resolvers, port: int
) -> list[ServerAnswer]:
    forward = await asyncio.gather(*[resolvers.resolve(Question(name, rdtype)) for rdtype in _RDTYPES])
    addresses = [address for answer in forward for address in answer.addresses[:_MAX_ADDRESSES]]
    if not addresses:
        return [ServerAnswer(name, None, _first_inconclusive(forward))]
    return list(await asyncio.gather(*[_ask_address(name, address, zone, question, port) for address in addresses]))


def _first_inconclusive(answers: Sequence[Answer]) -> Answer:
    return next((answer for answer in answers if not answer.is_conclusive), answers[0])


async def _ask_address(
    name: DomainName, address: Address, zone: DomainName, question: Question, port: int
) -> ServerAnswer:
    async with authoritative(address, port) as resolver:
        answer, soa = await asyncio.gather(resolver.resolve(question), resolver.resolve(Question(zone, "SOA")))
    return ServerAnswer(name, address, answer, soa)


def differences(zone: DomainName, servers: Sequence[ServerAnswer]) -> list[str]:
    """A sentence for each server that has no address, does not answer, is lame, or differs from the majority."""
    found: list[str] = []
    authoritative: list[ServerAnswer] = []
    for one in servers:
        if one.address is None:
            found.append(f"{one} is a name server of {zone} and has no address ({one.answer.status}).")
        elif not one.answer.is_conclusive:
            found.append(f"{one} does not answer ({one.answer.status}).")
        elif not one.is_authoritative:
            found.append(f"{one} is listed as a name server of {zone}, but does not have that zone.")
        else:
            authoritative.append(one)
    found += _minority(authoritative)
    serials = [f"{one} has {one.serial}" for one in authoritative if one.serial is not None]
    if len({one.serial for one in authoritative if one.serial is not None}) > 1:
        found.append(f"The servers have different serial numbers of {zone}: {', '.join(serials)}.")
    return found


def _minority(servers: Sequence[ServerAnswer]) -> list[str]:
    """A sentence for each server that differs from most others, or for each server if there is no majority."""
    contents = Counter(_content(one.answer) for one in servers)
    if len(contents) < 2:
        return []
    (usual, first), (_, second) = contents.most_common(2)
    if first == second:
        return [f"{one} answers {answer_text(one.answer)}." for one in servers]
    usual_text = next(answer_text(one.answer) for one in servers if _content(one.answer) == usual)
    return [
        f"{one} answers {answer_text(one.answer)}; most others answer {usual_text}."
        for one in servers
        if _content(one.answer) != usual
    ]


def _content(answer: Answer) -> tuple[Status, tuple[Record, ...], tuple[DomainName, ...]]:
    return answer.status, answer.records, answer.chain


async def delegation_of(
    zone: DomainName, own: Sequence[DomainName], resolvers: Resolvers, *, port: int = 53
) -> Delegation | None:
    """Ask the servers of the parent zone how they delegate *zone*; None if the parent zone is unknown.

    *own* are the name servers that *zone* itself lists; empty if they are unknown.
    """
    if zone == ".":
        return None
    cut, _ = await answered(zone_cut(zone.parent), resolvers)
    if cut.zone is None or not cut.is_certain or not cut.servers:
        return None
    names = cut.servers[:_MAX_PARENT_SERVERS]
    servers = await asyncio.gather(*[_ask_parent_server(name, zone, resolvers, port) for name in names])
    return Delegation(cut.zone, tuple(servers), tuple(_delegation_differences(zone, own, cut.zone, servers)))


async def _ask_parent_server(name: DomainName, zone: DomainName, resolvers: Resolvers, port: int) -> ServerAnswer:
    forward = await asyncio.gather(*[resolvers.resolve(Question(name, rdtype)) for rdtype in _RDTYPES])
    address = next((address for answer in forward for address in answer.addresses), None)
    if address is None:
        return ServerAnswer(name, None, _first_inconclusive(forward))
    return ServerAnswer(name, address, await delegation(zone, address, port))


def _delegation_differences(
    zone: DomainName, own: Sequence[DomainName], parent: DomainName, servers: Iterable[ServerAnswer]
) -> list[str]:
    found = []
    delegated: list[frozenset[DomainName]] = []
    for one in servers:
        if one.address is None:
            found.append(f"{one} is a name server of the parent zone {parent} and has no address.")
        elif not one.answer.is_conclusive:
            found.append(f"{one}, of the parent zone {parent}, gives no NS records of {zone} ({one.answer.status}).")
        elif one.answer.status.is_negative:
            found.append(f"{one}, of the parent zone {parent}, does not delegate {zone} ({one.answer.status}).")
        else:
            delegated.append(frozenset(one.answer.names))
    if len(set(delegated)) > 1:
        found.append(f"The servers of the parent zone {parent} delegate {zone} to different servers.")
    if not own:
        found.append(f"{zone} itself gives no NS records.")
    in_parent = {name for names in delegated for name in names}
    if in_parent and own:
        if extra := sorted(in_parent - set(own)):
            found.append(f"The parent zone {parent} delegates {zone} to {some(extra)}; {zone} does not list that.")
        if missing := sorted(set(own) - in_parent):
            found.append(f"{zone} lists {some(missing)}; the parent zone {parent} does not delegate to that.")
    return found
