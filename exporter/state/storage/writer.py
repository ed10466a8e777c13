"""The thread that saves the state: changes every second, sample times every 30 seconds; old rows go once an hour.

It handles all its errors itself: it counts and logs them, and tries again. What could not be saved stays dirty. The
event loop and this thread never wait for each other.
"""

import json
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import structlog

from exporter.checks.addresses import Address
from exporter.checks.result import CheckName
from exporter.config.model import StorageEntry
from exporter.state.dirty import Dirty
from exporter.state.journal import CAPACITY, JournalEntry
from exporter.state.pool import FAILING, PoolState
from exporter.state.storage.codec import as_value_error, to_text
from exporter.state.storage.database import Database, move_aside, reason_of
from exporter.state.storage.key_values import POOL, Key, KeyValueTable
from exporter.state.storage.status import StorageError, StorageErrorReason, StorageStatus
from exporter.state.storage.tables import (
    StateReader,
    delete_key_values,
    delete_old,
    newest,
    pool_id,
    renew_times,
    save_addresses,
    save_changes,
    save_helos,
    save_key_values,
    save_times,
    update_gone,
)

log = structlog.get_logger()

_TIMES_SECONDS = 30.0
_RETENTION_SECONDS = 3600.0
_PAUSE_SECONDS = 0.0005


class Pace(NamedTuple):
    """How often the writer works.

    Attributes:
        commit_seconds: The pause between two commits.
        retry_seconds: The pause after an error.
        max_addresses: How many changed addresses a transaction writes at most.
    """

    commit_seconds: float = 1.0
    retry_seconds: float = 2.0
    max_addresses: int = 20_000


PACE = Pace()


class StateTable(Protocol):
    """A part of the state that has tables of its own, besides the pools.

    `missing` and `restore` run on the event loop and never wait for a disk. The other methods run in a thread, and
    read only single values of what the event loop owns.

    Attributes:
        name: The name in log lines.
    """

    name: str

    def add_all(self) -> None:
        """Mark all results dirty, and search again for unknown ones: the file may be a new one."""

    def take(self, *, with_sampled: bool) -> Any:
        """Remove and return what changed; *with_sampled* also what was only sampled again. Empty if there is none."""

    def put_back(self, taken: Any) -> None:
        """Mark what was taken as dirty again after a failed save."""

    def save(self, connection: sqlite3.Connection, taken: Any) -> None:
        """Write the present state of what was taken."""

    def update_gone(self, connection: sqlite3.Connection, now: float) -> None:
        """Record in every row since when its subject is not configured, or that it is."""

    def missing(self) -> Any:
        """What should be looked for in the file; empty if there is nothing."""

    def read(self, source: StateReader, missing: Any) -> Any:
        """Read from the file what is missing."""

    def restore(self, found: Any) -> int:
        """Put what was read, except where there is something newer. Return how much it was."""


