"""What the rounds of the pools cost, and which of them fit into their interval.

The rule of this file: it counts what a healthy fleet takes, one PTR and one forward question an address; what receivers
and confirmations ask besides comes out of the reserve.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from exporter.config.configuration import Configuration, PoolSettings
from exporter.inventory.draws import Plan
from exporter.inventory.pool import Pool
from exporter.inventory.prefixes import Prefixes

_RESERVE = 0.2
"""The share of the query budget that whole sweeps leave alone."""
_PER_ADDRESS = 2
"""PTR, and A or AAAA of the PTR name."""
_PER_NAME = 3
"""A and AAAA of a HELO name that is made of the address, and one question of a receiver."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of a pool asks: *questions* about *addresses*, in *interval_seconds*; *rate* is what is allowed.

    *rate* is in questions a second, for all pools together.
    """

    pool: str
    addresses: int
    questions: int
    interval_seconds: float
    rate: float
    is_sampled: bool

    @property
    def needed_rate(self) -> float:
        """Questions a second that the round takes."""
        return self.questions / self.interval_seconds

    def __str__(self) -> str:
        hours = self.questions / self.rate / 3600 if self.rate else inf
        return (
            f"{self.addresses} addresses, {self.questions} questions a round, {self.needed_rate:.0f} a second; at "
            f"{self.rate:g} a second a round takes {hours:.1f} h, its interval is {self.interval_seconds / 3600:.2g} h"
        )


def rate_of(configuration: Configuration) -> float:
    """Questions a second that the exporter may ask: the first resolver's, which is asked while it is well."""
    return configuration.resolvers[0].max_queries_per_second


def planned(configuration: Configuration, pools: Sequence[Pool], shards: int = 1) -> tuple[Pool, ...]:
    """The *pools* of *configuration*, in its order, each with the plan that its rounds follow.

    A pool that says nothing of `sample` is swept as long as all the pools fit into the budget, the smallest first.
    """
    rate = rate_of(configuration) * (1 - _RESERVE)
    chosen: dict[str, Plan | None] = {}
    pairs = list(zip(configuration.pools, pools, strict=True))
    for settings, pool in sorted(pairs, key=lambda pair: (pair[0].sample.mode == "auto", pair[1].whole.size)):
        plan = _plan(settings, pool) if settings.sample.mode == "prefixes" else None
        needed = _rate(pool, plan, shards)
        if settings.sample.mode == "auto" and needed > rate:
            plan = _plan(settings, pool)
            needed = _rate(pool, plan, shards)
        rate -= needed
        chosen[pool.name] = plan
    return tuple([pool.sampled(chosen[pool.name]) for pool in pools])


def loads(pools: Sequence[Pool], rate: float) -> Iterator[Load]:
    """The load of each pool that does not fit into its interval, with all the pools before it at work."""
    busy = 0.0
    for pool in pools:
        load = load_of(pool, rate)
        busy += load.needed_rate
        if load.questions and busy > rate:
            yield load


def load_of(pool: Pool, rate: float) -> Load:
    """What a round of *pool* asks."""
    addresses = pool.source.size if pool.plan is None else _drawn(pool, pool.plan)
    share = addresses / pool.source.size if pool.source.size else 0.0
    questions = round(_questions(pool) * share) + pool.not_enumerable.drawn * _PER_ADDRESS
    return Load(pool.name, addresses, questions, pool.interval_seconds, rate, pool.plan is not None)


def _rate(pool: Pool, plan: Plan | None, shards: int) -> float:
    """Questions a second that each of *shards* takes for its part."""
    questions = _questions(pool, everywhere=True)
    if plan is not None and pool.whole.size:
        questions = questions * _drawn(pool, plan, everywhere=True) // pool.whole.size
    questions += pool.not_enumerable.drawn * _PER_ADDRESS
    return questions / pool.interval_seconds / shards


def _questions(pool: Pool, *, everywhere: bool = False) -> int:
    ranges = pool.whole if everywhere else pool.source
    named = sum(one.size * sum(name.constant is None for name in one.helo) for one in ranges)
    return ranges.size * _PER_ADDRESS + named * _PER_NAME


def _drawn(pool: Pool, plan: Plan, *, everywhere: bool = False) -> int:
    ranges = pool.whole if everywhere else pool.source
    return sum(min(plan.per_prefix, end - start) for start, end in Prefixes(ranges, plan.lengths))


def _plan(settings: PoolSettings, pool: Pool) -> Plan | None:
    sample = settings.sample
    plan = Plan(sample.per_prefix, sample.ipv4_prefix, sample.ipv6_prefix, 0)
    depth = Prefixes(pool.whole, plan.lengths).depth
    if depth <= plan.per_prefix:
        return None  # every address would be drawn in every round
    return Plan(plan.per_prefix, plan.ipv4_prefix, plan.ipv6_prefix, depth)
