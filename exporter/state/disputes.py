"""What resolvers disagree about: which addresses, HELO names and domains, who says what, and since when.

The rule of this file: a dispute lasts from the first sample in which two voices contradicted each other until the
first one that came to something without that; a sample that nobody answered ends none. Its size is bounded.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from exporter.checks.result import Finding
from exporter.dns.resolvers import Voice

CAPACITY = 10_000
"""How many disputes are remembered; of what is beyond that, only disagreements are counted."""

Disputed = Address | DomainName | str
"""What resolvers may disagree about: an address or a HELO name of a pool, or a domain."""

DOMAINS = ""
"""What stands for the pool where a domain is disputed: no pool is called so."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """*failing* is what *failing_source* found, and *passing_source* found to pass.

    *since* and *at* are the Unix times of the first and the latest sample that came to this.
    """

    failing: Finding
    failing_source: Voice
    passing_source: Voice
    since: float = 0.0
    at: float = 0.0

    @property
    def pair(self) -> tuple[str, str]:
        """The names of the two resolvers, sorted; the same one twice where its servers disagree."""
        first, second = sorted([self.failing_source.resolver, self.passing_source.resolver])
        return first, second


class Disputes:
    """All disputes, and for how many samples in a row a subject has waited for a second opinion."""

    def __init__(self) -> None:
        self.disagreements: Counter[tuple[str, str]] = Counter()
        """Samples in which two resolvers contradicted each other, by `Dispute.pair`."""
        self._pools: dict[str, dict[Disputed, Dispute]] = {}
        self._waiting: dict[tuple[str, Disputed], int] = {}
        self._size = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is disputed, and nothing waits."""
        return not (self._size or self._waiting)

    def note(self, pool: str, subject: Disputed, dispute: Dispute, at: float) -> bool:
        """Take in that a sample at Unix time *at* found *dispute*; whether it is a new one."""
        self.disagreements[dispute.pair] += 1
        disputed = self._pools.setdefault(pool, {})
        known = disputed.get(subject)
        if known is None:
            if self._size >= CAPACITY:
                return False
            self._size += 1
        disputed[subject] = replace(dispute, since=at if known is None else known.since, at=at)
        return known is None

    def settle(self, pool: str, subject: Disputed) -> bool:
        """Take in that a sample came to something undisputed; whether that ends a dispute."""
        if self._waiting:
            self._waiting.pop((pool, subject), None)
        disputed = self._pools.get(pool)
        if not disputed or disputed.pop(subject, None) is None:
            return False
        self._size -= 1
        return True

    def wait(self, pool: str, subject: Disputed) -> None:
        """Take in that a failure was seen, and nobody else could be heard of it."""
        if len(self._waiting) < CAPACITY or (pool, subject) in self._waiting:
            self._waiting[pool, subject] = self._waiting.get((pool, subject), 0) + 1

    def waited(self, pool: str, subject: Disputed) -> int:
        """How many samples in a row `wait` was said of."""
        return self._waiting.get((pool, subject), 0)

    def keep(self, is_sampled: Callable[[str, Disputed], bool]) -> None:
        """Forget every subject of which *is_sampled*, given the pool's name and the subject, says no."""
        self._pools = {
            pool: {subject: dispute for subject, dispute in disputed.items() if is_sampled(pool, subject)}
            for pool, disputed in self._pools.items()
        }
        self._waiting = {key: count for key, count in self._waiting.items() if is_sampled(*key)}
        self._size = sum(map(len, self._pools.values()))

    def count(self, pool: str) -> int:
        """How many addresses and HELO names of *pool* are in dispute; or, of `DOMAINS`, how many domains."""
        return len(self._pools.get(pool, ()))

    def __len__(self) -> int:
        """How many subjects are in dispute."""
        return self._size

    def of(self, pool: str, subject: Disputed) -> Dispute | None:
        """What is disputed of a subject."""
        return self._pools.get(pool, {}).get(subject)

    def __iter__(self) -> Iterator[tuple[str, Disputed, Dispute]]:
        for pool, disputed in tuple(self._pools.items()):
            for subject, dispute in tuple(disputed.items()):
                yield pool, subject, dispute
