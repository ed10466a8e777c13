"""The database file: opened, refused, moved aside or migrated."""

import itertools
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.state.counters import PoolCounters
from exporter.state.journal import ALL_CHANGES
from exporter.state.pool import PoolState
from exporter.state.storage.database import MIGRATIONS, VERSION, Database
from exporter.state.storage.status import StorageError, StorageErrorReason
from exporter.state.storage.tables import (
    StateReader,
    load_changes,
    page,
    pool_id,
    save_addresses,
    save_changes,
    save_times,
)
from tests.unit.state.storage.changes import written
from tests.unit.web.pools import BROKEN, RIGHT, pool

VERSION_1 = Path(__file__).with_name("version1.sql").read_text()
POOL = pool("198.51.100.0/26")


def filled(path: Path) -> dict[int, object]:
    """Make a file with addresses and changes. Return the states of the addresses."""
    state = PoolState(POOL, PoolCounters())
    for index in range(POOL.size):
        world = BROKEN if index % 3 else RIGHT
        state.record(index, *run_check(report(state[index].target), world), 1000.0 + index)
    database = Database(path)
    number = pool_id(database.connection, POOL.name)
    save_addresses(database.connection, number, state, range(POOL.size), lambda: None)
    save_times(database.connection, number, state, range(POOL.size), lambda: None)
    save_changes(database.connection, written(50, 1000.0))
    database.close()
    return dict(restored(path))


def facts(state):
    """What must never be restored wrongly."""
    return state.known, state.iprev, state.target


def restored(path: Path):
    """The state of each address of the pool in the file."""
    database = Database(path)
    try:
        for step in StateReader(database.connection, 5000.0, 0.0).addresses(POOL):
            yield from step
    finally:
        database.close()


class Sound:
    """An undamaged file: its bytes, its states and its changes."""

    def __init__(self, path, known, changes):
        self.content, self.known, self.changes = path.read_bytes(), known, changes


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """An undamaged file."""
    path = tmp_path_factory.mktemp("sound") / "maildns.db"
    known = filled(path)
    assert len(known) == POOL.size
    with closing(sqlite3.connect(path)) as connection:
        changes = list(load_changes(connection, 100))
    assert len(changes) == 50
    return Sound(path, known, changes)


@settings(max_examples=60)
@given(
    st.none() | st.integers(0, 200_000),
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 255)), max_size=8),
)
@pytest.mark.slow
def test_a_damaged_file_restores_nothing_wrong(sound, tmp_path_factory, end, flips):
    """With flipped bytes, or cut off anywhere: what is restored is what was written, and the exporter goes on."""
    damaged = bytearray(sound.content)
    for offset, mask in flips:
        damaged[offset % len(damaged)] ^= mask
    if end is not None:
        del damaged[end % len(damaged) :]
    path = tmp_path_factory.mktemp("damaged") / "maildns.db"
    path.write_bytes(damaged)

    try:
        found = dict(restored(path))
        with closing(sqlite3.connect(path)) as connection:
            changes = list(load_changes(connection, 100))
    except (sqlite3.Error, StorageError):
        return  # noticed after the start: the file is moved aside then

    for index, state in found.items():
        assert facts(state) == facts(sound.known[index])
    assert {(one.number, one.evidence, one.change.after) for one in changes} <= {
        (one.number, one.evidence, one.change.after) for one in sound.changes
    }


def test_a_broken_file_is_kept(tmp_path):
    """It is moved aside unchanged, a second one too, and a new file replaces it."""
    path = tmp_path / "maildns.db"
    for seed in (1, 2):
        path.write_bytes(random.Random(seed).randbytes(5000))
        database = Database(path)
        assert database.moved is not None
        assert database.moved.read_bytes() == random.Random(seed).randbytes(5000)
        database.close()
    assert len(list(tmp_path.glob("maildns.db.broken-*"))) == 2


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (f"PRAGMA user_version = {VERSION + 1}", "was written by a newer exporter"),
        ("PRAGMA application_id = 1", "is the database of another program"),
    ],
)
def test_a_foreign_file_is_left_alone(tmp_path, script, message):
    """The file of a newer version, or of another program, is neither written nor moved."""
    path = tmp_path / "maildns.db"
    Database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(script)
    before = path.read_bytes()

    with pytest.raises(StorageError, match=message) as refused:
        Database(path)

    assert refused.value.reason is StorageErrorReason.FOREIGN
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.broken-*"))


def test_a_file_of_version_1_is_migrated(tmp_path):
    """Its content is there afterwards, and it has this version."""
    path = tmp_path / "maildns.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)

    found = dict(restored(path))

    assert {index: state.iprev.verdict.value for index, state in found.items()} == {0: "pass", 1: "fail"}
    (entry,) = page(path, 10, None, ALL_CHANGES)
    assert (entry.pool, str(entry.change.address)) == ("even", "192.0.2.1")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_a_failed_migration_leaves_the_version_before(tmp_path, version):
    """A file has one version or the next, nothing in between."""
    path = tmp_path / "maildns.db"
    broken = (*MIGRATIONS[:version], f"{MIGRATIONS[version]} INSERT INTO nothing VALUES (1);")
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        Database(path, broken)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    Database(path).close()


def test_only_one_exporter_may_use_the_file(tmp_path):
    """The second one is refused until the first one has closed it."""
    path = tmp_path / "maildns.db"
    first = Database(path)
    with pytest.raises(StorageError, match="in use by another exporter") as refused:
        Database(path)
    assert refused.value.reason is StorageErrorReason.LOCKED
    first.close()
    Database(path).close()


def test_no_other_user_may_read_the_file(tmp_path):
    """Nor the folder that was created for it, with any umask."""
    path = tmp_path / "new" / "folder" / "maildns.db"
    database = Database(path)
    database.connection.execute("INSERT INTO pools (name) VALUES ('a')")

    modes = [stat.st_mode & 0o077 for stat in (path.stat(), path.parent.stat(), Path(f"{path}-wal").stat())]

    database.close()
    assert modes == [0, 0, 0]


@pytest.mark.slow
def test_pages_return_each_change_once(tmp_path):
    """Pages of any size add up to the journal, newest first, while a writer is active and afterwards."""
    path = tmp_path / "maildns.db"
    database = Database(path)
    entries = written(1000, 1000.0)
    save_changes(database.connection, entries)
    for size, is_open in itertools.product((7, 500, 1001), (True, False)):
        if not is_open:
            database.close()
        found, before = [], None
        while some := page(path, size, before, ALL_CHANGES):
            found += some
            before = some[-1].number
        assert found == entries[::-1]
        database = database if is_open else Database(path)
    database.close()


@pytest.mark.slow
def test_sqlite_is_not_loaded_without_a_storage():
    """The exporter starts faster."""
    code = "import exporter.service, exporter.cli.main, sys; print('sqlite3' in sys.modules)"

    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    ).stdout

    assert output == "False\n"
