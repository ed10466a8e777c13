"""The table that a soak ends with, and whether everything was within its bounds.

A leak shows between parts of a run, not between two moments, and once everything has happened:
an outage has memory taken that is used again later, which is no leak.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.soak.load import Measured, percentile

_LAG_BOUND_SECONDS = 0.1
_MEMORY_BOUND_MIB = 300
_HOLD_SECONDS = 0.05
_SPARE = {"descriptors": 5, "tasks": 5, "threads": 2, "memory": 16 * 2**20}
"""How much more of each the last fifth of a run may have than the one before, in the median."""
_ONCE = {"descriptors": 10, "tasks": 10, "threads": 3}
"""How much more of each the last fifth may have than what was there before the outage."""

Row = tuple[str, str, bool]
Line = dict[str, Any]
"""What `tests.soak.watched` writes once a second."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run at its end: its *title*, what was seen from outside, and the watch's lines."""

    title: str
    measured: Measured
    lines: list[Line]
    exit_status: int
    reloads_wanted: int = 1


def watched_lines(path: Path, since: float) -> list[Line]:
    """The lines of the watch from its second *since* on; the last one may be half written."""
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [line for line in lines if line["at"] >= since]


def report(run: Run) -> int:
    """Print the table; 1 if something was out of bounds."""
    rows = [*_loop(run), *_trends(run.lines), *_served(run)]
    told = [f"  {'ok  ' if is_right else 'FAIL'} {what}: {figure}" for what, figure, is_right in rows]
    measured = run.measured
    print("\n".join([run.title, *told, *measured.failed[:5], *measured.mixed[:5], *measured.lost[:5]]))
    return int(not all(is_right for *_, is_right in rows))


def _loop(run: Run) -> list[Row]:
    lag = percentile(run.measured.lags, 99)
    wall, cpu = ([line[clock] for line in run.lines] for clock in ("wall", "cpu"))
    slow = sorted((line for line in run.lines if line["cpu"] > _HOLD_SECONDS), key=lambda line: -line["cpu"])
    rows = [
        ("event loop lag as its metric has it, 99th percentile", _ms(lag), lag < _LAG_BOUND_SECONDS),
        ("longest turn of the loop in a second, 99th percentile", _ms(percentile(wall, 99)), True),
        ("likewise, in processor time", _ms(percentile(cpu, 99)), percentile(cpu, 99) < _LAG_BOUND_SECONDS),
        ("seconds with a turn over 50 ms of processor time", f"{len(slow)} of {len(run.lines)}", True),
    ]
    return rows + [(f"  {_ms(line['cpu'])}", line["what"] or "many small steps", True) for line in slow[:5]]


def _trends(lines: list[Line]) -> list[Row]:
    """What the process holds before the outage, in the fifth of the run that comes after it, and in the last one."""
    count = len(lines)
    parts = [lines[: max(1, count * 2 // 5)], lines[count * 3 // 5 : max(1, count * 4 // 5)], lines[count * 4 // 5 :]]
    rows = []
    for what, spare in _SPARE.items():
        before, after, last = (median(line[what] for line in part or lines) for part in parts)
        scale, unit = (2**20, " MiB") if what == "memory" else (1, "")
        figure = ", ".join(f"{value / scale:.0f}{unit}" for value in (before, after, last))
        is_right = last <= after + spare and last <= before + _ONCE.get(what, float("inf"))
        rows.append((f"{what} before the outage, after it, at the end, median", figure, is_right))
    memory = max(line["memory"] for line in lines) / 2**20
    return [*rows, ("memory, at most", f"{memory:.0f} MiB", memory < _MEMORY_BOUND_MIB)]


def _served(run: Run) -> list[Row]:
    measured = run.measured
    scrapes = len(measured.scrape_seconds) + len(measured.failed)
    return [
        ("scrapes and reloads that failed", f"{len(measured.failed)} of {scrapes} scrapes", not measured.failed),
        ("a scrape, 99th percentile", f"{percentile(measured.scrape_seconds, 99):.2f} s", True),
        (
            "scrapes of mixed generations, or of another than the one in use",
            str(len(measured.mixed)),
            not measured.mixed,
        ),
        ("reloads, refused as bad", f"{measured.reloads}, {measured.refused}", measured.reloads >= run.reloads_wanted),
        ("a reload, median and 99th percentile", _reloads(measured.reload_seconds), True),
        ("counters and times of what stays that fell", str(len(measured.lost)), not measured.lost),
        ("samples of the pools that stay", f"{measured.samples:.0f}", measured.samples > 0),
        ("verdicts that changed", f"{measured.changes:.0f}", not measured.changes),
        ("exit status", str(run.exit_status), run.exit_status == 0),
    ]


def _reloads(seconds: list[float]) -> str:
    return f"{median(seconds):.2f} s, {percentile(seconds, 99):.2f} s" if seconds else "none"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
