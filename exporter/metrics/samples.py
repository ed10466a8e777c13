"""The families about how much of a pool is bad, and where.

The rule of this file: every value adds up over shards, so that sums of them say of the whole pool what they say of a
part.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.checks.verdicts import Result
from exporter.metrics import catalogue
from exporter.state.board import Board
from exporter.state.pool import PoolState
from exporter.state.prefixes import WorstPrefixes
from exporter.state.sample import Sums


class SampleCollector(Collector):
    """Shows the samples of the pools on the board, their worst prefixes, and what random draws came to."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._worst: dict[str, WorstPrefixes] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The families, for every pool."""
        addresses = catalogue.POOL_SAMPLE_ADDRESSES.series()
        failures = catalogue.POOL_SAMPLE_FAILURES.series()
        failing = catalogue.POOL_FAILING_PREFIX_ADDRESSES.series()
        of = catalogue.POOL_FAILING_PREFIX_SAMPLED.series()
        unlisted = catalogue.POOL_UNLISTED_SAMPLES.series()
        pools = self._board.pools
        kept = self._worst
        self._worst = {
            name: kept[name] if name in kept and kept[name].state is state else WorstPrefixes(state)
            for name, state in pools.items()
        }
        for name, state in pools.items():
            for check, (sampled, failed) in sums_of(state).items():
                addresses.add((name, check), sampled)
                failures.add((name, check), failed)
            for prefix in self._worst[name]():
                failing.add((name, prefix.text), prefix.failing)
                of.add((name, prefix.text), prefix.sampled)
            for verdict, count in state.counters.unlisted.verdicts.items() if state.pool.unlisted.ranges else ():
                unlisted.add((name, verdict), count)
        yield from (series.metric for series in (addresses, failures, failing, of, unlisted))


def sums_of(state: PoolState) -> Sums:
    """What the share of bad addresses is estimated from: the draws of the latest round, or everything that is swept."""
    if state.pool.plan is not None:
        return state.sample.latest
    if not state.counters.rounds:
        return dict.fromkeys(state.pool.checks, (0, 0))
    results = state.results()
    sums = {}
    for check in state.pool.checks:
        failed = results[check, Result.FAIL]
        sums[check] = (results[check, Result.PASS] + failed, failed)
    return sums
