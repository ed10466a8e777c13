"""Opens the database file: locks it, checks it, and brings it to this version. Every call here may wait for a disk.

Nothing is overwritten: a broken file is moved aside; one of a newer version, or of another program, is left alone.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from exporter.state.storage.status import StorageError, StorageErrorReason

APPLICATION_ID = 0x6D61646E  # "madn": distinguishes this file from the database of another program

_FIRST = """
CREATE TABLE pools (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE addresses (  -- the state of an address when it last changed, and the time of that sample
    pool INTEGER NOT NULL, address BLOB NOT NULL, sampled_at REAL NOT NULL, state TEXT NOT NULL, crc INTEGER NOT NULL,
    gone_at REAL,  -- since when it is not configured
    PRIMARY KEY (pool, address)
) WITHOUT ROWID;
CREATE TABLE times (  -- when the addresses of a block were last sampled, as 32-bit seconds, from the first one on
    pool INTEGER NOT NULL, first BLOB NOT NULL, seconds BLOB NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (pool, first)
) WITHOUT ROWID;
CREATE TABLE helos (
    pool INTEGER NOT NULL, name TEXT NOT NULL, sampled_at REAL NOT NULL, state TEXT NOT NULL, crc INTEGER NOT NULL,
    gone_at REAL,
    PRIMARY KEY (pool, name)
) WITHOUT ROWID;
CREATE TABLE changes (
    number INTEGER PRIMARY KEY, at REAL NOT NULL, pool TEXT NOT NULL,
    target TEXT NOT NULL,  -- the address, or the domain
    name TEXT NOT NULL,  -- of the check
    change TEXT NOT NULL, evidence TEXT NOT NULL, crc INTEGER NOT NULL
);
CREATE INDEX changes_of_target ON changes (target, number);
CREATE INDEX changes_of_pool ON changes (pool, number);
"""

_KEY_VALUES = """
CREATE TABLE notes (  -- the key-value table
    owner TEXT NOT NULL, name TEXT NOT NULL, at REAL NOT NULL, value TEXT NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE INDEX changes_by_time ON changes (at);
"""

_DOMAINS = """
CREATE TABLE domains (
    name TEXT NOT NULL PRIMARY KEY, sampled_at REAL NOT NULL, state TEXT NOT NULL, crc INTEGER NOT NULL, gone_at REAL
) WITHOUT ROWID;
"""

_BLOCKLISTS = """
CREATE TABLE listings (  -- what a list says of the addresses of a block, from the first one on
    zone TEXT NOT NULL, pool TEXT NOT NULL, first BLOB NOT NULL,
    at REAL NOT NULL,  -- when the list was last asked about one of them
    codes BLOB NOT NULL,  -- one byte each: 0 unknown, 1 not listed, 2 listed
    listed TEXT NOT NULL,  -- the findings of listed addresses, by their offset
    crc INTEGER NOT NULL, gone_at REAL,
    PRIMARY KEY (zone, pool, first)
) WITHOUT ROWID;
CREATE TABLE blocklists (  -- whether a list works, and which address comes next
    zone TEXT NOT NULL PRIMARY KEY, at REAL NOT NULL, state TEXT NOT NULL, crc INTEGER NOT NULL, gone_at REAL
) WITHOUT ROWID;
"""

# `user_version` is the number of migrations that a file has been through. Add new ones at the end; edit none that was
# released. In the tables, *crc* is the CRC-32 of a row's key and content: a row with a flipped bit is not used.
MIGRATIONS = (_FIRST, _KEY_VALUES, _DOMAINS, _BLOCKLISTS)
VERSION = len(MIGRATIONS)

_SUFFIXES = ("", "-wal", "-shm")
_BUSY_SECONDS = 5.0
_WAL_BYTES = 16 << 20

_SQLITE_CODES = {
    sqlite3.SQLITE_FULL: StorageErrorReason.FULL,
    sqlite3.SQLITE_READONLY: StorageErrorReason.READ_ONLY,
    sqlite3.SQLITE_PERM: StorageErrorReason.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: StorageErrorReason.BROKEN,
    sqlite3.SQLITE_NOTADB: StorageErrorReason.BROKEN,
    sqlite3.SQLITE_BUSY: StorageErrorReason.LOCKED,
}
_ERRNOS = {
    errno.ENOSPC: StorageErrorReason.FULL,
    errno.EDQUOT: StorageErrorReason.FULL,
    errno.EROFS: StorageErrorReason.READ_ONLY,
    errno.EACCES: StorageErrorReason.READ_ONLY,
    errno.EPERM: StorageErrorReason.READ_ONLY,
}


def reason_of(error: Exception) -> StorageErrorReason:
    """Classify *error*."""
    if isinstance(error, StorageError):
        return error.reason
    if isinstance(error, UnicodeDecodeError):  # SQLite's own message quotes bytes of a damaged schema
        return StorageErrorReason.BROKEN
    if isinstance(error, sqlite3.Error):
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        return _SQLITE_CODES.get(code, StorageErrorReason.OTHER)
    number = error.errno if isinstance(error, OSError) else None
    return _ERRNOS.get(number or 0, StorageErrorReason.OTHER)


def decoded(text: bytes) -> str:
    """Decode a text of the file. Damaged bytes are replaced: the checksum of the row will be wrong."""
    return text.decode(errors="replace")


class Database:
    """An open, locked database file.

    Attributes:
        path: The file.
        connection: The connection, which commits each statement unless a transaction is open.
        moved: Where a broken file was moved to that was found at *path*, if there was one.
    """

    def __init__(self, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Open or create *path*. Raises `StorageError`, `OSError` or `sqlite3.Error`."""
        self.path = path
        self.moved: Path | None = None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(path)
        try:
            self.connection = self._opened(migrations)
            self._identity = _identity(path)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close the file and release the lock. SQLite then removes its log."""
        try:
            with contextlib.suppress(sqlite3.Error):
                self.connection.close()
        finally:
            os.close(self._lock)

    @property
    def is_there(self) -> bool:
        """Whether *path* is still the file that was opened: writing to a deleted file would be in vain."""
        try:
            return _identity(self.path) == self._identity
        except OSError:
            return False

    @property
    def size_bytes(self) -> int:
        """The size of the file and its log."""
        total = 0
        for suffix in _SUFFIXES:
            with contextlib.suppress(OSError):
                total += Path(f"{self.path}{suffix}").stat().st_size
        return total

    def _opened(self, migrations: Sequence[str]) -> sqlite3.Connection:
        try:
            return _checked(self.path, migrations)
        except (sqlite3.Error, StorageError, UnicodeDecodeError) as error:
            if reason_of(error) is not StorageErrorReason.BROKEN:
                raise
        self.moved = move_aside(self.path)
        return _checked(self.path, migrations)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _lock(path: Path) -> int:
    """Lock the file until the descriptor is closed, at the latest when the process ends.

    The lock is on a file of its own: a process that opens and closes the database itself drops SQLite's own locks.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            message = f"{path} is in use by another exporter: stop that one, or give each exporter a file of its own"
            raise StorageError(StorageErrorReason.LOCKED, message) from None
        raise
    return descriptor


def _checked(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would let everybody read it
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = decoded
    try:
        _prepare(connection, path, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        message = f"{path} is the database of another program: configure another file"
        raise StorageError(StorageErrorReason.FOREIGN, message)
    if version > len(migrations):
        message = (
            f"{path} was written by a newer exporter (it has version {version}, this one supports up to "
            f"{len(migrations)}): run the newer exporter, or configure another file"
        )
        raise StorageError(StorageErrorReason.FOREIGN, message)
    found = [text for (text,) in connection.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise StorageError(StorageErrorReason.BROKEN, f"{path} is broken: {found[0] if found else 'no answer'}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # one commit a second is cheap, and survives a power cut
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    for number in range(version, len(migrations)):
        script = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number + 1};"
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {migrations[number]}; {script} COMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def move_aside(path: Path) -> Path:
    """Rename a broken file, so that somebody can repair it, and return its new path."""
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.broken-{when}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.broken-{when}-{number}")
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside
