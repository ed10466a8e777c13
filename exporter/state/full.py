"""The states of a pool that is small enough to keep everything of every address."""

from collections.abc import Iterator, Sequence
from typing import overload

from exporter.checks.names import DomainName
from exporter.inventory.spans import Spans
from exporter.state.address import AddressState
from exporter.state.forms import Outline


class FullStates(Sequence[AddressState | None]):
    """The state of each of *size* addresses, None for one that was never sampled. It may be read from any thread."""

    def __init__(self, size: int) -> None:
        self._states: list[AddressState | None] = [None] * size

    def __len__(self) -> int:
        return len(self._states)

    @overload
    def __getitem__(self, index: int) -> AddressState | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AddressState | None]: ...
    def __getitem__(self, index: int | slice) -> AddressState | Sequence[AddressState | None] | None:
        return self._states[index]

    def __iter__(self) -> Iterator[AddressState | None]:
        return iter(tuple(self._states))

    def put(self, index: int, state: AddressState, *, is_failing: bool) -> None:  # noqa: ARG002  # kept whatever it is
        """Keep *state*."""
        self._states[index] = state

    def is_sampled(self, index: int) -> bool:
        """Whether there is a latest report on the address at *index*."""
        state = self._states[index]
        return state is not None and state.latest is not None

    def sampled_at(self, index: int) -> float:
        """When the address at *index* was last sampled, 0.0 for never."""
        state = self._states[index]
        return 0.0 if state is None else state.sampled_at

    def ptr_names(self, index: int) -> tuple[DomainName, ...]:
        """The PTR names that the last conclusive sample of the address at *index* found."""
        state = self._states[index]
        return () if state is None or state.iprev is None else state.iprev.ptr_names

    def outline(self, index: int) -> Outline | None:  # noqa: ARG002  # whatever it is
        """None: all is kept in detail."""
        return None

    def unsampled(self) -> Spans:
        """The addresses without a latest report."""
        return Spans.marked(bytes([state is None or state.latest is None for state in self._states]))

    def oldest(self, first: int, stop: int) -> float:
        """The oldest of the moments at which addresses from *first* to before *stop* were last sampled."""
        return min([0.0 if state is None else state.sampled_at for state in self._states[first:stop]])

    def stalest(self) -> int | None:
        """Of those that were ever sampled, which was not for the longest: the first of several; None for none."""
        sampled = [place for place in range(len(self._states)) if self.sampled_at(place)]
        return min(sampled, key=self.sampled_at, default=None)
