"""The one object that the service talks to about storage: it is there with and without one.

The rule of this file: it runs on the event loop and never waits for a disk there. It hands the board to the thread
that saves, and what was saved back to the board.
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

    from exporter.state.storage.writer import AnyPart, StateWriter


log = structlog.get_logger()

_FIRST_TRY_SECONDS = 10.0
_STOP_SECONDS = 10.0
_RESTORING_SECONDS = 0.5


class Storage:
    """Keeps the boards, what block lists say, the journal and *notes* over restarts."""

    def __init__(
        self, board: Board, domains: DomainBoard, blocklists: Blocklists, journal: Journal, notes: KeyValueTable
    ) -> None:
        self._board = board
        self._domains = domains
        self._blocklists = blocklists
        self._journal = journal
        self._key_values = notes
        self._entry: StorageEntry | None = None
        self._saver: StateWriter | None = None
        self._parts: list[AnyPart] = []
        self._has_begun = False
        self._pools: Mapping[str, PoolState] = {}
        self._to_restore: set[str] = set()
        self._restoring: set[asyncio.Task[None]] = set()
        self._is_over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.status: StorageStatus | None = None

    async def use(self, entry: StorageEntry | None) -> None:
        """Keep everything in *entry*'s file from now on; None keeps nothing. The one before is saved and closed.

        Returns when the file is open, and its notes and changes are here; or when it is known that it cannot be
        opened now, which is tried again and again.
        """
        if entry == self._entry or self._is_over:
            return
        await self._end()
        self._entry = entry
        if entry is None:
            return
        from exporter.state.storage.tables import (
            BlocklistTables,  # only those who have a storage pay for SQLite
            DomainTable,
        )
        from exporter.state.storage.writer import StateWriter

        self._loop = asyncio.get_running_loop()
        self.status = StorageStatus(entry.path)
        self._parts = [DomainTable(self._domains), BlocklistTables(self._blocklists)]
        self._saver = StateWriter(entry, self.status, self._key_values, self._parts, self._opened)
        self._key_values.add_all()  # there are some if this is not the first file
        self._saver.start()
        if not await asyncio.to_thread(self._saver.wait_for_first_try, _FIRST_TRY_SECONDS):
            log.warning("the state takes long to open; the exporter goes on without", path=entry.path)

    def follow(self) -> None:
        """Fit to the board's current generation, which has just been adopted."""
        from exporter.state.storage.writer import load_round

        self._has_begun = True
        before, self._pools = self._pools, self._board.pools
        if self._saver is None:
            return
        for name, state in self._pools.items():
            old = before.get(name)
            if state is not old:
                self._to_restore.add(name)
            if old is None:
                load_round(self._key_values, state)
            if state is not old or state.dirty is None:
                state.dirty = Dirty(state.pool.size)
                if old is not None and old is not state and old.dirty is not None:
                    _carry(old, state)
                elif old is not None:  # it is known, and this file knows nothing of it
                    state.dirty.add_all()
        self._saver.pools = self._pools
        self._saver.has_begun = self._saver.is_refitted = True

    async def begin_restoring(self) -> asyncio.Task[None]:
        """Begin to `restore`, and wait for it, but not for long: the first request need not come before small pools."""
        restoring = asyncio.create_task(self.restore())
        await asyncio.wait({restoring}, timeout=_RESTORING_SECONDS)
        return restoring

    async def restore(self) -> None:
        """Give the boards what is known of targets that were not sampled yet, a little at a time.

        That is about pools, and other things, that are new since this was last done. `end_soon` ends it early.
        """
        names, self._to_restore = self._to_restore, set()
        status, entry = self.status, self._entry
        if status is None or entry is None or not status.is_ok:
            return
        began, before = time.monotonic(), status.restored
        others: dict[str, int] = {}
        try:
            for part in self._parts:
                if not self._is_over:
                    others[part.name] = await self._restore_part(part, entry, status)
            for name in names:
                state = self._pools.get(name)
                if state is not None and not self._is_over:
                    await self._restore_pool(name, state, entry, status)
        except (StorageError, OSError) as error:
            log.warning("the stored state cannot be read", path=entry.path, reason=str(error))
        if status.restored > before or any(others.values()):
            seconds = round(time.monotonic() - began, 3)
            log.info("restored what was known", addresses=status.restored - before, **others, seconds=seconds)

    async def _restore_part(self, part: "AnyPart", entry: StorageEntry, status: StorageStatus) -> int:
        wanted = part.wanted()
        if not wanted:
            return 0
        since = time.time() - entry.retention.seconds
        return part.restore(await asyncio.to_thread(_read_part, part, Path(entry.path), since, status, wanted))

    async def _restore_pool(self, name: str, state: PoolState, entry: StorageEntry, status: StorageStatus) -> None:
        since = time.time() - entry.retention.seconds
        async with contextlib.aclosing(_read(Path(entry.path), state, since, status)) as chunks:
            async for chunk in chunks:
                if self._pools.get(name) is not state or self._is_over:
                    return
                for index, known in chunk:
                    if not state.sampled_at(index):
                        state.restore(index, known)
                        status.restored += 1
                await asyncio.sleep(0)

    def start_restoring(self) -> None:
        """The same as `restore`, in the background: for pools that come while others are sampled."""
        if self._saver is not None:
            task = asyncio.create_task(self.restore())
            self._restoring.add(task)
            task.add_done_callback(self._restoring.discard)

    def add_change(self, entry: JournalEntry) -> None:
        """A change was written to the journal."""
        if self._saver is not None:
            self._saver.add(entry)

    async def changes(
        self, count: int, *, before: int | None = None, wanted: ChangeFilter = ALL_CHANGES
    ) -> list[JournalEntry]:
        """As `Journal.latest`, but back to the oldest change that is kept."""
        found = self._journal.latest(count, before=before, wanted=wanted)
        first = self._journal.first
        if len(found) >= count or self.status is None or not self.status.is_ok:
            return found
        from exporter.state.storage.tables import page

        oldest = before if first is None else first if before is None else min(first, before)
        try:
            older = await asyncio.to_thread(page, Path(self.status.path), count - len(found), oldest, wanted)
        except (StorageError, OSError):
            return found  # the metric says so; what is in memory is true all the same
        return found + older

    def stop_restoring(self) -> None:
        """Nothing that is restored from now on is of use to anybody: what is not, is in the file all the same."""
        self._is_over = True

    async def stop(self) -> None:
        """Save everything, and end."""
        self.stop_restoring()
        await self._end()

    async def _end(self) -> None:
        for task in tuple(self._restoring):
            task.cancel()
        await asyncio.gather(*self._restoring, return_exceptions=True)
        saver, self._saver, self.status = self._saver, None, None
        if saver is not None and not await asyncio.to_thread(saver.stop, _STOP_SECONDS):
            log.error("the state could not be saved in time", seconds=_STOP_SECONDS)
        for state in self._pools.values():
            state.dirty = None

    def _opened(self, connection: "sqlite3.Connection") -> None:
        """In the thread that saves: read what is there."""
        from exporter.state.storage.codec import StateReader
        from exporter.state.storage.tables import load_changes

        reading = StateReader(connection, time.time(), 0.0)
        self._key_values.restore(reading.notes())
        entries = list(load_changes(connection, CAPACITY))
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._read_back, entries)

    def _read_back(self, entries: Sequence[JournalEntry]) -> None:
        mine = self._journal.entries()
        self._journal.restore(entries)
        if self._saver is None:
            return
        self._saver.add_again(mine)
        if self._has_begun:  # too late for the start: what was sampled meanwhile is newer
            self._to_restore.update(self._pools)
            self.start_restoring()


