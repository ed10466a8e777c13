"""The families about the exporter itself: its resolvers, its event loop, its configuration, its build."""

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.metrics import catalogue


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
            (catalogue.EVENT_LOOP_LAG, (), self._loop_lag()),
            (catalogue.BUILD_INFO, (__version__, platform.python_version()), 1),
            (catalogue.RELOAD_SUCCESSFUL, (), self._reload.successful),
            (catalogue.RELOAD_SUCCESS_TIMESTAMP, (), self._reload.succeeded_at),
        ):
            series = family.series()
            series.add(labels, value)
            yield series.metric
