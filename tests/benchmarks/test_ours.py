"""The benchmark of the engine still runs, and does the work that it measures."""

import argparse
import math
from collections import Counter

import pytest

from tests.benchmarks.ours import measure_hits, measure_hold, measure_sweep
from tests.integration import sweep
from tests.integration.running import resolver_for
from tests.integration.servers.knot import Knot

pytestmark = pytest.mark.integration

COUNT = 2_000


async def test_a_short_sweep():
    """Every address gets the verdict that its world has for it, a cache hit is one, and the loop is watched."""
    options = argparse.Namespace(count=COUNT, in_flight=200)
    with Knot(sweep.zones(COUNT)) as knot:
        async with resolver_for(
            knot.address, timeout_seconds=5, max_in_flight=200, max_queries_per_second=math.inf
        ) as resolver:
            swept = await measure_sweep(resolver, options)
            hits = await measure_hits(resolver, options)
            resolver.cache.clear()
            hold = await measure_hold(resolver, options)

    assert swept["verdicts"] == Counter(sweep.verdict(number) for number in range(COUNT))
    assert hits["asked"] == COUNT
    assert hits["hits"] >= COUNT
    assert hold["longest_seconds"] > 0
