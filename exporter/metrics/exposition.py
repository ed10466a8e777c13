"""`/metrics`: the registry, and its text in the format that the scraper asks for."""

import gzip

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_GZIP_LEVEL = 1  # a fifth of the time of level 6, for a tenth more bytes: docs/performance.md


class Exposition:
    """Renders every family. It has a registry of its own, so that two exporters fit into one process."""

    def __init__(self, *collectors: Collector) -> None:
        self._registry = CollectorRegistry()
        for collector in collectors:
            self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, accept: str, *, compress: bool) -> tuple[bytes, str]:
        """The exposition and its content type, for the `Accept` header *accept*; gzip if *compress*."""
        encoder, content_type = choose_encoder(accept)
        text: bytes = encoder(self._registry)
        return (gzip.compress(text, _GZIP_LEVEL, mtime=0) if compress else text), content_type
