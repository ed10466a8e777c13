"""Each pool in numbers, and failing addresses. The cost depends on what is shown, not on the number of addresses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from exporter.checks.result import CheckName, Finding, IprevVerdict, Result
from exporter.state.address import AddressState, problems
from exporter.state.board import Board
from exporter.state.counters import NotEnumerableFailure
from exporter.state.pool import FAILING, HEALTHY, PoolState


@dataclass(frozen=True, slots=True)
class CheckCounts:
    """The latest results of one check in a pool.

    Attributes:
        check: The check.
        expected: Whether the pool expects it to pass.
        passed: How many addresses pass.
        failed: How many addresses fail.
        unknown: How many addresses have an inconclusive result.
    """

    check: CheckName
    expected: bool
    passed: int
    failed: int
    unknown: int


@dataclass(frozen=True, slots=True)
class NotEnumerableSummary:
    """The IPv6 ranges of a pool that are too large to enumerate.

    Attributes:
        ranges: The ranges.
        drawn: How many of their addresses a round samples at random.
        verdicts: How many samples had which verdict.
        failures: The latest failures, newest first.
    """

    ranges: tuple[str, ...]
    drawn: int
    verdicts: Mapping[IprevVerdict, int]
    failures: tuple[NotEnumerableFailure, ...]

    @property
    def sampled(self) -> int:
        """How many addresses were sampled so far."""
        return sum(self.verdicts.values())


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """One pool in numbers.

    Attributes:
        name: The name of the pool.
        size: How many addresses it has: the sum of *healthy*, *failing* and *unknown*.
        healthy: How many pass every expected check, by their last conclusive results.
        failing: How many fail one.
        unknown: How many are neither.
        unanswered: How many have no conclusive latest sample, or none at all.
        interval_seconds: The configured time between samples.
        rounds: How many rounds are complete.
        round_seconds: How long the last round took; None before the first ends.
        lag_seconds: How far sampling is behind.
        checks: The results of each check.
        not_enumerable: The ranges that are too large to enumerate; None if there are none.
    """

    name: str
    size: int
    healthy: int
    failing: int
    unknown: int
    unanswered: int
    interval_seconds: float
    rounds: int
    round_seconds: float | None
    lag_seconds: float
    checks: tuple[CheckCounts, ...]
    not_enumerable: NotEnumerableSummary | None = None

    @property
    def state(self) -> str:
        """``failing``, ``unknown`` or ``healthy``, whichever is most urgent."""
        if self.failing:
            return "failing"
        return "unknown" if self.unknown else "healthy"


@dataclass(frozen=True, slots=True)
class Listed:
    """An address in a list.

    Attributes:
        pool: Its pool.
        index: Its index in the pool.
        state: What is known about it.
        health: Whether it is healthy, as in `exporter.state.pool`.
        problems: The expected checks that fail.
    """

    pool: str
    index: int
    state: AddressState
    health: int
    problems: tuple[Finding, ...]

    @property
    def is_unanswered(self) -> bool:
        """Whether the latest sample is inconclusive."""
        return self.state.latest is not None and not self.state.latest.is_conclusive


def summarise(state: PoolState, lag_seconds: float) -> PoolSummary:
    """One pool in numbers."""
    pool, healths = state.pool, state.healths
    results = state.results()
    healthy, failing = healths.count(HEALTHY), healths.count(FAILING)
    return PoolSummary(
        name=pool.name,
        size=pool.size,
        healthy=healthy,
        failing=failing,
        unknown=pool.size - healthy - failing,
        unanswered=results[CheckName.FCRDNS, Result.UNKNOWN],
        interval_seconds=pool.interval_seconds,
        rounds=state.counters.rounds,
        round_seconds=state.round_seconds,
        lag_seconds=lag_seconds,
        checks=tuple(
            [
                CheckCounts(check, check in pool.expect, *[results[check, result] for result in Result])
                for check in pool.checks
            ]
        ),
        not_enumerable=_not_enumerable(state) if pool.not_enumerable.ranges else None,
    )


def _not_enumerable(state: PoolState) -> NotEnumerableSummary:
    not_enumerable, samples = state.pool.not_enumerable, state.counters.not_enumerable
    return NotEnumerableSummary(
        not_enumerable.texts, not_enumerable.drawn, dict(samples.verdicts), tuple(reversed(samples.failures))
    )


def fleet(board: Board, lags: Mapping[str, float]) -> list[PoolSummary]:
    """All pools in numbers, those with the largest share of failing addresses first."""
    summaries = [summarise(state, lags.get(name, 0.0)) for name, state in board.pools.items()]
    return sorted(summaries, key=lambda one: (-one.failing / max(1, one.size), -one.unknown / max(1, one.size)))


def listed(state: PoolState, index: int) -> Listed:
    """The address at *index*, for a list."""
    address = state[index]
    return Listed(state.pool.name, index, address, state.healths[index], problems(address, state.pool.expect))


def with_health(state: PoolState, health: int, *, start: int = 0, stop: int | None = None) -> Iterator[int]:
    """The indices of the addresses with this *health* from *start* to before *stop*, in order."""
    end = len(state.healths) if stop is None else stop
    index = state.healths.find(health, start, end)
    while index >= 0:
        yield index
        index = state.healths.find(health, index + 1, end)


def worst(board: Board, each: int) -> list[Listed]:
    """Failing addresses, at most *each* per pool, the most recently changed first."""
    found: list[Listed] = []
    for state in board.pools.values():
        found += [listed(state, index) for index in islice(with_health(state, FAILING), each)]
    return sorted(found, key=lambda one: -one.state.changed_at)
