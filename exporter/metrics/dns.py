"""The families about asking the DNS: queries, cache, servers, canaries."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.dns.resolvers import Resolvers
from exporter.dns.statistics import DURATION_BOUNDS
from exporter.metrics import catalogue

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
        queries = catalogue.DNS_QUERIES.series()
        durations = catalogue.DNS_QUERY_DURATION.series()
        hits = catalogue.DNS_CACHE_HITS.series()
        ignored = catalogue.DNS_IGNORED_PACKETS.series()
        overflowed = catalogue.DNS_OVERFLOWED_QUESTIONS.series()
        up = catalogue.RESOLVER_UP.series()
        canary = catalogue.CANARY_OK.series()
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
