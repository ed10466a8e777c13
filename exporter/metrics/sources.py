"""The families about what feeds pools: files and SPF records."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.metrics import catalogue
from exporter.state.sources import Source, SourceStatus

_FAMILIES = (
    catalogue.SOURCE_ADDRESSES,
    catalogue.SOURCE_CONFLICTS,
    catalogue.SOURCE_ADDED,
    catalogue.SOURCE_REMOVED,
    catalogue.SOURCE_SUCCESS,
    catalogue.SOURCE_SUCCESS_TIMESTAMP,
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
                if family is not catalogue.SOURCE_SUCCESS_TIMESTAMP or value:
                    all_series[family].add((pool, origin), value)
        yield from (series.metric for series in all_series.values())
        problems = catalogue.SOURCE_PROBLEM.series()
        for (pool, origin), status in statuses.items():
            for trouble in status.troubles:
                problems.add((pool, origin, trouble), 1)
        yield problems.metric
