"""The storage as the service sees it. The same calls work without a storage; then nothing is saved.

It runs on the event loop and never waits for a disk there: a thread saves, and other threads read.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from exporter.config.model import StorageEntry
from exporter.state.address import AddressState
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from exporter.state.dirty import Dirty
from exporter.state.domain import DomainBoard
from exporter.state.journal import ALL_CHANGES, CAPACITY, ChangeFilter, Journal, JournalEntry
from exporter.state.pool import PoolState
from exporter.state.storage.key_values import KeyValueTable
from exporter.state.storage.status import StorageError, StorageStatus

if TYPE_CHECKING:
    import sqlite3

    from exporter.state.storage.writer import Pace, StateTable, StateWriter

# Modules that need SQLite are imported where they are used: without a storage they are never loaded.

log = structlog.get_logger()

_FIRST_TRY_SECONDS = 10.0
_STOP_SECONDS = 10.0
_RESTORING_SECONDS = 0.5
_RETRY_SECONDS = 5.0


class Storage:
    """Saves the boards, the block lists, the journal and the key-value table, and restores them.

    *status* is None while there is no storage.
    """

    def __init__(
        self,
        board: Board,
        domains: DomainBoard,
        blocklists: Blocklists,
        journal: Journal,
        key_values: KeyValueTable,
        pace: "Pace | None" = None,
    ) -> None:
        self._board = board
        self._domains = domains
        self._blocklists = blocklists
        self._journal = journal
        self._key_values = key_values
        self._pace = pace
        self._entry: StorageEntry | None = None
        self._writer: StateWriter | None = None
        self._tables: list[StateTable] = []
        self._has_begun = False
        self._pools: Mapping[str, PoolState] = {}
        self._to_restore: set[str] = set()
        self._restoring: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._retry: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.status: StorageStatus | None = None

    async def use(self, entry: StorageEntry | None) -> None:
        """Use the file of *entry* from now on, or none. The file before is saved and closed.

        Return when the key-value table and the changes are loaded, or when the file could not be opened. The writer
        goes on trying to open it.
        """
        if entry == self._entry or self._is_stopping:
            return
        await self._end()
        self._entry = entry
        if entry is None:
            return
        from exporter.state.storage.tables import BlocklistTables, DomainTable
        from exporter.state.storage.writer import PACE, StateWriter

        self._loop = asyncio.get_running_loop()
        self.status = StorageStatus(entry.path)
        self._tables = [DomainTable(self._domains), BlocklistTables(self._blocklists)]
        pace = self._pace or PACE
        self._writer = StateWriter(entry, self.status, self._key_values, self._tables, self._opened, pace)
        self._key_values.add_all()  # there are values if this is not the first file
        self._writer.start()
        if not await asyncio.to_thread(self._writer.wait_for_first_try, _FIRST_TRY_SECONDS):
            log.warning("the state takes long to open; the exporter goes on without", path=entry.path)

    def follow(self) -> None:
        """Save the board's current generation from now on. Call it after each `Board.publish`."""
        from exporter.state.storage.writer import load_round

        self._has_begun = True
        before, self._pools = self._pools, self._board.pools
        if self._writer is None:
            return
        for name, state in self._pools.items():
            old = before.get(name)
            if old is None:
                load_round(self._key_values, state)
            if state is not old or state.dirty is None:
                self._to_restore.add(name)
                state.dirty = Dirty(state.pool.size)
                if old is not None and old is not state and old.dirty is not None:
                    _copy_dirty(old, state)
                elif old is not None:  # its state is known, but is not in this file
                    state.dirty.add_all()
        self._writer.pools = self._pools
        self._writer.has_begun = self._writer.is_reloaded = True
        self._writer.are_tables_restored = False

    async def begin_restoring(self) -> asyncio.Task[None]:
        """Start `restore` and wait for it briefly, so that small pools are restored before the first request."""
        restoring = asyncio.create_task(self.restore())
        await asyncio.wait({restoring}, timeout=_RESTORING_SECONDS)
        return restoring

    async def restore(self) -> None:
        """Restore what is new in the configuration since the last call, in short steps. Newer samples stay.

        What was restored is saved from then on. `stop_restoring` ends it early.
        """
        status, entry, writer = self.status, self._entry, self._writer
        if status is None or entry is None or writer is None:
            return
        if not status.is_ok:  # not open yet, or not for sure
            self._restore_later()
            return
        names, self._to_restore = self._to_restore, set()
        began, before = time.monotonic(), status.restored
        others: dict[str, int] = {}
        try:
            for table in self._tables:
                if not self._is_stopping:
                    others[table.name] = await self._restore_table(table, entry, status)
            writer.are_tables_restored = not self._is_stopping
            for name in sorted(names):
                state = self._pools.get(name)
                if state is not None and not self._is_stopping:
                    await self._restore_pool(name, state, entry, status)
                names.discard(name)
        except (StorageError, OSError) as error:
            log.warning("the stored state cannot be read", path=entry.path, reason=str(error))
            self._to_restore |= names
            self._restore_later()
        if status.restored > before or any(others.values()):
            seconds = round(time.monotonic() - began, 3)
            log.info("restored what was known", addresses=status.restored - before, **others, seconds=seconds)

    def _restore_later(self) -> None:
        """Try again soon."""
        if self._retry is not None:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.start_restoring)

    async def _restore_table(self, table: "StateTable", entry: StorageEntry, status: StorageStatus) -> int:
        missing = table.missing()
        if not missing:
            return 0
        since = time.time() - entry.retention.seconds
        return table.restore(await asyncio.to_thread(_read_table, table, Path(entry.path), since, status, missing))

    async def _restore_pool(self, name: str, state: PoolState, entry: StorageEntry, status: StorageStatus) -> None:
        since = time.time() - entry.retention.seconds
        async with contextlib.aclosing(_read_pool(Path(entry.path), state, since, status)) as steps:
            async for step in steps:
                if self._pools.get(name) is not state or self._is_stopping:
                    return
                for index, known in step:
                    status.restored += state.restore(index, known)
                await asyncio.sleep(0)
        if state.dirty is not None:
            state.dirty.is_restored = True

    def start_restoring(self) -> None:
        """Start `restore` in the background: for pools that a reload brings."""
        if self._writer is not None:
            task = asyncio.create_task(self.restore())
            self._restoring.add(task)
            task.add_done_callback(self._restoring.discard)

    def add_change(self, entry: JournalEntry) -> None:
        """Save a new entry of the journal."""
        if self._writer is not None:
            self._writer.add(entry)

    async def changes(
        self, count: int, *, before: int | None = None, wanted: ChangeFilter = ALL_CHANGES
    ) -> list[JournalEntry]:
        """The same as `Journal.latest`, but back to the oldest change in the file."""
        found = self._journal.latest(count, before=before, wanted=wanted)
        first = self._journal.first
        if len(found) >= count or self.status is None or not self.status.is_ok:
            return found
        from exporter.state.storage.tables import page

        oldest = before if first is None else first if before is None else min(first, before)
        try:
            older = await asyncio.to_thread(page, Path(self.status.path), count - len(found), oldest, wanted)
        except (StorageError, OSError):
            return found  # a metric shows that the storage fails; what is in memory is right
        return found + older

    def stop_restoring(self) -> None:
        """Stop restoring. Anything that is not restored yet stays in the database."""
        self._is_stopping = True

    async def stop(self) -> None:
        """Save everything and close the file."""
        self.stop_restoring()
        await self._end()

    async def _end(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        for task in tuple(self._restoring):
            task.cancel()
        await asyncio.gather(*self._restoring, return_exceptions=True)
        writer, self._writer, self.status = self._writer, None, None
        if writer is not None and not await asyncio.to_thread(writer.stop, _STOP_SECONDS):
            log.error("the state could not be saved in time", seconds=_STOP_SECONDS)
        for state in self._pools.values():
            state.dirty = None

    def _opened(self, connection: "sqlite3.Connection") -> Sequence[JournalEntry]:
        """Load the key-value table and the latest changes. Return the entries in memory: this file may lack them.

        Runs in the writer's thread. Copying the journal is a single step for the interpreter, so the loop may write.
        """
        from exporter.state.storage.tables import StateReader, load_changes

        self._key_values.restore(StateReader(connection, time.time(), 0.0).key_values())
        entries = list(load_changes(connection, CAPACITY))
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._restore_journal, entries)
        return self._journal.entries()

    def _restore_journal(self, entries: Sequence[JournalEntry]) -> None:
        self._journal.restore(entries)
        if self._writer is not None and self._has_begun:  # opened late: what was sampled meanwhile is newer
            self._to_restore.update(self._pools)
            self.start_restoring()


