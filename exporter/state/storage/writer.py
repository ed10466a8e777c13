"""The thread that saves: once a second what is news, now and then the times, once an hour what is to be deleted.

The rule of this file: whatever goes wrong here stays here. It is counted, logged when it begins and when it is over,
and tried again; what could not be saved stays unsaved, and is saved when there is room. The event loop is never waited
for, and never waits for this.
"""

import json
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from exporter.checks.addresses import Address
from exporter.checks.result import CheckName
from exporter.config.model import StorageEntry
from exporter.state.dirty import Dirty
from exporter.state.journal import CAPACITY, JournalEntry
from exporter.state.pool import FAILING, PoolState
from exporter.state.storage.codec import (
    RangeBlocks,
    StateReader,
    as_value_error,
    fold_times,
    pool_id,
    save_addresses,
    save_helos,
    save_notes,
    save_times,
)
from exporter.state.storage.database import Database, reason_of
from exporter.state.storage.key_values import POOL, Key, KeyValueTable
from exporter.state.storage.status import StorageError, StorageErrorReason, StorageStatus
from exporter.state.storage.tables import save_changes

# SECTION exporter.state.storage.parts
# What is kept besides the pools, as the thread that saves sees it.
#
# The rule of this file: a part keeps its own marks of what is unsaved. `wanted` and `restore` run on the event
# loop, and
# wait for no disk; the others run in a thread, and touch what the event loop owns only by reading single
# values.

Taken = TypeVar("Taken")
Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


class Part(Protocol[Taken, Wanted, Found]):
    """Something that is kept over restarts in tables of its own. *name* is what the log calls it."""

    name: str

    def add_all(self) -> None:
        """Everything that is known has to be saved anew, and what is not known can be looked for anew."""

    def take(self, *, all_of_them: bool) -> Taken:
        """Take what has news, or *all_of_them* that were looked at; empty if there is nothing."""

    def put_back(self, taken: Taken) -> None:
        """Could not be saved."""

    def save(self, connection: sqlite3.Connection, taken: Taken) -> None:
        """Write it, as it is now."""

    def note_gone(self, connection: sqlite3.Connection, now: float) -> None:
        """Note of everything whether it is configured, and if not, since when."""

    def wanted(self) -> Wanted:
        """What should be looked for in the file; empty if there is nothing."""

    def read(self, source: StateReader, wanted: Wanted) -> Found:
        """What the file has of it."""

    def restore(self, found: Found) -> int:
        """Begin with what was found, as far as nothing newer is known; how much that was."""


# SECTION exporter.state.storage.batch
# What is taken to be saved in one transaction, and is put back if it cannot be.
#
# The rule of this file: what was taken is in the batch and nowhere else, until it is committed or put back.

_ROWS = 20_000
"""How many addresses are written in one transaction at most, and so in a second."""

AnyPart = Part[Any, Any, Any]


@dataclass(slots=True)
class Batch:
    """*pools* have the places of addresses, and the HELO names, that have news; *times* those that have a new time."""

    changes: list[JournalEntry]
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

    def put_back_to(self, notes: KeyValueTable) -> None:
        """Put everything but the changes back where it was taken from."""
        notes.put_back(self.notes)
        for state, indexes, helos in self.pools:
            if state.dirty is not None:
                state.dirty.put_back(indexes, helos)
        for part, taken in self.parts:
            part.put_back(taken)
        for state, indexes in self.times:
            for index in indexes:
                if state.dirty is not None:
                    state.dirty.note(index, is_changed=False)


def take(
    pools: Iterable[PoolState],
    notes: KeyValueTable,
    changes: deque[JournalEntry],
    parts: Sequence[AnyPart],
    *,
    with_times: bool,
) -> Batch:
    """Take what is not saved yet: of addresses, as many as fit into one; *with_times*, the times of samples too.

    Where more addresses have news than fit, those that changed and those that fail come first: the end of the process
    may come before the rest.
    """
    states = [(state, state.dirty) for state in pools if state.dirty is not None]
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


def _urgent(states: Sequence[tuple[PoolState, Dirty]], changes: Sequence[JournalEntry]) -> tuple[list[list[int]], int]:
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


def _changed(state: PoolState, changes: Sequence[JournalEntry]) -> Iterator[int]:
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


