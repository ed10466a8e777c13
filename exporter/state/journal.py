"""The journal: the conclusive changes of all pools and domains, the latest ones, in the order in which they were found.

The rule of this file: it is bounded, and a change keeps its number for good, over restarts too, so that a reader who
pages backwards meets none twice and misses none that is still there. A number is the time of the change in
microseconds, or one more than the one before it, whichever is higher: so none has to be remembered to go on, and a
clock that is set back makes no disorder.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from exporter.state.change import Change
from exporter.state.evidence import pack

CAPACITY = 10_000

MAX_NUMBER = 2**53 - 1
"""What every reader of JSON can hold; the microseconds of the year 2255."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, with its *number*, and the pool that it was found in; "" where it is about a domain.

    *evidence* is packed: see `exporter.state.evidence`.
    """

    number: int
    pool: str
    change: Change
    evidence: str = "[]"


@dataclass(frozen=True, slots=True)
class Which:
    """Which entries a reader wants: those that fit everything that is given. *since* is Unix time."""

    pool: str | None = None
    address: Address | None = None
    domain: DomainName | None = None
    check: str | None = None
    since: float | None = None

    def fits(self, entry: Entry) -> bool:
        """Whether *entry* is wanted."""
        change = entry.change
        return (
            self.pool in {None, entry.pool}
            and self.address in {None, change.address}
            and self.domain in {None, change.domain}
            and self.check in {None, change.after.check.value}
            and (self.since is None or change.at >= self.since)
        )


ALL = Which()


class Journal:
    """The latest *capacity* changes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._last = 0

    def write(self, pool: str, change: Change) -> Entry:
        """Add a change that has just been found."""
        self._last = max(self._last + 1, min(int(change.at * 1e6), MAX_NUMBER))
        entry = Entry(self._last, pool, replace(change, evidence={}), pack(change.evidence))
        self._entries.append(entry)
        return entry

    def restore(self, entries: Iterable[Entry]) -> None:
        """Take in what is known from before this process: of that and what is here already, the latest stay."""
        known = {entry.number: entry for entry in (*entries, *self._entries)}
        self._entries.clear()
        self._entries.extend([known[number] for number in sorted(known)])
        self._last = max(self._last, max(known, default=0))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def first(self) -> int | None:
        """The lowest number that is here; None if there is nothing."""
        return self._entries[0].number if self._entries else None

    def entries(self) -> list[Entry]:
        """All of them, oldest first."""
        return list(self._entries)

    def latest(self, count: int, *, before: int | None = None, wanted: Which = ALL) -> list[Entry]:
        """The latest *count* entries that are *wanted*, newest first; with *before*, of those with a lower number."""
        found: list[Entry] = []
        for entry in self._backwards(before):
            if len(found) >= count:
                break
            if wanted.fits(entry):
                found.append(entry)
        return found

    def _backwards(self, before: int | None) -> Iterator[Entry]:
        """Newest first, from below *before*."""
        for entry in reversed(self._entries):
            if before is None or entry.number < before:
                yield entry
