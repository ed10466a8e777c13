"""What `/probe` shows: the families of one address, as one sample found them, in a registry of their own.

The rule of this file: nothing outlives the probe, and nothing of the background samples is in it.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from exporter.checks.verdicts import CheckName, Result
from exporter.inventory.pool import Pool
from exporter.metrics import catalogue
from exporter.metrics.fleet import Scrape, add_address, add_times
from exporter.state.address import AddressState


class ProbeCollector(Collector):
    """Shows *state*, which one sample that took *seconds* led to."""

    def __init__(self, pool: Pool, state: AddressState, seconds: float) -> None:
        self._pool = pool
        self._state = state
        self._seconds = seconds

    def describe(self) -> Iterable[Metric]:
        """Nothing needs to be declared ahead."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The two families of a probe, and those of the address."""
        scrape = Scrape()
        scrape[catalogue.PROBE_SUCCESS].add((), self._is_known())
        scrape[catalogue.PROBE_DURATION].add((), self._seconds)
        add_address(scrape, self._pool, self._state, self._state.sampled_at)
        add_times(scrape, self._pool, self._state)
        for metric in scrape.metrics():
            metric.documentation = metric.documentation.replace(catalogue.SAMPLED, "Sampled by this probe.")
            yield metric

    def _is_known(self) -> bool:
        report = self._state.latest
        return report is not None and all(
            finding.result is not Result.UNKNOWN
            for finding in report.findings
            if finding.check in self._pool.expect and finding.check is not CheckName.DNSBL  # lists keep their own time
        )


def render_probe(pool: Pool, state: AddressState, seconds: float, accept: str) -> tuple[bytes, str]:
    """The exposition of one probe and its content type, for the `Accept` header *accept*."""
    registry = CollectorRegistry()
    registry.register(ProbeCollector(pool, state, seconds))
    encoder, content_type = choose_encoder(accept)
    text: bytes = encoder(registry)
    return text, content_type
