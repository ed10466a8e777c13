"""The families about resolvers that contradict each other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations_with_replacement

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.metrics import catalogue
from exporter.state.board import Board
from exporter.state.disputes import Disputes


class DisagreementCollector(Collector):
    """Shows what is disputed. *resolvers* gives the names of those that are in use."""

    def __init__(self, board: Board, disputes: Disputes, resolvers: Callable[[], Sequence[str]]) -> None:
        self._board = board
        self._disputes = disputes
        self._resolvers = resolvers

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Both families: a series for every pool, and for every pair of resolvers."""
        disputed = catalogue.RESOLVER_DISAGREEMENT.series()
        for name in self._board.pools:
            disputed.add((name,), self._disputes.count(name))
        disagreements = catalogue.RESOLVER_DISAGREEMENTS.series()
        for pair in combinations_with_replacement(sorted(self._resolvers()), 2):
            disagreements.add(pair, self._disputes.disagreements[pair])
        yield disputed.metric
        yield disagreements.metric
