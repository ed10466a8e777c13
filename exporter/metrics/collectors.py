"""The families about the exporter itself: its resolvers, its event loop, its configuration, its build."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, combinations_with_replacement
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter import __version__
from exporter.checks.domain import DomainCheckName, DomainFinding, Hint
from exporter.checks.result import Result
from exporter.checks.spf.compiled import size
from exporter.dns.resolvers import Resolvers
from exporter.dns.statistics import DURATION_BOUNDS
from exporter.metrics import families
from exporter.metrics.fleet import Scrape
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from exporter.state.counters import Sums
from exporter.state.disputes import DOMAINS, Disputes
from exporter.state.domain import DomainBoard, DomainCounters, DomainState
from exporter.state.known import is_conclusive
from exporter.state.pool import PoolState, WorstPrefixes
from exporter.state.sources import Source, SourceStatus
from exporter.state.spf_coverage import FAMILIES, SpfCoverage, SpfCoverageCache
from exporter.state.spf_coverage import count as count_addresses
from exporter.state.storage.status import StorageStatus


@dataclass(slots=True)
class ReloadStatus:
    """How the last reading of the configuration went; *succeeded_at* is when the one in use was read, Unix time."""

    successful: bool = True
    succeeded_at: float = 0.0


class RuntimeCollector(Collector):
    """Shows the exporter's own state. *loop_lag* gives the event loop's lag in seconds."""

    def __init__(self, reload_status: ReloadStatus, loop_lag: Callable[[], float]) -> None:
        self._reload = reload_status
        self._loop_lag = loop_lag

    def describe(self) -> Iterable[Metric]:
        """Nothing needs to be declared ahead."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Each family with its one series."""
        for family, labels, value in (
            (families.EVENT_LOOP_LAG, (), self._loop_lag()),
            (families.BUILD_INFO, (__version__, platform.python_version()), 1),
            (families.RELOAD_SUCCESSFUL, (), self._reload.successful),
            (families.RELOAD_SUCCESS_TIMESTAMP, (), self._reload.succeeded_at),
        ):
            series = family.series()
            series.add(labels, value)
            yield series.metric


# SECTION exporter.metrics.dns
# The families about asking the DNS: queries, cache, servers, canaries.

_BOUNDS = (*map(floatToGoString, DURATION_BOUNDS), "+Inf")


class DnsCollector(Collector):
    """Shows the resolvers that are in use when Prometheus asks."""

    def __init__(self, resolvers: Callable[[], Resolvers]) -> None:
        self._resolvers = resolvers

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family, with the series of every resolver."""
        queries = families.DNS_QUERIES.series()
        durations = families.DNS_QUERY_DURATION.series()
        hits = families.DNS_CACHE_HITS.series()
        ignored = families.DNS_IGNORED_PACKETS.series()
        overflowed = families.DNS_OVERFLOWED_QUESTIONS.series()
        up = families.RESOLVER_UP.series()
        canary = families.CANARY_OK.series()
        for resolver in self._resolvers():
            name = resolver.name
            for rdtype, outcome, observed in resolver.statistics.queries():
                counts = tuple(accumulate(observed.buckets))
                queries.add((name, rdtype, outcome), counts[-1])
                durations.add_histogram(
                    (name, rdtype, outcome), tuple(zip(_BOUNDS, counts, strict=True)), observed.sum_seconds
                )
            for (rdtype, outcome), count in tuple(resolver.statistics.cache_hits.items()):
                hits.add((name, rdtype, outcome), count)
            for reason, count in resolver.statistics.ignored.items():
                ignored.add((name, reason), count)
            overflowed.add((name,), resolver.statistics.overflowed)
            for server in resolver.servers:
                up.add((name, str(server.endpoint)), server.up)
                if resolver.settings.canary is not None:
                    canary.add((name, str(server.endpoint)), server.canary_ok)
        yield from (series.metric for series in (queries, durations, hits, ignored, overflowed, up, canary))


# SECTION exporter.metrics.disagreement
# The families about resolvers that contradict each other.


class Named(Protocol):
    """A resolver, as far as this file needs to know it."""

    @property
    def name(self) -> str:
        """What it is called in the configuration."""


class DisagreementCollector(Collector):
    """Shows what is disputed. *resolvers* gives those that are in use."""

    def __init__(
        self, board: Board, domains: DomainBoard, disputes: Disputes, resolvers: Callable[[], Iterable[Named]]
    ) -> None:
        self._board = board
        self._domains = domains
        self._disputes = disputes
        self._resolvers = resolvers

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families: a series for every pool, every domain, and every pair of resolvers."""
        disputed = families.RESOLVER_DISAGREEMENT.series()
        for name in self._board.pools:
            disputed.add((name,), self._disputes.count(name))
        domains = families.DOMAIN_RESOLVER_DISAGREEMENT.series()
        for name in self._domains.generation():
            domains.add((name,), self._disputes.of(DOMAINS, name) is not None)
        disagreements = families.RESOLVER_DISAGREEMENTS.series()
        for pair in combinations_with_replacement(sorted([each.name for each in self._resolvers()]), 2):
            disagreements.add(pair, self._disputes.disagreements[pair])
        yield disputed.metric
        yield domains.metric
        yield disagreements.metric


