"""Serving, from the command line's flags to the running service."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

from exporter.cli.logs import configure
from exporter.config.configuration import Configuration
from exporter.service import Options, Service


def serve(load: Callable[[], Configuration], **flags: Any) -> None:
    """Serve what *load* gives until a signal ends it; *flags* are those of `options`."""
    asyncio.run(_run(options(load, **flags)))


async def _run(chosen: Options) -> None:
    await Service(chosen).run()


def options(
    load: Callable[[], Configuration],
    *,
    listen: tuple[tuple[str | None, int], ...],
    route_prefix: str,
    enable_lifecycle: bool,
    max_requests: int,
    log_level: str,
    log_format: str,
) -> Options:
    """Set the logs up, and say how to serve."""
    configure(log_level, log_format)
    gc.freeze()  # modules stay for good: collections need not look at them again
    return Options(load, listen, enable_lifecycle, max_requests, route_prefix)
