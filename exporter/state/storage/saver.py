"""The thread that saves: once a second what is news, now and then the times, once an hour what is to be deleted.

The rule of this file: whatever goes wrong here stays here. It is counted, logged when it begins and when it is over,
and tried again; what could not be saved stays unsaved, and is saved when there is room. The event loop is never waited
for, and never waits for this.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from exporter.config.storage_entries import StorageEntry
from exporter.state.journal import CAPACITY, Entry
from exporter.state.pool import PoolState
from exporter.state.storage.batch import AnyPart, take
from exporter.state.storage.blocks import Blocks
from exporter.state.storage.database import Database, trouble_of
from exporter.state.storage.notes import Notes
from exporter.state.storage.positions import note_position, note_reached
from exporter.state.storage.retention import delete_notes, delete_old, note_gone, shrink
from exporter.state.storage.rows import fold_times, pool_id, save_times
from exporter.state.storage.status import StorageError, StorageStatus, Trouble

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


class Saver:
    """Saves what *pools*, *changes*, *notes* and *parts* hold.

    *opened* is called in the thread when the file was opened, with what should be read from it at hand; it is called
    again when the file had to be opened anew, be it another one by then.
    """

    def __init__(
        self,
        entry: StorageEntry,
        status: StorageStatus,
        notes: Notes,
        parts: Sequence[AnyPart],
        opened: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._entry = entry
        self._status = status
        self._notes = notes
        self._parts = parts
        self._opened = opened
        self.pools: Mapping[str, PoolState] = {}
        self.changes: deque[Entry] = deque(maxlen=CAPACITY)
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

    def add(self, entry: Entry) -> None:
        """A change was found."""
        if len(self.changes) == CAPACITY:
            self._status.lost_changes += 1
        self.changes.append(entry)

    def add_again(self, entries: Sequence[Entry]) -> None:
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
            raise StorageError(Trouble.OTHER, f"{self._entry.path} is gone: it is made anew")
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
        self._status.octets = database.octets

    def _open(self) -> Database:
        database = Database(Path(self._entry.path))
        if database.moved is not None:
            self._tell_broken(database.moved, "the file was no database any more")
        try:
            self._opened(database.connection)
            for state in self.pools.values():
                if state.unsaved is not None:
                    state.unsaved.note_all()
            for part in self._parts:
                part.note_all()
            if self._was_tried.is_set():  # what is known may be more than what this file knows
                self._notes.note_all()
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
            note_position(self._notes, state)
            if with_times:
                note_reached(self._notes, state)
        batch = take(self.pools.values(), self._notes, self.changes, self._parts, with_times=with_times)
        if batch.is_empty:
            return False
        try:
            connection.execute("BEGIN IMMEDIATE")
            batch.write(connection, _breathe)
            connection.execute("COMMIT")
        except BaseException:
            batch.put_back_to(self._notes)
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
                blocks = Blocks(state.pool.source)
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
        status, trouble = self._status, trouble_of(error)
        status.errors[trouble] += 1
        if status.is_ok is not False or status.what != str(error):
            log.error(
                "the state cannot be saved; sampling goes on without",
                path=self._entry.path,
                trouble=trouble.value,
                reason=str(error),
                exc_info=error if trouble is Trouble.OTHER and not isinstance(error, OSError | StorageError) else None,
            )
        status.is_ok, status.what = False, str(error)
        if trouble is Trouble.BROKEN and self._database is not None:
            database, self._database = self._database, None
            database.close()
            try:
                self._tell_broken(database.move_aside(), str(error))
            except OSError as worse:
                status.what = str(worse)
        elif trouble in {Trouble.READ_ONLY, Trouble.OTHER}:
            self._close()  # perhaps another file is there when it is opened again

    def _tell_broken(self, moved: Path, reason: str) -> None:
        self._status.errors[Trouble.BROKEN] += 1
        log.error(
            "the stored state was broken; it was moved aside", path=self._entry.path, to=str(moved), reason=reason
        )

    def _succeeded(self) -> None:
        if self._status.is_ok is False:
            log.info("the state is saved again", path=self._entry.path)
        self._status.is_ok, self._status.what = True, ""

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
