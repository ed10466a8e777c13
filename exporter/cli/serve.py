"""Serving, from the command line's flags to the running service."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exporter.cli import collector
from exporter.cli.logs import configure
from exporter.cli.systemd import attended
from exporter.cli.watch import fingerprint, watched
from exporter.config.configuration import Configuration
from exporter.inventory.shard import ALONE, Shard
from exporter.options import Options
from exporter.service import Service


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
    collector.calm()
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
