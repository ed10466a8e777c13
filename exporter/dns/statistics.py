"""Counters of one resolver, which metrics/ reads on each scrape."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import get_args

from exporter.checks.answers import RRType, Status

DURATION_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of a query duration's buckets, in seconds. Longer queries are in one more bucket."""

RRTYPES: tuple[RRType, ...] = get_args(RRType)

IGNORED_REASONS = ("unknown-id", "question", "header", "case", "cookie", "unreadable")
"""Why a packet was ignored. The question still waits for the right reply."""


class Durations:
    """The durations of queries of one type and status. *buckets* are those of `DURATION_BOUNDS`, not cumulative."""

    __slots__ = ("buckets", "sum_seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(DURATION_BOUNDS) + 1)
        self.sum_seconds = 0.0

    def observe(self, seconds: float, count: int = 1) -> None:
        """Count *count* queries of this duration."""
        self.buckets[bisect_left(DURATION_BOUNDS, seconds)] += count
        self.sum_seconds += seconds * count


class Statistics:
    """All counters of one resolver.

    A query is one message to one server. A question may need several queries, or none if the cache answers it. After
    the first question of a type, all its statuses are counted from 0. There is no lock: only the event loop counts.

    Attributes:
        cache_hits: Questions that the cache answered, by type and status.
        ignored: Ignored packets, by `IGNORED_REASONS`.
        overflowed: Questions not answered because the queue was full or too slow.
    """

    __slots__ = ("_queries", "cache_hits", "ignored", "overflowed")

    def __init__(self) -> None:
        self._queries: dict[str, dict[str, Durations]] = {}
        self.cache_hits: dict[tuple[str, str], int] = {}
        self.ignored: dict[str, int] = dict.fromkeys(IGNORED_REASONS, 0)
        self.overflowed = 0

    def count_query(self, rdtype: RRType, status: Status, seconds: float, count: int = 1) -> None:
        """Count *count* queries with this status and duration."""
        rows = self._queries.get(rdtype)
        if rows is None:
            rows = self._queries[rdtype] = {other.value: Durations() for other in Status}
        rows[status.value].observe(seconds, count)

    def count_hit(self, rdtype: RRType, status: Status) -> None:
        """Count a question that the cache answered."""
        hits = self.cache_hits
        try:
            hits[rdtype, status] += 1
        except KeyError:
            for conclusive in (Status.ANSWER, Status.NODATA, Status.NXDOMAIN):
                hits.setdefault((rdtype, conclusive.value), 0)
            hits[rdtype, status] += 1

    def queries(self) -> Iterator[tuple[str, str, Durations]]:
        """Type, status and durations of all queries."""
        for rdtype, rows in tuple(self._queries.items()):  # a copy: the event loop may add a type
            for status, durations in rows.items():
                yield rdtype, status, durations
