"""Keeps every pool sampled: a round when the schedule says so, and the first one at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from exporter.sampling.round import Round
from exporter.sampling.sampling import Asker, Sampling, Subject
from exporter.sampling.subjects import AddressSubject, HeloNameSubject, OnChange
from exporter.state.board import Board
from exporter.state.disputes import Disputed, Disputes
from exporter.state.pool import PoolState

log = structlog.get_logger()

_SPREAD = 0.9
"""The share of the interval over which a round is spread; the rest is for its last answers to arrive in."""


_PATIENCE_SECONDS = 60.0
"""How long a sample may take where its pool's interval is shorter than that."""

_STEPS = 12
"""How many questions of a sample wait for one another at most: PTR, then forward, then hosts of mail exchanges where
a receiver looks at them; and all of it again, up to three times, to confirm."""


class Sampler:
    """Runs the rounds of the pools on the board, at most one a pool.

    *asker* gives whoever answers questions at the moment: a reload may have put another one in place.
    """

    def __init__(
        self, board: Board, asker: Callable[[], Asker], *, on_change: OnChange, disputes: Disputes | None = None
    ) -> None:
        self._board = board
        self._asker = asker
        self._disputes = Disputes() if disputes is None else disputes
        self._on_change = on_change
        self._rounds: dict[str, tuple[PoolState, Round]] = {}
        self._followed: dict[str, PoolState] = {}
        self._overdue: set[str] = set()

    def tick(self, name: str) -> None:
        """A round of the pool *name* is due: begin it, or, if one is still running, as soon as that one has ended."""
        state = self._board.pools.get(name)
        if state is None:
            return
        if name in self._rounds:
            if name not in self._overdue:
                log.warning("a round outlasts its interval", pool=name, interval_seconds=state.pool.interval_seconds)
            self._overdue.add(name)
            return
        self._begin(state)

    def follow(self) -> frozenset[str]:
        """Fit the rounds to the board's current generation, and say which pools are new or changed.

        Rounds of pools that are gone or changed are dropped: whoever ticks should tick those at once.
        """
        pools = dict(self._board.pools)
        changed = frozenset(name for name, state in pools.items() if self._followed.get(name) is not state)
        for name in tuple(self._rounds):
            if name not in pools or name in changed:
                self._rounds.pop(name)[1].cancel()
        self._overdue &= self._rounds.keys()
        self._disputes.keep(self._is_sampled)
        self._followed = pools
        return changed

    def stop(self) -> None:
        """Drop everything that is under way."""
        for _, running in self._rounds.values():
            running.cancel()
        self._rounds.clear()
        self._overdue.clear()

    def lag_seconds(self) -> dict[str, float]:
        """How late the next sample of each pool is; 0.0 where a pool keeps up."""
        lags = dict.fromkeys(self._board.pools, 0.0)
        return lags | {name: running.lag_seconds() for name, (_, running) in self._rounds.items()}

    def _is_sampled(self, pool: str, subject: Disputed) -> bool:
        state = self._board.pools.get(pool)
        if state is None:
            return False
        return subject in state.helos if isinstance(subject, str) else state.pool.contains(subject)

    def _begin(self, state: PoolState) -> None:
        asker = self._asker()
        helos = tuple(state.helos)
        never = [index for index in range(state.pool.size) if not state.is_sampled(index)]
        first = bool(never)
        size = state.pool.size
        order: list[int] | range = range(-len(helos), size)
        if first and len(never) < size:
            missing = frozenset(never)
            order = [*range(-len(helos), 0), *never, *[index for index in range(size) if index not in missing]]
        running = Round(
            order,
            lambda index, finished: self._prepare(state, helos, index, finished),
            lambda over: self._ended(state, over),
            at_once=len(helos) + len(never) if first else 0,
            span_seconds=state.pool.interval_seconds * _SPREAD,
            limit=max(1, asker.max_in_flight // max(1, len(self._board.pools))),
            deadline_seconds=min(max(_PATIENCE_SECONDS, state.pool.interval_seconds), _STEPS * asker.deadline_seconds),
        )
        self._rounds[state.pool.name] = (state, running)
        running.begin()

    def _prepare(
        self, state: PoolState, helos: tuple[str, ...], index: int, finished: Callable[[], None]
    ) -> Sampling[Any]:
        """The sampling of the address at *index*, or, counted down from -1, of a HELO name."""
        subject: Subject[Any] = (
            HeloNameSubject(state, helos[index], self._disputes)
            if index < 0
            else AddressSubject(state, index, self._disputes, self._on_change)
        )
        return Sampling(subject, self._asker(), state.pool.interval_seconds, finished)

    def _ended(self, state: PoolState, over: Round) -> None:
        name = state.pool.name
        del self._rounds[name]
        seconds = asyncio.get_running_loop().time() - over.began
        state.counters.rounds += 1
        state.round_seconds = seconds
        log.debug("round ended", pool=name, addresses=state.pool.size, seconds=round(seconds, 3))
        if name in self._overdue:
            self._overdue.discard(name)
            self._begin(state)