def is_fresh(state: PoolState, now: float) -> bool:
    """Whether all of a pool is known, and was sampled in the last two intervals, be it by an earlier process."""
    if any(helo.latest is None for helo in state.helos.values()):
        return False
    return state.oldest_sample() > now - 2 * state.pool.interval_seconds


async def _read(
    path: Path, state: PoolState, since: float, status: StorageStatus
) -> AsyncGenerator[list[tuple[int, AddressState]], None]:
    """What is known of a pool, read in threads; HELO names are put in place by the way."""
    from exporter.state.storage.codec import StateReader
    from exporter.state.storage.tables import reader

    with contextlib.ExitStack() as stack:
        connection = await asyncio.to_thread(stack.enter_context, reader(path))
        reading = StateReader(connection, time.time(), since)
        for helo in await asyncio.to_thread(reading.helos, state.pool):
            state.restore_helo(helo)
        chunks = reading.addresses(state.pool)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk
        status.unreadable += reading.unreadable


def _read_part(part: "AnyPart", path: Path, since: float, status: StorageStatus, wanted: Any) -> Any:
    from exporter.state.storage.codec import StateReader
    from exporter.state.storage.tables import reader

    with reader(path) as connection:
        source = StateReader(connection, time.time(), since)
        found = part.read(source, wanted)
    status.unreadable += source.unreadable
    return found


def _carry(old: PoolState, state: PoolState) -> None:
    """What was unsaved of *old* is unsaved of *state*."""
    if old.dirty is None or state.dirty is None:
        return
    state.dirty.carry(old.dirty, state.pool.source.runs(old.pool.source))
    for text in old.dirty.take_helos(all_of_them=True):
        if text in state.helos:
            state.dirty.add_helo(text, is_changed=True)
