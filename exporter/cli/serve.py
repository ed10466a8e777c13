"""Serving, from the command line: signals and errors become an exit code."""

import asyncio
import gc
from collections.abc import Callable

from exporter.cli.logs import configure
from exporter.config.model import Configuration
from exporter.service import Options, Service


def serve(
    load: Callable[[], Configuration],
    *,
    listen: tuple[tuple[str | None, int], ...],
    route_prefix: str,
    enable_lifecycle: bool,
    max_requests: int,
    log_level: str,
    log_format: str,
) -> None:
    """Serve what *load* gives until a signal ends it."""
    configure(log_level, log_format)
    options = Options(load, listen, enable_lifecycle, max_requests, route_prefix)
    gc.freeze()  # modules stay for good: collections need not look at them again
    asyncio.run(_run(options))


async def _run(options: Options) -> None:
    await Service(options).run()
