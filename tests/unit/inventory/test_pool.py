"""What follows from the attributes of a pool."""

import pytest

from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.inventory.draws import Plan

POOL = "pools: [{name: a, interval: 10m, addresses: [{network: 192.0.2.0/24}]}]"


@pytest.mark.parametrize(
    ("plan", "seconds"),
    [
        pytest.param(None, 600.0, id="swept"),
        pytest.param(Plan(1, 24, 64, 256), 600.0 * 256, id="one-of-each-prefix-a-round"),
        pytest.param(Plan(100, 24, 64, 256), 600.0 * 3, id="a-hundred-of-each"),
        pytest.param(Plan(4, 24, 64, 3), 600.0, id="prefixes-that-are-drawn-whole"),
    ],
)
def test_how_long_it_takes_to_sample_each_address(plan, seconds):
    """A sweep takes one interval; draws take as many as the fullest prefix needs."""
    (pool,) = build(parse(POOL, "a.yml"))

    assert pool.sampled(plan).whole_interval_seconds == seconds
