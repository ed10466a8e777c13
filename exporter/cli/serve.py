"""Serving, from the command line's flags to the running service."""

import asyncio
import contextlib
import gc
import hashlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from exporter.config.configuration import Configuration
from exporter.inventory.shard import ALONE, Shard
from exporter.options import Options
from exporter.service import Service

# SECTION exporter.cli.logs
# What the logs look like: logfmt or JSON on standard error, one line an event.


def configure(level: str, style: str) -> None:
    """Send the events of every module, and of the libraries, to standard error; *style* is ``logfmt`` or ``json``."""
    minimum = logging.getLevelNamesMapping()[level.upper()]
    renderer = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False)
    )
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,  # a log line is rare, and a test may configure anew
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.add_log_level, *shared[1:]],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(minimum, logging.WARNING), force=True)


# SECTION exporter.cli.collector
# Python's garbage collector, set to what this program does.
#
# The rule of this file: it is a matter of speed alone; nothing may depend on when, or whether, a cycle is
# collected.

_YOUNG = 20_000
"""How many containers more than before make a collection worth its time.

Each question makes a dozen that are gone with its answer, and none is in a cycle. With hundreds of questions in flight,
Python's own 700 has the collector look through all of them several times a second, in vain, for 7% of a check's time.
What it may find later for that is a few megabytes.
"""

_MIDDLE = 2
"""How many collections of the young make one of those that outlived one: each looks through all that came since.

Ten, as Python has it, are 200,000 objects and a hold of the event loop of 50 to 200 ms, while a pool that is kept in
full fills up. What a sample leaves is in no cycle (`exporter.sampling.sampling`), so nothing is found later.
"""

_OLD = 100
"""The same of collections of everything, which look through all that is known."""


def calm() -> None:
    """Let collections be few, and short. Call it when everything is imported."""
    gc.freeze()  # modules stay for good: collections need not look at them again
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


# SECTION exporter.cli.systemd
# What systemd wants to hear from a service of `Type=notify`: that it is ready, that it still runs, that it
# stops.
#
# The rule of this file: without systemd (no `NOTIFY_SOCKET`) it does nothing, and a message that cannot be sent
# is not
# worth an exporter. The protocol is that of sd_notify(3).


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


# SECTION exporter.cli.watch
# `--config.auto-reload-interval`: using a changed configuration file without being told.
#
# The rule of this file: what counts is the content. A time stamp says little about a file that Kubernetes
# replaces by
# switching a link, and a file that is written anew with the same content is no change.


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


# SECTION exporter.cli.serve


def serve(load: Callable[[], Configuration], *, file: Path, reload_seconds: float, **flags: Any) -> None:
    """Serve what *load* gives until a signal ends it; *flags* are those of `options`.

    Every *reload_seconds* (0: never) *file* is looked at, and loaded anew if its content changed.
    """
    asyncio.run(_run(options(load, **flags), file, reload_seconds))


async def _run(chosen: Options, file: Path, reload_seconds: float) -> None:
    service = Service(chosen)
    async with (
        attended(service.listening, service.stopping),
        watched(lambda: fingerprint(file), reload_seconds, service.reload),
    ):
        await service.run()


def options(
    load: Callable[[], Configuration],
    *,
    listen: tuple[tuple[str | None, int], ...],
    route_prefix: str | None,
    external_path: str | None,
    web_config: Path | None,
    enable_lifecycle: bool,
    max_requests: int,
    probe_offset_seconds: float,
    log_level: str,
    log_format: str,
    shard: Shard = ALONE,
) -> Options:
    """Set the logs up, and say how to serve."""
    configure(log_level, log_format)
    calm()
    return Options(
        load,
        listen,
        enable_lifecycle,
        max_requests,
        route_prefix or external_path or "/",
        probe_offset_seconds,
        web_config,
        external_path,
        shard=shard,
    )
