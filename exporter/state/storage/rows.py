"""What is written into the tables and read from them.

The rule of this file: a row that cannot be read, or whose checksum is wrong, is as good as none: it is counted, and
left out. Statements stand here and nowhere else but in `history` and `retention`.
"""

import contextlib
import sqlite3
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from zlib import crc32

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.inventory.pool import Pool
from exporter.state.address import AddressState
from exporter.state.helo import HeloState
from exporter.state.pool import PoolState
from exporter.state.storage.addresses import address_state, address_text, helo_state, helo_text
from exporter.state.storage.blocks import Blocks
from exporter.state.storage.notes import Key
from exporter.state.storage.patterns import Patterns

CHUNK = 500
"""How many rows are made, or read, before others get their turn."""


def checksum(*parts: bytes | str) -> int:
    """The CRC-32 of *parts*, told apart."""
    crc = 0
    for part in parts:
        crc = crc32(b"\0", crc32(part.encode() if isinstance(part, str) else part, crc))
    return crc


def pool_id(connection: sqlite3.Connection, name: str) -> int:
    """The number of the pool of this name; it gets one if it has none."""
    connection.execute("INSERT OR IGNORE INTO pools (name) VALUES (?)", (name,))
    (number,) = connection.execute("SELECT id FROM pools WHERE name = ?", (name,)).fetchone()
    return int(number)


def save_addresses(
    connection: sqlite3.Connection, pool: int, state: PoolState, indexes: Sequence[int], breathe: Callable[[], None]
) -> None:
    """Write what is known of the addresses at *indexes*."""
    rest, patterns = iter(indexes), Patterns()
    while chunk := list(islice(rest, CHUNK)):
        rows = []
        for index in chunk:
            outline = state.outline(index)
            if outline is None:
                known = state[index]
                if known.latest is None and not known.held:
                    continue
                target, sampled_at, text = known.target, known.sampled_at, address_text(known)
            elif outline.form.verdict is None and not outline.form.held:
                continue
            else:
                target, sampled_at = state.pool.targets[index], outline.times.sampled_at
                text = patterns.text(target, outline)
            packed = target.address.packed
            rows.append((pool, packed, sampled_at, text, checksum(packed, text)))
        connection.executemany(
            "INSERT OR REPLACE INTO addresses (pool, address, sampled_at, state, crc) VALUES (?, ?, ?, ?, ?)", rows
        )
        breathe()


def save_times(
    connection: sqlite3.Connection, pool: int, state: PoolState, indexes: Sequence[int], breathe: Callable[[], None]
) -> None:
    """Write when the addresses at *indexes*, and their neighbours, were last sampled."""
    blocks = Blocks(state.pool.source)
    for start, stop in sorted({blocks.around(index) for index in indexes}):
        seconds = array("I", [int(state.sampled_at(index)) for index in range(start, stop)]).tobytes()
        first = state.pool.source.at(start)[0].packed
        connection.execute(
            "INSERT OR REPLACE INTO times (pool, first, seconds, crc) VALUES (?, ?, ?, ?)",
            (pool, first, seconds, checksum(first, seconds)),
        )
        breathe()


def fold_times(connection: sqlite3.Connection, pool: int) -> None:
    """Write the times of blocks to the rows of their addresses, and delete the blocks."""
    for first, octets, crc in connection.execute(
        "SELECT first, seconds, crc FROM times WHERE pool = ?", (pool,)
    ).fetchall():
        with contextlib.suppress(ValueError):
            connection.executemany(
                "UPDATE addresses SET sampled_at = max(sampled_at, ?) WHERE pool = ? AND address = ?",
                [(moment, pool, address.packed) for address, moment in _block(first, octets, crc)],
            )
    connection.execute("DELETE FROM times WHERE pool = ?", (pool,))


def _block(first: Any, octets: Any, crc: int) -> list[tuple[Address, int]]:
    """The addresses of a block that were sampled, with their times. Raises `ValueError` if it is damaged."""
    if not _are_octets(first, octets) or checksum(first, octets) != crc or len(first) not in {4, 16} or len(octets) % 4:
        raise ValueError("a damaged block of times")
    seconds = array("I")
    seconds.frombytes(octets)
    start, end = int.from_bytes(first, "big"), 1 << len(first) * 8
    return [
        (Address((start + offset).to_bytes(len(first), "big")), moment)
        for offset, moment in enumerate(seconds)
        if moment and start + offset < end
    ]