def is_fresh(state: PoolState, now: float) -> bool:
    """Whether all of a pool was sampled within two intervals, by this process or an earlier one."""
    if any(helo.latest is None for helo in state.helos.values()):
        return False
    return state.oldest_sample() > now - 2 * state.pool.interval_seconds


async def _read_pool(
    path: Path, state: PoolState, since: float, status: StorageStatus
) -> AsyncGenerator[list[tuple[int, AddressState]], None]:
    """Restore the HELO names of a pool, and yield the states of its addresses. A thread reads them."""
    from exporter.state.storage.tables import StateReader, read_only

    with contextlib.ExitStack() as stack:
        connection = await asyncio.to_thread(stack.enter_context, read_only(path))
        source = StateReader(connection, time.time(), since)
        for helo in await asyncio.to_thread(source.helos, state.pool):
            state.restore_helo(helo)
        steps = source.addresses(state.pool)
        while (step := await asyncio.to_thread(next, steps, None)) is not None:
            yield step
        status.unreadable += source.unreadable


def _read_table(table: "StateTable", path: Path, since: float, status: StorageStatus, missing: Any) -> Any:
    from exporter.state.storage.tables import StateReader, read_only

    with read_only(path) as connection:
        source = StateReader(connection, time.time(), since)
        found = table.read(source, missing)
    status.unreadable += source.unreadable
    return found


def _copy_dirty(old: PoolState, state: PoolState) -> None:
    """Mark what is dirty in *old* as dirty in *state*."""
    if old.dirty is None or state.dirty is None:
        return
    state.dirty.copy(old.dirty, state.pool.source.runs(old.pool.source))
    helos = old.dirty.helos.take(with_sampled=True)
    state.dirty.helos.add_all(text for text in helos if text in state.helos)