# SECTION exporter.state.storage.retention
# What is deleted: changes that are too old or too many, and what is known of targets that left the
# configuration.
#
# The rule of this file: what is configured is never deleted, however old; whoever comes back within the
# retention finds
# what was known. Each call deletes a little, so that no transaction is long.

_ROWS_RETENTION = 2000
_PAGES = 2000
_KEYS = {
    "addresses": "pool, address",
    "helos": "pool, name",
    "domains": "name",
    "listings": "zone, pool, first",
    "blocklists": "zone",
}


def delete_old(connection: sqlite3.Connection, entry: StorageEntry, now: float) -> bool:
    """Delete some of what is too old or too many; whether there may be more of it."""
    oldest = now - entry.retention.seconds
    deleted = 0
    for table, key in _KEYS.items():
        query = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE gone_at < ? LIMIT ?)"  # noqa: S608
        deleted += connection.execute(query, (oldest, _ROWS_RETENTION)).rowcount
    deleted += connection.execute(
        "DELETE FROM changes WHERE number IN (SELECT number FROM changes WHERE at < ? ORDER BY at LIMIT ?)",
        (oldest, _ROWS_RETENTION),
    ).rowcount
    (count,) = connection.execute("SELECT count(*) FROM changes").fetchone()
    if count > entry.max_changes:
        deleted += connection.execute(
            "DELETE FROM changes WHERE number IN (SELECT number FROM changes ORDER BY number LIMIT ?)",
            (min(count - entry.max_changes, _ROWS_RETENTION),),
        ).rowcount
    connection.execute("DELETE FROM times WHERE pool NOT IN (SELECT pool FROM addresses)")
    return deleted > 0


def delete_notes(connection: sqlite3.Connection, pools: Collection[str], entry: StorageEntry, now: float) -> None:
    """Delete the notes of pools that are none of *pools*, when they are too old."""
    for (owner,) in connection.execute("SELECT DISTINCT owner FROM notes").fetchall():
        if owner.startswith(POOL) and owner.removeprefix(POOL) not in pools:
            connection.execute("DELETE FROM notes WHERE owner = ? AND at < ?", (owner, now - entry.retention.seconds))


def shrink(connection: sqlite3.Connection) -> None:
    """Give some of the room that deleting left back to the file system."""
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()


def note_gone(connection: sqlite3.Connection, pools: Mapping[str, PoolState], now: float) -> None:
    """Note of every target whether it is configured, and if not, since when."""
    for number, name in connection.execute("SELECT id, name FROM pools").fetchall():
        state = pools.get(name)
        if state is None:
            for table in ("addresses", "helos"):
                query = f"UPDATE {table} SET gone_at = ? WHERE pool = ? AND gone_at IS NULL"  # noqa: S608
                connection.execute(query, (now, number))
            continue
        addresses = connection.execute("SELECT address, gone_at FROM addresses WHERE pool = ?", (number,))
        moved = [(gone, number, key) for key, gone in _moved(addresses, partial(_has, state), now)]
        connection.executemany("UPDATE addresses SET gone_at = ? WHERE pool = ? AND address = ?", moved)
        helos = connection.execute("SELECT name, gone_at FROM helos WHERE pool = ?", (number,))
        moved = [(gone, number, key) for key, gone in _moved(helos, state.helos.__contains__, now)]
        connection.executemany("UPDATE helos SET gone_at = ? WHERE pool = ? AND name = ?", moved)


def _moved(
    rows: Iterable[tuple[Any, float | None]], is_configured: Callable[[Any], bool], now: float
) -> list[tuple[Any, float | None]]:
    """Each key that went or came back, with the time since when it is gone: None if it is not."""
    return [(key, now if gone_at is None else None) for key, gone_at in rows if (gone_at is None) != is_configured(key)]


def _has(state: PoolState, packed: object) -> bool:
    if not isinstance(packed, bytes) or len(packed) not in {4, 16}:
        return False
    return state.pool.index(Address(packed)) is not None


# SECTION exporter.state.storage.positions
# Where a pool's sampling stands, as notes: which turn of its draws is next, how far it has come, the sums
# before it.
#
# The rule of this file: a note that cannot be read is as good as none: sampling then begins anew.

_NAME = "sampling"
_REACHED = "reached"


def put_round(notes: KeyValueTable, state: PoolState) -> None:
    """Note where *state* stands, as of the latest round that ended."""
    sample = state.sample
    if state.round_seconds is not None:
        sums = {check.value: pair for check, pair in sample.latest.items()}
        text = json.dumps([sample.key, sample.round_number, round(state.round_seconds, 3), sums], separators=(",", ":"))
        notes.put(f"{POOL}{state.pool.name}", _NAME, text)


