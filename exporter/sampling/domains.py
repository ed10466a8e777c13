"""Keeps every domain sampled: each at its own interval, a few of them at a time.

The rule of this file: a sample of a domain is like one of an address (`exporter.sampling.sampling`). What is due waits
for its turn, so that a thousand domains that become due together are no burst; and nothing waits twice.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

import structlog

from exporter.checks.names import DomainName
from exporter.sampling.domain_subject import DomainSubject, Told
from exporter.sampling.sampling import Asker, Sampling
from exporter.sampling.subjects import OnChange
from exporter.state.disputes import DOMAINS, Disputes
from exporter.state.domain import DomainState
from exporter.state.domain_board import DomainBoard

log = structlog.get_logger()

_AT_ONCE = 8
"""How many domains are sampled together: each asks 10 to 100 questions."""

_PATIENCE_SECONDS = 120.0
"""How long a sample may take: its records may lead through fifty names in a row, and all of it again to confirm."""

_JOB = "domain "
"""What a domain's job is called by before its name: no pool can have such a name."""


class _Running(NamedTuple):
    """A sample that is under way, and what ends it when it takes too long."""

    sampling: Sampling[Told]
    end: asyncio.TimerHandle


class DomainSampler:
    """Samples the domains of the board. *asker* gives whoever answers questions at the moment."""

    def __init__(self, board: DomainBoard, asker: Callable[[], Asker], disputes: Disputes, on_change: OnChange) -> None:
        self._board = board
        self._disputes = disputes
        self._asker = asker
        self._on_change = on_change
        self._followed: Mapping[DomainName, DomainState] = {}
        self._waiting: dict[DomainName, None] = {}
        self._running: dict[DomainName, _Running] = {}
        self._loop = asyncio.get_running_loop()
        self._pump_soon: asyncio.Handle | None = None

    @property
    def intervals(self) -> dict[str, float]:
        """The jobs that there are to be, each with its interval in seconds."""
        return {f"{_JOB}{name}": state.settings.interval.seconds for name, state in self._board.items()}

    def due(self, now: float) -> dict[str, float]:
        """In how many seconds the domains are due that were sampled before Unix time *now*, by job: 0.0 for overdue."""
        found = {}
        for name, state in self._board.items():
            interval = state.settings.interval.seconds
            if state.sampled_at:
                found[f"{_JOB}{name}"] = min(interval, max(0.0, state.sampled_at + interval - now))
        return found

    def waiting(self, now: float) -> list[DomainName]:
        """The domains of which nothing is known that is younger than two intervals at Unix time *now*."""
        return [
            name for name, state in self._board.items() if state.sampled_at <= now - 2 * state.settings.interval.seconds
        ]

    def tick(self, job: str) -> None:
        """A sample is due, if *job* is one of `intervals`: it is begun when it is its turn."""
        name = job.removeprefix(_JOB)
        if name == job:
            return
        domain = DomainName(name)
        if domain not in self._board:
            return
        if domain in self._running:
            log.warning("a sample outlasts its interval", domain=domain)
        self._waiting[domain] = None
        self._pump()

    def follow(self) -> frozenset[str]:
        """Fit what is under way to the board's current generation, and say which jobs are new or changed."""
        generation = self._board.generation()
        changed = [
            name
            for name, state in generation.items()
            if name not in self._followed or self._followed[name].settings != state.settings
        ]
        for name in tuple(self._running):
            if name not in generation or name in changed:
                self._drop(name)
        self._waiting = {name: None for name in self._waiting if name in generation}
        self._followed = generation
        self._disputes.keep(lambda pool, subject: pool != DOMAINS or subject in generation)
        return frozenset([f"{_JOB}{name}" for name in changed])

    def stop(self) -> None:
        """Drop everything that is under way."""
        self._waiting.clear()
        for name in tuple(self._running):
            self._drop(name)
        if self._pump_soon is not None:
            self._pump_soon.cancel()

    def _pump(self) -> None:
        if self._pump_soon is None:
            self._pump_soon = self._loop.call_soon(self._start_some)

    def _start_some(self) -> None:
        self._pump_soon = None
        free = _AT_ONCE - len(self._running)
        for name in [name for name in self._waiting if name not in self._running][: max(0, free)]:
            del self._waiting[name]
            self._start(name)

    def _start(self, name: DomainName) -> None:
        state = self._board[name]
        subject = DomainSubject(self._board, state, self._disputes, self._on_change)
        sampling = Sampling(subject, self._asker(), state.settings.interval.seconds, lambda: self._ended(name))
        self._running[name] = _Running(sampling, self._loop.call_later(_PATIENCE_SECONDS, self._expire, name))
        self._guarded(sampling.start)

    def _expire(self, name: DomainName) -> None:
        """End what has been under way for too long, and whatever was left of it by an error."""
        self._guarded(self._running[name].sampling.give_up)
        if name in self._running:
            self._drop(name)
            self._pump()

    def _guarded(self, act: Callable[[], None]) -> None:
        """Do what one sample wants done. If it is broken, that is told, and the other domains do not suffer."""
        try:
            act()
        except Exception as error:  # noqa: BLE001  # whatever it is
            self._loop.call_exception_handler({"message": "a sample is broken", "exception": error})

    def _ended(self, name: DomainName) -> None:
        running = self._running.pop(name, None)
        if running is not None:
            running.end.cancel()
        self._pump()

    def _drop(self, name: DomainName) -> None:
        running = self._running.pop(name)
        running.end.cancel()
        running.sampling.drop()
