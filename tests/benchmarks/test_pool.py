"""The benchmark of pools still runs, and measures what it says."""

import argparse
from collections import Counter
from ipaddress import IPv4Network

import pytest

from tests.benchmarks import pool_claim, pool_fleet, pool_holds, pool_world
from tests.benchmarks.pool import sampled, sweep
from tests.integration.servers.knot import Knot

PART = IPv4Network("40.92.6.0/23")


def test_the_world_is_as_big_as_it_says():
    """About one address in a hundred is broken, in each of three ways, and three prefixes are broken whole."""
    assert pool_world.SIZE == 458_752
    reasons = Counter(map(pool_world.reason, pool_world.addresses((IPv4Network("52.102.0.0/18"),))))
    assert set(reasons) == {None, *pool_world.BROKEN_PREFIXES.values()}
    assert 100 < 2**14 - reasons[None] < 250
    for network, why in pool_world.BROKEN_PREFIXES.items():
        assert any(network.subnet_of(one) for one in pool_world.NETWORKS)
        assert {pool_world.reason(address) for address in network} == {why}


@pytest.mark.parametrize("pools", [1, 7])
def test_a_small_fleet(pools):
    """Every address is loaded, in however many pools, and sampled once."""
    found = pool_fleet.measure_fleet(argparse.Namespace(count=300, pools=pools))

    assert found["addresses"] == 300
    assert found["first_scrape_seconds"] > 0


@pytest.mark.integration
def test_a_short_claim():
    """Rounds over a part of the world come to what the world is, and Prometheus itself says which intervals have it."""
    rounds, truth, inside = pool_claim.claim(3, (IPv4Network("40.92.0.0/20"),))

    assert [one.sampled for one in rounds] == [16] * 3
    assert {one.prefixes for one in rounds} == {1}
    assert truth * 4096 == sum(
        pool_world.reason(one) is not None for one in pool_world.addresses((IPv4Network("40.92.0.0/20"),))
    )
    assert inside == 3


@pytest.mark.integration
def test_an_interval_without_the_truth_is_not_counted():
    """Of three rounds over a pool of which one in a hundred fails, one was unlucky."""
    rounds = [pool_claim.Round(1_792, failed, 3) for failed in (18, 17, 90)]
    assert pool_claim.inside(rounds, pool_world.SIZE, 0.01) == 2
    assert pool_claim.inside(rounds[2:], pool_world.SIZE, 0.01) == 0


@pytest.mark.integration
async def test_what_holds_a_small_service():
    """Everything that is measured can be done, and each step has its two figures."""
    found = await pool_holds.measure(["198.18.0.0/26", "198.18.1.0/26"], 20)

    assert {"first sweep", "scrape, all sampled anew", "`/config`", "reload, other HELO names"} <= set(found)
    assert all(one["callback"] > 0 and one["turn"] >= 0 for one in found.values())


@pytest.mark.integration
def test_a_short_sweep(monkeypatch):
    """The exporter, started from its command line, finds what is broken in a part of the world, and nothing else."""
    monkeypatch.setattr(pool_world, "NETWORKS", (PART,))
    with Knot(pool_world.zones()) as knot:
        found = sweep(knot, [str(PART)])
        first_round = sampled(knot, [str(PART)])

    assert found["broken"] >= 256
    assert not any(found[label] for label in ("missed", "invented", "wrong_reason", "unknown"))
    assert first_round["named"] == first_round["broken"] == 1
