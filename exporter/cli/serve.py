"""Serving: from the command line's flags to the running service, with logs, systemd and reloads."""

import asyncio
import contextlib
import gc
import hashlib
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast
from urllib.parse import urlsplit

import structlog

from exporter.config.configuration import Configuration
from exporter.config.load import MAX_BYTES, read_regular
from exporter.errors import ConfigError
from exporter.inventory.shard import ALONE, Shard
from exporter.options import ServeOptions
from exporter.service import Service
from exporter.tasks import supervised

_YOUNG_THRESHOLD = 20_000
"""How many new containers start a collection of the youngest generation.

Each question makes a dozen that are freed with its answer, and none is in a cycle. With hundreds of questions in
flight, Python's default of 700 scans all of them several times a second, in vain, for 7% of a check's processor time.
Finding garbage later costs a few megabytes.
"""

_MIDDLE_THRESHOLD = 2
"""How many collections of the youngest generation start one of the middle generation.

Python's default of 10 would scan 200,000 objects and block the event loop for 50 to 200 ms while a fully stored pool
fills. Samples leave no cycles (`exporter.sampling.confirm`), so an early collection finds as much as a late one.
"""

_OLD_THRESHOLD = 100
"""How many collections of the middle generation start one of everything."""


def serve(load: Callable[[], Configuration], *, file: Path, reload_seconds: float, **flags: Any) -> None:
    """Serve the configuration that *load* returns until a signal arrives; *flags* are the parameters of `options`.

    Every *reload_seconds* (0: never) *file* is read, and reloaded if its content has changed.
    """
    asyncio.run(_run(options(load, **flags), file, reload_seconds))


async def _run(chosen: ServeOptions, file: Path, reload_seconds: float) -> None:
    service = Service(chosen)
    async with (
        notifying_systemd(service.listening, service.stopping),
        watching(lambda: content_hash(file), reload_seconds, service.reload),
    ):
        await service.run()


def options(
    load: Callable[[], Configuration],
    *,
    listen: tuple[tuple[str | None, int], ...],
    route_prefix: str | None,
    external_url: str | None,
    grafana_url: str | None,
    web_config: Path | None,
    enable_lifecycle: bool,
    max_requests: int,
    probe_offset_seconds: float,
    log_level: str,
    log_format: str,
    shard: Shard = ALONE,
) -> ServeOptions:
    """Configure logging and the garbage collector, and return the options of the service."""
    configure_logging(log_level, log_format)
    tune_garbage_collector()
    return ServeOptions(
        load,
        listen,
        enable_lifecycle,
        max_requests,
        route_prefix or (external_url and urlsplit(external_url).path) or "/",
        probe_offset_seconds,
        web_config,
        external_url,
        grafana_url=grafana_url,
        shard=shard,
    )


def configure_logging(level: str, style: str) -> None:
    """Log to standard error, one line an event, libraries included; *style* is ``logfmt`` or ``json``."""
    errors = LogFile(sys.stderr)
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
        logger_factory=lambda *_: structlog.WriteLogger(cast("TextIO", errors)),
        cache_logger_on_first_use=False,  # log lines are rare, and tests configure logging more than once
    )
    handler = logging.StreamHandler(errors)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=[structlog.stdlib.add_log_level, *shared[1:]],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(minimum, logging.WARNING), force=True)


class LogFile:
    """Standard error, without errors: a full disk or a closed pipe behind the log loses lines and stops nothing."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._raw: BinaryIO | None = None
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a test's file, or none
            # Without a buffer: what it could not write would fail again at the end of the process.
            self._raw = open(file.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115

    def write(self, text: str) -> None:
        """Write *text* if that is possible."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if self._raw is None:
                self._file.write(text)
            else:
                self._raw.write(text.encode("utf-8", "backslashreplace"))

    def flush(self) -> None:
        """Flush what a test's file has not written yet."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._file.flush()


def tune_garbage_collector() -> None:
    """Make collections few and short, for speed alone. Call it when everything is imported."""
    gc.freeze()  # modules stay for good, so collections need not scan them
    gc.set_threshold(_YOUNG_THRESHOLD, _MIDDLE_THRESHOLD, _OLD_THRESHOLD)


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send *state*, like ``READY=1``, to systemd (sd_notify(3)). Does nothing without systemd; ignores errors."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0)
        sender.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """The interval in which systemd expects a watchdog message from this process; None if it expects none."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    is_ours = environment.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) and is_ours else None


@contextlib.asynccontextmanager
async def notifying_systemd(
    ready: asyncio.Event, stopping: asyncio.Event, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[None]:
    """Notify systemd at *ready*, then in its watchdog interval, and at *stopping* or the end of the body."""
    running = asyncio.create_task(_notify_running(ready, environment))
    stopped = asyncio.create_task(_notify_stopping(stopping, environment))
    try:
        yield
    finally:
        is_notified = stopped.done()
        running.cancel()
        stopped.cancel()
        if not is_notified:
            notify("STOPPING=1", environment)


async def _notify_running(ready: asyncio.Event, environment: Mapping[str, str]) -> None:
    await ready.wait()
    notify("READY=1", environment)
    seconds = watchdog_seconds(environment)
    while seconds is not None:
        notify("WATCHDOG=1", environment)
        await asyncio.sleep(seconds / 3)


async def _notify_stopping(stopping: asyncio.Event, environment: Mapping[str, str]) -> None:
    await stopping.wait()
    notify("STOPPING=1", environment)


def content_hash(path: Path) -> bytes | None:
    """The SHA-256 of a file's content; None if it cannot be read.

    A timestamp would not do: Kubernetes replaces a mounted file by switching a link.
    """
    try:
        return hashlib.sha256(read_regular(path, MAX_BYTES, "is too large")).digest()
    except ConfigError:
        return None


@contextlib.asynccontextmanager
async def watching(
    look: Callable[[], bytes | None], interval_seconds: float, changed: Callable[[], Awaitable[object]]
) -> AsyncIterator[None]:
    """Call *look* in a thread now and every *interval_seconds* (0: never), and await *changed* if its result differs.

    None is ignored: the file may be in the middle of a replacement.
    """
    known = await asyncio.to_thread(look) if interval_seconds else None
    task = None
    if interval_seconds:
        watch = partial(_watch, look, known, interval_seconds, changed)
        task = asyncio.create_task(supervised("watching the configuration", watch))
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


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
