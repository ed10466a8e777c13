"""What is not saved yet.

These are sets, not logs: they never grow beyond the pool, however long nothing can be saved. The event loop adds, the
thread that saves takes. Add an address after changing its state, and take it before reading the state: then no change
is lost.
"""

# ruff: noqa: SLF001  # one object copies from another of its class

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from exporter.inventory.ranges import Run
from exporter.state.address import AddressState

_CLEAN, _SAMPLED, _CHANGED = range(3)

T = TypeVar("T", bound="int | str")


class DirtySet(Generic[T]):
    """The items whose data changed since it was saved, and those that were only sampled again."""

    __slots__ = ("_changed", "_sampled")

    def __init__(self) -> None:
        self._changed: set[T] = set()
        self._sampled: set[T] = set()

    def add(self, item: T, *, is_changed: bool) -> None:
        """Add an item that was sampled; *is_changed* if more than the time of the sample is different."""
        (self._changed if is_changed else self._sampled).add(item)

    def add_all(self, items: Iterable[T]) -> None:
        """Add changed items, for example again after a failed save."""
        self._changed.update(items)

    def take(self, *, with_sampled: bool) -> list[T]:
        """Remove and return the changed items, sorted; *with_sampled* also those that were only sampled again."""
        taken = self._changed | self._sampled if with_sampled else set(self._changed)
        self._changed -= taken
        self._sampled -= taken
        return sorted(taken)


class Dirty:
    """The addresses and HELO names of a pool that changed since they were saved, or were only sampled again.

    It takes one byte an address.

    Attributes:
        helos: The HELO names.
        is_restored: Whether the saved state of the pool was read. Before that, saving may replace a row that knows more
            than this process does.
    """

    __slots__ = ("_flags", "helos", "is_restored")

    def __init__(self, size: int) -> None:
        self.is_restored = False
        self._flags = bytearray(size)
        self.helos = DirtySet[str]()

    def add(self, index: int, *, is_changed: bool) -> None:
        """Add the address at *index*, which was sampled; *is_changed* if more than the time is different."""
        if is_changed:
            self._flags[index] = _CHANGED
        elif not self._flags[index]:
            self._flags[index] = _SAMPLED

    def add_all(self) -> None:
        """Add every address as changed."""
        self._flags[:] = bytes([_CHANGED]) * len(self._flags)

    def copy(self, old: "Dirty", runs: Iterable[Run]) -> None:
        """Copy what *old* has of the addresses of *runs*; nothing else may be in here yet."""
        for run in runs:
            self._flags[run.here : run.here + run.size] = old._flags[run.there : run.there + run.size]

    @property
    def changed(self) -> int:
        """How many addresses changed."""
        return self._flags.count(_CHANGED)

    def take(self, limit: int) -> list[int]:
        """Remove and return up to *limit* addresses that changed."""
        return list(self._taken(_CHANGED, limit))

    def take_of(self, indexes: Iterable[int], limit: int) -> list[int]:
        """Remove and return up to *limit* addresses of *indexes* that changed."""
        flags, taken = self._flags, list[int]()
        for index in indexes:
            if len(taken) >= limit:
                break
            if flags[index] == _CHANGED:
                flags[index] = _CLEAN
                taken.append(index)
        return taken

    def take_sampled(self) -> list[int]:
        """Remove and return the addresses that were only sampled again."""
        return list(self._taken(_SAMPLED, len(self._flags)))

    def put_back(self, indexes: Iterable[int]) -> None:
        """Add changed addresses again after a failed save."""
        for index in indexes:
            self._flags[index] = _CHANGED

    def _taken(self, flag: int, limit: int) -> Iterator[int]:
        flags, index = self._flags, -1
        for _ in range(limit):
            index = flags.find(flag, index + 1)
            if index < 0:
                return
            flags[index] = _CLEAN
            yield index


def is_changed(before: AddressState, state: AddressState) -> bool:
    """Whether *state* differs from *before* in more than times and sentences."""
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
