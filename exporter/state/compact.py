"""The states of a pool that is too big for an object an address: columns of numbers, and details of a few.

The rule of this file: each address costs 17 octets and what its PTR names compress to, whatever happens to it. All that
is lost is words: the evidence, and the sentences of findings; they are kept for addresses that somebody will want to
read about, as far as there is room. It may be read from another thread.
"""

# ruff: noqa: SLF001  # of two of one class, the one takes over what the other has

import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.verdicts import Result
from exporter.inventory.ranges import Run
from exporter.inventory.spans import Spans
from exporter.state.address import AddressState
from exporter.state.forms import Form, Outline, Rebuilder, Times, form_of
from exporter.state.ptr_names import PtrNames

_RENAMED_SECONDS = 6 * 3600.0
"""How long after its PTR names changed an address is kept in detail: so long may it count as flapping."""
_MOST_FORMS = 4096
"""Forms above which those that no address has any more are forgotten."""
_LAST_SECOND = 2**32 - 1


class Room:
    """How many addresses of all pools together may be kept in detail; a failing one has a claim to the last half."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    def take(self, *, is_failing: bool) -> bool:
        """Take a place, if there is one."""
        if self.taken >= (self._limit if is_failing else self._limit // 2):
            return False
        self.taken += 1
        return True


class CompactStates(Sequence[AddressState | None]):
    """The state of each of *targets*, None for one that was never sampled. Times are kept in whole seconds."""

    def __init__(self, targets: Sequence[Target], room: Room) -> None:
        self._targets = targets
        self._room = room
        size = len(targets)
        self._sampled = array("I", bytes(4 * size))
        self._concluded = array("I", bytes(4 * size))
        self._changed = array("I", bytes(4 * size))
        self._numbers = array("I", bytes(4 * size))
        self._names = PtrNames(size)
        self._forms: list[Form | None] = [None]  # number 0: never sampled
        self._rebuilders: list[Rebuilder | None] = [None]
        self._numbered: dict[Form, int] = {}
        self._most_forms = _MOST_FORMS
        self._details: dict[int, AddressState] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> AddressState | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AddressState | None]: ...
    def __getitem__(self, index: int | slice) -> AddressState | Sequence[AddressState | None] | None:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        with self._lock:
            rebuilder = self._rebuilders[self._numbers[index]]
            if rebuilder is None:
                return None
            return self._details.get(index) or rebuilder.state(
                self._targets[index],
                self._names[index],
                Times(self._sampled[index], self._concluded[index], self._changed[index]),
            )

    def __iter__(self) -> Iterator[AddressState | None]:
        return (self[index] for index in range(len(self)))

    def put(self, index: int, state: AddressState, *, is_failing: bool) -> None:
        """Keep *state*, in detail if it is of interest and there is room."""
        with self._lock:
            self._numbers[index] = self._number(form_of(state))
            self._names.put(index, state.iprev)
            self._sampled[index] = _second(state.sampled_at)
            self._concluded[index] = _second(state.concluded_at)
            self._changed[index] = _second(state.changed_at)
            is_worth_it = bool(state.evidence) and (is_failing or _is_of_interest(state))
            if is_worth_it and (index in self._details or self._room.take(is_failing=is_failing)):
                self._details[index] = state
            else:
                self._forget(index)

    def copy(self, old: "CompactStates", run: Run, change: Callable[[Form], Form]) -> "Counter[int]":
        """Take over what *old* has of the addresses of *run*, but for details; nothing is known of them here yet.

        *change* is what becomes of their forms. How many of them have which of the `numbers`.
        """
        mine, theirs = slice(run.here, run.here + run.size), slice(run.there, run.there + run.size)
        with self._lock, old._lock:
            was = old._numbers[theirs]
            self._most_forms = max(self._most_forms, 2 * (len(self._forms) + len(old._forms)))  # forget none of these
            number_of = {number: 0 if form is None else self._number(change(form)) for number, form in old._used(was)}
            self._numbers[mine] = array("I", map(number_of.__getitem__, was))
            self._sampled[mine] = old._sampled[theirs]
            self._concluded[mine] = old._concluded[theirs]
            self._changed[mine] = old._changed[theirs]
            self._names.copy(old._names, run)
            return Counter(self._numbers[mine])

    def copy_details(
        self, old: "CompactStates", run: Run, is_failing: Callable[[int], bool], *, is_alike: bool
    ) -> None:
        """Take over the details of addresses of *run*, as far as there is room; *is_failing* says which fail.

        Of those that are not alike, which are to be sampled at once, what flapped lately keeps its details.
        """
        stop = run.there + run.size
        with old._lock:
            known = sorted([(place, state) for place, state in old._details.items() if run.there <= place < stop])
        for place, state in known:
            index = place - run.there + run.here
            if not is_alike:
                changed = state.retarget(self._targets[index])
                if _is_of_interest(changed):
                    self.put(index, changed, is_failing=is_failing(index))
            elif self._room.take(is_failing=is_failing(index)):
                self._details[index] = state

    def numbers(self, first: int, stop: int) -> Sequence[int]:
        """A number for each address from *first* to before *stop*: two with the same differ in times and names only.

        It is 0 for one of which nothing is known.
        """
        return self._numbers[first:stop]

    def outline(self, index: int) -> Outline | None:
        """What the state at *index* is made of; None where nothing is known, or it is kept in detail."""
        with self._lock:
            form = self._forms[self._numbers[index]]
            if form is None or index in self._details:
                return None
            times = Times(self._sampled[index], self._concluded[index], self._changed[index])
            return Outline(form, *self._names[index], times)

    def unsampled(self) -> Spans:
        """The addresses without a latest report."""
        lacking = bytes([form is None or form.verdict is None for form in self._forms])
        return Spans.marked(bytes(map(lacking.__getitem__, self._numbers)))

    def move_to(self, room: Room) -> None:
        """Count the details in *room* from now on."""
        self._room = room
        room.taken += len(self._details)

    def is_sampled(self, index: int) -> bool:
        """Whether there is a latest report on the address at *index*."""
        form = self._forms[self._numbers[index]]
        return form is not None and form.verdict is not None

    def sampled_at(self, index: int) -> float:
        """When the address at *index* was last sampled."""
        return self._sampled[index]

    def ptr_names(self, index: int) -> tuple[DomainName, ...]:
        """The PTR names that the last conclusive sample of the address at *index* found."""
        with self._lock:
            return self._names[index][0]

    def oldest(self, first: int, stop: int) -> float:
        """The oldest of the moments at which addresses from *first* to before *stop* were last sampled."""
        return min(self._sampled[first:stop])

    def stalest(self) -> int | None:
        """Of those that were ever sampled, which was not for the longest: the first of several; None for none."""
        oldest = min(filter(None, self._sampled), default=None)
        return None if oldest is None else self._sampled.index(oldest)

    def _used(self, numbers: Iterable[int]) -> Iterator[tuple[int, Form | None]]:
        return ((number, self._forms[number]) for number in set(numbers))

    def _forget(self, index: int) -> None:
        if self._details.pop(index, None) is not None:
            self._room.taken -= 1

    def _number(self, form: Form) -> int:
        number = self._numbered.get(form)
        if number is None:
            if len(self._forms) >= self._most_forms:
                self._renumber()
            number = self._numbered[form] = len(self._forms)
            self._forms.append(form)
            self._rebuilders.append(Rebuilder(form))
        return number

    def _renumber(self) -> None:
        """Forget the forms that no address has; where most are in use, wait for twice as many before the next time."""
        used = sorted({0, *self._numbers})
        new = dict(zip(used, range(len(used)), strict=True))
        self._numbers = array("I", map(new.__getitem__, self._numbers))
        self._forms = [self._forms[number] for number in used]
        self._rebuilders = [self._rebuilders[number] for number in used]
        self._numbered = {form: number for number, form in enumerate(self._forms) if form is not None}
        self._most_forms = max(_MOST_FORMS, 2 * len(used))


def _is_of_interest(state: AddressState) -> bool:
    """Whether an address that does not fail will be looked at: the DNS left it open, or its names changed lately."""
    if state.renamed_at and state.sampled_at - state.renamed_at[-1] < _RENAMED_SECONDS:
        return True
    return state.latest is not None and any(one.result is Result.UNKNOWN for one in state.latest.findings)


def _second(moment: float) -> int:
    return min(_LAST_SECOND, max(1, int(moment))) if moment else 0
