"""State that outlives the process: real processes, real signals, a real file, a real full disk."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from exporter.demo.world import Episode, World
from tests.fakes import FakeClock
from tests.integration.keeping import INTERVAL_SECONDS, ROOT, Dns, configuration, process, rows
from tests.integration.servers.process import DEADLINE_SECONDS, wait_until
from tests.integration.servers.tools import require

pytestmark = pytest.mark.integration

HOSTS = range(1, 101)
RECORDS = [
    ". SOA ns. host. 1 3600 900 604800 1",
    ". NS ns.",
    *[f"{host}.2.0.192.in-addr.arpa. PTR mail{host}.example.org." for host in HOSTS],
    *[f"mail{host}.example.org. A 192.0.2.{host}" for host in HOSTS],
]
ADDRESSES = [{"ip": f"192.0.2.{host}", "helo": f"mail{host}.example.org"} for host in HOSTS]
OK = "maildns_storage_ok"
ERRORS = "maildns_storage_errors_total"
MATCH = "maildns_fcrdns_match"
SAMPLED = "maildns_last_sample_timestamp_seconds"
HAS_TMPFS = 'mount -t tmpfs -o "$0" tmpfs "$1" && shift && exec "$@"'
LOSS_SECONDS = 1.0
SLOW_SECONDS = 4.0  # what a commit may take on a machine that is busy with other tests


def calm():
    """A world in which every address is right."""
    return World(RECORDS)


def restless(speed=1.0):
    """A world in which every reverse record goes and comes back, each in its own time."""
    episodes = [
        Episode(f"{host}", 30, host % 15, host % 15 + 15, withdrawn=((f"{host}.2.0.192.in-addr.arpa.", "PTR"),))
        for host in HOSTS
    ]
    return World(RECORDS, episodes=episodes, speed=speed)


def broken_later(clock):
    """A world in which the first ten addresses lose their reverse records when the clock says 100."""
    withdrawn = tuple((f"{host}.2.0.192.in-addr.arpa.", "PTR") for host in range(1, 11))
    return World(RECORDS, episodes=[Episode("loss", 1e6, 100, 1e5, withdrawn=withdrawn)], clock=clock)


def on_tmpfs(folder, options):
    """How to start a process that alone has a tmpfs on *folder*."""
    return (require("unshare"), "--user", "--map-root-user", "--mount", "sh", "-c", HAS_TMPFS, options, str(folder))


def test_a_restart_shows_what_was_known_before_any_answer(tmp_path):
    """With true timestamps, ready at once, and without a burst; an orderly end lost nothing."""
    storage = tmp_path / "state" / "maildns.db"
    with Dns(calm()) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES)
        with process(path) as exporter:
            exporter.wait_until_ready()
            before = exporter.value(SAMPLED)
            assert exporter.end() == 0

        dns.silence()
        began = time.monotonic()
        with process(path) as exporter:
            exporter.wait_until_ready()
            assert exporter.value(MATCH) == len(HOSTS)
            assert before - len(HOSTS) <= exporter.value(SAMPLED)
            assert exporter.value("maildns_storage_restored_addresses") == len(HOSTS)
            sampled = exporter.value("maildns_samples_total", check="fcrdns")
            assert sampled <= len(HOSTS) * (time.monotonic() - began) / INTERVAL_SECONDS  # its pace, and no more
            assert exporter.end() == 0
    assert oct(storage.stat().st_mode & 0o777) == "0o600"
    assert oct(storage.parent.stat().st_mode & 0o777) == "0o700"


def test_a_kill_loses_the_last_second_at_most(tmp_path):
    """Killed at random moments: the file is whole, its journal is a prefix of what was told, and little is missing."""
    storage = tmp_path / "maildns.db"
    with Dns(restless(speed=4.0)) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES)
        for _ in range(4):
            with process(path) as exporter:
                wait_until(lambda: (exporter.value("maildns_pool_changes_total") or 0) >= 5, "some changes")
                time.sleep(random.uniform(0, 2))
                exporter.kill()
            told = [one for one in exporter.events() if one["event"] == "changed"]
            kept = rows(storage, "SELECT target FROM changes ORDER BY number")
            assert [one["ip"] for one in told[: len(kept)]] == [target for (target,) in kept]
            missing = [_seconds(one) for one in told[len(kept) :]]
            assert not missing or missing[-1] - missing[0] < LOSS_SECONDS + SLOW_SECONDS
            log = path.with_suffix(".log")  # what a kill lost, the next process finds again: go on from what is kept
            log.write_text("".join(f"{line}\n" for line in _lines(log, kept)))
        assert kept


def _seconds(event):
    return time.mktime(time.strptime(event["timestamp"][:19], "%Y-%m-%dT%H:%M:%S")) + float(event["timestamp"][19:-1])


def _lines(log, kept):
    changed = [line for line in log.read_text().splitlines() if '"event": "changed"' in line]
    return changed[: len(kept)]


def test_a_full_disk_is_waited_out(tmp_path):
    """Sampling goes on, the metric says so, and when there is room again, what changed meanwhile is written."""
    folder = tmp_path / "disk"
    folder.mkdir()
    clock = FakeClock()
    with Dns(broken_later(clock)) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, folder / "maildns.db", ADDRESSES)
        with process(path, enter=on_tmpfs(folder, "size=8m")) as exporter:
            exporter.wait_until_ready()
            exporter.wait_for(OK, 1)
            inside = Path(f"/proc/{exporter.process.pid}/root{folder}")
            _fill(inside / "fill")
            clock.seconds = 150.0

            exporter.wait_for(MATCH, len(HOSTS) - 10)
            exporter.wait_for(OK, 0)
            assert exporter.value(ERRORS, reason="full") >= 1
            assert "full" in exporter.get("/exporter")[1]

            (inside / "fill").unlink()
            exporter.wait_for(OK, 1)
            wait_until(lambda: len(_changes_inside(exporter, path)) >= 10, "the changes are written")
            assert exporter.end() == 0


def _changes_inside(exporter, path):
    """What `changes` prints beside a running exporter that alone sees its disk."""
    enter = ["nsenter", f"--target={exporter.process.pid}", "--user", "--mount", "--preserve-credentials"]
    command = [*enter, sys.executable, "-m", "exporter", "changes", f"--config.file={path}", "--check=fcrdns"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    ).stdout.splitlines()


def _fill(path):
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_a_folder_that_may_not_be_written(tmp_path):
    """The exporter serves all the same."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with Dns(calm()) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, folder / "maildns.db", ADDRESSES)
        with process(path, enter=on_tmpfs(folder, "ro")) as exporter:
            exporter.wait_until_ready()
            assert exporter.value(MATCH) == len(HOSTS)
            assert exporter.value(OK) == 0
            assert exporter.value(ERRORS, reason="read-only") >= 1
            assert exporter.end() == 0


