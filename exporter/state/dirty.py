"""What of a pool is not saved yet.

The rule of this file: it is a set, not a log: however long nothing can be saved, it grows no larger than the pool, and
what is saved in the end is how things are then. One octet an address; the event loop notes, the thread that saves
takes. Whoever notes has changed the state before; whoever takes reads it after: so nothing is missed between them.
"""

# ruff: noqa: SLF001  # of two of one class, the one takes over what the other has

from collections.abc import Iterable, Iterator

from exporter.checks.names import DomainName
from exporter.inventory.ranges import Run
from exporter.state.address import AddressState

_TIME, _ALL = 1, 2


class DirtyNames:
    """Which of a few things with names have news to be saved, and which were merely sampled again."""

    __slots__ = ("_news", "_sampled")

    def __init__(self) -> None:
        self._news: set[DomainName] = set()
        self._sampled: set[DomainName] = set()

    def note(self, name: DomainName, *, is_changed: bool) -> None:
        """It was sampled; *is_news* unless all that changed is the time."""
        (self._news if is_changed else self._sampled).add(name)

    def take(self, *, all_of_them: bool) -> list[DomainName]:
        """Take those that have news, or *all_of_them* that were sampled."""
        taken = self._news | self._sampled if all_of_them else set(self._news)
        self._news -= taken
        self._sampled -= taken
        return sorted(taken)


class Dirty:
    """Which addresses have news to be saved, and which were merely sampled again; and the same of HELO names."""

    __slots__ = ("_marks", "helos", "sampled_helos")

    def __init__(self, size: int) -> None:
        self._marks = bytearray(size)
        self.helos: set[str] = set()
        self.sampled_helos: set[str] = set()

    def note(self, index: int, *, is_changed: bool) -> None:
        """The address at *index* was sampled; *is_news* unless all that changed is the time."""
        if is_changed:
            self._marks[index] = _ALL
        elif not self._marks[index]:
            self._marks[index] = _TIME

    def add_helo(self, text: str, *, is_changed: bool) -> None:
        """The same of a HELO name."""
        (self.helos if is_changed else self.sampled_helos).add(text)

    def add_all(self) -> None:
        """Everything has to be saved anew."""
        self._marks[:] = bytes([_ALL]) * len(self._marks)

    def carry(self, old: "Dirty", runs: Iterable[Run]) -> None:
        """What *old* has of the addresses of *runs* is unsaved here, where nothing else is yet."""
        for run in runs:
            self._marks[run.here : run.here + run.size] = old._marks[run.there : run.there + run.size]

    @property
    def is_any(self) -> bool:
        """Whether there is news."""
        return bool(self.helos) or self._marks.find(_ALL) >= 0

    @property
    def news(self) -> int:
        """How many addresses have news."""
        return self._marks.count(_ALL)

    def take(self, limit: int) -> list[int]:
        """Take up to *limit* addresses that have news."""
        return list(self._taken(_ALL, limit))

    def take_of(self, indexes: Iterable[int], limit: int) -> list[int]:
        """Take up to *limit* of *indexes* that have news."""
        marks, taken = self._marks, list[int]()
        for index in indexes:
            if len(taken) >= limit:
                break
            if marks[index] == _ALL:
                marks[index] = 0
                taken.append(index)
        return taken

    def take_sampled(self) -> list[int]:
        """Take the addresses that were merely sampled again."""
        return list(self._taken(_TIME, len(self._marks)))

    def take_helos(self, *, all_of_them: bool) -> list[str]:
        """Take the HELO names that have news, or *all_of_them* that were sampled."""
        taken = self.helos | self.sampled_helos if all_of_them else set(self.helos)
        self.helos -= taken
        self.sampled_helos -= taken
        return sorted(taken)

    def put_back(self, indexes: list[int], helos: list[str]) -> None:
        """Could not be saved."""
        for index in indexes:
            self._marks[index] = _ALL
        self.helos.update(helos)

    def _taken(self, mark: int, limit: int) -> Iterator[int]:
        marks, index = self._marks, -1
        for _ in range(limit):
            index = marks.find(mark, index + 1)
            if index < 0:
                return
            marks[index] = 0
            yield index


def is_changed(before: AddressState, state: AddressState) -> bool:
    """Whether anything but the times, or the wording, of *state* differs from *before*."""
    earlier, latest = before.latest, state.latest
    if earlier is None or latest is None:
        return True
    if latest.findings is earlier.findings and state.iprev is before.iprev and state.receivers is before.receivers:
        return False
    return (
        [(one.subject, one.result, one.reason) for one in latest.findings]
        != [(one.subject, one.result, one.reason) for one in earlier.findings]
        or _names(state) != _names(before)
        or state.receivers != before.receivers
    )


def _names(state: AddressState) -> tuple[object, ...]:
    return () if state.iprev is None else (state.iprev.ptr_names, state.iprev.confirmed_names)
