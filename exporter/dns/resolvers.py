"""Several resolvers behind one `ask`: the first that is well answers, and another one confirms.

The rule of this file: it chooses, and nothing else; whoever was chosen answers alone.
"""

import asyncio
import math
import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import structlog

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.dns.canary import Verified
from exporter.dns.resolver import Resolver, ServerHealth
from exporter.dns.settings import ResolverSettings

if TYPE_CHECKING:
    import dns.message


# SECTION exporter.dns.sources
# Who can agree with whom: the independent opinions that several resolvers, or several servers, amount to.
#
# The rule of this file: two answers count as two opinions only if they come from two sources. Where several
# resolvers are
# configured each is a source; the servers of one resolver share its settings, and often an operator, and are
# then one.
# Where there is one resolver, each of its servers is a source.


class Source(NamedTuple):
    """One that can be asked for an opinion: a resolver, or, with *server* as in `Answer.server`, one of its servers."""

    resolver: str
    server: str = ""

    def __str__(self) -> str:
        return f"{self.server} of {self.resolver}" if self.server else self.resolver


def sources_of(resolvers: Sequence[Resolver], servers: Collection[str]) -> frozenset[Source]:
    """Whose word it is that *servers* gave."""
    return _sources(resolvers, lambda server: str(server.endpoint) in servers)


def working_sources(resolvers: Sequence[Resolver]) -> tuple[Source, ...]:
    """Who can be asked: who answers and is not caught lying, in the order of the configuration."""
    well = _sources(resolvers, lambda server: server.up and not server.contradicted)
    return tuple([source for source in _all_sources(resolvers) if source in well])


def source_at(resolvers: Sequence[Resolver], turn: int) -> Source | None:
    """Of those who can be asked, the one whose turn it is; None where there is no choice."""
    well = working_sources(resolvers)
    return well[turn % len(well)] if len(well) > 1 else None


def _all_sources(resolvers: Sequence[Resolver]) -> list[Source]:
    if len(resolvers) > 1:
        return [Source(resolver.name) for resolver in resolvers]
    (resolver,) = resolvers
    return [Source(resolver.name, str(server.endpoint)) for server in resolver.servers]


def _sources(resolvers: Sequence[Resolver], fits: Callable[[ServerHealth], bool]) -> frozenset[Source]:
    if len(resolvers) > 1:
        return frozenset(Source(resolver.name) for resolver in resolvers if any(map(fits, resolver.servers)))
    (resolver,) = resolvers
    return frozenset(Source(resolver.name, str(server.endpoint)) for server in resolver.servers if fits(server))


# SECTION exporter.dns.resolvers