# SECTION exporter.metrics.sources
# The families about what feeds pools: files and SPF records.

_FAMILIES = (
    families.SOURCE_ADDRESSES,
    families.SOURCE_CONFLICTS,
    families.SOURCE_ADDED,
    families.SOURCE_REMOVED,
    families.SOURCE_SUCCESS,
    families.SOURCE_SUCCESS_TIMESTAMP,
)


class SourceCollector(Collector):
    """Shows the sources that *statuses* gives; pools whose addresses are all in the configuration have none."""

    def __init__(self, statuses: Callable[[], Mapping[Source, SourceStatus]]) -> None:
        self._statuses = statuses

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Each family, with the series of every source."""
        statuses = self._statuses()
        all_series = {family: family.series() for family in _FAMILIES}
        for (pool, origin), status in statuses.items():
            values = (
                status.addresses.size,
                status.conflicts,
                status.added,
                status.removed,
                status.succeeded,
                status.succeeded_at,
            )
            for family, value in zip(_FAMILIES, values, strict=True):
                if family is not families.SOURCE_SUCCESS_TIMESTAMP or value:
                    all_series[family].add((pool, origin), value)
        yield from (series.metric for series in all_series.values())
        problems = families.SOURCE_PROBLEM.series()
        for (pool, origin), status in statuses.items():
            for trouble in status.troubles:
                problems.add((pool, origin, trouble), 1)
        yield problems.metric


# SECTION exporter.metrics.storage
# The families about the file in which state outlives the process; none where there is none.


class StorageCollector(Collector):
    """Shows *status*, as it is when it is asked for."""

    def __init__(self, status: Callable[[], StorageStatus | None]) -> None:
        self._status = status

    def describe(self) -> Iterable[Metric]:
        """Nothing needs to be declared ahead."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Each family with its series; what is not known yet is left out."""
        status = self._status()
        if status is None:
            return
        for family, value in (
            (families.STORAGE_OK, status.is_ok),
            (families.STORAGE_BYTES, status.size_bytes or None),
            (families.STORAGE_LAST_COMMIT, status.committed_at or None),
            (families.STORAGE_RESTORED, status.restored),
            (families.STORAGE_UNREADABLE, status.unreadable),
            (families.STORAGE_LOST_CHANGES, status.lost_changes),
        ):
            if value is not None:
                series = family.series()
                series.add((), value)
                yield series.metric
        errors = families.STORAGE_ERRORS.series()
        for reason, count in status.errors.items():
            errors.add((reason.value,), count)
        yield errors.metric


# SECTION exporter.metrics.blocklists
# How the block lists themselves are, as seen from here.


class BlocklistCollector(Collector):
    """Shows the lists that were tested."""

    def __init__(self, blocklists: Blocklists) -> None:
        self._blocklists = blocklists

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One series for each list and family that is asked for."""
        usable = families.DNSBL_USABLE.series()
        for (zone, family), health in self._blocklists.healths.items():
            usable.add((zone, f"ipv{family}"), health.works is True)
        yield usable.metric


# SECTION exporter.metrics.samples
# The families about how much of a pool is bad, and where.
#
# The rule of this file: every value adds up over shards, so that sums of them say of the whole pool what they
# say of a
# part.


class SampleCollector(Collector):
    """Shows the samples of the pools on the board, their worst prefixes, and what random draws came to."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._worst: dict[str, WorstPrefixes] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families, for every pool."""
        addresses = families.POOL_SAMPLE_ADDRESSES.series()
        failures = families.POOL_SAMPLE_FAILURES.series()
        failing = families.POOL_FAILING_PREFIX_ADDRESSES.series()
        of = families.POOL_FAILING_PREFIX_SAMPLED.series()
        not_enumerable = families.POOL_NOT_ENUMERABLE_SAMPLES.series()
        pools = self._board.pools
        kept = self._worst
        self._worst = {
            name: kept[name] if name in kept and kept[name].state is state else WorstPrefixes(state)
            for name, state in pools.items()
        }
        for name, state in pools.items():
            for check, (sampled, failed) in sums_of(state).items():
                addresses.add((name, check), sampled)
                failures.add((name, check), failed)
            for prefix in self._worst[name]():
                failing.add((name, prefix.text), prefix.failing)
                of.add((name, prefix.text), prefix.sampled)
            for verdict, count in (
                state.counters.not_enumerable.verdicts.items() if state.pool.not_enumerable.ranges else ()
            ):
                not_enumerable.add((name, verdict), count)
        yield from (series.metric for series in (addresses, failures, failing, of, not_enumerable))


def sums_of(state: PoolState) -> Sums:
    """What the share of bad addresses is estimated from: the draws of the latest round, or everything that is swept."""
    if state.pool.plan is not None:
        return state.sample.latest
    if not state.counters.rounds:
        return dict.fromkeys(state.pool.checks, (0, 0))
    results = state.results()
    sums = {}
    for check in state.pool.checks:
        failed = results[check, Result.FAIL]
        sums[check] = (results[check, Result.PASS] + failed, failed)
    return sums


