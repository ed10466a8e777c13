"""The families about everything except single addresses: resolvers, sources, storage, samples, domains, the process."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, combinations_with_replacement
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter import __version__
from exporter.checks.domain import Hint
from exporter.checks.result import CheckName, Finding
from exporter.checks.spf.compiled import size
from exporter.dns.resolvers import Resolvers
from exporter.dns.statistics import DURATION_BOUNDS
from exporter.inventory.pool import Pool
from exporter.metrics import families
from exporter.metrics.fleet import Scrape
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from exporter.state.disputes import DOMAINS, Disputes
from exporter.state.domain import DomainBoard, DomainCounters, DomainState
from exporter.state.known import is_conclusive
from exporter.state.pool import WorstPrefixes
from exporter.state.sources import PoolSource, SourceStatus
from exporter.state.spf_coverage import FAMILIES, SpfCoverage, SpfCoverageCache
from exporter.state.spf_coverage import count as count_addresses
from exporter.state.storage.status import StorageStatus


@dataclass(slots=True)
class ReloadStatus:
    """Whether the configuration was valid when last read; *succeeded_at* is the Unix time of the one in use."""

    successful: bool = True
    succeeded_at: float = 0.0


class RuntimeCollector(Collector):
    """The exporter's own state.

    *loop_lag* gives the event loop's lag in seconds, *urls* are those of the exporter and of Grafana, if known.
    """

    def __init__(
        self,
        reload_status: ReloadStatus,
        loop_lag: Callable[[], float],
        urls: tuple[str | None, str | None] = (None, None),
    ) -> None:
        self._reload = reload_status
        self._loop_lag = loop_lag
        self._urls = [(url or "").rstrip("/") for url in urls]

    def collect(self) -> Iterator[Metric]:
        scrape = Scrape()
        scrape[families.EVENT_LOOP_LAG].add((), self._loop_lag())
        scrape[families.BUILD_INFO].add((__version__, platform.python_version()), 1)
        if any(self._urls):
            scrape[families.WEB_INFO].add(self._urls, 1)
        scrape[families.RELOAD_SUCCESSFUL].add((), self._reload.successful)
        scrape[families.RELOAD_SUCCESS_TIMESTAMP].add((), self._reload.succeeded_at)
        yield from scrape.metrics()


_BOUNDS = (*map(floatToGoString, DURATION_BOUNDS), "+Inf")


class DnsCollector(Collector):
    """The queries, caches and servers of the resolvers in use."""

    def __init__(self, resolvers: Callable[[], Resolvers]) -> None:
        self._resolvers = resolvers

    def collect(self) -> Iterator[Metric]:
        scrape = Scrape(
            families.DNS_QUERIES,
            families.DNS_QUERY_DURATION,
            families.DNS_CACHE_HITS,
            families.DNS_IGNORED_PACKETS,
            families.DNS_OVERFLOWED_QUESTIONS,
            families.RESOLVER_UP,
            families.CANARY_OK,
        )
        for resolver in self._resolvers():
            name = resolver.name
            for rdtype, outcome, observed in resolver.statistics.queries():
                labels, counts = (name, rdtype, outcome), tuple(accumulate(observed.buckets))
                scrape[families.DNS_QUERIES].add(labels, counts[-1])
                buckets = tuple(zip(_BOUNDS, counts, strict=True))
                scrape[families.DNS_QUERY_DURATION].add_histogram(labels, buckets, observed.sum_seconds)
            for (rdtype, outcome), count in tuple(resolver.statistics.cache_hits.items()):
                scrape[families.DNS_CACHE_HITS].add((name, rdtype, outcome), count)
            for reason, count in resolver.statistics.ignored.items():
                scrape[families.DNS_IGNORED_PACKETS].add((name, reason), count)
            scrape[families.DNS_OVERFLOWED_QUESTIONS].add((name,), resolver.statistics.overflowed)
            for server in resolver.servers:
                scrape[families.RESOLVER_UP].add((name, str(server.endpoint)), server.up)
                if resolver.settings.canary is not None:
                    scrape[families.CANARY_OK].add((name, str(server.endpoint)), server.canary_ok)
        yield from scrape.metrics()


class Named(Protocol):
    """A resolver, of which only the name in the configuration is needed."""

    @property
    def name(self) -> str: ...


class DisagreementCollector(Collector):
    """What resolvers disagree about: a series for every pool, every domain and every pair of resolvers in use."""

    def __init__(
        self, board: Board, domains: DomainBoard, disputes: Disputes, resolvers: Callable[[], Iterable[Named]]
    ) -> None:
        self._board = board
        self._domains = domains
        self._disputes = disputes
        self._resolvers = resolvers

    def collect(self) -> Iterator[Metric]:
        scrape = Scrape(
            families.RESOLVER_DISAGREEMENT, families.DOMAIN_RESOLVER_DISAGREEMENT, families.RESOLVER_DISAGREEMENTS
        )
        for name in self._board.pools:
            scrape[families.RESOLVER_DISAGREEMENT].add((name,), self._disputes.count(name))
        for name in self._domains.generation():
            is_disputed = self._disputes.of(DOMAINS, name) is not None
            scrape[families.DOMAIN_RESOLVER_DISAGREEMENT].add((name,), is_disputed)
        for pair in combinations_with_replacement(sorted([each.name for each in self._resolvers()]), 2):
            scrape[families.RESOLVER_DISAGREEMENTS].add(pair, self._disputes.disagreements[pair])
        yield from scrape.metrics()


class SourceCollector(Collector):
    """The files and SPF records of pools; a pool whose addresses are all in the configuration has none."""

    def __init__(self, statuses: Callable[[], Mapping[PoolSource, SourceStatus]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        scrape = Scrape(
            families.SOURCE_ADDRESSES,
            families.SOURCE_CONFLICTS,
            families.SOURCE_ADDED,
            families.SOURCE_REMOVED,
            families.SOURCE_SUCCESS,
            families.SOURCE_SUCCESS_TIMESTAMP,
            families.SOURCE_PROBLEM,
        )
        for labels, status in self._statuses().items():
            scrape[families.SOURCE_ADDRESSES].add(labels, status.addresses.size)
            scrape[families.SOURCE_CONFLICTS].add(labels, status.conflicts)
            scrape[families.SOURCE_ADDED].add(labels, status.added)
            scrape[families.SOURCE_REMOVED].add(labels, status.removed)
            scrape[families.SOURCE_SUCCESS].add(labels, status.succeeded)
            if status.succeeded_at:
                scrape[families.SOURCE_SUCCESS_TIMESTAMP].add(labels, status.succeeded_at)
            for trouble in status.troubles:
                scrape[families.SOURCE_PROBLEM].add((*labels, trouble), 1)
        yield from scrape.metrics()


class StorageCollector(Collector):
    """The storage; nothing where none is configured."""

    def __init__(self, status: Callable[[], StorageStatus | None]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status()
        if status is None:
            return
        scrape = Scrape(families.STORAGE_ERRORS)
        for family, value in (
            (families.STORAGE_OK, status.is_ok),
            (families.STORAGE_BYTES, status.size_bytes or None),
            (families.STORAGE_LAST_COMMIT, status.committed_at or None),
            (families.STORAGE_RESTORED, status.restored),
            (families.STORAGE_UNREADABLE, status.unreadable),
            (families.STORAGE_LOST_CHANGES, status.lost_changes),
        ):
            if value is not None:
                scrape[family].add((), value)
        for reason, count in status.errors.items():
            scrape[families.STORAGE_ERRORS].add((reason.value,), count)
        yield from scrape.metrics()


class BlocklistCollector(Collector):
    """Whether the block lists work: a series for each list and address family that was tested."""

    def __init__(self, blocklists: Blocklists) -> None:
        self._blocklists = blocklists

    def collect(self) -> Iterator[Metric]:
        scrape = Scrape(families.DNSBL_USABLE)
        for (zone, family), health in self._blocklists.healths.items():
            scrape[families.DNSBL_USABLE].add((zone, f"ipv{family}"), health.works is True)
        yield from scrape.metrics()


class SampleCollector(Collector):
    """How much of each pool fails, and in which prefixes. All values can be summed over shards."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._worst: dict[str, WorstPrefixes] = {}

    def collect(self) -> Iterator[Metric]:
        scrape = Scrape(
            families.POOL_SAMPLE_ADDRESSES,
            families.POOL_SAMPLE_FAILURES,
            families.POOL_FAILING_PREFIX_ADDRESSES,
            families.POOL_FAILING_PREFIX_SAMPLED,
            families.POOL_NOT_ENUMERABLE_SAMPLES,
        )
        pools = self._board.pools
        kept = self._worst
        self._worst = {
            name: kept[name] if name in kept and kept[name].state is state else WorstPrefixes(state)
            for name, state in pools.items()
        }
        for name, state in pools.items():
            self._add_alerting(scrape, state.pool)
            for check, (sampled, failed) in state.sample_sums().items():
                scrape[families.POOL_SAMPLE_ADDRESSES].add((name, check), sampled)
                scrape[families.POOL_SAMPLE_FAILURES].add((name, check), failed)
            for prefix in self._worst[name]():
                scrape[families.POOL_FAILING_PREFIX_ADDRESSES].add((name, prefix.text), prefix.failing)
                scrape[families.POOL_FAILING_PREFIX_SAMPLED].add((name, prefix.text), prefix.sampled)
            if state.pool.not_enumerable.ranges:
                for verdict, count in state.counters.not_enumerable.verdicts.items():
                    scrape[families.POOL_NOT_ENUMERABLE_SAMPLES].add((name, verdict), count)
        yield from scrape.metrics()

    @staticmethod
    def _add_alerting(scrape: Scrape, pool: Pool) -> None:
        alerting = pool.alerting
        labels = dict(alerting.labels) | {
            "pool": pool.name,
            "alert": pool.alert_mode.value,
            "severity": alerting.severity.value,
        }
        if alerting.team is not None:
            labels["team"] = alerting.team
        scrape[families.POOL_INFO].metric.add_sample(families.POOL_INFO.name, labels, 1)  # labels of its own
        scrape[families.POOL_ALERT_THRESHOLD].add((pool.name,), pool.alert_threshold)


