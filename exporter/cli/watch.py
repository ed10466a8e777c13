"""`--config.auto-reload-interval`: using a changed configuration file without being told.

The rule of this file: what counts is the content. A time stamp says little about a file that Kubernetes replaces by
switching a link, and a file that is written anew with the same content is no change.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path


def fingerprint(path: Path) -> bytes | None:
    """What tells one content of a file from another; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


@contextlib.asynccontextmanager
async def watched(
    look: Callable[[], bytes | None], interval_seconds: float, changed: Callable[[], Awaitable[object]]
) -> AsyncIterator[None]:
    """Take a *look* now and every *interval_seconds*, and await *changed* whenever it gives something new.

    None is waited out: whoever replaces a file may be in the midst of it. 0 seconds means never. *look* is called in a
    thread.
    """
    known = await asyncio.to_thread(look) if interval_seconds else None
    watching = asyncio.create_task(_watch(look, known, interval_seconds, changed)) if interval_seconds else None
    try:
        yield
    finally:
        if watching is not None:
            watching.cancel()


async def _watch(
    look: Callable[[], bytes | None],
    known: bytes | None,
    interval_seconds: float,
    changed: Callable[[], Awaitable[object]],
) -> None:
    while True:
        await asyncio.sleep(interval_seconds)
        present = await asyncio.to_thread(look)
        if present is not None and present != known:
            known = present
            await changed()
