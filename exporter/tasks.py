"""Tasks that run for as long as the process does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()

_PAUSE_SECONDS = 1.0


async def supervised(
    what: str, run: Callable[[], Coroutine[Any, Any, None]], pause_seconds: float = _PAUSE_SECONDS
) -> None:
    """Run *run*. If it fails, log that with *what*, pause, and run it again: nobody else would notice its end."""
    while True:
        try:
            await run()
        except Exception:  # whatever it is, the others go on, and so does this one
            log.exception("a task failed and begins again", task=what)
            await asyncio.sleep(pause_seconds)
        else:
            return