_VALID = {
    CheckName.SPF: families.DOMAIN_SPF_VALID,
    CheckName.DMARC: families.DOMAIN_DMARC_VALID,
    CheckName.MX: families.DOMAIN_MX_VALID,
    CheckName.MTA_STS: families.DOMAIN_MTA_STS_VALID,
    CheckName.TLS_RPT: families.DOMAIN_TLS_RPT_VALID,
}


class DomainsCollector(Collector):
    """The domains, and how their SPF records cover the pools."""

    def __init__(self, domains: DomainBoard, board: Board, coverages: SpfCoverageCache) -> None:
        self._domains = domains
        self._board = board
        self._coverages = coverages

    def collect(self) -> Iterator[Metric]:
        scrape = Scrape()
        pools = tuple(self._board.pools.values())
        generation = self._domains.generation()
        self._coverages.forget(generation)
        for name, state in generation.items():
            _add_counters(scrape, name, self._domains.counters(name))
            _add_domain(scrape, name, state)
            if state.spf is not None:
                _add_coverage(scrape, name, self._coverages.of(name, state.spf.compiled, pools))
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
        scrape[families.DOMAIN_PROBLEM].add(_problem_labels(name, finding), 1)
    for hint in dict.fromkeys([_problem_labels(name, hint) for hints in state.hints.values() for hint in hints]):
        scrape[families.DOMAIN_HINT].add(hint, 1)
    for check, family in _VALID.items():
        passes = state.passes(check)
        if passes is not None:
            scrape[family].add(labels, passes)
    _add_records(scrape, name, state)
    for family, timestamp in (
        (families.DOMAIN_LAST_SAMPLE, state.sampled_at),
        (families.DOMAIN_LAST_CONCLUSIVE_SAMPLE, state.concluded_at),
        (families.DOMAIN_LAST_CHANGE, state.changed_at),
    ):
        if timestamp:
            scrape[family].add(labels, timestamp)


