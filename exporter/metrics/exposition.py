"""`/metrics`: every family, in the format that the scraper asks for.

The rule of this file: what comes out is what prometheus-client would write for the same collectors. The fleet's lines
are kept (`exporter.metrics.blocks`); whatever else there is, is little, and is written by prometheus-client itself. A
collector that fails is left out, and told of in the log.
"""

import threading
from collections.abc import Callable, Iterator

import structlog
from prometheus_client import CollectorRegistry, GCCollector, Metric, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from exporter.metrics.blocks import FleetText
from exporter.metrics.catalogue import Family
from exporter.metrics.deflate import Piece, gzip_member
from exporter.metrics.fleet import FleetCollector

log = structlog.get_logger()

Encoder = Callable[[Collector], bytes]

_EOF = b"# EOF\n"  # what OpenMetrics has at its end
_RENAMING = ("escaping=dots", "escaping=values")
"""Schemes of escaping that change the names of our families. Nobody needs them; prometheus-client writes them."""


class Exposition:
    """Renders *fleet* and then the *collectors*. It has no registry in common with anybody else's."""

    def __init__(self, fleet: FleetCollector, *collectors: Collector) -> None:
        process = CollectorRegistry()
        ProcessCollector(registry=process)
        PlatformCollector(registry=process)
        GCCollector(registry=process)
        self._fleet = fleet
        self._text = FleetText(fleet)
        self._others: tuple[Collector, ...] = (*collectors, process)
        self._headers: dict[tuple[Family, bool], Piece] = {}
        self._lock = threading.Lock()

    def render(self, accept: str, *, compress: bool) -> tuple[bytes, str]:
        """The exposition and its content type, for the `Accept` header *accept*; gzip if *compress*."""
        encoder, content_type = choose_encoder(accept)
        is_open = content_type.startswith("application/openmetrics-text")
        with self._lock:
            pieces = [*self._fleet_pieces(encoder, content_type, is_open=is_open), *self._other_pieces(encoder)]
        if is_open:
            pieces.append(Piece.of(_EOF))
        if compress:
            return gzip_member(Piece.joined(pieces)), content_type
        return b"".join([piece.text() for piece in pieces]), content_type

    def writing_ahead(self) -> Iterator[bool]:
        """Write what the next scrape will show, as far as it has settled since this was last called: a part a step."""
        steps = self._text.writing_ahead()
        while True:
            with self._lock:
                if next(steps, None) is None:
                    return
            yield True

    def _fleet_pieces(self, encoder: Encoder, content_type: str, *, is_open: bool) -> Iterator[Piece]:
        if content_type.endswith(_RENAMING):
            yield from _written(encoder, self._fleet)
            return
        for family, piece in self._text.families():
            header = self._headers.get((family, is_open))
            if header is None:
                header = self._headers[family, is_open] = Piece.of(_without_end(encoder(_Empty(family))))
            yield header
            yield piece

    def _other_pieces(self, encoder: Encoder) -> Iterator[Piece]:
        for collector in self._others:
            yield from _written(encoder, collector)


class _Empty(Collector):
    """A family without any series: what prometheus-client writes of it is its header."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family.series().metric


def _written(encoder: Encoder, collector: Collector) -> Iterator[Piece]:
    try:
        yield Piece.of(_without_end(encoder(collector)))
    except Exception:  # whatever it is, the other families must be shown
        log.exception("a collector is broken", collector=type(collector).__name__)


def _without_end(text: bytes) -> bytes:
    return text.removesuffix(_EOF)
