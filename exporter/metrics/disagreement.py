"""The families about resolvers that contradict each other."""

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations_with_replacement
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.metrics import catalogue
from exporter.state.board import Board
from exporter.state.disputes import DOMAINS, Disputes
from exporter.state.domain_board import DomainBoard


class Named(Protocol):
    """A resolver, as far as this file needs to know it."""

    @property
    def name(self) -> str:
        """What it is called in the configuration."""


class DisagreementCollector(Collector):
    """Shows what is disputed. *resolvers* gives those that are in use."""

    def __init__(
        self, board: Board, domains: DomainBoard, disputes: Disputes, resolvers: Callable[[], Iterable[Named]]
    ) -> None:
        self._board = board
        self._domains = domains
        self._disputes = disputes
        self._resolvers = resolvers

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families: a series for every pool, every domain, and every pair of resolvers."""
        disputed = catalogue.RESOLVER_DISAGREEMENT.series()
        for name in self._board.pools:
            disputed.add((name,), self._disputes.count(name))
        domains = catalogue.DOMAIN_RESOLVER_DISAGREEMENT.series()
        for name in self._domains.generation():
            domains.add((name,), self._disputes.of(DOMAINS, name) is not None)
        disagreements = catalogue.RESOLVER_DISAGREEMENTS.series()
        for pair in combinations_with_replacement(sorted([each.name for each in self._resolvers()]), 2):
            disagreements.add(pair, self._disputes.disagreements[pair])
        yield disputed.metric
        yield domains.metric
        yield disagreements.metric
