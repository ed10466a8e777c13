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

from exporter.state.storage.schema import APPLICATION_ID, MIGRATIONS, VERSION
from exporter.state.storage.status import StorageError, Trouble

_SIDES = ("", "-wal", "-shm")
_BUSY_SECONDS = 5.0
_WAL_OCTETS = 16 << 20


def readable(octets: bytes) -> str:
    """A text as it is read from the file: one that is damaged is not refused here, its checksum is wrong."""
    return octets.decode(errors="replace")


def trouble_of(error: Exception) -> Trouble:
    """What kind of trouble *error* is."""
    if isinstance(error, StorageError):
        return error.trouble
    if isinstance(error, UnicodeDecodeError):  # SQLite's own message has octets of a damaged schema in it
        return Trouble.BROKEN
    if isinstance(error, sqlite3.Error):
        return _CODES.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF, Trouble.OTHER)
    number = error.errno if isinstance(error, OSError) else None
    return _NUMBERS.get(number or 0, Trouble.OTHER)


_CODES = {
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_PERM: Trouble.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: Trouble.BROKEN,
    sqlite3.SQLITE_NOTADB: Trouble.BROKEN,
    sqlite3.SQLITE_BUSY: Trouble.LOCKED,
}
_NUMBERS = {28: Trouble.FULL, 122: Trouble.FULL, 30: Trouble.READ_ONLY, 13: Trouble.READ_ONLY, 1: Trouble.READ_ONLY}


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
        """Make place for a new file: keep the broken one under another name, in case somebody can mend it."""
        return _move_aside(self.path)

    def _opened(self) -> sqlite3.Connection:
        try:
            return _checked(self.path)
        except (sqlite3.Error, StorageError, UnicodeDecodeError) as error:
            if trouble_of(error) is not Trouble.BROKEN:
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
            raise StorageError(Trouble.LOCKED, what) from None
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
        raise StorageError(Trouble.FOREIGN, f"{path} is the database of another program: name another file")
    if version > VERSION:
        raise StorageError(
            Trouble.FOREIGN,
            f"{path} was written by a newer exporter (its version is {version}, this one knows {VERSION}): "
            "run that one, or name another file",
        )
    found = [text for (text,) in connection.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise StorageError(Trouble.BROKEN, f"{path} is broken: {found[0] if found else 'no answer'}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a commit a second at most: cheap, and good for a power cut too
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_OCTETS}")
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
