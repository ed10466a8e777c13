"""What the fleet looks like from above: each pool in numbers, and the addresses that need somebody.

The rule of this file: the cost follows what is shown, not how many addresses there are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from exporter.checks.result import CheckName, Finding, IprevVerdict, Result
from exporter.state.address import AddressState, problems
from exporter.state.board import Board
from exporter.state.counters import NotEnumerableFailure
from exporter.state.pool import FAILING, HEALTHY, PoolState


@dataclass(frozen=True, slots=True)
class CheckCounts:
    """How many addresses of a pool have which latest result of one check, and whether the pool expects it to pass."""

    check: CheckName
    expected: bool
    passed: int
    failed: int
    unknown: int


@dataclass(frozen=True, slots=True)
class NotEnumerableSummary:
    """A pool's IPv6 ranges that are too big to be listed: *drawn* addresses of them a round, and what came of those.

    *failures* are the latest that fail, the newest first.
    """

    ranges: tuple[str, ...]
    drawn: int
    verdicts: Mapping[IprevVerdict, int]
    failures: tuple[NotEnumerableFailure, ...]

    @property
    def sampled(self) -> int:
        """How many were drawn so far."""
        return sum(self.verdicts.values())


@dataclass(frozen=True, slots=True)
class PoolSummary:
    """One pool in numbers.

    *healthy*, *failing* and *unknown* are by what is held, and sum to *size*; *unanswered* counts the addresses whose
    latest sample the DNS left open, never sampled ones included. *unlisted* is None where every address is listed.
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
        """``failing``, ``unknown`` or ``healthy``: what is most urgent to know."""
        if self.failing:
            return "failing"
        return "unknown" if self.unknown else "healthy"


@dataclass(frozen=True, slots=True)
class Listed:
    """An address in a list: where it is, how it is, and which expected checks fail."""

    pool: str
    index: int
    state: AddressState
    health: int
    problems: tuple[Finding, ...]

    @property
    def is_unanswered(self) -> bool:
        """Whether the DNS left the latest sample open."""
        return self.state.latest is not None and not self.state.latest.is_conclusive


def summarise(state: PoolState, lag_seconds: float) -> PoolSummary:
    """Put one pool into numbers."""
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
    """Every pool in numbers, the one with the largest share of failing addresses first."""
    summaries = [summarise(state, lags.get(name, 0.0)) for name, state in board.pools.items()]
    return sorted(summaries, key=lambda one: (-one.failing / max(1, one.size), -one.unknown / max(1, one.size)))


def listed(state: PoolState, index: int) -> Listed:
    """The address at *index*, for a list."""
    address = state[index]
    return Listed(state.pool.name, index, address, state.healths[index], problems(address, state.pool.expect))


def with_health(state: PoolState, health: int, *, start: int = 0, stop: int | None = None) -> Iterator[int]:
    """The places of the addresses with this health, from *start* to before *stop*, in order."""
    end = len(state.healths) if stop is None else stop
    index = state.healths.find(health, start, end)
    while index >= 0:
        yield index
        index = state.healths.find(health, index + 1, end)


def worst(board: Board, each: int) -> list[Listed]:
    """Failing addresses, at most *each* of a pool, those that changed last first."""
    found: list[Listed] = []
    for state in board.pools.values():
        places = with_health(state, FAILING)
        found += [listed(state, index) for index, _ in zip(places, range(each), strict=False)]
    return sorted(found, key=lambda one: -one.state.changed_at)
