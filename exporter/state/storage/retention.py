"""What is deleted: changes that are too old or too many, and what is known of targets that left the configuration.

The rule of this file: what is configured is never deleted, however old; whoever comes back within the retention finds
what was known. Each call deletes a little, so that no transaction is long.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from exporter.checks.addresses import Address
from exporter.config.storage_entries import StorageEntry
from exporter.state.pool import PoolState
from exporter.state.storage.notes import POOL

_ROWS = 2000
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
        deleted += connection.execute(query, (oldest, _ROWS)).rowcount
    deleted += connection.execute(
        "DELETE FROM changes WHERE number IN (SELECT number FROM changes WHERE at < ? ORDER BY at LIMIT ?)",
        (oldest, _ROWS),
    ).rowcount
    (count,) = connection.execute("SELECT count(*) FROM changes").fetchone()
    if count > entry.max_changes:
        deleted += connection.execute(
            "DELETE FROM changes WHERE number IN (SELECT number FROM changes ORDER BY number LIMIT ?)",
            (min(count - entry.max_changes, _ROWS),),
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
