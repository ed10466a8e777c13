"""The block lists that there are to ask, and how each may be asked."""

from dataclasses import dataclass

from exporter.checks.dnsbl import Blocklist
from exporter.checks.names import DomainName
from exporter.config.configuration import Configuration


@dataclass(frozen=True, slots=True)
class ListPlan:
    """A list, how often every address is looked up in it, and how many questions a second it may be asked."""

    blocklist: Blocklist
    interval_seconds: float
    max_queries_per_second: float

    @property
    def zone(self) -> DomainName:
        """The zone of the list: its name in labels and findings."""
        return self.blocklist.zone


def list_plans(configuration: Configuration) -> tuple[ListPlan, ...]:
    """The lists of *configuration*, in its order."""
    return tuple(
        [
            ListPlan(
                Blocklist(entry.zone, dict(entry.codes), tuple(sorted(family.version for family in entry.families))),
                entry.interval.seconds,
                entry.max_queries_per_second,
            )
            for entry in configuration.dnsbls
        ]
    )