class Resolvers:
    """The resolvers of the configuration, in its order."""

    def __init__(
        self, settings: Sequence[ResolverSettings], *, build: Callable[[ResolverSettings], Resolver] = Resolver
    ) -> None:
        names = [each.name for each in settings]
        if not names or len(set(names)) < len(names):
            raise ValueError("resolvers need names of their own, and at least one is needed")
        self._resolvers = tuple([build(each) for each in settings])

    def __iter__(self) -> Iterator[Resolver]:
        return iter(self._resolvers)

    def __len__(self) -> int:
        return len(self._resolvers)

    def __getitem__(self, name: str) -> Resolver:
        """The resolver of that name; raises `KeyError`."""
        for resolver in self._resolvers:
            if resolver.name == name:
                return resolver
        raise KeyError(name)

    @property
    def deadline_seconds(self) -> float:
        """The longest that one `ask` can take, queueing included."""
        return max(resolver.deadline_seconds for resolver in self._resolvers)

    @property
    def max_in_flight(self) -> int:
        """How many questions are worth having under way: more would only wait, for a place or for their turn."""
        settings = self._resolvers[0].settings
        return max(1, int(min(settings.max_in_flight, settings.max_queries_per_second * settings.timeout_seconds)))

    @property
    def in_flight(self) -> int:
        """Questions that were sent and are not answered yet, canaries included."""
        return sum(resolver.in_flight for resolver in self._resolvers)

    @property
    def queued(self) -> int:
        """Questions that wait until they may be sent."""
        return sum(resolver.queued for resolver in self._resolvers)

    async def start(self) -> None:
        """Start all of them."""
        await asyncio.gather(*[resolver.start() for resolver in self._resolvers])

    @classmethod
    async def started(cls, settings: Sequence[ResolverSettings]) -> Self:
        """Resolvers of these *settings*, started."""
        resolvers = cls(settings)
        await resolvers.start()
        return resolvers

    async def close(self) -> None:
        """Close all of them; see `Resolver.close`."""
        await asyncio.gather(*[resolver.close() for resolver in self._resolvers])

    async def retire(self) -> None:
        """Close when what was asked is answered: others are asked from now on."""
        try:
            await asyncio.sleep(self.deadline_seconds)
        finally:
            await self.close()

    def ask(
        self,
        question: Question,
        on_answer: OnAnswer,
        *,
        max_age_seconds: float = math.inf,
        confirm: bool = False,
        source: Source | None = None,
    ) -> None:
        """As `Resolver.ask`, of the first resolver that is well.

        *confirm* asks another resolver than that, if one is well; else another server of the same. With *source*, it
        asks that one and nobody else.
        """
        if source is not None:
            self[source.resolver].ask(
                question, on_answer, max_age_seconds=max_age_seconds, confirm=confirm, server=source.server
            )
            return
        self._choose(confirm=confirm).ask(question, on_answer, max_age_seconds=max_age_seconds, confirm=confirm)

    def sources(self, servers: Collection[str]) -> frozenset[Source]:
        """Whose word it is that *servers*, named as in `Answer.server`, gave."""
        return sources_of(self._resolvers, servers)

    def source_at(self, turn: int) -> Source | None:
        """Of those who can be asked, the one whose turn it is; None where there is no choice."""
        return source_at(self._resolvers, turn)

    def another(self, heard: Collection[Source]) -> Source | None:
        """Somebody who can be asked for an opinion and is not among those *heard*; None if there is nobody."""
        return next((source for source in working_sources(self._resolvers) if source not in heard), None)

    def verify(self, servers: Collection[str], verified: Verified) -> None:
        """As `Resolver.verify`, of every resolver that has one of those servers."""
        doubts: list[Status | None] = []

        def take(doubt: Status | None) -> None:
            doubts.append(doubt)
            if len(doubts) == len(self._resolvers):
                verified(next(filter(None, doubts), None))

        for resolver in self._resolvers:
            resolver.verify(servers, take)

    async def resolve(self, question: Question, *, max_age_seconds: float = math.inf, confirm: bool = False) -> Answer:
        """`ask`, for those who can wait."""
        chosen = self._choose(confirm=confirm)
        return await chosen.resolve(question, max_age_seconds=max_age_seconds, confirm=confirm)

    def _choose(self, *, confirm: bool) -> Resolver:
        first = self._resolvers[0]
        if len(self._resolvers) == 1:
            return first
        if not confirm and first.is_trusted and first.is_up:
            return first
        well = [resolver for resolver in self._resolvers if resolver.is_trusted and resolver.is_up]
        if well:
            return well[1] if confirm and len(well) > 1 else well[0]
        return next((resolver for resolver in self._resolvers if resolver.is_trusted), first)


# SECTION exporter.dns.referral
# Asks one server which servers it says a zone has: what the parent's side of a delegation is made of.
#
# The rule of this file: a referral (RFC 1034 section 4.3.2) counts as an answer here, and nowhere else. To a
# stub it says
# nothing of the records that it asked for; of a delegation it says everything.

_MAX_BYTES = 4096


async def delegation(
    zone: DomainName, server: Address, port: int = 53, *, timeout_seconds: float = 2.0, attempts: int = 2
) -> Answer:
    """The NS records that *server* has at *zone*, its own or those of a referral; never raises for what it says.

    Over UDP, and over TCP where that is truncated or nothing came.
    """
    answer = Answer(Status.TIMEOUT)
    where = f"[{server}]:{port}" if server.family == 6 else f"{server}:{port}"
    for attempt in range(attempts + 1):
        ask = _over_tcp if attempt == attempts or answer.status is Status.MALFORMED else _over_udp
        try:
            async with asyncio.timeout(timeout_seconds):
                packet = await ask(_query(zone), server, port)
        except TimeoutError:
            continue
        except (OSError, asyncio.IncompleteReadError):
            answer = Answer(Status.NETWORK)
            continue
        answer = _read(packet, zone, where)
        if answer.status is not Status.MALFORMED:
            return answer
    return answer


def _query(zone: DomainName) -> bytes:
    labels = b"".join([bytes([len(label)]) + label for label in zone.labels])
    return secrets.token_bytes(2) + b"\0\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\2\0\1"


