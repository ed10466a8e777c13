"""Keeps every pool sampled: a round when the schedule says so, and the first one at once.

The rule of this file: no address waits for longer than an interval. All rounds of a pool go round in the same circle,
and the first one that is spread follows the hurried one so soon that it comes to its last address in time.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from exporter.checks.addresses import Address
from exporter.inventory.pool import Pool
from exporter.sampling.agenda import Agenda
from exporter.sampling.authentication import Authentication
from exporter.sampling.drawn import DrawnSubject
from exporter.sampling.round import Round
from exporter.sampling.sampling import Asker, Sampling, Subject
from exporter.sampling.subjects import AddressSubject, HeloNameSubject, OnChange
from exporter.sampling.unlisted import UnlistedSubject
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from exporter.state.disputes import DOMAINS, Disputed, Disputes
from exporter.state.pool import FAILING, PoolState

log = structlog.get_logger()

_SPREAD = 0.9
"""The share of the interval over which a round is spread; the rest is for its last answers to arrive in."""


_PATIENCE_SECONDS = 60.0
"""How long a sample may take where its pool's interval is shorter than that."""

_TURN_SECONDS = 0.005
"""For how long addresses are carried over before the event loop has its turn."""

_STEPS = 12
"""How many questions of a sample wait for one another at most: PTR, then forward, then hosts of mail exchanges where
a receiver looks at them; and all of it again, up to three times, to confirm."""


