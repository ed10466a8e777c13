"""What systemd wants to hear from a service of `Type=notify`: that it is ready, that it still runs, that it stops.

The rule of this file: without systemd (no `NOTIFY_SOCKET`) it does nothing, and a message that cannot be sent is not
worth an exporter. The protocol is that of sd_notify(3).
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send *state*, like ``READY=1``."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0)
        sender.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often systemd wants a sign of life from this process; None if it does not."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    is_ours = environment.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) and is_ours else None


@contextlib.asynccontextmanager
async def attended(
    ready: asyncio.Event, stopping: asyncio.Event, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[None]:
    """Tell systemd when *ready* is set, then that the event loop turns, and that it stops as soon as that begins."""
    telling = [
        asyncio.create_task(_tell(ready, environment)),
        asyncio.create_task(_tell_the_end(stopping, environment)),
    ]
    try:
        yield
    finally:
        is_told = telling[1].done()
        for task in telling:
            task.cancel()
        if not is_told:
            notify("STOPPING=1", environment)


async def _tell_the_end(stopping: asyncio.Event, environment: Mapping[str, str]) -> None:
    await stopping.wait()
    notify("STOPPING=1", environment)


async def _tell(ready: asyncio.Event, environment: Mapping[str, str]) -> None:
    await ready.wait()
    notify("READY=1", environment)
    seconds = watchdog_seconds(environment)
    while seconds is not None:
        notify("WATCHDOG=1", environment)
        await asyncio.sleep(seconds / 3)