async def _over_udp(query: bytes, server: Address, port: int) -> bytes:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET if server.family == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0)
        await loop.sock_connect(udp, (str(server), port))
        await loop.sock_sendall(udp, query)
        while True:
            packet = await loop.sock_recv(udp, _MAX_BYTES)
            if _belongs(packet, query):
                return packet


async def _over_tcp(query: bytes, server: Address, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(str(server), port)
    try:
        writer.write(len(query).to_bytes(2) + query)
        packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
    finally:
        writer.close()
    return packet if _belongs(packet, query) else b""


def _belongs(packet: bytes, query: bytes) -> bool:
    """Whether the packet is a reply with the ID and the question of the query."""
    end = len(query)
    return packet[:2] == query[:2] and packet[2:3] >= b"\x80" and packet[12:end].lower() == query[12:].lower()


def _read(packet: bytes, zone: DomainName, where: str) -> Answer:
    import dns.flags
    import dns.rcode
    import dns.rdatatype

    from exporter.dns.codec import UnreadableError
    from exporter.dns.dnspython_codec import read_message  # dnspython takes 0.1 s to import

    try:
        message = read_message(packet)
    except UnreadableError:
        return Answer(Status.MALFORMED, server=where)
    if message.flags & dns.flags.TC:
        return Answer(Status.MALFORMED, server=where)
    match message.rcode():
        case dns.rcode.NOERROR:
            names = _servers_in(message, zone)
            refers = any(rrset.rdtype == dns.rdatatype.NS for rrset in message.authority)
            # Servers of another zone are a referral that leads elsewhere: nothing is said of this one.
            status = Status.ANSWER if names else Status.REFUSED if refers else Status.NODATA
            return Answer(status, names, server=where)
        case dns.rcode.NXDOMAIN:
            return Answer(Status.NXDOMAIN, server=where)
        case dns.rcode.SERVFAIL:
            return Answer(Status.SERVFAIL, server=where)
        case _:
            return Answer(Status.REFUSED, server=where)


def _servers_in(message: "dns.message.Message", zone: DomainName) -> tuple[DomainName, ...]:
    """The NS records at *zone*, in the answer or, of a referral, in the authority section."""
    import dns.rdatatype

    for section in (message.answer, message.authority):
        for rrset in section:
            if rrset.rdtype == dns.rdatatype.NS and DomainName.from_labels(rrset.name.labels[:-1]) == zone:
                return tuple([DomainName.from_labels(rdata.target.labels[:-1]) for rdata in rrset])
    return ()


# SECTION exporter.sampling.servers
# Tells the log when a DNS server fails and when it is back.
#
# The rule of this file: one line for each change, none for what is not known yet, such as right after a reload.

log = structlog.get_logger()

_LOOK_SECONDS = 1.0
_SILENT = "a DNS server does not answer"
_LYING = "a DNS server fails its canary, so nothing it says is believed"
_WELL = "a DNS server is back"


class ServerLog:
    """What the log was last told of each server."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], str] = {}

    def look(self, resolvers: Iterable[Resolver]) -> None:
        """Tell what changed. A server that is in no resolver any more is forgotten."""
        told: dict[tuple[str, str], str] = {}
        for resolver in resolvers:
            has_canary = resolver.settings.canary is not None
            for server in resolver.servers:
                key = (resolver.name, str(server.endpoint))
                before = self._told.get(key, _WELL)
                now = _state(server, before, has_canary=has_canary)
                if now != before:
                    _tell(*key, now, server)
                told[key] = now
        self._told = told


async def follow_servers(resolvers: Callable[[], Iterable[Resolver]]) -> None:
    """Look at the servers of *resolvers* every second, until somebody cancels it."""
    news = ServerLog()
    while True:
        news.look(resolvers())
        await asyncio.sleep(_LOOK_SECONDS)


def _state(server: ServerHealth, before: str, *, has_canary: bool) -> str:
    if not server.up:
        return _SILENT
    if server.contradicted:
        return _LYING
    return _WELL if server.canary_ok or not has_canary else before


def _tell(resolver: str, server: str, now: str, health: ServerHealth) -> None:
    if now == _WELL:
        log.info(now, resolver=resolver, server=server)
    elif now == _SILENT and health.last_error is not None:
        log.warning(now, resolver=resolver, server=server, reason=health.last_error.value)
    else:
        log.warning(now, resolver=resolver, server=server)
