"""Disputes: the addresses, HELO names and domains about which two resolvers contradict each other.

A dispute begins with the first sample in which they do, and ends with the first one that has an undisputed result. A
sample without an answer ends none.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from exporter.checks.result import Finding
from exporter.dns.resolvers import Source

CAPACITY = 10_000
"""How many disputes are kept. Beyond that, disagreements are only counted."""

Disputed = Address | DomainName | str
"""What resolvers can disagree about: an address or a HELO name of a pool, or a domain."""

DOMAINS = ""
"""The name of the pool of a disputed domain: no real pool has an empty name."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """A contradiction between two resolvers, or between two servers of one.

    Attributes:
        failing: The failure that one of them found.
        failing_source: Where the failure was found.
        passing_source: Where the check passed.
        since: The Unix time of the first sample with this contradiction.
        at: The Unix time of the latest one.
    """

    failing: Finding
    failing_source: Source
    passing_source: Source
    since: float = 0.0
    at: float = 0.0

    @property
    def pair(self) -> tuple[str, str]:
        """The names of the two resolvers, sorted; the same name twice if servers of one resolver disagree."""
        first, second = sorted([self.failing_source.resolver, self.passing_source.resolver])
        return first, second


class Disputes:
    """All disputes, and for how many samples in a row a failure has waited for a second source."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.disagreements: Counter[tuple[str, str]] = Counter()
        """Samples in which two resolvers contradicted each other, by `Dispute.pair`."""
        self._capacity = capacity
        self._pools: dict[str, dict[Disputed, Dispute]] = {}
        self._waiting: dict[tuple[str, Disputed], int] = {}
        self._size = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is disputed and nothing waits."""
        return not (self._size or self._waiting)

    def note(self, pool: str, subject: Disputed, dispute: Dispute, at: float) -> bool:
        """Record a contradiction that a sample found at Unix time *at*. Return whether the dispute is new."""
        self.disagreements[dispute.pair] += 1
        disputed = self._pools.setdefault(pool, {})
        known = disputed.get(subject)
        if known is None:
            if self._size >= self._capacity:
                return False
            self._size += 1
        disputed[subject] = replace(dispute, since=at if known is None else known.since, at=at)
        return known is None

    def settle(self, pool: str, subject: Disputed) -> bool:
        """Record a sample with an undisputed result. Return whether that ends a dispute."""
        if self._waiting:
            self._waiting.pop((pool, subject), None)
        disputed = self._pools.get(pool)
        if not disputed or disputed.pop(subject, None) is None:
            return False
        self._size -= 1
        return True

    def wait(self, pool: str, subject: Disputed) -> None:
        """Record a failure that no second source could confirm or refute."""
        if len(self._waiting) < self._capacity or (pool, subject) in self._waiting:
            self._waiting[pool, subject] = self._waiting.get((pool, subject), 0) + 1

    def waited(self, pool: str, subject: Disputed) -> int:
        """How often `wait` was called for the subject since it was last settled."""
        return self._waiting.get((pool, subject), 0)

    def keep(self, is_sampled: Callable[[str, Disputed], bool]) -> None:
        """Forget every subject for which *is_sampled*, called with the pool's name and the subject, is false."""
        self._pools = {
            pool: {subject: dispute for subject, dispute in disputed.items() if is_sampled(pool, subject)}
            for pool, disputed in self._pools.items()
        }
        self._waiting = {key: count for key, count in self._waiting.items() if is_sampled(*key)}
        self._size = sum(map(len, self._pools.values()))

    def count(self, pool: str) -> int:
        """How many addresses and HELO names of *pool* are disputed; for `DOMAINS`, how many domains."""
        return len(self._pools.get(pool, ()))

    def __len__(self) -> int:
        """How many subjects are disputed."""
        return self._size

    def of(self, pool: str, subject: Disputed) -> Dispute | None:
        """The dispute about a subject, if there is one."""
        return self._pools.get(pool, {}).get(subject)

    def __iter__(self) -> Iterator[tuple[str, Disputed, Dispute]]:
        for pool, disputed in tuple(self._pools.items()):
            for subject, dispute in tuple(disputed.items()):
                yield pool, subject, dispute