def save_helos(connection: sqlite3.Connection, pool: int, state: PoolState, names: Sequence[str]) -> None:
    """Write what is known of these HELO names."""
    rows = []
    for name in names:
        known = state.helos[name]
        text = helo_text(known)
        rows.append((pool, name, known.sampled_at, text, checksum(name, text)))
    connection.executemany(
        "INSERT OR REPLACE INTO helos (pool, name, sampled_at, state, crc) VALUES (?, ?, ?, ?, ?)", rows
    )


def save_notes(connection: sqlite3.Connection, notes: Mapping[Key, tuple[str, float]]) -> None:
    """Write notes, with their times."""
    connection.executemany(
        "INSERT OR REPLACE INTO notes (owner, name, at, value, crc) VALUES (?, ?, ?, ?, ?)",
        [(owner, name, at, value, checksum(owner, name, value)) for (owner, name), (value, at) in notes.items()],
    )


@dataclass(slots=True)
class Reading:
    """What is read: where from, what time it is, and how many rows could not be used."""

    connection: sqlite3.Connection
    now: float
    since: float
    unreadable: int = 0

    def notes(self) -> dict[Key, str]:
        """Every note."""
        found: dict[Key, str] = {}
        for owner, name, value, crc in self.connection.execute("SELECT owner, name, value, crc FROM notes"):
            if isinstance(value, str) and checksum(owner, name, value) == crc:
                found[owner, name] = value
            else:
                self.unreadable += 1
        return found

    def times(self, pool: Pool) -> dict[int, int]:
        """When each address of *pool* was last sampled, by its place, as far as that was written on its own."""
        found: dict[int, int] = {}
        query = "SELECT first, seconds, crc FROM times JOIN pools ON pools.id = pool WHERE name = ?"
        for first, octets, crc in self.connection.execute(query, (pool.name,)):
            try:
                block = _block(first, octets, crc)
            except ValueError:
                self.unreadable += 1
                continue
            for address, moment in block:
                index = pool.index(address)
                if index is not None:
                    found[index] = max(moment, found.get(index, 0))
        return found

    def addresses(self, pool: Pool) -> Iterator[list[tuple[int, AddressState]]]:
        """What is known of addresses of *pool*, with their places, some at a time."""
        times = self.times(pool)
        query = (
            "SELECT address, sampled_at, state, crc FROM addresses JOIN pools ON pools.id = pool"
            " WHERE name = ? AND sampled_at IS NOT NULL"
        )
        cursor = self.connection.execute(query, (pool.name,))
        while rows := cursor.fetchmany(CHUNK):
            chunk = []
            for packed, sampled_at, text, crc in rows:
                address = Address(packed)
                index = pool.index(address) if _are_octets(packed) and len(packed) in {4, 16} else None
                if index is None:
                    continue
                if not isinstance(text, str) or checksum(packed, text) != crc:
                    self.unreadable += 1
                    continue
                try:
                    latest = max(float(sampled_at), times.get(index, 0))
                    state = address_state(text, address, latest, self.now)
                except ValueError:
                    self.unreadable += 1
                    continue
                if state.sampled_at >= self.since:
                    chunk.append((index, state.retarget(pool.targets[index])))
            yield chunk

    def helos(self, pool: Pool) -> list[HeloState]:
        """What is known of the HELO names of *pool*."""
        said = {one.text: one for one in pool.helo_names}
        found = []
        query = (
            "SELECT helos.name, sampled_at, state, crc FROM helos JOIN pools ON pools.id = pool WHERE pools.name = ?"
        )
        for name, sampled_at, text, crc in self.connection.execute(query, (pool.name,)):
            known: HeloName | None = said.get(name)
            if known is None:
                continue
            if not isinstance(text, str) or checksum(name, text) != crc:
                self.unreadable += 1
                continue
            try:
                state = helo_state(text, known, float(sampled_at), self.now)
            except ValueError:
                self.unreadable += 1
                continue
            if state.sampled_at >= self.since:
                found.append(state)
        return found


def _are_octets(*values: object) -> bool:
    return all(isinstance(value, bytes) for value in values)
