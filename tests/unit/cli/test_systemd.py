"""What systemd is done, heard on a socket like its own."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.serve import notify, notifying_systemd, watchdog_seconds


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket on which systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(10)
        listener.bind(str(tmp_path / "notify"))
        yield listener


def test_a_state_reaches_the_socket(systemd):
    """What is notified is what systemd receives."""
    notify("READY=1", {"NOTIFY_SOCKET": systemd.getsockname()})

    assert systemd.recv(100) == b"READY=1"


def test_an_abstract_socket_is_reached():
    """A name that begins with @ is a socket without a file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(10)
        listener.bind(f"\0maildns-test-{os.getpid()}")

        notify("READY=1", {"NOTIFY_SOCKET": f"@maildns-test-{os.getpid()}"})

        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nonexistent/socket"}])
def test_without_systemd_nothing_happens(environment):
    """No socket, or one that is gone, stops nobody."""
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
    """The interval is systemd's, and only for the process that it is meant for."""
    assert watchdog_seconds(environment) == seconds


async def test_ready_then_alive_then_stopping(systemd):
    """Nothing is said before the service is ready; then signs of life follow until it stops."""
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "30000"}
    ready, stopping = asyncio.Event(), asyncio.Event()

    async def hear() -> bytes:
        return await asyncio.to_thread(systemd.recv, 100)

    async with notifying_systemd(ready, stopping, environment):
        await asyncio.sleep(0)
        assert select.select([systemd], [], [], 0)[0] == []
        ready.set()
        heard = [await hear() for _ in range(3)]
        stopping.set()
        while (last := await hear()) == b"WATCHDOG=1":
            pass
        heard.append(last)

    assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_the_demo_is_a_service_like_any_other(systemd):
    """A unit of `Type=notify` can run it: it says when it is ready, and that it stops."""
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
