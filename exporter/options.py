"""The options of `maildns-exporter serve`. A reload of the configuration does not change them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter.config.configuration import Configuration
from exporter.inventory.shard import ALONE, Shard
from exporter.web.connections import ConnectionLimits


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve.

    Attributes:
        load: Reads the configuration, or raises `ConfigError`.
        listen: Addresses to listen on; None for every interface.
        enable_lifecycle: Whether `/-/reload` is allowed.
        max_requests: How many requests are served at a time.
        route_prefix: The prefix of all paths that are served.
        probe_offset_seconds: How much sooner than the scrape's timeout a probe ends.
        web_config: The file with TLS and authentication settings.
        external_path: The prefix of links in pages, if a proxy removes it.
        connection_limits: Timeouts of connections; None for the defaults.
        shard: Which part of the addresses this process samples.
    """

    load: Callable[[], Configuration]
    listen: tuple[tuple[str | None, int], ...] = ((None, 10047),)
    enable_lifecycle: bool = False
    max_requests: int = 40
    route_prefix: str = "/"
    probe_offset_seconds: float = 0.5
    web_config: Path | None = None
    external_path: str | None = None
    connection_limits: ConnectionLimits | None = None
    shard: Shard = ALONE
