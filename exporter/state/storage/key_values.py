"""A table of texts by owner and name, for what other parts of the exporter want to know after a restart.

It works without a storage, too; then it lasts as long as the process. Any thread may use it.
"""

import threading
import time
from collections.abc import Iterable, Mapping

POOL = "pool/"
"""The prefix of the owner of a pool's values; the name of the pool follows."""

MAX_BYTES = 1 << 20
"""The longest value, in characters."""

Key = tuple[str, str]
"""Owner and name."""


class KeyValueTable:
    """Values in memory. With a storage, new ones are saved within a second."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._values: dict[Key, str] = {}
        self._times: dict[Key, float] = {}
        self._dirty: set[Key] = set()
        self._lock = threading.Lock()

    def get(self, owner: str, name: str) -> str | None:
        """The latest value, if there is one."""
        return self._values.get((owner, name))

    def put(self, owner: str, name: str, value: str) -> None:
        """Set a value. Raises `ValueError` if it is too long."""
        if len(value) > self._max_bytes:
            raise ValueError(f"a value has at most {self._max_bytes} characters, this one has {len(value)}")
        key = (owner, name)
        with self._lock:
            if self._values.get(key) != value:
                self._values[key] = value
                self._times[key] = time.time()
                self._dirty.add(key)

    def restore(self, values: Mapping[Key, str]) -> None:
        """Add saved values, except where there is a newer one."""
        with self._lock:
            self._values = {**values, **self._values}

    def take(self) -> dict[Key, tuple[str, float]]:
        """Remove and return the values that are not saved yet, each with the Unix time when it was set."""
        with self._lock:
            taken = {key: (self._values[key], self._times.get(key, time.time())) for key in self._dirty}
            self._dirty.clear()
        return taken

    def put_back(self, keys: Iterable[Key]) -> None:
        """Save these again after a failed save."""
        with self._lock:
            self._dirty.update(keys)

    def add_all(self) -> None:
        """Save all values again."""
        with self._lock:
            self._dirty.update(self._values)
