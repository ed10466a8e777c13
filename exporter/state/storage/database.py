"""Opens the file: locked, checked, of this version, or says why not.

The rule of this file: nothing that it finds is overwritten. A file that is broken is moved aside; one of a newer
version, or of another program, is left as it is. Everything here may wait for a disk, so none of it runs on the event
loop.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from pathlib import Path

from exporter.state.storage.status import StorageError, StorageErrorReason

# SECTION exporter.state.storage.schema
# What the tables look like, and how a file of an earlier version becomes one of this one.
#
# The rule of this file: a migration that was released is never edited; a new one is added at the end.
# `user_version` is
# how many of them a file has been through. Each runs in a transaction of its own, so that a file is of one
# version or of
# the next.
#
# *crc* is the CRC-32 of what the row says and of whom: a disk that flips a bit makes a row that is not
# believed.

APPLICATION_ID = 0x6D61646E  # "madn": what tells this file from the database of another program

_FIRST = """
CREATE TABLE pools (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE addresses (  -- all that is known of an address, when that last changed; the time is that of the sample
    pool INTEGER NOT NULL,
    address BLOB NOT NULL,
    sampled_at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL,  -- since when it is not configured
    PRIMARY KEY (pool, address)
) WITHOUT ROWID;
CREATE TABLE times (  -- when neighbours were last sampled, as 32-bit seconds, from the first one on
    pool INTEGER NOT NULL,
    first BLOB NOT NULL,
    seconds BLOB NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (pool, first)
) WITHOUT ROWID;
CREATE TABLE helos (
    pool INTEGER NOT NULL,
    name TEXT NOT NULL,
    sampled_at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL,
    PRIMARY KEY (pool, name)
) WITHOUT ROWID;
CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    pool TEXT NOT NULL,
    target TEXT NOT NULL,  -- the address, or the domain
    name TEXT NOT NULL,  -- of the check
    change TEXT NOT NULL,
    evidence TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX changes_of_target ON changes (target, number);
CREATE INDEX changes_of_pool ON changes (pool, number);
"""

_NOTES = """
CREATE TABLE notes (  -- what others of the exporter want to know after a restart
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    value TEXT NOT NULL,
    crc INTEGER NOT NULL,
    PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE INDEX changes_by_time ON changes (at);
"""

_DOMAINS = """
CREATE TABLE domains (  -- all that is known of a domain
    name TEXT NOT NULL PRIMARY KEY,
    sampled_at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL  -- since when it is not configured
) WITHOUT ROWID;
"""

_BLOCKLISTS = """
CREATE TABLE listings (  -- what a list says of neighbours, from the first one on: an octet each, 2 for those listed
    zone TEXT NOT NULL,
    pool TEXT NOT NULL,
    first BLOB NOT NULL,
    at REAL NOT NULL,  -- when the list was last asked about one of them
    octets BLOB NOT NULL,
    listed TEXT NOT NULL,  -- the findings of those that are, by their place
    crc INTEGER NOT NULL,
    gone_at REAL,
    PRIMARY KEY (zone, pool, first)
) WITHOUT ROWID;
CREATE TABLE blocklists (  -- how a list is, and where the way through the addresses stands
    zone TEXT NOT NULL PRIMARY KEY,
    at REAL NOT NULL,
    state TEXT NOT NULL,
    crc INTEGER NOT NULL,
    gone_at REAL
) WITHOUT ROWID;
"""

MIGRATIONS = (_FIRST, _NOTES, _DOMAINS, _BLOCKLISTS)
VERSION = len(MIGRATIONS)


# SECTION exporter.state.storage.database

_SIDES = ("", "-wal", "-shm")
_BUSY_SECONDS = 5.0
_WAL_BYTES = 16 << 20


def readable(octets: bytes) -> str:
    """A text as it is read from the file: one that is damaged is not refused here, its checksum is wrong."""
    return octets.decode(errors="replace")


def reason_of(error: Exception) -> StorageErrorReason:
    """What kind of trouble *error* is."""
    if isinstance(error, StorageError):
        return error.reason
    if isinstance(error, UnicodeDecodeError):  # SQLite's own message has octets of a damaged schema in it
        return StorageErrorReason.BROKEN
    if isinstance(error, sqlite3.Error):
        return _CODES.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, StorageErrorReason.OTHER)
    number = error.errno if isinstance(error, OSError) else None
    return _NUMBERS.get(number or 0, StorageErrorReason.OTHER)


_CODES = {
    sqlite3.SQLITE_FULL: StorageErrorReason.FULL,
    sqlite3.SQLITE_READONLY: StorageErrorReason.READ_ONLY,
    sqlite3.SQLITE_PERM: StorageErrorReason.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: StorageErrorReason.BROKEN,
    sqlite3.SQLITE_NOTADB: StorageErrorReason.BROKEN,
    sqlite3.SQLITE_BUSY: StorageErrorReason.LOCKED,
}
_NUMBERS = {
    28: StorageErrorReason.FULL,
    122: StorageErrorReason.FULL,
    30: StorageErrorReason.READ_ONLY,
    13: StorageErrorReason.READ_ONLY,
    1: StorageErrorReason.READ_ONLY,
}


class Database:
    """An open file. *moved* is where a broken one went that was found in its place; None if there was none."""

    def __init__(self, path: Path) -> None:
        """Open *path*, or make it. Raises `StorageError`, `OSError` or `sqlite3.Error`."""
        self.path = path
        self.moved: Path | None = None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(path)
        try:
            self.connection = self._opened()
            self._identity = _identity(path)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Let go of the file; the last one out leaves no log beside it."""
        try:
            with contextlib.suppress(sqlite3.Error):
                self.connection.close()
        finally:
            os.close(self._lock)

    @property
    def is_there(self) -> bool:
        """Whether the file that was opened is still at its place: one that was deleted would be written in vain."""
        try:
            return _identity(self.path) == self._identity
        except OSError:
            return False

    @property
    def octets(self) -> int:
        """How large it is, its log included."""
        total = 0
        for side in _SIDES:
            with contextlib.suppress(OSError):
                total += Path(f"{self.path}{side}").stat().st_size
        return total

    def move_aside(self) -> Path:
        """Make place for a new file: keep the broken one under another name, in case somebody can fix it."""
        return _move_aside(self.path)

    def _opened(self) -> sqlite3.Connection:
        try:
            return _checked(self.path)
        except (sqlite3.Error, StorageError, UnicodeDecodeError) as error:
            if reason_of(error) is not StorageErrorReason.BROKEN:
                raise
        self.moved = _move_aside(self.path)
        return _checked(self.path)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _lock(path: Path) -> int:
    """Hold a lock until the descriptor is closed, by whatever end of the process.

    It is on a file beside it: whoever opens and closes the database itself takes SQLite's own locks away.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            what = f"{path} is in use by another exporter: end that one, or give each a file of its own"
            raise StorageError(StorageErrorReason.LOCKED, what) from None
        raise
    return descriptor


def _checked(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would let everybody read it
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = readable
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and owner != APPLICATION_ID:
        raise StorageError(StorageErrorReason.FOREIGN, f"{path} is the database of another program: name another file")
    if version > VERSION:
        raise StorageError(
            StorageErrorReason.FOREIGN,
            f"{path} was written by a newer exporter (its version is {version}, this one knows {VERSION}): "
            "run that one, or name another file",
        )
    found = [text for (text,) in connection.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise StorageError(StorageErrorReason.BROKEN, f"{path} is broken: {found[0] if found else 'no answer'}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a commit a second at most: cheap, and good for a power cut too
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    for number in range(version, VERSION):
        script = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number + 1};"
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[number]}; {script} COMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _move_aside(path: Path) -> Path:
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = path.with_name(f"{path.name}.broken-{when}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.broken-{when}-{number}")
    for side in _SIDES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{side}").rename(f"{aside}{side}")
    return aside
