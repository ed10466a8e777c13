"""Serving: messages to systemd, reloads of a changed file, and the garbage collector."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from exporter.cli.serve import content_hash, notify, notifying_systemd, watchdog_seconds, watching
from exporter.tasks import supervised
from tests.integration.servers.http import is_ok
from tests.integration.servers.process import wait_until


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket like the one on which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(10)
        listener.bind(str(tmp_path / "notify"))
        yield listener


def test_a_state_reaches_the_socket(systemd):
    """A notification arrives as it was sent."""
    notify("READY=1", {"NOTIFY_SOCKET": systemd.getsockname()})

    assert systemd.recv(100) == b"READY=1"


def test_an_abstract_socket_is_reached():
    """A name with @ is a socket without a file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(10)
        listener.bind(f"\0maildns-test-{os.getpid()}")

        notify("READY=1", {"NOTIFY_SOCKET": f"@maildns-test-{os.getpid()}"})

        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nonexistent/socket"}])
def test_without_systemd_nothing_happens(environment):
    """A missing socket is ignored."""
    notify("READY=1", environment)


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        pytest.param({}, None, id="no-watchdog"),
        pytest.param({"WATCHDOG_USEC": "30000000"}, 30.0, id="microseconds"),
        pytest.param({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0, id="meant-for-us"),
        pytest.param({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None, id="meant-for-another"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="no-number"),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="never"),
    ],
)
def test_watchdog_seconds(environment, seconds):
    """The interval is systemd's, and only for the process that it names."""
    assert watchdog_seconds(environment) == seconds


async def test_ready_then_alive_then_stopping(systemd):
    """The first message comes when the service is ready; watchdog messages follow until it stops."""
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "30000"}
    ready, stopping = asyncio.Event(), asyncio.Event()

    async def receive() -> bytes:
        return await asyncio.to_thread(systemd.recv, 100)

    async with notifying_systemd(ready, stopping, environment):
        await asyncio.sleep(0)
        assert select.select([systemd], [], [], 0)[0] == []
        ready.set()
        received = [await receive() for _ in range(3)]
        stopping.set()
        while (last := await receive()) == b"WATCHDOG=1":
            pass
        received.append(last)

    assert received == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.slow
def test_the_demo_is_a_service_like_any_other(systemd):
    """A unit of `Type=notify` can run it: it reports when it is ready and when it stops."""
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0", "--log.level=error"],
        env={**os.environ, "NOTIFY_SOCKET": systemd.getsockname()},
    )
    try:
        systemd.settimeout(300)
        ready = systemd.recv(100)
        process.send_signal(signal.SIGTERM)
        stopping = systemd.recv(100)
        status = process.wait(timeout=300)
    finally:
        process.kill()
        process.wait()

    assert (ready, stopping, status) == (b"READY=1", b"STOPPING=1", 0)


DEADLINE_SECONDS = 300
OFTEN = 0.001


async def changes(looks: Iterable[bytes | None]) -> int:
    """How many changes are reported for these successive results of looking."""
    script = iter(looks)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    reported = []

    def look() -> bytes | None:
        try:
            return next(script)
        except StopIteration:
            loop.call_soon_threadsafe(over.set)
            return None

    async def changed() -> None:
        reported.append(None)

    async with watching(look, OFTEN, changed):
        await asyncio.wait_for(over.wait(), DEADLINE_SECONDS)
    return len(reported)


async def test_every_new_content_is_reported_once():
    """The same content, or none for a while, is not a change; older content that returns is one."""
    assert await changes([b"a", b"a", None, b"a", b"b", b"b", None, b"a", b"c"]) == 3


async def test_a_file_that_appears_is_reported():
    """Without a file at the start, the first content is a change."""
    assert await changes([None, None, b"a"]) == 1


async def test_never_means_never():
    """Without an interval nothing is read."""

    def look() -> bytes:
        raise AssertionError

    async with watching(look, 0, asyncio.Event().wait):
        assert len(asyncio.all_tasks()) == 1


def test_a_switched_link_is_another_content_only_if_it_is(tmp_path):
    """Kubernetes points a link at another folder instead of replacing a file."""
    for generation, content in {"one": "first", "two": "first", "three": "second", "four": None}.items():
        (tmp_path / generation).mkdir()
        if content:
            (tmp_path / generation / "maildns.yml").write_text(content)
    file = tmp_path / "maildns.yml"
    file.symlink_to("..data/maildns.yml")
    prints = []
    for generation in ("one", "two", "three", "four"):
        (tmp_path / "..tmp").symlink_to(generation)
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        prints.append(content_hash(file))

    first, second, third, fourth = prints
    assert first == second != third
    assert fourth is None


PROGRAM = """
import gc, weakref
from exporter.cli import serve

class Cycle:
    def __init__(self):
        self.myself = self

serve.tune_garbage_collector()
gone = []
while not gone:
    weakref.finalize(Cycle(), gone.append, True)
print(gc.isenabled(), gc.get_threshold()[0] > 10_000, gc.get_freeze_count() > 1_000)
"""


@pytest.mark.slow
def test_collections_are_few_and_cycles_still_found():
    """Modules are frozen and collections rare; a cycle is freed in the end without an explicit collection."""
    finished = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=300)

    assert finished.stdout.split() == ["True", "True", "True"]


async def test_a_task_that_fails_begins_again(capsys):
    """Its error is logged each time; one that ends is over, and a cancelled one too."""
    runs = []

    async def run():
        runs.append(len(runs))
        if len(runs) < 3:
            raise OSError("no luck")

    await supervised("counting", run, 0.0)

    assert runs == [0, 1, 2]
    assert capsys.readouterr().out.count("no luck") >= 2


async def test_a_watch_survives_a_reload_that_fails(tmp_path):
    """The next change is seen all the same."""
    contents = iter([b"one", b"two", b"three", *[b"three"] * 10_000])
    seen = asyncio.Event()
    calls = []

    async def changed():
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError
        seen.set()

    async with watching(lambda: next(contents), 0.01, changed):
        async with asyncio.timeout(300):
            await seen.wait()


@pytest.mark.parametrize("log", ["full", "closed", "gone"])
@pytest.mark.slow
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path, log):
    """A full disk, no standard error at all, or a pipe that nobody reads: it serves, and ends with exit code 0."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    redirect = {"full": "2>/dev/full", "closed": "2>&-", "gone": ""}[log]
    command = f'exec "{sys.executable}" -m exporter demo --web.listen-address=127.0.0.1:{port} {redirect}'
    reader, writer = os.pipe()
    environment = os.environ | {"PYTHONPATH": f"{Path.cwd()}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.Popen(["sh", "-c", command], stderr=writer, cwd=tmp_path, env=environment)
    os.close(writer)
    os.close(reader)
    try:
        wait_until(lambda: is_ok(f"http://127.0.0.1:{port}/-/healthy"), "it serves")
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) == 0
    finally:
        process.kill()
        process.wait()
