"""What the web side reads: the board, the journal, and how the exporter itself is.

The rule of this file: everything here is looked at anew for each request, and looking asks the DNS nothing.
"""

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
    """The configuration in use as *text*, read at *read_at* (Unix time), and how the last reload went.

    *problems* are those of the last reload; the configuration that has them is not the one in use. *web_problems* are
    the same of the web configuration.
    """

    text: str
    read_at: float
    problems: tuple[str, ...] = ()
    web_problems: tuple[str, ...] = ()


class Changes(Protocol):
    """Reads the journal, back to the oldest change that is kept: see `exporter.state.journal.Journal.latest`."""

    def __call__(
        self, count: int, *, before: int | None = None, wanted: ChangeFilter = ...
    ) -> Awaitable[list[JournalEntry]]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Each is called when it is needed. *lags* gives each pool's sampling lag in seconds, *now* the Unix time.

    *journal* has the latest changes at hand, *changes* reads further back; *storage* is None where there is none.
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
    comparisons: SpfCoverageCache = field(default_factory=SpfCoverageCache)
