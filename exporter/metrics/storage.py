"""The families about the file in which state outlives the process; none where there is none."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.metrics import catalogue
from exporter.state.storage.status import StorageStatus


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
            (catalogue.STORAGE_OK, status.is_ok),
            (catalogue.STORAGE_BYTES, status.octets or None),
            (catalogue.STORAGE_LAST_COMMIT, status.committed_at or None),
            (catalogue.STORAGE_RESTORED, status.restored),
            (catalogue.STORAGE_UNREADABLE, status.unreadable),
            (catalogue.STORAGE_LOST_CHANGES, status.lost_changes),
        ):
            if value is not None:
                series = family.series()
                series.add((), value)
                yield series.metric
        errors = catalogue.STORAGE_ERRORS.series()
        for trouble, count in status.errors.items():
            errors.add((trouble.value,), count)
        yield errors.metric
