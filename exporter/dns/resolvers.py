"""Several resolvers behind one `ask`, the independent sources among them, delegations, and the log of their servers."""

import asyncio
import hashlib
import math
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.dns.canary import Verified, first_failure
from exporter.dns.resolver import Resolver, ServerHealth
from exporter.dns.servers import Workaround
from exporter.dns.settings import Endpoint, ResolverSettings
from exporter.dns.statistics import Statistics
from exporter.dns.transports import look_up


class Source(NamedTuple):
    """A resolver, or one server of the only resolver: its answers are independent of other sources.

    With several resolvers, the servers of one are not independent: they share its settings, and often an operator.
    *server* is named as in `Answer.server`; it is "" if the source is a resolver.
    """

    resolver: str
    server: str = ""

    def __str__(self) -> str:
        return f"{self.server} of {self.resolver}" if self.server else self.resolver


_LOOK_UP_SECONDS = 2.0  # that a start or a reload waits for the system's resolver


class ExternalInputs(NamedTuple):
    """What resolvers depend on beside their settings.

    Attributes:
        ca_files: a digest of each CA file; "" for one that cannot be used now, perhaps because it is being replaced.
        addresses: the addresses of each server that is configured by name; empty if it does not resolve.
    """

    ca_files: Mapping[Path, str] = {}  # never changed
    addresses: Mapping[str, frozenset[str]] = {}

    @classmethod
    async def read(cls, settings: Iterable[ResolverSettings]) -> "ExternalInputs":
        """Read the files and look up the names. Waits a little for the system's resolver if there are names."""
        files = {each.ca_file for each in settings if each.ca_file is not None}
        endpoints = {server for each in settings for server in each.servers}
        names = {server.host for server in endpoints if not server.is_address and server.scheme != "https"}
        found = await asyncio.gather(*[_addresses(name) for name in sorted(names)])
        return cls({file: _digest(file) for file in files}, dict(zip(sorted(names), found, strict=True)))


async def _addresses(host: str) -> frozenset[str]:
    try:
        async with asyncio.timeout(_LOOK_UP_SECONDS):
            found = await look_up(host, None)
    except OSError:  # a TimeoutError is one
        return frozenset()
    return frozenset([str(address[0]) for _, address in found])


def _digest(file: Path) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:  # an SSLError is one
        return ""