def _add_records(scrape: Scrape, name: str, state: DomainState) -> None:
    if state.spf is not None:
        scrape[families.DOMAIN_SPF_LOOKUPS].add((name,), state.spf.lookups)
        scrape[families.DOMAIN_SPF_VOID_LOOKUPS].add((name,), state.spf.void_lookups)
    for selector in state.settings.selectors:
        passes = state.passes(CheckName.DKIM, selector)
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


def _add_coverage(scrape: Scrape, name: str, coverage: SpfCoverage) -> None:
    for family in FAMILIES:
        labels = (name, str(family))
        scrape[families.DOMAIN_SPF_AUTHORISED].add(labels, size(coverage.authorised[family]))
        scrape[families.DOMAIN_SPF_UNUSED].add(labels, size(coverage.unused[family]))
    for one in coverage.pools:
        pool = (name, one.pool)
        if one.is_sender:
            scrape[families.DOMAIN_SPF_UNAUTHORISED].add(pool, count_addresses(one.unauthorised))
            scrape[families.DOMAIN_SPF_OPEN].add(pool, count_addresses(one.open))
        scrape[families.DOMAIN_SPF_UNCONFIRMED].add(pool, one.unconfirmed)


def _problem_labels(name: str, problem: Finding | Hint) -> tuple[str, str, str, str]:
    selector = problem.subject if problem.check is CheckName.DKIM else ""
    return (name, problem.check, problem.reason or "", selector)
