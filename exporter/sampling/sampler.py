"""Samples every pool in rounds, and every domain at its own interval."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from exporter.inventory.pool import Pool
from exporter.sampling.confirm import Asker, Sampling, Subject
from exporter.sampling.schedule import Left, Round, RoundItems, failing
from exporter.sampling.spf_cache import Authentication
from exporter.sampling.subjects import (
    AddressSubject,
    DomainSubject,
    DrawnSubject,
    FreshSubject,
    HeloNameSubject,
    NotEnumerableSubject,
    OnChange,
    SlotReport,
)
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from exporter.state.disputes import DOMAINS, Disputed, Disputes
from exporter.state.domain import DomainBoard, DomainState
from exporter.state.pool import FAILING, PoolState

log = structlog.get_logger()

_SPREAD = 0.9
"""The share of the interval over which a round is spread. The last answers arrive in the rest."""
_MAX_AGE = 0.5
"""How old a cached answer may be, in intervals: with a whole one, every other sample could repeat the one before."""

_MIN_DEADLINE_SECONDS = 60.0
"""How long a sample may take even if the interval of its pool is shorter."""

_STEP_SECONDS = 0.005
"""For how long addresses are copied to a new generation before yielding to the event loop."""

_MAX_STEPS = 12
"""How many questions of a sample wait for one another at most: PTR, then forward, then the hosts of mail exchanges if a
receiver looks at them; and all of it up to three times more, to confirm."""

_DOMAINS_AT_ONCE = 8
"""How many domains are sampled at a time: each asks 10 to 100 questions."""

_DOMAIN_DEADLINE_SECONDS = 120.0
"""How long a sample of a domain may take: its records may lead through fifty names, and again to confirm."""

RECHECK_SECONDS = 60.0
"""How often failing addresses, HELO names and domains are sampled again, past the cache, until they are well."""

CHECK_SECONDS = 10.0
"""How long a check that somebody asked for may take."""

RECHECK_JOB = "failing again"
"""The job that does so. No pool can have such a name."""

_RECHECK_SHARE = 0.1
"""The share of the query rate that is spent on it, half of it on domains."""

_MAX_RECHECK_RATE = 1_000.0
"""Queries per second at most if the rate is not limited."""

_QUERIES_PER_ADDRESS, _QUERIES_PER_DOMAIN = 8, 50
"""About how many queries a sample takes."""


def recheck_limits(max_queries_per_second: float) -> tuple[int, int]:
    """How many addresses (and HELO names) and how many domains may be sampled again each minute."""
    queries = min(_MAX_RECHECK_RATE, _RECHECK_SHARE * max_queries_per_second) * RECHECK_SECONDS / 2
    return max(1, int(queries / _QUERIES_PER_ADDRESS)), max(1, int(queries / _QUERIES_PER_DOMAIN))


_JOB = "domain "
"""The prefix of the job of a domain. No pool can have such a name."""


class Sampler:
    """Runs the rounds of the pools on the board, at most one a pool.

    No address waits longer than an interval. All rounds of a pool go through the addresses in the same circle, and the
    first round that is spread follows the one at once so soon that it reaches its last address in time. A change of the
    pool interrupts its round; the rest of it follows at once, so that a round ends however often the pool changes.

    Failing addresses and HELO names are sampled again every minute, at most *recheck_limit* of them over all pools.

    *asker* gives the current resolvers, which a reload may replace. *due* is called with the seconds until the next
    round of a pool, if that differs from the schedule; later rounds follow at the interval.
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
        recheck_limit: Callable[[], int] = lambda: 0,
    ) -> None:
        self._recheck_limit = recheck_limit
        self._rechecking: Round | None = None
        self._checking: dict[Sampling[Any], asyncio.Future[None]] = {}
        self._recheck_from: dict[str, int] = {}
        self._board = board
        self._due = due
        self._asker = asker
        self._disputes = Disputes() if disputes is None else disputes
        self._on_change = on_change
        self._authentication = Authentication(asker, blocklists)
        self._rounds: dict[str, tuple[PoolState, RoundItems, Round]] = {}
        self._begins_at: dict[str, Address] = {}
        self._left: dict[str, Left] = {}
        self._followed: dict[str, PoolState] = {}
        self._overdue: set[str] = set()
        self._paused: frozenset[str] = frozenset()

    def tick(self, name: str) -> None:
        """Begin a round of the pool *name*, or, if one is still running, begin it as soon as that has ended."""
        if name == RECHECK_JOB:
            self._recheck()
            return
        state = self._board.pools.get(name)
        if state is None or name in self._paused:
            return
        if name in self._rounds:
            if name not in self._overdue:
                log.warning(
                    "a round takes longer than its interval", pool=name, interval_seconds=state.pool.interval_seconds
                )
            self._overdue.add(name)
            return
        self._begin(state)

    async def publish(self, pools: Sequence[Pool]) -> None:
        """Make *pools* the board's generation, yielding to the event loop. Call `follow` afterwards.

        Pools that change are not sampled while their state is copied.
        """
        self._paused = self._board.changed(pools)
        self._stop_rechecking()
        for name in self._paused & self._rounds.keys():
            self._drop(name, continues=True)
        loop = asyncio.get_running_loop()
        end = loop.time() + _STEP_SECONDS
        try:
            for _ in self._board.publishing(pools):
                if loop.time() >= end:
                    await asyncio.sleep(0)
                    end = loop.time() + _STEP_SECONDS
        except BaseException:
            self.follow()
            raise

    def follow(self) -> frozenset[str]:
        """Drop the rounds of pools that are gone or changed. Returns the pools that are new or changed: tick them."""
        pools = dict(self._board.pools)
        changed = frozenset(name for name, state in pools.items() if self._followed.get(name) is not state)
        for name in tuple(self._rounds):
            if name not in pools or name in changed:
                self._drop(name, continues=name in pools)
        self._overdue &= self._rounds.keys()
        self._begins_at = {name: address for name, address in self._begins_at.items() if name in pools}
        self._left = {name: left for name, left in self._left.items() if name in pools}
        self._disputes.keep(self._is_sampled)
        self._followed = pools
        self._paused = frozenset()
        return changed

    def resume(self) -> None:
        """Begin the rounds of each restored pool with the address that was not sampled for the longest time.

        All later rounds begin there too: otherwise the second round would sample some addresses nearly two intervals
        after the first. Where rounds draw addresses, times do not show where the last one stopped: its cursor does.
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
        self._stop_rechecking()
        self._authentication.stop()
        for _, _, running in self._rounds.values():
            running.cancel()
        self._rounds.clear()
        self._overdue.clear()

    def lag_seconds(self) -> dict[str, float]:
        """How late the next sample of each pool is; 0.0 while a pool keeps up."""
        lags = dict.fromkeys(self._board.pools, 0.0)
        return lags | {name: running.lag_seconds() for name, (_, _, running) in self._rounds.items()}

    def _drop(self, name: str, *, continues: bool) -> None:
        """End the round of a pool that is gone or changed. If it *continues*, the next one samples what it left."""
        state, items, running = self._rounds.pop(name)
        rest, share = running.left()
        item = next((item for item in rest if item >= 0), None)
        if continues and state.pool.size:
            end = self._begins_at.get(name) or state.pool.targets[0].address
            address = end if item is None else state.pool.targets[items.position(item)[0]].address
            self._left[name] = Left(address, items.share * share)
        running.cancel()

    def _is_sampled(self, pool: str, subject: Disputed) -> bool:
        state = self._board.pools.get(pool)
        if state is None:
            return pool == DOMAINS  # the domain sampler's
        return subject in state.helos if isinstance(subject, str) else state.pool.contains(subject)

    def _begin(self, state: PoolState) -> None:
        asker = self._asker()
        name, interval = state.pool.name, state.pool.interval_seconds
        left = self._left.pop(name, None)
        items = RoundItems(state, self._begins_at.get(name), left)
        if left is None:
            state.sample.begin()
        elif items.order:  # the next round begins when it would have begun; the scheduler is about to plan it otherwise
            seconds = interval * (1 - _SPREAD * (1 - items.share))
            asyncio.get_running_loop().call_soon(self._due, name, seconds)
        running = Round(
            items.order,
            lambda item, finished: self._prepare(state, items, item, finished),
            lambda over: self._ended(state, items, over),
            at_once=items.at_once,
            spread_seconds=interval * _SPREAD * items.share,
            limit=max(1, asker.max_in_flight // max(1, len(self._board.pools))),
            deadline_seconds=min(max(_MIN_DEADLINE_SECONDS, interval), _MAX_STEPS * asker.deadline_seconds),
        )
        self._rounds[name] = (state, items, running)
        running.begin()

    def _recheck(self) -> None:
        """Sample failing addresses and HELO names again, spread over the minute; if they are too many, some in turn.

        Pools with an interval of a minute or less need no more samples.
        """
        if self._rechecking is not None:
            return
        ill = [
            state
            for name, state in self._board.pools.items()
            if name not in self._paused and state.pool.interval_seconds > RECHECK_SECONDS
        ]
        subjects: list[tuple[PoolState, int | str]] = []
        for number, state in enumerate(ill):
            room = -(-(self._recheck_limit() - len(subjects)) // (len(ill) - number))
            names = [helo.helo.text for helo in state.helos.values() if helo.fails(state.pool.expect)][:room]
            name = state.pool.name
            indexes = failing(state, self._recheck_from.get(name, 0), room - len(names)) if room > len(names) else []
            self._recheck_from[name] = indexes[-1] + 1 if indexes else 0
            subjects += [(state, text) for text in names]
            subjects += [(state, index) for index in indexes]
        if not subjects:
            return
        asker = self._asker()
        self._rechecking = Round(
            range(len(subjects)),
            lambda item, finished: self._fresh(*subjects[item], finished),
            lambda _: self._rechecked(),
            spread_seconds=RECHECK_SECONDS * _SPREAD,
            limit=max(1, asker.max_in_flight // 8),
            deadline_seconds=min(_MIN_DEADLINE_SECONDS, _MAX_STEPS * asker.deadline_seconds),
        )
        self._rechecking.begin()

    async def check_now(self, state: PoolState, it: int | str) -> None:
        """Sample an address (by its index) or HELO name past the cache, and return when the result is recorded."""
        if self._board.pools.get(state.pool.name) is not state or state.pool.name in self._paused:
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def finished() -> None:
            if not ended.done():
                ended.set_result(None)

        sampling = self._fresh(state, it, finished)
        self._checking[sampling] = ended
        end = loop.call_later(CHECK_SECONDS, sampling.give_up)
        try:
            sampling.start()
            await ended
        finally:
            end.cancel()
            sampling.drop()
            self._checking.pop(sampling, None)

    def _fresh(self, state: PoolState, it: int | str, finished: Callable[[], None]) -> Sampling[Any]:
        """The sampling of an address (by its index) or HELO name, past the cache."""
        subject: Subject[Any]
        if isinstance(it, str):
            subject = HeloNameSubject(state, it, self._disputes)
        else:
            subject = FreshSubject(state, it, self._disputes, self._on_change, self._authentication)
        return Sampling(subject, self._asker(), 0.0, finished)

    def _rechecked(self) -> None:
        self._rechecking = None

    def _stop_rechecking(self) -> None:
        if self._rechecking is not None:
            self._rechecking.cancel()
            self._rechecking = None
        for sampling, ended in self._checking.items():
            sampling.drop()
            if not ended.done():
                ended.set_result(None)

    def _prepare(self, state: PoolState, items: RoundItems, item: int, finished: Callable[[], None]) -> Sampling[Any]:
        """The sampling of an item."""
        subject: Subject[Any]
        if item < 0:
            outside = items.outside(item)
            if isinstance(outside, str):
                subject = HeloNameSubject(state, outside, self._disputes)
            else:
                subject = NotEnumerableSubject(state.pool.name, outside, state.counters.not_enumerable)
        else:
            index, counts = items.position(item)
            if items.draw is None or item >= items.draw.drawn:
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
                    failed=lambda: self._search(state, items, index),
                )
        return Sampling(subject, self._asker(), _MAX_AGE * state.pool.interval_seconds, finished)

    def _search(self, state: PoolState, items: RoundItems, index: int) -> None:
        """After the first failure in a prefix, sample more of its addresses at once."""
        current = self._rounds.get(state.pool.name)
        if current is None or current[1] is not items or items.draw is None:
            return
        start, end = items.draw.prefix_of(index)
        if state.healths.count(FAILING, start, end) == 1:
            current[2].add(items.draw.search(index))

    def _ended(self, state: PoolState, items: RoundItems, over: Round) -> None:
        name, interval = state.pool.name, state.pool.interval_seconds
        del self._rounds[name]
        seconds = asyncio.get_running_loop().time() - over.began
        state.counters.rounds += 1
        state.round_seconds = seconds
        state.sample.end()
        log.debug("round ended", pool=name, addresses=state.pool.size, seconds=round(seconds, 3))
        if items.are_at_once:
            self._overdue.discard(name)
            self._due(name, max(0.0, min((1 - _SPREAD) * interval, interval - seconds)))
        elif name in self._overdue:
            self._overdue.discard(name)
            self._begin(state)


class _Running(NamedTuple):
    """A sample of a domain that is under way, and the timer of its deadline."""

    sampling: Sampling[SlotReport]
    end: asyncio.TimerHandle


class DomainSampler:
    """Samples the domains of the board, a few at a time. *asker* gives the current resolvers.

    Domains that are due wait until others have ended, so that a thousand of them are no burst. A domain waits at most
    once.
    """

    def __init__(
        self,
        board: DomainBoard,
        asker: Callable[[], Asker],
        disputes: Disputes,
        on_change: OnChange,
        recheck_limit: Callable[[], int] = lambda: 0,
    ) -> None:
        self._recheck_limit = recheck_limit
        self._recheck_from = 0
        self._fresh: set[DomainName] = set()
        self._asked: dict[DomainName, asyncio.Event] = {}
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
        """The interval in seconds of each job."""
        return {f"{_JOB}{name}": state.settings.interval.seconds for name, state in self._board.items()}

    def due(self, now: float) -> dict[str, float]:
        """Seconds until each restored domain is due at Unix time *now*, by job; 0.0 for overdue."""
        found = {}
        for name, state in self._board.items():
            interval = state.settings.interval.seconds
            if state.sampled_at:
                found[f"{_JOB}{name}"] = min(interval, max(0.0, state.sampled_at + interval - now))
        return found

    def waiting(self, now: float) -> list[DomainName]:
        """The domains without a sample in the last two intervals before Unix time *now*."""
        return [
            name for name, state in self._board.items() if state.sampled_at <= now - 2 * state.settings.interval.seconds
        ]

    def tick(self, job: str) -> None:
        """Sample a domain as soon as possible, if *job* is one of `intervals`; or some failing ones past the cache."""
        if job == RECHECK_JOB:
            self._recheck()
            return
        name = job.removeprefix(_JOB)
        if name == job:
            return
        domain = DomainName(name)
        if domain not in self._board:
            return
        if domain in self._running:
            log.warning("a sample takes longer than its interval", domain=domain)
        self._waiting[domain] = None
        self._pump()

    def _recheck(self) -> None:
        """Sample failing domains again; if they are too many, some in turn."""
        ill = [
            name
            for name, state in self._board.items()
            if state.is_healthy is False and state.settings.interval.seconds > RECHECK_SECONDS
        ]
        limit = self._recheck_limit()
        start = self._recheck_from % len(ill) if len(ill) > limit else 0
        self._recheck_from = start + limit
        for name in (ill[start:] + ill[:start])[:limit]:
            if name not in self._running and name not in self._waiting:
                self._fresh.add(name)
                self._waiting[name] = None
        self._pump()

    async def check_now(self, name: DomainName) -> None:
        """Sample a domain past the cache, and return when the result is recorded, or after `CHECK_SECONDS`."""
        if name not in self._board:
            return
        self._fresh.add(name)
        self._waiting[name] = None
        ended = self._asked.setdefault(name, asyncio.Event())
        self._pump()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_SECONDS):
                await ended.wait()

    def follow(self) -> frozenset[str]:
        """Drop samples of domains that are gone or changed. Returns the jobs that are new or changed: tick them."""
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
        self._fresh &= self._waiting.keys()
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
        free = _DOMAINS_AT_ONCE - len(self._running)
        for name in [name for name in self._waiting if name not in self._running][: max(0, free)]:
            del self._waiting[name]
            self._start(name)

    def _start(self, name: DomainName) -> None:
        state = self._board[name]
        subject = DomainSubject(self._board, state, self._disputes, self._on_change)
        max_age = 0.0 if name in self._fresh else _MAX_AGE * state.settings.interval.seconds
        self._fresh.discard(name)
        sampling = Sampling(subject, self._asker(), max_age, lambda: self._ended(name))
        self._running[name] = _Running(sampling, self._loop.call_later(_DOMAIN_DEADLINE_SECONDS, self._expire, name))
        self._reporting(sampling.start)

    def _expire(self, name: DomainName) -> None:
        """Give up a sample at its deadline, and drop it if an error kept it from ending."""
        self._reporting(self._running[name].sampling.give_up)
        if name in self._running:
            self._drop(name)
            self._pump()

    def _reporting(self, act: Callable[[], None]) -> None:
        """Report an error of *act*, so that the other domains go on."""
        try:
            act()
        except Exception as error:  # noqa: BLE001  # any error
            self._loop.call_exception_handler({"message": "a sample is broken", "exception": error})

    def _ended(self, name: DomainName) -> None:
        running = self._running.pop(name, None)
        if running is not None:
            running.end.cancel()
        if name not in self._waiting and name in self._asked:
            self._asked.pop(name).set()
        self._pump()

    def _drop(self, name: DomainName) -> None:
        running = self._running.pop(name)
        running.end.cancel()
        running.sampling.drop()
