"""What the command line says about serving; a reload of the configuration changes none of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter.config.configuration import Configuration
from exporter.inventory.shard import ALONE, Shard
from exporter.web.connections import Patience


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve. *load* reads the configuration anew, or raises `ConfigError`."""

    load: Callable[[], Configuration]
    listen: tuple[tuple[str | None, int], ...] = ((None, 10047),)
    enable_lifecycle: bool = False
    max_requests: int = 40
    route_prefix: str = "/"
    probe_offset_seconds: float = 0.5
    web_config: Path | None = None
    external_path: str | None = None
    patience: Patience | None = None
    shard: Shard = ALONE
