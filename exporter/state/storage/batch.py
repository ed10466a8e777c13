"""What is taken to be saved in one transaction, and is put back if it cannot be.

The rule of this file: what was taken is in the batch and nowhere else, until it is committed or put back.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from exporter.state.journal import Entry
from exporter.state.pool import FAILING, PoolState
from exporter.state.storage.history import save_changes
from exporter.state.storage.notes import Key, Notes
from exporter.state.storage.parts import Part
from exporter.state.storage.rows import pool_id, save_addresses, save_helos, save_notes, save_times
from exporter.state.unsaved import Unsaved

_ROWS = 20_000
"""How many addresses are written in one transaction at most, and so in a second."""

AnyPart = Part[Any, Any, Any]


@dataclass(slots=True)
class Batch:
    """*pools* have the places of addresses, and the HELO names, that have news; *times* those that have a new time."""

    changes: list[Entry]
    notes: dict[Key, tuple[str, float]]
    pools: list[tuple[PoolState, list[int], list[str]]] = field(default_factory=list)
    times: list[tuple[PoolState, list[int]]] = field(default_factory=list)
    parts: list[tuple[AnyPart, Any]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be saved."""
        return not (self.changes or self.notes or self.pools or self.times or self.parts)

    def write(self, connection: sqlite3.Connection, breathe: Callable[[], None]) -> None:
        """Write it, as it is now; *breathe* is called now and then."""
        save_changes(connection, self.changes)
        save_notes(connection, self.notes)
        for state, indexes, helos in self.pools:
            number = pool_id(connection, state.pool.name)
            save_addresses(connection, number, state, indexes, breathe)
            save_helos(connection, number, state, helos)
        for part, taken in self.parts:
            part.save(connection, taken)
        for state, indexes in self.times:
            save_times(connection, pool_id(connection, state.pool.name), state, indexes, breathe)

    def put_back_to(self, notes: Notes) -> None:
        """Put everything but the changes back where it was taken from."""
        notes.put_back(self.notes)
        for state, indexes, helos in self.pools:
            if state.unsaved is not None:
                state.unsaved.put_back(indexes, helos)
        for part, taken in self.parts:
            part.put_back(taken)
        for state, indexes in self.times:
            for index in indexes:
                if state.unsaved is not None:
                    state.unsaved.note(index, is_news=False)


def take(
    pools: Iterable[PoolState], notes: Notes, changes: deque[Entry], parts: Sequence[AnyPart], *, with_times: bool
) -> Batch:
    """Take what is not saved yet: of addresses, as many as fit into one; *with_times*, the times of samples too.

    Where more addresses have news than fit, those that changed and those that fail come first: the end of the process
    may come before the rest.
    """
    states = [(state, state.unsaved) for state in pools if state.unsaved is not None]
    batch = Batch([], notes.take())
    while changes:
        batch.changes.append(changes.popleft())
    urgent, room = _urgent(states, batch.changes)
    for (state, unsaved), indexes in zip(states, urgent, strict=True):
        others = unsaved.take(room)
        room -= len(others)
        indexes += others
        helos = unsaved.take_helos(all_of_them=with_times)
        if indexes or helos:
            batch.pools.append((state, indexes, helos))
    for part in parts:
        taken = part.take(all_of_them=with_times)
        if taken:
            batch.parts.append((part, taken))
    if with_times:
        sampled = [(state, unsaved.take_sampled()) for state, unsaved in states]
        batch.times = [(state, indexes) for state, indexes in sampled if indexes]
    return batch


def _urgent(states: Sequence[tuple[PoolState, Unsaved]], changes: Sequence[Entry]) -> tuple[list[list[int]], int]:
    """What has to be written first, of each pool, and for how much more there is room then."""
    taken: list[list[int]] = [[] for _ in states]
    room = _ROWS
    if sum(unsaved.news for _, unsaved in states) > room:
        for places in (lambda state: _changed(state, changes), _failing):
            for (state, unsaved), indexes in zip(states, taken, strict=True):
                found = unsaved.take_of(places(state), room)
                room -= len(found)
                indexes += found
    return taken, room


def _changed(state: PoolState, changes: Sequence[Entry]) -> Iterator[int]:
    """The places of the addresses of a pool that *changes* are about."""
    for entry in changes:
        address = entry.change.address if entry.pool == state.pool.name else None
        index = None if address is None else state.pool.index(address)
        if index is not None:
            yield index


def _failing(state: PoolState) -> Iterator[int]:
    """The places of the addresses of a pool that fail, as far as that is known."""
    index = state.healths.find(FAILING)
    while index >= 0:
        yield index
        index = state.healths.find(FAILING, index + 1)
