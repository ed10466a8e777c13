"""Small pools, and the worlds in which their addresses are right, broken, or not answered for."""

import yaml

from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.inventory.pool import Pool
from exporter.state.board import Board
from tests.factories import World

EVERYTHING = ["fcrdns", "helo-syntax", "helo-resolves", "helo-address-match", "helo-ptr-match", "helo-aligned"]


def _world(ptr: str, a: str) -> World:
    lines = []
    for octet in range(256):
        lines += [
            f"{octet}.100.51.198.in-addr.arpa PTR {ptr.format(octet=octet)}",
            f"mta{octet}.example.org A {a.format(octet=octet)}",
        ]
    return World.parse("\n".join(lines))


RIGHT = _world("mta{octet}.example.org", "198.51.100.{octet}")
BROKEN = _world("mta{octet}.example.org", "192.0.2.1")
SILENT = _world("!timeout", "!timeout")


def pools(**networks: str) -> tuple[Pool, ...]:
    """Pools of one network each, by name; their servers say mta{octet4}.example.org."""
    return _build([_entry(name, network) for name, network in networks.items()])


def pool(*networks: str, expect: list[str] | None = None) -> Pool:
    """One pool of some networks."""
    (made,) = _build([_entry("test", *networks, expect=expect or EVERYTHING)])
    return made


def nameless(*networks: str) -> Pool:
    """One pool of some networks, whose servers say nothing that is known: names are what takes long in a big one."""
    (made,) = _build([{"name": "test", "addresses": [{"network": network} for network in networks]}])
    return made


def _entry(name: str, *networks: str, expect: list[str] = EVERYTHING) -> dict[str, object]:
    addresses = [{"network": network, "helo": "mta{octet4}.example.org"} for network in networks if ":" not in network]
    addresses += [{"network": network} for network in networks if ":" in network]
    return {"name": name, "expect": expect, "addresses": addresses}


def _build(entries: list[dict[str, object]]) -> tuple[Pool, ...]:
    return build(parse(yaml.safe_dump({"pools": entries}), "test.yml"))


def board(*made: Pool) -> Board:
    """A board with these pools, of which nothing is known."""
    result = Board()
    result.publish(made)
    return result
