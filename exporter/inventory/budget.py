"""How many DNS questions a round of each pool costs, and whether all rounds fit into the query budget.

The estimate is for a healthy fleet. Questions of confirmations and of most receivers come out of the reserve.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, isinf

from exporter.checks.names import DomainName
from exporter.config.configuration import Configuration, PoolSettings
from exporter.config.model import SampleEntry
from exporter.inventory.draws import Plan
from exporter.inventory.pool import Pool
from exporter.inventory.prefixes import Prefixes

_RESERVE = 0.2
"""Share of the query budget that sweeps of all addresses must leave."""
_PER_ADDRESS = 2
"""PTR, and A or AAAA of the PTR name."""
_PER_NAME = 3
"""A and AAAA of a HELO name that contains the address, and one question of a receiver."""


@dataclass(frozen=True, slots=True)
class RoundCost:
    """The cost of one round of a pool. As text it is a sentence part for a warning.

    Attributes:
        pool: Name of the pool.
        addresses: Number of addresses that the round samples.
        questions: Number of DNS questions that the round asks.
        interval_seconds: Time that the round has.
        rate: The budget of all pools together, in questions per second.
        is_sampled: Whether the round samples only some addresses of each prefix.
    """

    pool: str
    addresses: int
    questions: int
    interval_seconds: float
    rate: float
    is_sampled: bool

    @property
    def needed_rate(self) -> float:
        """Questions per second that the round needs to fit into its interval."""
        return self.questions / self.interval_seconds

    def __str__(self) -> str:
        hours = self.questions / self.rate / 3600 if self.rate else inf
        return (
            f"{self.addresses} addresses, {self.questions} questions a round, {self.needed_rate:.0f} a second; at "
            f"{self.rate:g} a second a round takes {hours:.1f} h, its interval is {self.interval_seconds / 3600:.2g} h"
        )


_DAY = 86_400
_PER_DOMAIN = 12
"""The records of a domain without DKIM keys: SPF with a few includes, DMARC, MX and their addresses."""


@dataclass(frozen=True, slots=True)
class ListCost:
    """What the addresses of all pools cost a block list in a day. As text it is a sentence part.

    Attributes:
        zone: The zone of the list.
        addresses: Number of addresses that are looked up.
        wanted: Number of questions a day that look each up once an interval.
        allowed: Number of questions a day that the list may be asked.
    """

    zone: DomainName
    addresses: int
    wanted: float
    allowed: float

    def __str__(self) -> str:
        asked = min(self.wanted, self.allowed)
        text = (
            f"{self.zone} is asked {asked:,.0f} queries a day about {counted(self.addresses, 'address', 'addresses')}"
        )
        return text if isinf(self.allowed) else f"{text}, at most {self.allowed:,.0f}"


def counted(number: int, singular: str, plural: str) -> str:
    """*number* with its noun."""
    return f"{number:,} {singular if number == 1 else plural}"


def list_costs(configuration: Configuration, pools: Sequence[Pool]) -> tuple[ListCost, ...]:
    """What each block list of *configuration* is asked about *pools* in a day."""
    costs = []
    for entry in configuration.dnsbls:
        families = {family.version for family in entry.families}
        ranges = [one for pool in pools if entry.zone in pool.dnsbls for one in pool.source if one.family in families]
        addresses = sum(one.size for one in ranges)
        allowed = min(entry.max_queries_per_second * _DAY, entry.max_queries_per_day)
        costs.append(ListCost(entry.zone, addresses, addresses * _DAY / entry.interval.seconds, allowed))
    return tuple(costs)


def queries_a_day(configuration: Configuration, pools: Sequence[Pool]) -> float:
    """About how many DNS questions a day the whole configuration costs if all is well."""
    rate = query_budget(configuration)
    rounds = [(round_cost(pool, rate).questions + 2 * len(pool.helo_names)) / pool.interval_seconds for pool in pools]
    domains = [(_PER_DOMAIN + len(one.selectors)) / one.interval.seconds for one in configuration.domains]
    lists = sum(min(cost.wanted, cost.allowed) for cost in list_costs(configuration, pools))
    return sum(rounds + domains) * _DAY + lists


def query_budget(configuration: Configuration) -> float:
    """Questions per second that may be asked: the limit of the first resolver, which the others only replace."""
    return configuration.resolvers[0].max_queries_per_second


def with_plans(configuration: Configuration, pools: Sequence[Pool], shards: int = 1) -> tuple[Pool, ...]:
    """Give each of *pools*, which are in the order of *configuration*, the plan of its rounds.

    With `sample: auto`, pools get sweeps of all addresses while these fit into the budget, the smallest pool first.
    """
    rate = query_budget(configuration) * (1 - _RESERVE)
    chosen: dict[str, Plan | None] = {}
    pairs = list(zip(configuration.pools, pools, strict=True))
    for settings, pool in sorted(pairs, key=lambda pair: (pair[0].sample == "auto", pair[1].whole.size)):
        plan = plan_of(settings, pool) if isinstance(settings.sample, SampleEntry) else None
        needed = _rate(pool, plan, shards)
        if settings.sample == "auto" and needed > rate:
            plan = plan_of(settings, pool)
            needed = _rate(pool, plan, shards)
        rate -= needed
        chosen[pool.name] = plan
    return tuple([pool.sampled(chosen[pool.name]) for pool in pools])


def over_budget(pools: Sequence[Pool], rate: float) -> Iterator[RoundCost]:
    """The cost of each pool that does not fit into *rate* together with all pools before it."""
    needed = 0.0
    for pool in pools:
        cost = round_cost(pool, rate)
        needed += cost.needed_rate
        if cost.questions and needed > rate:
            yield cost


def round_cost(pool: Pool, rate: float) -> RoundCost:
    """The cost of a round of *pool*."""
    addresses = pool.source.size if pool.plan is None else _drawn(pool, pool.plan)
    share = addresses / pool.source.size if pool.source.size else 0.0
    questions = round(_questions(pool) * share) + pool.not_enumerable.drawn * _PER_ADDRESS
    return RoundCost(pool.name, addresses, questions, pool.interval_seconds, rate, pool.plan is not None)


def _rate(pool: Pool, plan: Plan | None, shards: int) -> float:
    """Questions per second that each shard needs for its part of the pool."""
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


def plan_of(settings: PoolSettings, pool: Pool) -> Plan | None:
    """The plan of rounds that draw some addresses of each prefix; None if that would be all of them."""
    sample = settings.prefixes
    plan = Plan(sample.per_prefix, sample.ipv4_prefix, sample.ipv6_prefix, 0)
    depth = Prefixes(pool.whole, plan.lengths).depth
    if depth <= plan.per_prefix:
        return None  # every address would be drawn in every round
    return replace(plan, depth=depth)
