"""What is kept besides the pools, as the thread that saves sees it.

The rule of this file: a part keeps its own marks of what is unsaved. `wanted` and `restore` run on the event loop, and
wait for no disk; the others run in a thread, and touch what the event loop owns only by reading single values.
"""

import sqlite3
from typing import Protocol, TypeVar

from exporter.state.storage.rows import Reading

Taken = TypeVar("Taken")
Wanted = TypeVar("Wanted")
Found = TypeVar("Found")


class Part(Protocol[Taken, Wanted, Found]):
    """Something that is kept over restarts in tables of its own. *name* is what the log calls it."""

    name: str

    def note_all(self) -> None:
        """Everything that is known has to be saved anew, and what is not known can be looked for anew."""

    def take(self, *, all_of_them: bool) -> Taken:
        """Take what has news, or *all_of_them* that were looked at; empty if there is nothing."""

    def put_back(self, taken: Taken) -> None:
        """Could not be saved."""

    def save(self, connection: sqlite3.Connection, taken: Taken) -> None:
        """Write it, as it is now."""

    def note_gone(self, connection: sqlite3.Connection, now: float) -> None:
        """Note of everything whether it is configured, and if not, since when."""

    def wanted(self) -> Wanted:
        """What should be looked for in the file; empty if there is nothing."""

    def read(self, source: Reading, wanted: Wanted) -> Found:
        """What the file has of it."""

    def restore(self, found: Found) -> int:
        """Begin with what was found, as far as nothing newer is known; how much that was."""
