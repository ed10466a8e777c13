"""What pages and the API read for each request: the board, the journal, and the state of the exporter itself."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exporter.dns.resolver import Resolver
from exporter.state.board import Board
from exporter.state.disputes import Disputes
from exporter.state.domain import DomainBoard
from exporter.state.journal import ChangeFilter, Journal, JournalEntry
from exporter.state.spf_coverage import SpfCoverageCache
from exporter.state.storage.status import StorageStatus


@dataclass(frozen=True, slots=True)
class ConfigurationStatus:
    """The configuration in use, and the result of the last reload.

    Attributes:
        text: The effective configuration.
        read_at: When it was read, as a Unix time.
        problems: The problems of the last reload. A configuration with problems is not used.
        web_problems: The same for the web configuration.
    """

    text: str
    read_at: float
    problems: tuple[str, ...] = ()
    web_problems: tuple[str, ...] = ()


class Changes(Protocol):
    """Reads the journal back to the oldest change that is kept, like `exporter.state.journal.Journal.latest`."""

    def __call__(
        self, count: int, *, before: int | None = None, wanted: ChangeFilter = ...
    ) -> Awaitable[list[JournalEntry]]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that a request can read. Nothing here queries the DNS.

    Attributes:
        board: The state of all addresses and HELO names.
        journal: The latest changes, in memory.
        changes: Reads older changes.
        resolvers: The resolvers.
        lags: The sampling lag of each pool in seconds.
        loop_lag: The lag of the event loop in seconds.
        configuration: The configuration in use.
        storage: The state of the storage; None without one.
        now: The Unix time.
        disputes: What resolvers disagree about.
        domains: The state of all domains.
        spf_coverage: The SPF records of domains compared with the pools.
    """

    board: Board
    journal: Journal
    changes: Changes
    resolvers: Callable[[], Iterable[Resolver]]
    lags: Callable[[], Mapping[str, float]]
    loop_lag: Callable[[], float]
    configuration: Callable[[], Awaitable[ConfigurationStatus]]
    storage: Callable[[], StorageStatus | None] = lambda: None
    now: Callable[[], float] = time.time
    disputes: Disputes = field(default_factory=Disputes)
    domains: DomainBoard = field(default_factory=DomainBoard)
    spf_coverage: SpfCoverageCache = field(default_factory=SpfCoverageCache)
