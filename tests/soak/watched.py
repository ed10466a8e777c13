"""The exporter with a watch on its event loop: ``python -m tests.soak.watched FILE`` and the exporter's own arguments.

The exporter runs as it does without. A line of JSON a second goes to FILE: what the process
holds, and the longest that one turn of the event loop took since the line before, on the clock and in processor time
of the loop's own thread. On a machine that others use too, only the latter says what the exporter did itself.
"""

import asyncio
import json
import os
import selectors
import sys
import threading
import time
from asyncio.base_events import _format_handle  # type: ignore[attr-defined]  # what asyncio's own slow log says
from pathlib import Path
from typing import IO, Any

from exporter.cli.main import main as run

_TOLD_SECONDS = 0.02
"""A callback that takes less is not named."""


class Watch:
    """Measures each turn of the main thread's event loop, from the end of one `select` to the beginning of the next."""

    def __init__(self, file: IO[str], seconds: float) -> None:
        self._file, self._seconds = file, seconds
        self._began = time.perf_counter()
        self._next_line = self._began + seconds
        self._turn = self._step = self._now()
        self._wall = self._cpu = 0.0
        self._slowest, self._what = 0.0, ""

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.thread_time()

    def turn_began(self) -> None:
        """`select` returned."""
        self._turn = self._step = self._now()

    def stepped(self, handle: asyncio.Handle) -> None:
        """A callback returned."""
        now = self._now()
        seconds = now[1] - self._step[1]
        if seconds > max(_TOLD_SECONDS, self._slowest):
            self._slowest, self._what = seconds, _format_handle(handle)
        self._step = now

    def turn_ended(self) -> None:
        """`select` is about to be called."""
        now = self._now()
        self._wall = max(self._wall, now[0] - self._turn[0])
        self._cpu = max(self._cpu, now[1] - self._turn[1])
        if now[0] >= self._next_line:
            self._write(now[0])

    def _write(self, now: float) -> None:
        line = {
            "at": round(now - self._began, 3),
            "tasks": len(asyncio.all_tasks()),
            "threads": _entries("/proc/self/task"),
            "descriptors": _entries("/proc/self/fd") - 1,
            "memory": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            "wall": round(self._wall, 4),
            "cpu": round(self._cpu, 4),
            "what": self._what,
        }
        self._file.write(json.dumps(line) + "\n")
        self._next_line = now + self._seconds
        self._wall = self._cpu = self._slowest = 0.0
        self._what = ""


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def install(file: IO[str], seconds: float = 1.0) -> None:
    """Watch every event loop that runs in this thread from now on; a line every *seconds*."""
    watch, thread = Watch(file, seconds), threading.get_ident()
    select, step = selectors.DefaultSelector.select, asyncio.Handle._run

    def watched_select(self: Any, timeout: float | None = None) -> Any:
        if threading.get_ident() != thread:
            return select(self, timeout)
        watch.turn_ended()
        try:
            return select(self, timeout)
        finally:
            watch.turn_began()

    def watched_step(self: asyncio.Handle) -> None:
        step(self)
        watch.stepped(self)

    selectors.DefaultSelector.select = watched_select  # type: ignore[method-assign]
    asyncio.Handle._run = watched_step  # type: ignore[method-assign]


if __name__ == "__main__":
    path = sys.argv.pop(1)
    with Path(path).open("w", buffering=1) as lines:
        install(lines)
        run()
