"""The options of `maildns-exporter serve`. A reload of the configuration does not change them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

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
        external_url: The URL at which people reach the exporter; its path is the prefix of links in pages.
        connection_limits: Timeouts of connections; None for the defaults.
        shard: Which part of the addresses this process samples.
        grafana_url: The URL of the Grafana that has the dashboards, for links in alerts.
    """

    load: Callable[[], Configuration]
    listen: tuple[tuple[str | None, int], ...] = ((None, 10047),)
    enable_lifecycle: bool = False
    max_requests: int = 40
    route_prefix: str = "/"
    probe_offset_seconds: float = 0.5
    web_config: Path | None = None
    external_url: str | None = None
    connection_limits: ConnectionLimits | None = None
    shard: Shard = ALONE
    grafana_url: str | None = None

    @property
    def external_path(self) -> str | None:
        """The prefix of links in pages, if a proxy removes it."""
        return None if self.external_url is None else urlsplit(self.external_url).path
