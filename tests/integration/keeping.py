"""Runs the exporter in a process of its own, with a storage, so that it can be killed; and reads what it left."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import yaml

from exporter.config.load import load
from exporter.demo.server import DemoServer, Observe
from exporter.demo.world import World
from tests.integration.servers.process import free_port, wait_until

ROOT = Path(__file__).parents[2]
INTERVAL_SECONDS = 10
"""The shortest that may be configured."""


class Process:
    """An exporter on the configuration file *path*; with *hurried_seconds*, it samples more often than one may."""

    def __init__(
        self, path: Path, *arguments: str, enter: tuple[str, ...] = (), hurried_seconds: float | None = None
    ) -> None:
        self.port = free_port()
        self._log = path.with_suffix(".log")
        command = [*enter, sys.executable, "-m", "exporter", f"--config.file={path}", "--log.format=json"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", *arguments]
        if hurried_seconds is not None:
            program = "tests.integration.hurried_exporter"
            command = [sys.executable, "-m", program, str(path), str(self.port), str(hurried_seconds)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def get(self, path: str) -> tuple[int, str]:
        """Ask for a path: status and body; status 0 while it does not listen."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=300) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of the series of a family that have these labels; None if there is none."""
        pairs = [f'{label}="{value}"' for label, value in labels.items()]
        found = [
            float(line.rpartition(" ")[2])
            for line in self.get("/metrics")[1].splitlines()
            if line.partition(" ")[0].partition("{")[0] == name and all(pair in line for pair in pairs)
        ]
        return sum(found) if found else None

    def wait_for(self, name: str, value: float, **labels: str) -> None:
        """Wait until a sum of series has a value."""
        wait_until(lambda: self.value(name, **labels) == value, f"{name} is {value}\n{self.log[-3000:]}")

    def wait_until_ready(self) -> None:
        """Wait until it says that it is ready."""
        wait_until(lambda: self.get("/-/ready")[0] == 200, f"it is ready\n{self.log[-3000:]}")

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def events(self) -> list[dict[str, Any]]:
        """Its log lines."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def kill(self) -> None:
        """End it as the kernel does."""
        self.process.kill()
        self.process.wait(300)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it as its operator does: its exit code."""
        self.process.send_signal(number)
        return self.process.wait(300)


@contextmanager
def process(
    path: Path, *arguments: str, enter: tuple[str, ...] = (), hurried_seconds: float | None = None
) -> Iterator[Process]:
    """Run an exporter, and end it whatever happens."""
    running = Process(path, *arguments, enter=enter, hurried_seconds=hurried_seconds)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()


def configuration(
    path: Path,
    server: str,
    storage: Path,
    addresses: list[dict[str, Any]],
    sections: Mapping[str, Any] = MappingProxyType({}),
    **pool: Any,
) -> Path:
    """Write a configuration with one pool, a storage, and other *sections*."""
    resolver = {"name": "test", "servers": [server], "timeout": "5s", "canary": False, "max_queries_per_second": 5000}
    pools = [{"name": "test", "interval": f"{INTERVAL_SECONDS}s", "addresses": addresses, **pool}]
    everything = {"storage": {"path": str(storage)}, "resolvers": [resolver], "pools": pools, **sections}
    path.write_text(yaml.safe_dump(everything))
    load(path)
    return path


def rows(storage: Path, query: str) -> list[tuple[Any, ...]]:
    """What a query gives of a storage that nobody uses; the file has to be whole."""
    with closing(sqlite3.connect(f"file:{storage}?mode=rw", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute(query).fetchall()


class Dns:
    """A world on a port of its own, in a thread of its own, so that a test may wait for processes.

    *observe* is told each question, in that thread.
    """

    def __init__(self, world: World, observe: Observe | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._server = DemoServer(world, observe=observe)
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.port}"

    def silence(self) -> None:
        """Answer nothing from now on."""
        self._loop.call_soon_threadsafe(self._server.stop_answering)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(300)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(300)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(300)
        self._loop.close()
