"""What the web side reads: the board, the journal, and how the exporter itself is.

The rule of this file: everything here is looked at anew for each request, and looking asks the DNS nothing.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from exporter.dns.resolver import Resolver
from exporter.state.board import Board
from exporter.state.disputes import Disputes
from exporter.state.journal import Journal


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


@dataclass(frozen=True, slots=True)
class Sources:
    """Each is called when it is needed. *lags* gives each pool's sampling lag in seconds, *now* the Unix time."""

    board: Board
    journal: Journal
    resolvers: Callable[[], Iterable[Resolver]]
    lags: Callable[[], Mapping[str, float]]
    loop_lag: Callable[[], float]
    configuration: Callable[[], ConfigurationStatus]
    now: Callable[[], float] = time.time
    disputes: Disputes = field(default_factory=Disputes)
