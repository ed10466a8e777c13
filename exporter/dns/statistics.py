"""What a resolver did, counted: plain numbers that metrics/ reads when Prometheus asks.

The rule of this file: counting costs well under a microsecond, takes no lock (one event loop writes and reads), and
every outcome of a type that was ever asked for is there from its first question on, as 0.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import get_args

from exporter.checks.answers import RRType, Status

DURATION_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the buckets of a query's duration, in seconds; one more bucket holds what took longer."""

RRTYPES: tuple[RRType, ...] = get_args(RRType)
STATUSES = tuple(Status)

IGNORED_REASONS = ("unknown-id", "question", "header", "case", "cookie", "unreadable")
"""Why a packet was ignored. Each of them leaves the question open for the right answer."""


class Durations:
    """How long the queries of one type and outcome took: *buckets* as in `DURATION_BOUNDS`, not cumulative."""

    __slots__ = ("buckets", "sum_seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(DURATION_BOUNDS) + 1)
        self.sum_seconds = 0.0

    @property
    def count(self) -> int:
        """How many queries there were."""
        return sum(self.buckets)

    def observe(self, seconds: float, count: int = 1) -> None:
        """Count one query, or several that took equally long."""
        self.buckets[bisect_left(DURATION_BOUNDS, seconds)] += count
        self.sum_seconds += seconds * count


class Statistics:
    """Everything that one resolver counts.

    A query is one message to one server, over whatever transport; its outcome is what that message came to. A question
    may take several queries, or none where the cache answers it.
    """

    __slots__ = ("_queries", "cache_hits", "coalesced", "ignored", "overflowed", "tcp_fallbacks")

    def __init__(self) -> None:
        self._queries: dict[str, dict[str, Durations]] = {}
        self.cache_hits: dict[tuple[str, str], int] = {}
        """Questions that the cache answered, by type and by what it answered."""
        self.ignored: dict[str, int] = dict.fromkeys(IGNORED_REASONS, 0)
        self.coalesced = 0
        """Questions that joined an equal one in flight."""
        self.overflowed = 0
        """Questions that went unanswered because the queue was full, or too slow."""
        self.tcp_fallbacks = 0
        """Truncated answers that were asked for again over TCP."""

    def count_query(self, rdtype: RRType, status: Status, seconds: float, count: int = 1) -> None:
        """Count one query, its outcome and how long it took; or several that took equally long."""
        rows = self._queries.get(rdtype)
        if rows is None:
            rows = self._queries[rdtype] = {other.value: Durations() for other in STATUSES}
        rows[status.value].observe(seconds, count)

    def count_hit(self, rdtype: RRType, status: Status) -> None:
        """Count one question that the cache answered."""
        hits = self.cache_hits
        try:
            hits[rdtype, status] += 1
        except KeyError:
            for conclusive in (Status.ANSWER, Status.NODATA, Status.NXDOMAIN):
                hits.setdefault((rdtype, conclusive.value), 0)
            hits[rdtype, status] += 1

    def queries(self) -> Iterator[tuple[str, str, Durations]]:
        """Type, outcome and durations of all queries so far."""
        for rdtype, rows in tuple(self._queries.items()):  # whole, also while the loop adds another type
            for status, durations in rows.items():
                yield rdtype, status, durations