# SECTION exporter.metrics.domains
# The families about domains, read from the board of domains; and from the pools, which their SPF records stand
# beside.
#
# The rule of this file: as in `exporter.metrics.fleet`, families are built anew on each scrape from one
# generation, in a
# thread beside the event loop, and the DNS is asked nothing.

_VALID = {
    DomainCheckName.SPF: families.DOMAIN_SPF_VALID,
    DomainCheckName.DMARC: families.DOMAIN_DMARC_VALID,
    DomainCheckName.MX: families.DOMAIN_MX_VALID,
    DomainCheckName.MTA_STS: families.DOMAIN_MTA_STS_VALID,
    DomainCheckName.TLS_RPT: families.DOMAIN_TLS_RPT_VALID,
}


class DomainsCollector(Collector):
    """Shows the board of domains."""

    def __init__(self, domains: DomainBoard, board: Board, comparisons: SpfCoverageCache) -> None:
        self._domains = domains
        self._board = board
        self._comparisons = comparisons

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family that the current generation has a series of."""
        scrape = Scrape()
        pools = tuple(self._board.pools.values())
        generation = self._domains.generation()
        self._comparisons.forget(generation)
        for name, state in generation.items():
            _add_counters(scrape, name, self._domains.counters(name))
            _add_domain(scrape, name, state)
            if state.spf is not None:
                _add_lists(scrape, name, self._comparisons.of(name, state.spf.compiled, pools))
        yield from scrape.metrics()


def _add_counters(scrape: Scrape, name: str, counters: DomainCounters) -> None:
    scrape[families.DOMAIN_SAMPLES].add((name,), counters.samples)
    for (check, result), changes in counters.changes.items():
        scrape[families.DOMAIN_CHANGES].add((name, check, result), changes)


def _add_domain(scrape: Scrape, name: str, state: DomainState) -> None:
    labels = (name,)
    if state.is_healthy is not None:
        scrape[families.DOMAIN_HEALTHY].add(labels, state.is_healthy)
    if state.latest is not None:
        scrape[families.DOMAIN_CONCLUSIVE].add(labels, is_conclusive(state.latest.findings))
    for finding in state.problems:
        scrape[families.DOMAIN_PROBLEM].add(_fault(name, finding), 1)
    for fault in dict.fromkeys([_fault(name, hint) for hints in state.hints.values() for hint in hints]):
        scrape[families.DOMAIN_HINT].add(fault, 1)
    for check, family in _VALID.items():
        passes = state.passes(check)
        if passes is not None:
            scrape[family].add(labels, passes)
    _add_records(scrape, name, state)
    for family, moment in (
        (families.DOMAIN_LAST_SAMPLE, state.sampled_at),
        (families.DOMAIN_LAST_CONCLUSIVE_SAMPLE, state.concluded_at),
        (families.DOMAIN_LAST_CHANGE, state.changed_at),
    ):
        if moment:
            scrape[family].add(labels, moment)


def _add_records(scrape: Scrape, name: str, state: DomainState) -> None:
    if state.spf is not None:
        scrape[families.DOMAIN_SPF_LOOKUPS].add((name,), state.spf.lookups)
        scrape[families.DOMAIN_SPF_VOID_LOOKUPS].add((name,), state.spf.void_lookups)
    for selector in state.settings.selectors:
        passes = state.passes(DomainCheckName.DKIM, selector)
        if passes is not None:
            scrape[families.DOMAIN_DKIM_KEY_VALID].add((name, selector), passes)
        key = state.dkim.get(selector)
        if key is not None and key.bits is not None:
            scrape[families.DOMAIN_DKIM_KEY_BITS].add((name, selector), key.bits)
        if key is not None and key.key_type:
            scrape[families.DOMAIN_DKIM_KEY_INFO].add((name, selector, key.key_type), 1)
    dmarc = state.dmarc
    if dmarc is not None and dmarc.policy is not None:
        testing = str(dmarc.is_testing).lower()
        labels = (name, dmarc.policy, dmarc.subdomain_policy or dmarc.policy, testing)
        scrape[families.DOMAIN_DMARC_POLICY_INFO].add(labels, 1)


def _add_lists(scrape: Scrape, name: str, lists: SpfCoverage) -> None:
    for family in FAMILIES:
        labels = (name, str(family))
        scrape[families.DOMAIN_SPF_AUTHORISED].add(labels, size(lists.authorised[family]))
        scrape[families.DOMAIN_SPF_UNUSED].add(labels, size(lists.unused[family]))
    for one in lists.pools:
        pool = (name, one.pool)
        if one.is_sender:
            scrape[families.DOMAIN_SPF_UNAUTHORISED].add(pool, count_addresses(one.unauthorised))
            scrape[families.DOMAIN_SPF_OPEN].add(pool, count_addresses(one.open))
        scrape[families.DOMAIN_SPF_UNCONFIRMED].add(pool, one.unconfirmed)


def _fault(name: str, told: DomainFinding | Hint) -> tuple[str, str, str, str]:
    selector = told.subject if told.check is DomainCheckName.DKIM else ""
    return (name, told.check, told.reason or "", selector)