def put_cursor(notes: KeyValueTable, state: PoolState) -> None:
    """Note how far the round of *state* has come that is under way."""
    if state.sample.cursor is not None:
        notes.put(f"{POOL}{state.pool.name}", _REACHED, str(state.sample.cursor))


def load_round(notes: KeyValueTable, state: PoolState) -> None:
    """Go on where the process before stood, if *state* has not begun yet."""
    text = notes.get(f"{POOL}{state.pool.name}", _NAME)
    if text is None or state.round_seconds is not None:
        return
    try:
        _apply(text, state)
        reached = notes.get(f"{POOL}{state.pool.name}", _REACHED)
        if reached is not None:
            state.sample.cursor = Address.parse(reached)
    except ValueError:
        return


@as_value_error
def _apply(text: str, state: PoolState) -> None:
    key, turn, seconds, sums = json.loads(text)
    latest = {CheckName(check): (int(addresses), int(failures)) for check, (addresses, failures) in sums.items()}
    state.sample.key, state.sample.round_number, state.round_seconds = int(key), int(turn), float(seconds)
    state.sample.latest = {check: latest.get(check, pair) for check, pair in state.sample.latest.items()}


# SECTION exporter.state.storage.saver

log = structlog.get_logger()

COMMIT_SECONDS = 1.0
TIMES_SECONDS = 30.0
"""How often the times of addresses are written of which nothing else changed."""
_RETENTION_SECONDS = 3600.0
_RETRY_SECONDS = 2.0
_BREATH_SECONDS = 0.0005


def _breathe() -> None:
    """Let the event loop have its turn: making rows holds the interpreter."""
    time.sleep(_BREATH_SECONDS)


