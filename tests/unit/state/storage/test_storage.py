"""The storage: what is saved is restored, and its errors stay with it."""

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.checks.result import CheckName, Result
from exporter.config.model import StorageEntry
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from exporter.state.domain import DomainBoard
from exporter.state.journal import ChangeFilter, Journal
from exporter.state.pool import FAILING, HEALTHY, UNKNOWN
from exporter.state.storage.key_values import MAX_BYTES, KeyValueTable
from exporter.state.storage.storage import Storage
from exporter.state.storage.tables import ROWS_PER_STEP
from exporter.state.storage.writer import Pace
from tests.domains import SETTINGS as DOMAIN_SETTINGS
from tests.domains import SILENT, SOUND, sample, without
from tests.factories import name as domain_name
from tests.unit.state.storage.changes import lost
from tests.unit.web.pools import BROKEN, RIGHT, pools
from tests.unit.web.pools import SILENT as NO_ANSWER

DEADLINE_SECONDS = 300.0
OTHER = replace(DOMAIN_SETTINGS, name=domain_name("other.example"))
NO_KEY = without("s2._domainkey")


FAST = Pace(commit_seconds=0.05, retry_seconds=0.05)
"""Commits and retries almost at once."""


class Kept:
    """A board, a journal and a key-value table, saved in a file."""

    def __init__(self, path, networks=None, **entry):
        self.board, self.domains, self.blocklists = Board(), DomainBoard(), Blocklists()
        self.journal, self.key_values = Journal(), KeyValueTable()
        self.storage = Storage(self.board, self.domains, self.blocklists, self.journal, self.key_values, FAST)
        self.entry = StorageEntry(path=str(path), **entry)
        self._networks = networks or {"a": "198.51.100.0/28"}

    async def __aenter__(self):
        await self.storage.use(self.entry)
        self.publish(**self._networks)
        await self.storage.restore()
        return self

    async def __aexit__(self, *_):
        await self.storage.stop()

    def publish(self, **networks):
        """Publish these pools, as a reload does."""
        self.board.publish(pools(**networks))
        self.storage.follow()

    def sample(self, name, index, world=RIGHT, at=None):
        """Record one sample."""
        state = self.board.pools[name]
        at = time.time() if at is None else at
        for change in state.record(index, *run_check(report(state[index].target), world), at):
            self.storage.add_change(self.journal.write(name, change))

    def watch(self, settings, world, at):
        """Record one sample of a domain. Return what changed."""
        changes = self.domains.record(settings.name, *sample(world, settings), at)
        for change in changes:
            self.storage.add_change(self.journal.write("", change))
        return changes

    def known(self, name="a"):
        """The known findings of each sampled address."""
        return {str(state.target.address): state.known for state in self.board.pools[name].sampled()}

    async def until(self, condition):
        """Wait until the writer has done something."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition(self.storage.status):
                await asyncio.sleep(0.02)


async def test_everything_is_restored(tmp_path):
    """Verdicts, times, counts, changes and key-values. Samples that are too old are not."""
    async with Kept(tmp_path / "maildns.db") as first:
        for index in range(16):
            first.sample("a", index, at=1000.0 + index)
        first.sample("a", 3, BROKEN, at=2000.0)
        first.key_values.put("pool/a", "round", "7")
        state = first.board.pools["a"]
        known, results, healths = first.known(), state.results(), bytes(state.healths)
        times = [state.sampled_at(index) for index in range(16)]

    async with Kept(tmp_path / "maildns.db", retention="3650d") as again:
        pass
    assert again.known() == {}  # sampled in 1970: too old

    now = time.time()
    async with Kept(tmp_path / "other.db") as first:
        for index in range(16):
            first.sample("a", index, at=now - 100 + index)
        first.sample("a", 3, BROKEN, at=now)
        first.key_values.put("pool/a", "round", "7")
        state = first.board.pools["a"]
        known, results, healths = first.known(), state.results(), bytes(state.healths)
        times = [state.sampled_at(index) for index in range(16)]
        entries = first.journal.entries()
    async with Kept(tmp_path / "other.db") as again:
        state = again.board.pools["a"]
        assert again.known() == known
        assert (state.results(), bytes(state.healths)) == (results, healths)
        assert [state.sampled_at(index) for index in range(16)] == pytest.approx(times, abs=1)
        assert state.oldest_sample() <= min(times)
        assert again.journal.entries() == entries
        assert again.key_values.get("pool/a", "round") == "7"
        assert again.storage.status.restored == 16


async def test_sample_times_are_saved_without_changes(tmp_path):
    """They are right to the second, and never later."""
    now = time.time()
    async with Kept(tmp_path / "maildns.db") as first:
        first.sample("a", 5, at=now - 500)
    async with Kept(tmp_path / "maildns.db") as second:
        second.sample("a", 5, at=now - 200.5)
    async with Kept(tmp_path / "maildns.db") as third:
        at = third.board.pools["a"].sampled_at(5)
        assert now - 201.5 <= at <= now - 200.5
        assert third.board.pools["a"][5].concluded_at == at


async def test_the_clock_may_be_set_back(tmp_path):
    """No time is in the future, and the next change still gets a higher number."""
    tomorrow = time.time() + 86_400
    async with Kept(tmp_path / "maildns.db") as first:
        first.sample("a", 1, at=tomorrow)
        first.sample("a", 1, BROKEN, at=tomorrow + 1)
        last = first.journal.entries()[-1].number
    async with Kept(tmp_path / "maildns.db") as again:
        state = again.board.pools["a"][1]
        assert max(state.sampled_at, state.concluded_at, state.changed_at) <= time.time()
        again.sample("a", 1)
        assert again.journal.entries()[-1].number > last
    async with Kept(tmp_path / "maildns.db") as third:
        numbers = [entry.number for entry in third.journal.entries()]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == len(again.journal.entries())


async def test_a_reload_keeps_and_restores(tmp_path):
    """Dirty addresses are saved after it, and addresses that come back are restored with their times."""
    now = time.time()
    async with Kept(tmp_path / "maildns.db") as kept:
        for index in range(16):
            kept.sample("a", index, at=now - 50 + index)
        known, times = kept.known(), [now - (30 if index > 7 else 50) + index for index in range(16)]
        await kept.until(lambda status: status.committed_at)
        for index in range(16):
            kept.sample("a", index, at=now - 30 + index)
        kept.publish(a="198.51.100.8/29", b="203.0.113.0/30")
        kept.sample("b", 1)
    async with Kept(tmp_path / "maildns.db") as again:
        assert again.known() == known
        state = again.board.pools["a"]
        assert [state.sampled_at(index) for index in range(16)] == pytest.approx(times, abs=1)
        again.publish(a="198.51.100.0/28", b="203.0.113.0/30")
        again.storage.start_restoring()
        await again.until(lambda status: status.restored == 17)
        assert list(again.known("b")) == ["203.0.113.1"]


async def test_addresses_are_restored_in_a_pool_with_another_name(tmp_path):
    """The pool was renamed before a restart, or some of its addresses were moved."""
    async with Kept(tmp_path / "maildns.db") as kept:
        for index in range(16):
            kept.sample("a", index, BROKEN)
        known = kept.known()
        await kept.until(lambda status: status.committed_at)
    async with Kept(tmp_path / "maildns.db", {"renamed": "198.51.100.0/29", "b": "198.51.100.8/29"}) as again:
        await again.until(lambda status: status.restored == 16)
        assert {**again.known("renamed"), **again.known("b")} == known


@pytest.mark.slow
async def test_a_stop_does_not_wait_for_restoring(tmp_path):
    """Restoring ends at the next step. What was not restored is still in the file."""
    everything = {"a": "10.0.0.0/21"}
    now = time.time()
    async with Kept(tmp_path / "maildns.db", everything) as first:
        for index in range(2048):
            first.sample("a", index, at=now - 100)

    half = Kept(tmp_path / "maildns.db", everything)
    await half.storage.use(half.entry)
    half.publish(**everything)
    state = half.board.pools["a"]
    restore = state.restore

    def restored(index, known):
        half.storage.stop_restoring()
        return restore(index, known)

    state.restore = restored
    await half.storage.restore()
    await half.storage.stop()
    assert 0 < len(half.known()) <= ROWS_PER_STEP

    async with Kept(tmp_path / "maildns.db", everything) as again:
        assert len(again.known()) == 2048


async def test_a_new_file_gets_everything(tmp_path):
    """A reload with another file loses nothing; one without a storage leaves a complete file."""
    async with Kept(tmp_path / "old.db") as kept:
        for index in range(16):
            kept.sample("a", index)
        kept.sample("a", 3, BROKEN)
        kept.key_values.put("pool/a", "round", "7")
        await kept.storage.use(StorageEntry(path=str(tmp_path / "new.db")))
        kept.storage.follow()
        await kept.until(lambda status: status.committed_at)
        await kept.storage.use(None)
        assert kept.storage.status is None
        kept.sample("a", 4, BROKEN)
    for name in ("old.db", "new.db"):
        async with Kept(tmp_path / name) as again:
            assert len(again.known()) == 16
            assert len(again.journal) == 1  # the failures of other checks follow from it
            assert again.key_values.get("pool/a", "round") == "7"


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_deleted_file_is_created_again(tmp_path, is_running):
    """It gets everything, also what the deleted file had, even if the exporter stops before it notices."""
    folder = tmp_path / "state"
    async with Kept(folder / "maildns.db") as kept:
        kept.sample("a", 1)
        kept.sample("a", 1, BROKEN)
        await kept.until(lambda status: status.committed_at)
        shutil.rmtree(folder)
        kept.sample("a", 2)
        if is_running:
            await kept.until(lambda status: sum(status.errors.values()) and status.is_ok)
    async with Kept(folder / "maildns.db") as again:
        assert len(again.known()) == 2
        assert len(again.journal) == 1  # the failures of other checks follow from it


async def test_a_storage_that_opens_late_loses_nothing(tmp_path):
    """What was known is restored although all was sampled meanwhile, in an outage. The file never forgets it."""
    folder, away = tmp_path / "state", tmp_path / "away"
    async with Kept(folder / "maildns.db") as first:
        for index in range(8):
            first.sample("a", index, BROKEN if index < 4 else RIGHT)
        first.domains.publish((DOMAIN_SETTINGS,))
        first.watch(DOMAIN_SETTINGS, SOUND, time.time())
        known, domain = first.known(), first.domains[DOMAIN_SETTINGS.name].known
    folder.rename(away)
    folder.write_text("in the way")
    async with Kept(folder / "maildns.db") as late:
        assert not late.storage.status.is_ok
        late.domains.publish((DOMAIN_SETTINGS,))
        for index in range(16):
            late.sample("a", index, NO_ANSWER)
        late.sample("a", 9)
        late.watch(DOMAIN_SETTINGS, SILENT, time.time())
        folder.unlink()
        away.rename(folder)
        await late.until(lambda status: status.restored)
        state = late.board.pools["a"]
        assert {address: late.known()[address] for address in known} == known
        assert [state.healths[index] for index in (0, 3, 4, 7, 8, 9)] == [
            *(FAILING, FAILING, HEALTHY, HEALTHY, UNKNOWN, HEALTHY),
        ]
        assert state.results()[CheckName.FCRDNS, Result.UNKNOWN] == 15  # the latest samples
        assert late.domains[DOMAIN_SETTINGS.name].known == domain
        late.sample("a", 0, NO_ANSWER)
        late_known = late.known()
    async with Kept(folder / "maildns.db") as again:
        again.domains.publish((DOMAIN_SETTINGS,))
        await again.storage.restore()
        assert again.known() == late_known
        assert again.domains[DOMAIN_SETTINGS.name].known == domain


async def test_a_pool_that_comes_back_during_an_outage_keeps_what_was_known(tmp_path):
    """Its first sample without an answer comes before its saved state was read, and replaces nothing."""
    async with Kept(tmp_path / "maildns.db", {"a": "198.51.100.0/28", "b": "203.0.113.0/28"}) as kept:
        for index in range(16):
            kept.sample("a", index, BROKEN)
        known = kept.known()
        with closing(sqlite3.connect(tmp_path / "maildns.db")) as connection:
            await kept.until(lambda _: connection.execute("SELECT count(*) FROM addresses").fetchone() == (16,))
        kept.publish(b="203.0.113.0/28")
        kept.publish(a="198.51.100.0/28", b="203.0.113.0/28")
        for index in range(16):
            kept.sample("a", index, NO_ANSWER)
        kept.storage.start_restoring()
        await kept.until(lambda status: status.restored == 16)
        assert kept.known() == known
    async with Kept(tmp_path / "maildns.db") as again:
        assert again.known() == known


async def test_a_stop_before_restoring_replaces_no_row(tmp_path):
    """New rows are added, for what had none."""
    async with Kept(tmp_path / "maildns.db") as kept:
        kept.sample("a", 1, BROKEN)
        known = kept.known()
    late = Kept(tmp_path / "maildns.db")
    await late.storage.use(late.entry)
    late.publish(a="198.51.100.0/28")
    late.sample("a", 1, NO_ANSWER)
    late.sample("a", 2)
    await late.storage.stop()
    async with Kept(tmp_path / "maildns.db") as again:
        assert again.known() == known | {"198.51.100.2": late.known()["198.51.100.2"]}


async def test_a_file_that_breaks_while_in_use_is_moved_aside(tmp_path):
    """Sampling goes on, and the new file gets everything."""
    path = tmp_path / "maildns.db"
    async with Kept(path) as kept:
        for index in range(16):
            kept.sample("a", index)
        await kept.until(lambda status: status.committed_at)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.write(b"\0" * path.stat().st_size)
        for index in range(16):
            kept.sample("a", index, BROKEN)
        await kept.until(lambda status: sum(status.errors.values()) and status.is_ok)
    assert list(tmp_path.glob("*.broken-*"))
    async with Kept(path) as again:
        assert again.known() == kept.known()


async def test_older_changes_are_read_from_the_file(tmp_path):
    """Pages go on where memory ends, with any filter, and have each change once."""
    began = time.time() - 5000
    async with Kept(tmp_path / "maildns.db") as kept:
        kept.journal = kept.storage._journal = Journal(capacity=10)
        entries = [kept.journal.write("a", lost(number % 250, began + number)) for number in range(300)]
        for entry in entries:
            kept.storage.add_change(entry)
        with closing(sqlite3.connect(tmp_path / "maildns.db")) as connection:
            await kept.until(lambda _: connection.execute("SELECT count(*) FROM changes").fetchone() == (300,))
        found, before = [], None
        while page := await kept.storage.changes(7, before=before):
            found += page
            before = page[-1].number
        assert found == entries[::-1]
        address = entries[5].change.address
        assert await kept.storage.changes(9, wanted=ChangeFilter(address=address)) == [entries[255], entries[5]]


@pytest.mark.slow
async def test_old_rows_are_deleted(tmp_path):
    """Changes by age and number; addresses only if they left the configuration long ago."""
    now = time.time()
    entry = {"retention": "1h", "max_changes": 2500}
    async with Kept(tmp_path / "maildns.db", {"a": "198.51.100.0/28", "b": "203.0.113.0/30"}, **entry) as kept:
        for index in range(16):
            kept.sample("a", index, at=now - 60)
        kept.sample("b", 0, at=now - 60)
        for number in range(6000):
            at = now - 7200 if number < 1000 else now - 100
            kept.storage.add_change(kept.journal.write("a", lost(number % 250, at)))
        kept.key_values.put("pool/gone", "x", "1")
        kept.key_values.put("pool/a", "x", "1")
    async with Kept(tmp_path / "maildns.db", {"a": "198.51.100.8/29"}, **entry) as kept:
        with closing(sqlite3.connect(tmp_path / "maildns.db", timeout=300, isolation_level=None)) as connection:
            await kept.until(lambda _: connection.execute("SELECT count(*) FROM changes").fetchone() == (2500,))
            gone = "SELECT count(*) FROM addresses WHERE gone_at IS NOT NULL"
            await kept.until(lambda _: connection.execute(gone).fetchone() == (9,))
            connection.execute("UPDATE addresses SET gone_at = gone_at - 7200")
            connection.execute("UPDATE notes SET at = at - 7200")
    async with Kept(tmp_path / "maildns.db", {"a": "198.51.100.8/29"}, **entry) as kept:
        with closing(sqlite3.connect(tmp_path / "maildns.db", timeout=300)) as connection:
            await kept.until(lambda _: connection.execute("SELECT count(*) FROM addresses").fetchone() == (8,))
            await kept.until(lambda _: connection.execute("SELECT owner FROM notes").fetchall() == [("pool/a",)])
        assert len(kept.known()) == 8


async def test_a_clock_that_is_wrong_by_a_year_deletes_nothing(tmp_path):
    """At a start, everything in the file looks older than the retention. It is kept until the exporter ran so long."""
    then = time.time() - 400 * 86400
    async with Kept(tmp_path / "maildns.db") as kept:
        for index in range(16):
            kept.sample("a", index, at=then + index)
        kept.storage.add_change(kept.journal.write("a", lost(1, then)))
    async with Kept(tmp_path / "maildns.db") as again:
        again.key_values.put("pool/a", "x", "1")
        await again.until(lambda status: status.committed_at)
    with closing(sqlite3.connect(tmp_path / "maildns.db")) as connection:
        assert connection.execute("SELECT count(*) FROM changes").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM addresses").fetchone() == (16,)


async def test_the_same_calls_work_without_a_storage():
    """They use memory only."""
    kept = Kept("unused")
    await kept.storage.use(None)
    kept.publish(a="198.51.100.0/28")
    await kept.storage.restore()
    kept.sample("a", 1)
    kept.sample("a", 1, BROKEN)
    kept.key_values.put("pool/a", "x", "1")

    assert kept.storage.status is None
    assert len(await kept.storage.changes(10)) == len(kept.journal) > 0
    assert kept.key_values.get("pool/a", "x") == "1"
    with pytest.raises(ValueError, match="at most"):
        kept.key_values.put("pool/a", "y", "1" * (MAX_BYTES + 1))
    await kept.storage.stop()


async def test_domains_are_restored(tmp_path):
    """With their times. A restart is not a change, and newer samples are not replaced."""
    now = time.time()
    async with Kept(tmp_path / "maildns.db") as first:
        first.domains.publish((DOMAIN_SETTINGS, OTHER))
        first.watch(DOMAIN_SETTINGS, SOUND, now - 200)
        first.watch(DOMAIN_SETTINGS, NO_KEY, now - 100)
        first.watch(OTHER, SOUND, now - 50)
        known = first.domains.generation()
        assert [one.change.domain for one in first.journal.entries()] == ["example.org"]

    async with Kept(tmp_path / "maildns.db") as again:
        again.domains.publish((DOMAIN_SETTINGS, OTHER))
        again.watch(OTHER, SILENT, now)
        await again.storage.restore()
        assert again.domains[DOMAIN_SETTINGS.name] == known[DOMAIN_SETTINGS.name]
        assert again.domains[OTHER.name].sampled_at == now
        assert again.watch(DOMAIN_SETTINGS, NO_KEY, now) == ()
        (change,) = again.watch(DOMAIN_SETTINGS, SOUND, now + 1)
        assert (change.before.result, change.after.result) == (Result.FAIL, Result.PASS)
        assert len(again.journal) == 2


async def test_the_sample_time_of_a_domain_is_saved(tmp_path):
    """A sample without a change is saved with the times, at the latest when the process ends."""
    now = time.time()
    async with Kept(tmp_path / "maildns.db") as first:
        first.domains.publish((DOMAIN_SETTINGS,))
        first.watch(DOMAIN_SETTINGS, SOUND, now - 200)
        await first.until(lambda status: status.committed_at)
        first.watch(DOMAIN_SETTINGS, SOUND, now - 100)
        assert first.domains.dirty.take(with_sampled=False) == []
    async with Kept(tmp_path / "maildns.db") as again:
        again.domains.publish((DOMAIN_SETTINGS,))
        await again.storage.restore()
        assert again.domains[DOMAIN_SETTINGS.name].sampled_at == now - 100


async def test_a_domain_that_leaves_is_kept_for_the_retention(tmp_path):
    """It is restored if it comes back, in a reload, too, and deleted afterwards."""
    now, entry = time.time(), {"retention": "1h"}
    path = tmp_path / "maildns.db"
    async with Kept(path, **entry) as kept:
        kept.domains.publish((DOMAIN_SETTINGS, OTHER))
        kept.watch(DOMAIN_SETTINGS, SOUND, now)
        kept.watch(OTHER, SOUND, now - 7200)
        await kept.until(lambda status: status.committed_at)
        kept.domains.publish((OTHER,))
        kept.storage.follow()
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            gone = "SELECT name FROM domains WHERE gone_at IS NOT NULL"
            await kept.until(lambda _: connection.execute(gone).fetchall() == [("example.org",)])
            kept.domains.publish((OTHER, DOMAIN_SETTINGS))
            kept.storage.follow()
            kept.storage.start_restoring()
            await kept.until(lambda _: kept.domains[DOMAIN_SETTINGS.name].sampled_at == now)
            await kept.until(lambda _: connection.execute(gone).fetchall() == [])
    async with Kept(path, **entry) as kept:
        kept.domains.publish((OTHER,))
        kept.storage.follow()
        await kept.storage.restore()
        assert not kept.domains[OTHER.name].sampled_at  # too old
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            await kept.until(lambda _: connection.execute(gone).fetchall() == [("example.org",)])
            connection.execute("UPDATE domains SET gone_at = gone_at - 7200 WHERE gone_at IS NOT NULL")
    async with Kept(path, **entry) as kept:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            names = "SELECT name FROM domains"
            await kept.until(lambda _: connection.execute(names).fetchall() == [(OTHER.name,)])


async def test_a_damaged_row_of_a_domain_is_skipped(tmp_path):
    """It is counted, and the domain counts as unknown."""
    path = tmp_path / "maildns.db"
    async with Kept(path) as first:
        first.domains.publish((DOMAIN_SETTINGS,))
        first.watch(DOMAIN_SETTINGS, SOUND, time.time())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE domains SET state = replace(state, 'reject', 'redact')")
    async with Kept(path) as again:
        again.domains.publish((DOMAIN_SETTINGS,))
        await again.storage.restore()
        assert not again.domains[DOMAIN_SETTINGS.name].sampled_at
        assert again.storage.status.unreadable == 1
