"""What declares a family of metrics, and what is filled for one scrape of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from prometheus_client import Metric

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """The declaration of one family: *labels* in the order in which values are given to `Series.add`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    def series(self) -> "Series":
        """An empty family to fill for one scrape."""
        return Series(self)


class Series:
    """The samples of one family in one scrape. Refuses label values that do not fit the declaration."""

    def __init__(self, family: Family) -> None:
        self._family = family
        name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
        self.metric = Metric(name, family.help, family.kind)

    def add(self, labels: Sequence[str], value: float) -> None:
        """Add one gauge or counter."""
        self.metric.add_sample(self._family.name, self._named(labels), value)

    def add_histogram(self, labels: Sequence[str], buckets: Sequence[tuple[str, float]], total: float) -> None:
        """Add one histogram: cumulative counts by upper bound, "+Inf" last, and the sum of what was observed."""
        named = self._named(labels)
        name = self._family.name
        for bound, count in buckets:
            self.metric.add_sample(f"{name}_bucket", {**named, "le": bound}, count)
        self.metric.add_sample(f"{name}_count", named, buckets[-1][1])
        self.metric.add_sample(f"{name}_sum", named, total)

    def _named(self, labels: Sequence[str]) -> dict[str, str]:
        return dict(zip(self._family.labels, labels, strict=True))


class Adder(Protocol):
    """One family on its way: `Series`, or lines."""

    def add(self, labels: tuple[str, ...], value: float) -> None:
        """Add one gauge or counter; *labels* in the order of the declaration."""


class Sink(Protocol):
    """Where samples go: `exporter.metrics.fleet.Scrape`, or `exporter.metrics.lines.Lines`."""

    def __getitem__(self, family: Family, /) -> Adder: ...


SAMPLED = "Sampled in the background, not by the scrape: see maildns_last_sample_timestamp_seconds."
HELD = "The last conclusive value is kept while the DNS does not answer, and nothing is shown before there is one."

ADDRESS_LABELS = ("pool", "ip")
PAIR_LABELS = ("pool", "ip", "helo")
HELO_LABELS = ("pool", "helo")
POOL_LABELS = ("pool",)