class Sampler:
    """Runs the rounds of the pools on the board, at most one a pool.

    *asker* gives whoever answers questions at the moment: a reload may have put another one in place. *due* is told
    in how many seconds a pool's next round is due, where that is another time than the schedule's: all later ones are
    an interval apart from then on.
    """

    def __init__(
        self,
        board: Board,
        asker: Callable[[], Asker],
        blocklists: Blocklists | None = None,
        *,
        on_change: OnChange,
        disputes: Disputes | None = None,
        due: Callable[[str, float], None] = lambda _pool, _seconds: None,
    ) -> None:
        self._board = board
        self._due = due
        self._asker = asker
        self._disputes = Disputes() if disputes is None else disputes
        self._on_change = on_change
        self._authentication = Authentication(asker, blocklists)
        self._rounds: dict[str, tuple[PoolState, Agenda, Round]] = {}
        self._begins_at: dict[str, Address] = {}
        self._followed: dict[str, PoolState] = {}
        self._overdue: set[str] = set()
        self._paused: frozenset[str] = frozenset()

    def tick(self, name: str) -> None:
        """A round of the pool *name* is due: begin it, or, if one is still running, as soon as that one has ended."""
        state = self._board.pools.get(name)
        if state is None or name in self._paused:
            return
        if name in self._rounds:
            if name not in self._overdue:
                log.warning("a round outlasts its interval", pool=name, interval_seconds=state.pool.interval_seconds)
            self._overdue.add(name)
            return
        self._begin(state)

    async def adopt(self, pools: Sequence[Pool]) -> None:
        """Make *pools* the board's generation, a step at a time; `follow` is to be called next.

        Those that change are not sampled meanwhile: what is known of them is carried over.
        """
        self._paused = self._board.changed(pools)
        for name in self._paused & self._rounds.keys():
            self._drop(name, goes_on=True)
        loop = asyncio.get_running_loop()
        turn = loop.time() + _TURN_SECONDS
        try:
            for _ in self._board.adopting(pools):
                if loop.time() >= turn:
                    await asyncio.sleep(0)
                    turn = loop.time() + _TURN_SECONDS
        except BaseException:
            self.follow()
            raise

    def follow(self) -> frozenset[str]:
        """Fit the rounds to the board's current generation, and say which pools are new or changed.

        Rounds of pools that are gone or changed are dropped: whoever ticks should tick those at once.
        """
        pools = dict(self._board.pools)
        changed = frozenset(name for name, state in pools.items() if self._followed.get(name) is not state)
        for name in tuple(self._rounds):
            if name not in pools or name in changed:
                self._drop(name, goes_on=name in pools)
        self._overdue &= self._rounds.keys()
        self._begins_at = {name: address for name, address in self._begins_at.items() if name in pools}
        self._disputes.keep(self._is_sampled)
        self._followed = pools
        self._paused = frozenset()
        return changed

    def resume(self) -> None:
        """Begin the rounds of each pool where the last one was stopped: with what was not sampled for the longest.

        For states that were restored. All rounds from then on begin there, and not only the first one: or the second
        one would come to some addresses nearly two intervals after it. Of a pool of which some of each prefix is
        sampled, times do not tell that: there it is noted.
        """
        for name, state in self._board.pools.items():
            if state.pool.plan is not None:
                if state.sample.reached is not None:
                    self._begins_at[name] = state.sample.reached
                continue
            index = state.stalest()
            if index is not None:
                self._begins_at[name] = state.pool.targets[index].address

    def stop(self) -> None:
        """Drop everything that is under way."""
        self._authentication.stop()
        for _, _, running in self._rounds.values():
            running.cancel()
        self._rounds.clear()
        self._overdue.clear()

    def lag_seconds(self) -> dict[str, float]:
        """How late the next sample of each pool is; 0.0 where a pool keeps up."""
        lags = dict.fromkeys(self._board.pools, 0.0)
        return lags | {name: running.lag_seconds() for name, (_, _, running) in self._rounds.items()}

    def _drop(self, name: str, *, goes_on: bool) -> None:
        """End a round whose pool is gone or changed; where it *goes_on*, the next one begins where this one stopped."""
        state, agenda, running = self._rounds.pop(name)
        item = running.reached if goes_on else None
        if item is not None and item >= 0:
            self._begins_at[name] = state.pool.targets[agenda.position(item)[0]].address
        running.cancel()

    def _is_sampled(self, pool: str, subject: Disputed) -> bool:
        state = self._board.pools.get(pool)
        if state is None:
            return pool == DOMAINS  # somebody else's
        return subject in state.helos if isinstance(subject, str) else state.pool.contains(subject)

    def _begin(self, state: PoolState) -> None:
        asker = self._asker()
        name = state.pool.name
        agenda = Agenda(state, self._begins_at.get(name))
        state.sample.begin()
        running = Round(
            agenda.order,
            lambda item, finished: self._prepare(state, agenda, item, finished),
            lambda over: self._ended(state, agenda, over),
            at_once=agenda.at_once,
            span_seconds=state.pool.interval_seconds * _SPREAD,
            limit=max(1, asker.max_in_flight // max(1, len(self._board.pools))),
            deadline_seconds=min(max(_PATIENCE_SECONDS, state.pool.interval_seconds), _STEPS * asker.deadline_seconds),
        )
        self._rounds[name] = (state, agenda, running)
        running.begin()

    def _prepare(self, state: PoolState, agenda: Agenda, item: int, finished: Callable[[], None]) -> Sampling[Any]:
        """The sampling of what an item of the agenda stands for."""
        subject: Subject[Any]
        if item < 0:
            what = agenda.outside(item)
            if isinstance(what, str):
                subject = HeloNameSubject(state, what, self._disputes)
            else:
                subject = UnlistedSubject(state.pool.name, what, state.counters.unlisted)
        else:
            index, counts = agenda.position(item)
            if agenda.turn is None or item >= agenda.turn.drawn:
                subject = AddressSubject(state, index, self._disputes, self._on_change, self._authentication)
            else:
                state.sample.reached = state.pool.source.at(index)[0]
                subject = DrawnSubject(
                    state,
                    index,
                    self._disputes,
                    self._on_change,
                    self._authentication,
                    counts=counts,
                    failed=lambda: self._search(state, agenda, index),
                )
        return Sampling(subject, self._asker(), state.pool.interval_seconds, finished)

    def _search(self, state: PoolState, agenda: Agenda, index: int) -> None:
        """A draw failed: look at more of its prefix at once, unless it is known that something is wrong there."""
        current = self._rounds.get(state.pool.name)
        if current is None or current[1] is not agenda or agenda.turn is None:
            return
        start, end = agenda.turn.prefix_of(index)
        if state.healths.count(FAILING, start, end) == 1:
            current[2].add(agenda.turn.search(index))

    def _ended(self, state: PoolState, agenda: Agenda, over: Round) -> None:
        name, interval = state.pool.name, state.pool.interval_seconds
        del self._rounds[name]
        seconds = asyncio.get_running_loop().time() - over.began
        state.counters.rounds += 1
        state.round_seconds = seconds
        state.sample.end()
        log.debug("round ended", pool=name, addresses=state.pool.size, seconds=round(seconds, 3))
        if agenda.hurries:
            self._overdue.discard(name)
            self._due(name, max(0.0, min((1 - _SPREAD) * interval, interval - seconds)))
        elif name in self._overdue:
            self._overdue.discard(name)
            self._begin(state)