class Resolvers:
    """The resolvers of the configuration, in its order. They go on with the counters of those *before*, by name."""

    def __init__(
        self,
        settings: Sequence[ResolverSettings],
        before: Iterable[Resolver] = (),
        *,
        build: Callable[[ResolverSettings, Statistics], Resolver] = Resolver,
    ) -> None:
        names = [each.name for each in settings]
        if not names or len(set(names)) < len(names):
            raise ValueError("at least one resolver is needed, and each needs a different name")
        self.settings = tuple(settings)
        counted = {resolver.name: resolver.statistics for resolver in before}
        self._resolvers = tuple([build(each, counted.get(each.name) or Statistics()) for each in settings])
        self._inputs = ExternalInputs()

    def __iter__(self) -> Iterator[Resolver]:
        return iter(self._resolvers)

    def __getitem__(self, name: str) -> Resolver:
        """The resolver with this name; raises `KeyError`."""
        for resolver in self._resolvers:
            if resolver.name == name:
                return resolver
        raise KeyError(name)

    @property
    def deadline_seconds(self) -> float:
        """The longest that an `ask` can take."""
        return max(resolver.deadline_seconds for resolver in self._resolvers)

    @property
    def max_queries_per_second(self) -> float:
        """The limit of the first resolver, `math.inf` for none."""
        return self._resolvers[0].settings.max_queries_per_second

    @property
    def max_in_flight(self) -> int:
        """How many questions to ask at a time. More would only wait in the queue."""
        settings = self._resolvers[0].settings
        return max(1, int(min(settings.max_in_flight, settings.max_queries_per_second * settings.timeout_seconds)))

    @property
    def in_flight(self) -> int:
        """How many questions are in flight, with canaries."""
        return sum(resolver.in_flight for resolver in self._resolvers)

    @property
    def queued(self) -> int:
        """How many questions wait to be sent."""
        return sum(resolver.queued for resolver in self._resolvers)

    async def start(self) -> None:
        """Start all resolvers."""
        starting = asyncio.gather(*[resolver.start() for resolver in self._resolvers])
        self._inputs, _ = await asyncio.gather(ExternalInputs.read(self.settings), starting)

    async def is_outdated(self, settings: Sequence[ResolverSettings]) -> bool:
        """Whether resolvers with *settings* would differ from these: in settings, CA files, or addresses of servers."""
        if tuple(settings) != self.settings:
            return True
        before, inputs = self._inputs, await ExternalInputs.read(self.settings)
        if any(digest and digest != before.ca_files.get(file) for file, digest in inputs.ca_files.items()):
            return True
        down = {server.endpoint.host for resolver in self for server in resolver.servers if not server.up}
        return any(
            (known and found.isdisjoint(known)) or (host in down and found - known)
            for host, found in inputs.addresses.items()
            for known in (before.addresses.get(host, frozenset()),)
            if found
        )

    @classmethod
    async def started(cls, settings: Sequence[ResolverSettings], before: Iterable[Resolver] = ()) -> Self:
        """Started resolvers with these settings."""
        resolvers = cls(settings, before)
        await resolvers.start()
        return resolvers

    async def close(self) -> None:
        """Close all resolvers; see `Resolver.close`."""
        await asyncio.gather(*[resolver.close() for resolver in self._resolvers])

    async def retire(self) -> None:
        """Close after all open questions are answered. Others replace these resolvers from now on."""
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
        """Ask the first resolver that is well; see `Resolver.ask`.

        *confirm* prefers another resolver than that, else another server of it. *source* asks only that one.
        """
        if source is not None:
            self[source.resolver].ask(
                question, on_answer, max_age_seconds=max_age_seconds, confirm=confirm, server=source.server
            )
            return
        self._choose(confirm=confirm).ask(question, on_answer, max_age_seconds=max_age_seconds, confirm=confirm)

    async def resolve(self, question: Question, *, max_age_seconds: float = math.inf, confirm: bool = False) -> Answer:
        """`ask` as a coroutine."""
        chosen = self._choose(confirm=confirm)
        return await chosen.resolve(question, max_age_seconds=max_age_seconds, confirm=confirm)

    def sources(self, servers: Collection[str]) -> frozenset[Source]:
        """The sources that *servers*, named as in `Answer.server`, belong to."""
        return frozenset(self._sources(lambda server: str(server.endpoint) in servers))

    def source_at(self, number: int) -> Source | None:
        """The working source with this *number*, modulo how many there are; None if there are fewer than two."""
        working = self._working_sources()
        return working[number % len(working)] if len(working) > 1 else None

    def another(self, asked: Collection[Source]) -> Source | None:
        """A working source that is not in *asked*; None if there is none."""
        return next((source for source in self._working_sources() if source not in asked), None)

    def verify(self, servers: Collection[str], verified: Verified) -> None:
        """Check the canaries of these servers; see `Resolver.verify`."""
        take = first_failure(len(self._resolvers), verified)
        for resolver in self._resolvers:
            resolver.verify(servers, take)

    def _working_sources(self) -> list[Source]:
        """The sources with a server that is not known to fail, in configured order."""
        return self._sources(lambda server: not server.is_failing)

    def _sources(self, matches: Callable[[ServerHealth], bool]) -> list[Source]:
        """The sources with a server that *matches*."""
        if len(self._resolvers) > 1:
            return [Source(resolver.name) for resolver in self._resolvers if any(map(matches, resolver.servers))]
        (resolver,) = self._resolvers
        return [Source(resolver.name, str(server.endpoint)) for server in resolver.servers if matches(server)]

    def _choose(self, *, confirm: bool) -> Resolver:
        first = self._resolvers[0]
        if len(self._resolvers) == 1:
            return first
        if not confirm and first.is_working:
            return first
        trusted = [resolver for resolver in self._resolvers if resolver.is_trusted]
        best = (
            [resolver for resolver in self._resolvers if resolver.is_working]
            or [resolver for resolver in trusted if resolver.is_up]
            or trusted
            or [first]
        )
        return best[1] if confirm and len(best) > 1 else best[0]


