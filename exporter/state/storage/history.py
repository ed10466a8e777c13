"""Changes in the file: writing them, and reading them back, a page at a time.

The rule of this file: reading never writes and never waits for long, so that it can be done beside a running exporter,
by anybody who may read the file.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from exporter.state.change import Change
from exporter.state.evidence import unpack
from exporter.state.journal import ALL, Entry, Which
from exporter.state.storage.database import readable
from exporter.state.storage.rows import checksum
from exporter.state.storage.schema import APPLICATION_ID, VERSION
from exporter.state.storage.status import StorageError, Trouble
from exporter.state.storage.words import any_finding, finding_data, reading, target_data, target_of

_WAIT_SECONDS = 5.0


def save_changes(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """Write *entries*; those that are there already stay as they are."""
    rows = []
    for entry in entries:
        change = entry.change
        data = [target_data(change.target), finding_data(change.before), finding_data(change.after)]
        text = json.dumps(data, separators=(",", ":"))
        target = str(change.domain if change.address is None else change.address)
        rows.append(
            (
                entry.number,
                change.at,
                entry.pool,
                target,
                change.after.check.value,
                text,
                entry.evidence,
                checksum(str(entry.number), entry.pool, text, entry.evidence),
            )
        )
    connection.executemany("INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def load_changes(
    connection: sqlite3.Connection, count: int, *, before: int | None = None, wanted: Which = ALL
) -> Iterator[Entry]:
    """The latest *count* entries that are *wanted*, newest first; with *before*, of those with a lower number.

    One that cannot be read is left out.
    """
    clauses: dict[str, Any] = {
        "number < ?": before,
        "pool = ?": wanted.pool,
        "target = ?": wanted.domain if wanted.address is None else str(wanted.address),
        "name = ?": wanted.check,
        "at >= ?": wanted.since,
    }
    given = {clause: value for clause, value in clauses.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    query = f"SELECT number, at, pool, change, evidence, crc FROM changes {where} ORDER BY number DESC LIMIT ?"  # noqa: S608
    for row in connection.execute(query, (*given.values(), count)):
        with contextlib.suppress(ValueError):
            yield _entry(*row)


@reading
def _entry(number: int, at: float, pool: str, text: str, evidence: str, crc: int) -> Entry:
    if checksum(str(number), pool, text, evidence) != crc:
        raise ValueError("the checksum is wrong")
    target, before, after = json.loads(text)
    unpack(evidence)
    return Entry(number, pool, Change(target_of(target), any_finding(before), any_finding(after), float(at)), evidence)


@contextlib.contextmanager
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Open *path* to read from it, an exporter beside or not. Raises `StorageError` if it is no storage of ours."""
    if not path.is_file():
        raise StorageError(Trouble.OTHER, f"{path} does not exist: no exporter has kept its state there yet")
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    if not Path(f"{path}-wal").exists():
        place += "&immutable=1"  # nobody writes, and the folder may be one in which we must not
    try:
        with contextlib.closing(
            sqlite3.connect(place, uri=True, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        ) as connection:
            connection.text_factory = readable
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (owner,) = connection.execute("PRAGMA application_id").fetchone()
            if owner != APPLICATION_ID or version > VERSION:
                raise StorageError(Trouble.FOREIGN, f"{path} is the file of a newer exporter, or of another program")
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StorageError(Trouble.OTHER, f"{path} cannot be read: {error}") from error


def page(path: Path, count: int, before: int | None, wanted: Which) -> list[Entry]:
    """What `load_changes` gives of the file at *path*. Raises `StorageError`."""
    with reader(path) as connection:
        return list(load_changes(connection, count, before=before, wanted=wanted))
