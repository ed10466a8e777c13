"""What parts of the exporter want to know after a restart, where nothing else has a place for it: texts by name.

The rule of this file: it is the same with and without a storage; without, it is forgotten with the process. An owner is
a thing of the configuration, like ``pool/corporate``; what is noted of a pool that is no longer there is forgotten with
the storage's retention. Everything here may be called from any thread.
"""

import threading
import time
from collections.abc import Iterable, Mapping

POOL = "pool/"
"""What the owner of a note about a pool begins with; the pool's name follows."""

MAX_BYTES = 1 << 20
"""How long a note may be."""

Key = tuple[str, str]


class KeyValueTable:
    """Reads are from memory, writes are saved within a second where there is a storage."""

    def __init__(self) -> None:
        self._values: dict[Key, str] = {}
        self._times: dict[Key, float] = {}
        self._unsaved: set[Key] = set()
        self._lock = threading.Lock()

    def get(self, owner: str, name: str) -> str | None:
        """The latest value; None if there is none."""
        return self._values.get((owner, name))

    def put(self, owner: str, name: str, value: str) -> None:
        """Note a value. Raises `ValueError` for one that is too long."""
        if len(value) > MAX_BYTES:
            raise ValueError(f"a note has {MAX_BYTES} characters at most, this one has {len(value)}")
        key = (owner, name)
        with self._lock:
            if self._values.get(key) != value:
                self._values[key] = value
                self._times[key] = time.time()
                self._unsaved.add(key)

    def restore(self, values: Mapping[Key, str]) -> None:
        """Take in what is known from before this process, as far as nothing newer is here."""
        with self._lock:
            self._values = {**values, **self._values}

    def take(self) -> dict[Key, tuple[str, float]]:
        """Take what is not saved yet, with the time at which it was noted."""
        with self._lock:
            taken = {key: (self._values[key], self._times.get(key, time.time())) for key in self._unsaved}
            self._unsaved.clear()
        return taken

    def put_back(self, keys: Iterable[Key]) -> None:
        """Could not be saved."""
        with self._lock:
            self._unsaved.update(keys)

    def add_all(self) -> None:
        """Everything has to be saved anew."""
        with self._lock:
            self._unsaved.update(self._values)
