"""The file: what is opened, what is refused, what is moved aside, what is migrated."""

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
from exporter.state.storage.codec import StateReader, pool_id, save_addresses, save_times
from exporter.state.storage.database import MIGRATIONS, VERSION, Database
from exporter.state.storage.status import StorageError, StorageErrorReason
from exporter.state.storage.tables import load_changes, page, save_changes
from tests.unit.state.storage.journals import written
from tests.unit.web.pools import BROKEN, RIGHT, pool

VERSION_1 = Path(__file__).with_name("version1.sql").read_text()
POOL = pool("198.51.100.0/26")


def filled(path: Path) -> dict[int, object]:
    """Make a file with addresses and changes; what is known of each address."""
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


def true_of(state):
    """What must not be told wrongly of an address."""
    return state.known, state.iprev, state.target


def restored(path: Path):
    """What is read of each address of the pool."""
    database = Database(path)
    try:
        for chunk in StateReader(database.connection, 5000.0, 0.0).addresses(POOL):
            yield from chunk
    finally:
        database.close()


class Sound:
    """A sound file: its octets, what is known from it, its changes."""

    def __init__(self, path, known, changes):
        self.octets, self.known, self.changes = path.read_bytes(), known, changes


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A file that nothing is wrong with."""
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
def test_a_damaged_file_is_moved_aside_or_tells_nothing_but_the_truth(sound, tmp_path_factory, end, flips):
    """Wherever octets flip or the file ends: whatever is restored is what was written, and the exporter can go on."""
    damaged = bytearray(sound.octets)
    for place, mask in flips:
        damaged[place % len(damaged)] ^= mask
    if end is not None:
        del damaged[end % len(damaged) :]
    path = tmp_path_factory.mktemp("damaged") / "maildns.db"
    path.write_bytes(damaged)

    try:
        found = dict(restored(path))
        with closing(sqlite3.connect(path)) as connection:
            told = list(load_changes(connection, 100))
    except (sqlite3.Error, StorageError):
        return  # met later than at the start: it is moved aside then

    for index, state in found.items():
        assert true_of(state) == true_of(sound.known[index])
    assert {(one.number, one.evidence, one.change.after) for one in told} <= {
        (one.number, one.evidence, one.change.after) for one in sound.changes
    }


def test_a_broken_file_is_kept(tmp_path):
    """It is moved aside whole, another one too, and a new one is in its place."""
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
def test_what_is_not_ours_is_left_as_it_is(tmp_path, script, message):
    """A newer version, or another program's file, is neither written nor moved."""
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
    """What it holds is there afterwards, and it is of this version."""
    path = tmp_path / "maildns.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)

    found = dict(restored(path))

    assert [(index, state.iprev.verdict.value) for index, state in found.items()] == [(0, "pass"), (1, "fail")]
    (entry,) = page(path, 10, None, ALL_CHANGES)
    assert (entry.pool, str(entry.change.address)) == ("even", "192.0.2.1")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_a_migration_that_fails_leaves_the_version_before(tmp_path, monkeypatch, version):
    """A file is of one version or of the next, never between the two."""
    path = tmp_path / "maildns.db"
    broken = (*MIGRATIONS[:version], f"{MIGRATIONS[version]} INSERT INTO nothing VALUES (1);")
    monkeypatch.setattr("exporter.state.storage.database.MIGRATIONS", broken)
    monkeypatch.setattr("exporter.state.storage.database.VERSION", len(broken))
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        Database(path)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    monkeypatch.undo()
    Database(path).close()


def test_only_one_may_use_it(tmp_path):
    """Whoever comes second is told so; when the first one is gone, the lock is too."""
    path = tmp_path / "maildns.db"
    first = Database(path)
    with pytest.raises(StorageError, match="in use by another exporter") as refused:
        Database(path)
    assert refused.value.reason is StorageErrorReason.LOCKED
    first.close()
    Database(path).close()


def test_nobody_else_may_read_it(tmp_path):
    """Neither the file nor the folder that was made for it, whatever the umask is."""
    path = tmp_path / "new" / "folder" / "maildns.db"
    database = Database(path)
    database.connection.execute("INSERT INTO pools (name) VALUES ('a')")

    modes = [stat.st_mode & 0o077 for stat in (path.stat(), path.parent.stat(), Path(f"{path}-wal").stat())]

    database.close()
    assert modes == [0, 0, 0]


def test_pages_of_changes_meet_each_once(tmp_path):
    """Pages of any size, laid end to end, are the journal, newest first; beside a writer and after it."""
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


def test_whoever_has_no_storage_loads_no_sqlite():
    """Starting is quick for those who do not need it."""
    code = "import exporter.service, exporter.cli.main, sys; print('sqlite3' in sys.modules)"

    helo = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300).stdout

    assert helo == "False\n"
