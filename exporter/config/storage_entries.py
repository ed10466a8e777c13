"""The keys of `storage`: where state outlives the process, and for how long."""

from typing import Annotated

from exporter.config.durations import Duration
from exporter.config.section import Section
from exporter.config.values import DurationText, PathText, between, lasting


class StorageEntry(Section):
    """One file, and what is deleted from it: what is older than *retention*, and changes beyond *max_changes*."""

    path: PathText
    retention: Annotated[DurationText, lasting("1h", "3650d")] = Duration(90 * 86_400_000)
    max_changes: Annotated[int, between(100, 10_000_000)] = 100_000