class StateWriter:
    """Saves what *pools*, *changes*, *notes* and *parts* hold.

    *opened* is called in the thread when the file was opened, with what should be read from it at hand; it is called
    again when the file had to be opened anew, be it another one by then.
    """

    def __init__(
        self,
        entry: StorageEntry,
        status: StorageStatus,
        notes: KeyValueTable,
        parts: Sequence[AnyPart],
        opened: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._entry = entry
        self._status = status
        self._key_values = notes
        self._parts = parts
        self._opened = opened
        self.pools: Mapping[str, PoolState] = {}
        self.changes: deque[JournalEntry] = deque(maxlen=CAPACITY)
        self.has_begun = False
        self.is_refitted = False
        self._database: Database | None = None
        self._wake = threading.Event()
        self._is_stopping = False
        self._was_tried = threading.Event()
        self._times_at = 0.0
        self._retention_at = 0.0
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait_for_first_try(self, seconds: float) -> bool:
        """Wait until the file is open, or is known not to be."""
        return self._was_tried.wait(seconds)

    def stop(self, seconds: float) -> bool:
        """Save everything and close the file; whether that was done in time."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def add(self, entry: JournalEntry) -> None:
        """A change was found."""
        if len(self.changes) == CAPACITY:
            self._status.lost_changes += 1
        self.changes.append(entry)

    def add_again(self, entries: Sequence[JournalEntry]) -> None:
        """These have to be in the file, whatever file it is now."""
        waiting = {entry.number for entry in self.changes}
        for entry in reversed(entries):
            if entry.number not in waiting and len(self.changes) < CAPACITY:
                self.changes.appendleft(entry)

    def _run(self) -> None:
        while True:
            is_last = self._is_stopping
            pause = COMMIT_SECONDS
            try:
                self._turn(is_last=is_last)
            except Exception as error:  # noqa: BLE001  # whatever it is, sampling goes on, and so does this
                self._failed(error)
                pause = _RETRY_SECONDS
            else:
                self._succeeded()
            self._was_tried.set()
            if is_last:
                self._close()
                return
            self._wake.wait(pause)

    def _turn(self, *, is_last: bool) -> None:
        now = time.monotonic()
        if self._database is not None and not self._database.is_there:
            self._close()
            raise StorageError(StorageErrorReason.OTHER, f"{self._entry.path} is gone: it is made anew")
        database = self._database or self._open()
        connection = database.connection
        has_time_come = is_last or now >= self._times_at
        if has_time_come:
            self._times_at = now + TIMES_SECONDS
        if self.is_refitted:
            self.is_refitted = False
            self._refit(connection)
        while self._save(connection, with_times=has_time_come) and is_last:
            pass
        if now >= self._retention_at and self.pools and not is_last:
            self._retention_at = now + _RETENTION_SECONDS
            self._delete(connection)
        self._status.size_bytes = database.octets

    def _open(self) -> Database:
        database = Database(Path(self._entry.path))
        if database.moved is not None:
            self._tell_broken(database.moved, "the file was no database any more")
        try:
            self._opened(database.connection)
            for state in self.pools.values():
                if state.dirty is not None:
                    state.dirty.add_all()
            for part in self._parts:
                part.add_all()
            if self._was_tried.is_set():  # what is known may be more than what this file knows
                self._key_values.add_all()
            self.is_refitted = self.has_begun  # before that it is not known what is configured
        except BaseException:
            database.close()
            raise
        self._retention_at = 0.0
        self._database = database
        return database

    def _save(self, connection: sqlite3.Connection, *, with_times: bool) -> bool:
        """Save some of what is unsaved; whether there was anything."""
        for state in self.pools.values():
            put_round(self._key_values, state)
            if with_times:
                put_cursor(self._key_values, state)
        batch = take(self.pools.values(), self._key_values, self.changes, self._parts, with_times=with_times)
        if batch.is_empty:
            return False
        try:
            connection.execute("BEGIN IMMEDIATE")
            batch.write(connection, _breathe)
            connection.execute("COMMIT")
        except BaseException:
            batch.put_back_to(self._key_values)
            self._status.lost_changes += max(0, len(self.changes) + len(batch.changes) - CAPACITY)
            for entry in reversed(batch.changes):
                if len(self.changes) < CAPACITY:
                    self.changes.appendleft(entry)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._status.committed_at = time.time()
        return True

    def _refit(self, connection: sqlite3.Connection) -> None:
        """The configuration changed: what went is noted; blocks of times that begin elsewhere now are written anew."""
        now = time.time()
        pools = dict(self.pools)
        connection.execute("BEGIN IMMEDIATE")
        try:
            note_gone(connection, pools, now)
            for part in self._parts:
                part.note_gone(connection, now)
            for state in pools.values():
                number = pool_id(connection, state.pool.name)
                blocks = RangeBlocks(state.pool.source)
                starts = connection.execute("SELECT first FROM times WHERE pool = ?", (number,)).fetchall()
                if any(not blocks.begins_at(state.pool.source, first) for (first,) in starts):
                    fold_times(connection, number)
                    known = [index for index in range(state.pool.size) if state.sampled_at(index)]
                    save_times(connection, number, state, known, _breathe)
            connection.execute("COMMIT")
        except BaseException:
            self.is_refitted = True
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _delete(self, connection: sqlite3.Connection) -> None:
        while delete_old(connection, self._entry, time.time()) and not self._is_stopping:
            _breathe()
        delete_notes(connection, self.pools, self._entry, time.time())
        shrink(connection)

    def _failed(self, error: Exception) -> None:
        status, trouble = self._status, reason_of(error)
        status.errors[trouble] += 1
        if status.is_ok is not False or status.message != str(error):
            log.error(
                "the state cannot be saved; sampling goes on without",
                path=self._entry.path,
                trouble=trouble.value,
                reason=str(error),
                exc_info=error
                if trouble is StorageErrorReason.OTHER and not isinstance(error, OSError | StorageError)
                else None,
            )
        status.is_ok, status.message = False, str(error)
        if trouble is StorageErrorReason.BROKEN and self._database is not None:
            database, self._database = self._database, None
            database.close()
            try:
                self._tell_broken(database.move_aside(), str(error))
            except OSError as worse:
                status.message = str(worse)
        elif trouble in {StorageErrorReason.READ_ONLY, StorageErrorReason.OTHER}:
            self._close()  # perhaps another file is there when it is opened again

    def _tell_broken(self, moved: Path, reason: str) -> None:
        self._status.errors[StorageErrorReason.BROKEN] += 1
        log.error(
            "the stored state was broken; it was moved aside", path=self._entry.path, to=str(moved), reason=reason
        )

    def _succeeded(self) -> None:
        if self._status.is_ok is False:
            log.info("the state is saved again", path=self._entry.path)
        self._status.is_ok, self._status.message = True, ""

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
