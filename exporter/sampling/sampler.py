"""Keeps every pool sampled: a round when the schedule says so, and the first one at once.

The rule of this file: no address waits for longer than an interval. All rounds of a pool go round in the same circle,
and the first one that is spread follows the hurried one so soon that it comes to its last address in time.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from exporter.checks.addresses import Address
from exporter.checks.check import Check, Evidence
from exporter.checks.names import DomainName
from exporter.checks.report import Report, Target, report
from exporter.checks.result import IprevVerdict
from exporter.inventory.pool import Pool
from exporter.sampling.confirm import Asker, Sampling, Subject
from exporter.sampling.schedule import Agenda, Round
from exporter.sampling.spf_cache import Authentication
from exporter.sampling.subjects import AddressSubject, DomainSubject, HeloNameSubject, OnChange, ReportSubject, Told
from exporter.state.address import AddressState
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from exporter.state.counters import NotEnumerableSamples
from exporter.state.disputes import DOMAINS, Dispute, Disputed, Disputes
from exporter.state.domain import DomainBoard, DomainState
from exporter.state.pool import FAILING, PoolState, worst

# SECTION exporter.sampling.drawn
# An address that a round drew from its prefix, and what follows from what it comes to.


class DrawnSubject(AddressSubject):
    """The address at *index* of a pool; *counts* says whether it is part of the estimate.

    *failed* is called when a failure is recorded that was not known before: it was confirmed by then.
    """

    __slots__ = ("_counts", "_failed")

    def __init__(
        self,
        pool: PoolState,
        index: int,
        disputes: Disputes,
        on_change: OnChange,
        authentication: Authentication,
        *,
        counts: bool,
        failed: Callable[[], None],
    ) -> None:
        super().__init__(pool, index, disputes, on_change, authentication)
        self._counts = counts
        self._failed = failed

    def record(
        self, report: Report, evidence: Evidence, dispute: Dispute | None = None, *, is_waiting: bool = False
    ) -> None:
        state, index = self._pool, self._index
        was_failing = state.healths[index] == FAILING
        super().record(report, evidence, dispute, is_waiting=is_waiting)
        if self._counts:
            state.sample.note(worst(report))
        if state.healths[index] == FAILING and not was_failing:
            self._failed()


# SECTION exporter.sampling.unlisted
# An address that a round drew at random from a range that is too big to be listed.
#
# The rule of this file: it is sampled as any address is, and a PTR name that does not resolve back is confirmed
# as any
# failure is; but the outcome is counted apart, and nothing follows from it.

log = structlog.get_logger()


class NotEnumerableSubject(ReportSubject):
    """The address *address*, of the pool *pool*; *samples* is where the outcome goes."""

    __slots__ = ("_pool", "_samples", "_state")

    def __init__(self, pool: str, address: Address, samples: NotEnumerableSamples) -> None:
        self._pool = pool
        self._samples = samples
        self._state = AddressState(Target(address, ()))

    @property
    def known(self) -> AddressState:
        return self._state

    def check(self) -> Check[Report]:
        return report(self._state.target)

    def worsens(self, report: Report) -> bool:
        return report.iprev.verdict is IprevVerdict.FAIL

    def is_changed(self, report: Report) -> bool:  # noqa: ARG002  # nothing was known before
        return False

    def record(
        self,
        report: Report,
        evidence: Evidence,  # noqa: ARG002  # an address that fails can be checked again
        dispute: Dispute | None = None,  # noqa: ARG002  # two who differ about it are no news
        *,
        is_waiting: bool = False,  # noqa: ARG002
    ) -> None:
        self._samples.note(report, time.time())

    def broken(self, error: Exception) -> None:
        log.error("a check is broken", pool=self._pool, ip=str(self._state.target.address), exc_info=error)


# SECTION exporter.sampling.sampler

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

    async def publish(self, pools: Sequence[Pool]) -> None:
        """Make *pools* the board's generation, a step at a time; `follow` is to be called next.

        Those that change are not sampled meanwhile: what is known of them is carried over.
        """
        self._paused = self._board.changed(pools)
        for name in self._paused & self._rounds.keys():
            self._drop(name, goes_on=True)
        loop = asyncio.get_running_loop()
        turn = loop.time() + _TURN_SECONDS
        try:
            for _ in self._board.publishing(pools):
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
                if state.sample.cursor is not None:
                    self._begins_at[name] = state.sample.cursor
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
                subject = NotEnumerableSubject(state.pool.name, what, state.counters.not_enumerable)
        else:
            index, counts = agenda.position(item)
            if agenda.turn is None or item >= agenda.turn.drawn:
                subject = AddressSubject(state, index, self._disputes, self._on_change, self._authentication)
            else:
                state.sample.cursor = state.pool.source.at(index)[0]
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


# SECTION exporter.sampling.domains
# Keeps every domain sampled: each at its own interval, a few of them at a time.
#
# The rule of this file: a sample of a domain is like one of an address (`exporter.sampling.sampling`). What is
# due waits
# for its turn, so that a thousand domains that become due together are no burst; and nothing waits twice.

_AT_ONCE = 8
"""How many domains are sampled together: each asks 10 to 100 questions."""

_PATIENCE_SECONDS_DOMAINS = 120.0
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
        self._running[name] = _Running(sampling, self._loop.call_later(_PATIENCE_SECONDS_DOMAINS, self._expire, name))
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
