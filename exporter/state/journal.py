"""The journal: the conclusive changes of all pools and domains, the latest ones, in the order in which they were found.

The rule of this file: it is bounded, and a change keeps its number for good, so that a reader who pages backwards meets
none twice and misses none that is still there.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from exporter.state.change import Change

CAPACITY = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, with its *number*, from 1, and the pool that it was found in; "" where it is about a domain."""

    number: int
    pool: str
    change: Change


class Journal:
    """The latest *capacity* changes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._written = 0

    def write(self, pool: str, change: Change) -> None:
        """Add a change that has just been found."""
        self._written += 1
        self._entries.append(Entry(self._written, pool, change))

    def __len__(self) -> int:
        return len(self._entries)

    def latest(
        self, count: int, *, before: int | None = None, wanted: Callable[[Entry], bool] = lambda _: True
    ) -> list[Entry]:
        """The latest *count* entries that are *wanted*, newest first; with *before*, of those with a lower number."""
        found: list[Entry] = []
        for entry in self._backwards(before):
            if len(found) >= count:
                break
            if wanted(entry):
                found.append(entry)
        return found

    def _backwards(self, before: int | None) -> Iterator[Entry]:
        """Newest first, from below *before*."""
        for entry in reversed(self._entries):
            if before is None or entry.number < before:
                yield entry