def test_a_folder_that_goes_is_made_anew(tmp_path):
    """With everything that is known, not only with what changes from then on."""
    storage = tmp_path / "state" / "maildns.db"
    with Dns(calm()) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES)
        with process(path) as exporter:
            exporter.wait_until_ready()
            shutil.rmtree(storage.parent)
            wait_until(storage.exists, "the file is there again")
            exporter.wait_for(OK, 1)
            assert exporter.end() == 0
    assert rows(storage, "SELECT count(*) FROM addresses") == [(len(HOSTS),)]


def test_a_broken_file_is_moved_aside(tmp_path):
    """Nothing of it is lost to whoever can fix it, and the exporter begins a new one."""
    storage = tmp_path / "maildns.db"
    storage.write_bytes(random.Random(5).randbytes(20_000))
    with Dns(calm()) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES)
        with process(path) as exporter:
            exporter.wait_until_ready()
            assert exporter.value(OK) == 1
            assert exporter.value(ERRORS, reason="broken") == 1
            assert exporter.end() == 0
    (aside,) = tmp_path.glob("maildns.db.broken-*")
    assert aside.read_bytes() == random.Random(5).randbytes(20_000)
    assert any("moved aside" in one["event"] for one in exporter.events())
    assert rows(storage, "SELECT count(*) FROM addresses") == [(len(HOSTS),)]


def test_two_exporters_do_not_share_a_file(tmp_path):
    """One of them samples without, and takes the file over when the other one is gone, however it went."""
    storage = tmp_path / "maildns.db"
    with Dns(calm()) as dns:
        first = configuration(tmp_path / "first.yml", dns.address, storage, ADDRESSES)
        second = configuration(tmp_path / "second.yml", dns.address, storage, ADDRESSES)
        with process(first) as one, process(second) as other:
            one.wait_until_ready()
            other.wait_until_ready()
            assert (one.value(OK), other.value(OK)) in {(1, 0), (0, 1)}  # they began together: either may be first
            holder, waiter = (one, other) if one.value(OK) else (other, one)
            assert waiter.value(ERRORS, reason="locked") >= 1
            holder.kill()
            waiter.wait_for(OK, 1)
            assert waiter.end() == 0
    assert rows(storage, "SELECT count(*) FROM addresses") == [(len(HOSTS),)]


def test_ending_is_in_order(tmp_path):
    """Not ready first, still there for scrapes while it saves, everything saved, status 0."""
    storage = tmp_path / "maildns.db"
    with Dns(calm()) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES)
        with process(path) as exporter, closing(sqlite3.connect(storage, timeout=DEADLINE_SECONDS)) as reader:
            exporter.wait_until_ready()
            reader.execute("BEGIN IMMEDIATE")  # nobody else can write: so it cannot have saved yet
            exporter.process.send_signal(signal.SIGTERM)
            wait_until(lambda: exporter.get("/-/ready")[0] == 503, "it is not ready any more")
            assert exporter.value(MATCH) == len(HOSTS)
            reader.execute("ROLLBACK")
            reader.close()
            assert exporter.process.wait(300) == 0
    assert rows(storage, "SELECT count(*) FROM addresses") == [(len(HOSTS),)]
    assert not Path(f"{storage}-wal").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["terminated", "ctrl-c"])
def test_a_second_signal_ends_it_at_once(tmp_path, number):
    """Whoever is impatient need not wait for a disk, and what was committed is whole."""
    storage = tmp_path / "maildns.db"
    with Dns(calm()) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES)
        with process(path) as exporter, closing(sqlite3.connect(storage, timeout=DEADLINE_SECONDS)) as reader:
            exporter.wait_until_ready()
            reader.execute("BEGIN IMMEDIATE")
            exporter.process.send_signal(number)
            wait_until(lambda: exporter.get("/-/ready")[0] == 503, "it is not ready any more")
            assert exporter.end(number) == -number
            reader.execute("ROLLBACK")
    rows(storage, "SELECT count(*) FROM addresses")


def test_what_left_the_configuration_is_not_shown_and_comes_back(tmp_path):
    """A pool that is gone is neither restored nor forgotten."""
    storage = tmp_path / "maildns.db"
    with Dns(calm()) as dns:
        path = configuration(tmp_path / "m.yml", dns.address, storage, ADDRESSES)
        with process(path) as exporter:
            exporter.wait_until_ready()
            exporter.end()
        dns.silence()
        for addresses in (ADDRESSES[:10], ADDRESSES):
            configuration(path, dns.address, storage, addresses)
            with process(path) as exporter:
                exporter.wait_until_ready()
                assert exporter.value(MATCH) == len(addresses)
                exporter.end()
