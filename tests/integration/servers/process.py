"""What all real servers have in common: a folder, a port, a process, and an end.

A server is ready when it answers, not when some time has passed; and nothing is ended but the
process that was started.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

START_ATTEMPTS = 5  # a port that was free can be taken by the time that the server binds it
DEADLINE_SECONDS = 300.0
"""How long anything is waited for. It costs nothing when all is well, and a busy machine may need most of it."""

_POLL_SECONDS = 0.02
_PORTS = range(16_384, 32_768)
"""Below those that Linux gives to whoever does not care which: no connection of another test can come by one."""

_random = random.SystemRandom()  # not the one that hypothesis makes predictable, in all processes alike


def wait_until(condition: Callable[[], bool], what: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition; raise `TimeoutError`, saying what did not happen, if it does not come true."""
    end = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline_seconds} s: {what}")
        time.sleep(_POLL_SECONDS)


def free_port() -> int:
    """Find a port of 127.0.0.1 that is free for UDP and for TCP; nobody else who asks here gets it, in any process.

    Between now and its use an abstract Unix socket of its name stands for it, which ends with this process.
    """
    while True:
        port = _random.choice(_PORTS)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                claim.bind(f"\0maildns-exporter-tests-{port}")
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        claim.detach()
        return port


class Server(ABC):
    """A server process on loopback. Use it with ``with``, or `start` and `stop` it."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.port = 0
        self.folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Write what the server reads into `folder`, and return the command that starts it on `port`."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves already."""

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The id of its process."""
        if self._process is None:
            raise RuntimeError(f"{type(self).__name__} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its process is there (paused counts)."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has printed."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start it and wait until it answers. Started again after `stop`, it comes back on the same port."""
        if not self.folder.name:
            self.folder = Path(tempfile.mkdtemp(prefix=f"maildns-{type(self).__name__.lower()}-"))
        again = self.port != 0
        for _ in range(START_ATTEMPTS):
            self.port = self.port if again else free_port()
            if self._try_to_start():
                return
        raise RuntimeError(f"{type(self).__name__} does not start:\n{self.log[-4000:]}")

    def _try_to_start(self) -> bool:
        command = self.command()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        try:
            wait_until(lambda: not self.is_running or self.answers(), f"{command[0]} answers")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log[-4000:]}") from None
        if self.is_running and self.shares_its_port():
            self.stop()
        return self.is_running

    def shares_its_port(self) -> bool:
        """Whether another process serves on its port too; most servers could not have started then."""
        return False

    def stop(self) -> None:
        """Stop it as its operator would, harder if it does not listen; the folder and the port stay."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(300)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Stop it for good, and remove its folder."""
        self.stop()
        if self.folder.name:
            shutil.rmtree(self.folder, ignore_errors=True)

    def pause(self) -> None:
        """Stop the process, and wait until none of its threads runs: its port stays open, and nothing answers."""
        signal_to(self.pid, signal.SIGSTOP)
        threads = Path(f"/proc/{self.pid}/task")
        while any(_state(thread) != "T" for thread in threads.iterdir()):
            time.sleep(0.001)

    def resume(self) -> None:
        """Let it go on."""
        signal_to(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def signal_to(pid: int, number: signal.Signals) -> None:
    """Send a signal to one process."""
    os.kill(pid, number)


def _state(thread: Path) -> str:
    """The state of a thread, as a letter of proc(5); T for stopped, or gone."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "T"
