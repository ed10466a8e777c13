"""The demo's configuration file."""

import yaml

from exporter.demo.configuration import demo_configuration
from exporter.demo.scenarios import load_scenarios
from tests.factories import addresses


def targets(pool):
    """The address and HELO name of each entry of a pool, networks written out."""
    for entry in pool["addresses"]:
        if "network" in entry:
            assert entry["network"] == "198.51.100.0/28"
            yield from ((f"198.51.100.{octet}", entry["helo"].replace("{octet4}", str(octet))) for octet in range(16))
        else:
            yield entry["ip"], entry.get("helo", "")


def test_it_watches_exactly_the_addresses_of_the_scenarios():
    """What the demo shows is what is expected of it: each pool, address and HELO name, and no other."""
    document = yaml.safe_load(demo_configuration(5353))
    watched = {(pool["name"], *target) for pool in document["pools"] for target in targets(pool)}
    assert watched == {(it.pool, str(it.target.address), it.helo) for it in load_scenarios()}
    assert addresses(*[ip for _, ip, _ in watched])


def test_it_asks_the_demos_own_server():
    """Nothing of the demo goes to a server of somebody else."""
    document = yaml.safe_load(demo_configuration(5353, interval="20s"))
    assert [it["servers"] for it in document["resolvers"]] == [["127.0.0.1:5353"]]
    assert {pool["interval"] for pool in document["pools"]} == {"20s"}
