"""Each pool in numbers, and failing addresses. The cost depends on what is shown, not on the number of addresses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import inf, sqrt

from exporter.checks.result import CheckName, Finding, IprevVerdict, Result
from exporter.inventory.draws import Draws
from exporter.state.address import AddressState, problems
from exporter.state.board import Board
from exporter.state.counters import NotEnumerableFailure
from exporter.state.pool import FAILING, HEALTHY, NOT_SAMPLED, UNKNOWN, UNSAMPLED, PoolState

_Z = 1.96  # standard deviations on both sides of the mean that cover 95% of a normal distribution


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share of a pool that fails a check, estimated from a fair sample: docs/pools.md.

    Attributes:
        sampled: How many addresses the sample has.
        failed: How many of them fail.
        share: The share that fails, from 0 to 1.
        lower: The lower end of its 95% interval.
        upper: The upper end.
    """

    sampled: int
    failed: int
    share: float
    lower: float
    upper: float


def estimate(size: int, sampled: int, failed: int) -> Estimate | None:
    """Wilson's interval (1927), corrected for a pool of *size* addresses; None without a sample.

    The recording rules `maildns:pool_mismatch:*` calculate the same over all shards.
    """
    if not sampled:
        return None
    share = failed / sampled
    left = size - sampled
    effective = sampled * max(size - 1, 1) / left if left > 0 else inf
    deviation = _Z * sqrt((share * (1 - share) + _Z**2 / 4 / effective) / effective)
    middle, scale = share + _Z**2 / 2 / effective, 1 + _Z**2 / effective
    return Estimate(
        sampled, failed, share, max(0.0, (middle - deviation) / scale), min(1.0, (middle + deviation) / scale)
    )


@dataclass(frozen=True, slots=True)
class CheckCounts:
    """The latest results of one check in a pool.

    Attributes:
        check: The check.
        expected: Whether the pool expects it to pass.
        passed: How many addresses pass.
        failed: How many addresses fail.
        unknown: How many addresses have an inconclusive result.
        not_sampled: How many addresses have no sample.
        estimate: The share of the whole pool that fails; None before the first round has ended.
    """

    check: CheckName
    expected: bool
    passed: int
    failed: int
    unknown: int
    not_sampled: int
    estimate: Estimate | None


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
        size: How many addresses it has: the sum of *healthy*, *failing*, *unknown* and *not_sampled*.
        healthy: How many pass every expected check, by their last conclusive results.
        failing: How many fail one.
        unknown: How many were sampled and are neither.
        not_sampled: How many have no sample: nobody asked the DNS about them yet.
        unanswered: How many have a latest sample that is not conclusive.
        is_drawn: Whether rounds draw some addresses of each prefix, so that *checks* have estimates of the whole pool.
        alert_threshold: The share of addresses that has to fail for an alert about the whole pool.
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
    not_sampled: int
    unanswered: int
    is_drawn: bool
    alert_threshold: float
    interval_seconds: float
    rounds: int
    round_seconds: float | None
    lag_seconds: float
    checks: tuple[CheckCounts, ...]
    not_enumerable: NotEnumerableSummary | None = None

    @property
    def state(self) -> str:
        """``failing``, ``unknown`` or ``healthy``, whichever is most urgent.

        A pool whose rounds draw addresses is failing if, surely, a larger share of it fails than *alert_threshold*.
        """
        if self.is_drawn:
            worst = self.worst_estimate
            if worst is None or worst.estimate is None:
                return "unknown"
            return "failing" if worst.estimate.lower > self.alert_threshold else "healthy"
        if self.failing:
            return "failing"
        return "unknown" if self.unknown or self.not_sampled else "healthy"

    @property
    def worst_estimate(self) -> CheckCounts | None:
        """The expected check that most addresses fail; None before the first round has ended."""
        estimated = [one for one in self.checks if one.expected and one.estimate is not None]
        return max(estimated, key=lambda one: one.estimate.share if one.estimate else 0.0, default=None)


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
    results, sums = state.results(), state.sample_sums()
    return PoolSummary(
        name=pool.name,
        size=pool.size,
        healthy=healths.count(HEALTHY),
        failing=healths.count(FAILING),
        unknown=healths.count(UNKNOWN),
        not_sampled=healths.count(UNSAMPLED),
        unanswered=results[CheckName.FCRDNS, Result.UNKNOWN],
        is_drawn=pool.plan is not None,
        alert_threshold=pool.alert_threshold,
        interval_seconds=pool.interval_seconds,
        rounds=state.counters.rounds,
        round_seconds=state.round_seconds,
        lag_seconds=lag_seconds,
        checks=tuple(
            [
                CheckCounts(
                    check,
                    check in pool.expect,
                    results[check, Result.PASS],
                    results[check, Result.FAIL],
                    results[check, Result.UNKNOWN],
                    results[check, NOT_SAMPLED],
                    estimate(pool.size, *sums[check]),
                )
                for check in pool.checks
            ]
        ),
        not_enumerable=_not_enumerable(state) if pool.not_enumerable.ranges else None,
    )


@dataclass(frozen=True, slots=True)
class NextSample:
    """When an address is sampled next, at the latest: at the end of so many rounds, that many seconds from now."""

    rounds: int
    seconds: float


def next_sample(state: PoolState, index: int) -> NextSample:
    """When the address at *index* is sampled next, as long as sampling keeps up. A failing one is sampled sooner."""
    pool, rounds = state.pool, 1
    if pool.plan is not None:
        rounds += Draws(pool.prefixes, pool.plan, state.sample.key, state.sample.round_number).rounds_until(index)
    return NextSample(rounds, rounds * pool.interval_seconds)


def _not_enumerable(state: PoolState) -> NotEnumerableSummary:
    not_enumerable, samples = state.pool.not_enumerable, state.counters.not_enumerable
    return NotEnumerableSummary(
        not_enumerable.texts, not_enumerable.drawn, dict(samples.verdicts), tuple(reversed(samples.failures))
    )


def fleet(board: Board, lags: Mapping[str, float]) -> list[PoolSummary]:
    """All pools in numbers: failing ones first, then unknown ones, each by the share of failing addresses."""
    summaries = [summarise(state, lags.get(name, 0.0)) for name, state in board.pools.items()]
    urgency = ("failing", "unknown", "healthy")
    return sorted(
        summaries,
        key=lambda one: (urgency.index(one.state), -one.failing / max(1, one.size), -one.unknown / max(1, one.size)),
    )


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
    """Failing addresses, at most *each* per pool: the most recently changed first, those of sampled pools last."""
    found: list[Listed] = []
    for state in board.pools.values():
        found += [listed(state, index) for index in islice(with_health(state, FAILING), each)]
    return sorted(found, key=lambda one: (board.pools[one.pool].pool.plan is not None, -one.state.changed_at))
