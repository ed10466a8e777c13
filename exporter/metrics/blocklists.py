"""How the block lists themselves are, as seen from here."""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.metrics import catalogue
from exporter.state.blocklists import Blocklists


class BlocklistCollector(Collector):
    """Shows the lists that were tested."""

    def __init__(self, blocklists: Blocklists) -> None:
        self._blocklists = blocklists

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One series for each list and family that is asked for."""
        usable = catalogue.DNSBL_USABLE.series()
        for (zone, family), health in self._blocklists.healths.items():
            usable.add((zone, f"ipv{family}"), health.works is True)
        yield usable.metric