log = structlog.get_logger()

_LOG_SECONDS = 1.0
_DOWN = "a DNS server does not answer"
_CONTRADICTED = "a DNS server fails its canary, so its answers are ignored"
_FAILING = "a DNS server fails its canary"
_WELL = "a DNS server is back"
_ODD = "a DNS server needs a workaround"
_SILENT = (Status.TIMEOUT, Status.NETWORK)


async def log_servers(resolvers: Callable[[], Iterable[Resolver]]) -> None:
    """Log when a server fails and when it is back: check every second, until cancelled."""
    server_log = ServerLog()
    while True:
        server_log.update(resolvers())
        await asyncio.sleep(_LOG_SECONDS)


class ServerLog:
    """Writes one line to the log for each change of a server; none for what is unknown, as after a reload."""

    def __init__(self) -> None:
        self._logged: dict[tuple[str, str], str] = {}
        self._workarounds: set[tuple[str, str, Workaround]] = set()

    def update(self, resolvers: Iterable[Resolver]) -> None:
        """Log what has changed. Forget servers that no resolver has any more."""
        logged: dict[tuple[str, str], str] = {}
        workarounds = set()
        for resolver in resolvers:
            has_canary = resolver.settings.canary is not None
            for server in resolver.servers:
                key = (resolver.name, str(server.endpoint))
                before = self._logged.get(key, _WELL)
                now = _state(server, before, has_canary=has_canary)
                if now != before:
                    _log(*key, now, server)
                logged[key] = now
                workarounds |= {(*key, workaround) for workaround in server.workarounds}
        self._logged = logged
        for name, text, workaround in workarounds - self._workarounds:
            log.warning(_ODD, resolver=name, server=text, reason=workaround.value)
        self._workarounds = workarounds


def _state(server: ServerHealth, before: str, *, has_canary: bool) -> str:
    if not server.up:
        return _DOWN
    if server.contradicted:
        return _CONTRADICTED
    failure = server.canary_failure
    if failure is not None:  # a server that answers again stays down until its canary was asked
        return before if before == _DOWN and failure.status in _SILENT else _FAILING
    return _WELL if server.canary_ok or not has_canary else before


def _log(resolver: str, server: str, now: str, health: ServerHealth) -> None:
    fields = {"resolver": resolver, "server": server}
    if now == _WELL:
        log.info(now, **fields)
        return
    failure = health.canary_failure
    if now == _DOWN and health.last_error is not None:
        fields["reason"] = health.last_error.value
    if failure is not None:
        fields |= {"question": str(failure.question), "answer": failure.answered}
    log.warning(now, **fields)


async def delegation(
    zone: DomainName, server: Address, port: int = 53, *, timeout_seconds: float = 2.0, attempts: int = 2
) -> Answer:
    """The NS records of *zone* from *server*: its own, or those of a referral. Never raises for DNS failures.

    Only here does a referral (RFC 1034 section 4.3.2) count as an answer: it is the parent's side of a delegation.
    """
    async with authoritative(server, port, timeout_seconds=timeout_seconds, attempts=attempts) as resolver:
        return await resolver.resolve(Question(zone, "NS"))


@asynccontextmanager
async def authoritative(
    server: Address, port: int, *, timeout_seconds: float = 2.0, attempts: int = 2
) -> AsyncIterator[Resolver]:
    """A resolver that asks one authoritative server, without recursion."""
    settings = ResolverSettings(
        servers=(Endpoint("udp", str(server), port),),
        timeout_seconds=timeout_seconds,
        attempts=attempts,
        canary=None,
        recursion_desired=False,
    )
    resolver = Resolver(settings)
    await resolver.start()
    try:
        yield resolver
    finally:
        await resolver.close()