@dataclass(slots=True)
class Batch:
    """What one transaction saves. What was taken is in the batch only, until it is committed or put back.

    Attributes:
        changes: New entries of the journal.
        key_values: New values, with their times.
        pools: For each pool, the indexes of addresses, and the HELO names, that changed.
        times: For each pool, the indexes of addresses that were only sampled again.
        tables: What was taken from each `StateTable`.
    """

    changes: list[JournalEntry]
    key_values: dict[Key, tuple[str, float]]
    pools: list[tuple[PoolState, list[int], list[str]]] = field(default_factory=list)
    times: list[tuple[PoolState, list[int]]] = field(default_factory=list)
    tables: list[tuple[StateTable, Any]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to save."""
        return not (self.changes or self.key_values or self.pools or self.times or self.tables)

    def write(self, connection: sqlite3.Connection, pause: Callable[[], None]) -> None:
        """Write the present state of everything in it. Call *pause* between steps."""
        save_changes(connection, self.changes)
        save_key_values(connection, self.key_values)
        for state, indexes, helos in self.pools:
            number, replace = pool_id(connection, state.pool.name), state.dirty is None or state.dirty.is_restored
            save_addresses(connection, number, state, indexes, pause, replace=replace)
            save_helos(connection, number, state, helos, replace=replace)
        for table, taken in self.tables:
            table.save(connection, taken)
        for state, indexes in self.times:
            save_times(connection, pool_id(connection, state.pool.name), state, indexes, pause)

    def put_back(self, key_values: KeyValueTable) -> None:
        """Put everything except the changes back where it was taken from."""
        key_values.put_back(self.key_values)
        for state, indexes, helos in self.pools:
            if state.dirty is not None:
                state.dirty.put_back(indexes)
                state.dirty.helos.add_all(helos)
        for table, taken in self.tables:
            table.put_back(taken)
        for state, indexes in self.times:
            for index in indexes:
                if state.dirty is not None:
                    state.dirty.add(index, is_changed=False)


def take_batch(
    pools: Iterable[PoolState],
    key_values: KeyValueTable,
    changes: deque[JournalEntry],
    tables: Sequence[StateTable],
    *,
    with_times: bool,
    max_addresses: int = PACE.max_addresses,
    is_last: bool = False,
) -> Batch:
    """Take what is not saved yet, with up to *max_addresses* changed addresses; *with_times* sample times, too.

    Pools whose saved state was not read yet wait for that; if it *is_last*, their rows are added where there are none.
    If more addresses changed, those in *changes* and the failing ones are taken first: the process may end before the
    rest is saved.
    """
    all_states = [(state, state.dirty) for state in pools if state.dirty is not None]
    states = [(state, dirty) for state, dirty in all_states if dirty.is_restored or is_last]
    batch = Batch([], key_values.take())
    while changes:
        batch.changes.append(changes.popleft())
    urgent = _take_urgent(states, batch.changes, max_addresses)
    left = max_addresses - sum(map(len, urgent))
    for (state, dirty), indexes in zip(states, urgent, strict=True):
        others = dirty.take(left)
        left -= len(others)
        indexes += others
        helos = dirty.helos.take(with_sampled=with_times)
        if indexes or helos:
            batch.pools.append((state, indexes, helos))
    for table in tables:
        taken = table.take(with_sampled=with_times)
        if taken:
            batch.tables.append((table, taken))
    if with_times:
        sampled = [(state, dirty.take_sampled()) for state, dirty in states]
        batch.times = [(state, indexes) for state, indexes in sampled if indexes]
    return batch


def _take_urgent(
    states: Sequence[tuple[PoolState, Dirty]], changes: Sequence[JournalEntry], limit: int
) -> list[list[int]]:
    """Take up to *limit* urgent addresses of each pool if not all changed ones can be written."""
    taken: list[list[int]] = [[] for _ in states]
    if sum(dirty.changed for _, dirty in states) > limit:
        for urgent in (lambda state: _in_changes(state, changes), _failing):
            for (state, dirty), indexes in zip(states, taken, strict=True):
                found = dirty.take_of(urgent(state), limit)
                limit -= len(found)
                indexes += found
    return taken


def _in_changes(state: PoolState, changes: Sequence[JournalEntry]) -> Iterator[int]:
    """The indexes of the pool's addresses in *changes*."""
    for entry in changes:
        address = entry.change.address if entry.pool == state.pool.name else None
        index = None if address is None else state.pool.index(address)
        if index is not None:
            yield index


def _failing(state: PoolState) -> Iterator[int]:
    """The indexes of the pool's failing addresses."""
    index = state.healths.find(FAILING)
    while index >= 0:
        yield index
        index = state.healths.find(FAILING, index + 1)


# How far the sampling of a pool has come, in the key-value table.

_ROUND = "sampling"
_CURSOR = "reached"


def put_round(key_values: KeyValueTable, state: PoolState) -> None:
    """Store the number, the duration and the sums of the latest round of *state*."""
    sample = state.sample
    if state.round_seconds is not None:
        sums = {check.value: pair for check, pair in sample.latest.items()}
        text = to_text([sample.key, sample.round_number, round(state.round_seconds, 3), sums])
        key_values.put(f"{POOL}{state.pool.name}", _ROUND, text)


def put_cursor(key_values: KeyValueTable, state: PoolState) -> None:
    """Store how far the present round of *state* has come."""
    if state.sample.cursor is not None:
        key_values.put(f"{POOL}{state.pool.name}", _CURSOR, str(state.sample.cursor))


def load_round(key_values: KeyValueTable, state: PoolState) -> None:
    """Go on where an earlier process stopped, if no round ended yet. Values that cannot be read are ignored."""
    text = key_values.get(f"{POOL}{state.pool.name}", _ROUND)
    if text is None or state.round_seconds is not None:
        return
    try:
        _apply(text, state)
        cursor = key_values.get(f"{POOL}{state.pool.name}", _CURSOR)
        if cursor is not None:
            state.sample.cursor = Address.parse(cursor)
    except ValueError:
        return


@as_value_error
def _apply(text: str, state: PoolState) -> None:
    key, number, seconds, sums = json.loads(text)
    latest = {CheckName(check): (int(addresses), int(failures)) for check, (addresses, failures) in sums.items()}
    state.sample.key, state.sample.round_number, state.round_seconds = int(key), int(number), float(seconds)
    state.sample.latest = {check: latest.get(check, pair) for check, pair in state.sample.latest.items()}


def _pause() -> None:
    """Let the event loop run: building rows keeps the interpreter's lock."""
    time.sleep(_PAUSE_SECONDS)


class StateWriter:
    """The thread that saves pools, changes, key-values and *tables*.

    *opened* is called in the thread with the connection whenever a file was opened, so that it can be read. After an
    error that may be another file. It returns the entries of the journal that the file may lack.

    Attributes:
        pools: The pools of the current configuration.
        changes: New entries of the journal.
        has_begun: Whether *pools* is set, so that the writer can see what left the configuration.
        is_reloaded: Whether the configuration changed since the writer last looked.
        are_tables_restored: Whether the saved state of *tables* was read; before that, none of it is saved.
    """

    def __init__(
        self,
        entry: StorageEntry,
        status: StorageStatus,
        key_values: KeyValueTable,
        tables: Sequence[StateTable],
        opened: Callable[[sqlite3.Connection], Sequence[JournalEntry]],
        pace: Pace = PACE,
    ) -> None:
        self._entry = entry
        self._status = status
        self._key_values = key_values
        self._tables = tables
        self._opened = opened
        self._pace = pace
        self.pools: Mapping[str, PoolState] = {}
        self.changes: deque[JournalEntry] = deque(maxlen=CAPACITY)
        self.has_begun = False
        self.is_reloaded = False
        self.are_tables_restored = False
        self._database: Database | None = None
        self._wake = threading.Event()
        self._is_stopping = False
        self._was_tried = threading.Event()
        self._times_at = 0.0
        self._retention_at = 0.0
        self._opened_at = (0.0, math.inf)
        self._thread = threading.Thread(target=self._run, name="storage", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait_for_first_try(self, seconds: float) -> bool:
        """Wait until the file is open or could not be opened. Return whether that took at most *seconds*."""
        return self._was_tried.wait(seconds)

    def stop(self, seconds: float) -> bool:
        """Save everything and close the file. Return whether that took at most *seconds*."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def add(self, entry: JournalEntry) -> None:
        """Save a new entry of the journal."""
        if len(self.changes) == CAPACITY:
            self._status.lost_changes += 1
        self.changes.append(entry)

    def _add_again(self, entries: Sequence[JournalEntry]) -> None:
        """Save these entries, whether or not an earlier file has them."""
        waiting = {entry.number for entry in tuple(self.changes)}
        for entry in reversed(entries):
            if entry.number not in waiting and len(self.changes) < CAPACITY:
                self.changes.appendleft(entry)

    def _run(self) -> None:
        while True:
            is_last = self._is_stopping
            seconds = self._pace.commit_seconds
            try:
                self._work(is_last=is_last)
            except Exception as error:  # noqa: BLE001  # whatever it is, sampling goes on, and so does this thread
                self._failed(error)
                seconds = self._pace.retry_seconds
            else:
                self._succeeded()
            self._was_tried.set()
            if is_last:
                self._close()
                return
            self._wake.wait(seconds)

    def _work(self, *, is_last: bool) -> None:
        now = time.monotonic()
        if self._database is not None and not self._database.is_there:
            self._close()
            message = f"{self._entry.path} was deleted or replaced: it is created again"
            self._failed(StorageError(StorageErrorReason.OTHER, message))
        database = self._database or self._open()
        connection = database.connection
        with_times = is_last or now >= self._times_at
        if with_times:
            self._times_at = now + _TIMES_SECONDS
        if self.is_reloaded:
            self.is_reloaded = False
            self._reload(connection)
        while self._save(connection, with_times=with_times, is_last=is_last) and is_last:
            pass
        if now >= self._retention_at and self.pools and not is_last:
            self._retention_at = now + _RETENTION_SECONDS
            self._delete(connection)
        self._status.size_bytes = database.size_bytes

    def _open(self) -> Database:
        database = Database(Path(self._entry.path))
        if database.moved is not None:
            self._log_broken(database.moved, "the file was not a valid database")
        try:
            self._opened_at = (time.monotonic(), newest(database.connection) or math.inf)
            self._add_again(self._opened(database.connection))
            for state in self.pools.values():
                if state.dirty is not None:
                    state.dirty.add_all()
            for table in self._tables:
                table.add_all()
            if self._was_tried.is_set():  # there may be more in memory than in this file
                self._key_values.add_all()
            self.is_reloaded = self.has_begun
        except BaseException:
            database.close()
            raise
        self._retention_at = 0.0
        self._database = database
        return database

    def _save(self, connection: sqlite3.Connection, *, with_times: bool, is_last: bool) -> bool:
        """Save one batch. Return whether there was anything to save."""
        for state in self.pools.values():
            put_round(self._key_values, state)
            if with_times:
                put_cursor(self._key_values, state)
        batch = take_batch(
            self.pools.values(),
            self._key_values,
            self.changes,
            self._tables if self.are_tables_restored else (),
            with_times=with_times,
            max_addresses=self._pace.max_addresses,
            is_last=is_last,
        )
        if batch.is_empty:
            return False
        try:
            connection.execute("BEGIN IMMEDIATE")
            batch.write(connection, _pause)
            connection.execute("COMMIT")
        except BaseException:
            batch.put_back(self._key_values)
            self._status.lost_changes += max(0, len(self.changes) + len(batch.changes) - CAPACITY)
            for entry in reversed(batch.changes):
                if len(self.changes) < CAPACITY:
                    self.changes.appendleft(entry)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._status.committed_at = time.time()
        return True

    def _reload(self, connection: sqlite3.Connection) -> None:
        """The configuration changed: record what left it, and write blocks again that start elsewhere now."""
        now = time.time()
        pools = dict(self.pools)
        connection.execute("BEGIN IMMEDIATE")
        try:
            update_gone(connection, pools, now)
            for table in self._tables:
                table.update_gone(connection, now)
            for state in pools.values():
                renew_times(connection, pool_id(connection, state.pool.name), state, _pause)
            connection.execute("COMMIT")
        except BaseException:
            self.is_reloaded = True
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _delete(self, connection: sqlite3.Connection) -> None:
        monotonic, known = self._opened_at
        # A wrong clock deletes nothing, nor does the time in which no exporter ran.
        oldest = min(time.time(), known + time.monotonic() - monotonic) - self._entry.retention.seconds
        while delete_old(connection, self._entry, oldest) and not self._is_stopping:
            _pause()
        delete_key_values(connection, self.pools, oldest)
        connection.execute("PRAGMA incremental_vacuum(2000)").fetchall()  # return free pages to the file system

    def _failed(self, error: Exception) -> None:
        status, kind = self._status, reason_of(error)
        status.errors[kind] += 1
        if status.is_ok is not False or status.message != str(error):
            is_unexpected = kind is StorageErrorReason.OTHER and not isinstance(error, OSError | StorageError)
            log.error(
                "the state cannot be saved; sampling goes on without",
                path=self._entry.path,
                trouble=kind.value,
                reason=str(error),
                exc_info=error if is_unexpected else None,
            )
        status.is_ok, status.message = False, str(error)
        if kind is StorageErrorReason.BROKEN and self._database is not None:
            database, self._database = self._database, None
            database.close()
            try:
                self._log_broken(move_aside(database.path), str(error))
            except OSError as worse:
                status.message = str(worse)
        elif kind in {StorageErrorReason.READ_ONLY, StorageErrorReason.OTHER}:
            self._close()  # another file may be there when it is opened again

    def _log_broken(self, moved: Path, reason: str) -> None:
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
