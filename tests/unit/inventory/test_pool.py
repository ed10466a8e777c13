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


PUBLIC = "profiles: [{name: ours, based_on: microsoft-365}]\npools: [{name: a, %s, addresses: [{ip: 192.0.2.1}]}]"


@pytest.mark.parametrize(
    ("keys", "mode", "threshold"),
    [
        pytest.param("interval: 5m", "addresses", 0.1, id="own-servers"),
        pytest.param("spf: example.org", "share", 0.01, id="an-spf-record"),
        pytest.param("spf: example.org, alert: addresses", "addresses", 0.1, id="our-own-spf-record"),
        pytest.param("profile: microsoft-365", "share", 0.01, id="a-hosted-service"),
        pytest.param("profile: ours, alert_threshold: 5%", "share", 0.05, id="a-profile-of-one"),
        pytest.param("sample: {}", "addresses", 0.1, id="too-small-for-draws"),
        pytest.param("alert: false", "none", 0.01, id="no-alerts"),
    ],
)
def test_what_alerts_about_a_pool_are_about(keys, mode, threshold):
    """About the share of addresses that are somebody else's, else about single addresses; the pool says otherwise."""
    (pool,) = build(parse(PUBLIC % keys, "a.yml"))

    assert (pool.alert_mode, pool.alert_threshold) == (mode, threshold)


def test_a_pool_whose_rounds_draw_addresses_has_alerts_about_prefixes():
    """A single address of it is found by chance."""
    (pool,) = build(parse(POOL, "a.yml"))

    assert pool.sampled(Plan(1, 24, 64, 256)).alert_mode == "prefixes"
