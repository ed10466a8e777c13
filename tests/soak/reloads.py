"""The configurations that a soak alternates between, and what a scrape of each has to show.

Each good configuration differs from every other in which pools it has or in how many addresses
they have, so that a scrape that mixes two is none of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import yaml

BAD = "pools: [{name: big, interval: 3}]\n"
KEPT = "kept"
"""The pool that every good configuration has as it is, and that shows each of its addresses."""
BIG = "big"
"""The pool that every good configuration has, and that becomes bigger and smaller."""


@dataclass(frozen=True, slots=True)
class Step:
    """A configuration: its text, and its addresses by pool; a bad one has none."""

    text: str
    pools: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether a reload has to succeed."""
        return bool(self.pools)

    @property
    def sizes(self) -> dict[str, int]:
        """How many addresses each pool has."""
        return {name: sum(map(_size, entries)) for name, entries in self.pools.items()}

    def has(self, pool: str, ip: str) -> bool:
        """Whether a pool has an address, alone or with its /24."""
        return not self.pools.get(pool, frozenset()).isdisjoint({ip, f"{ip.rpartition('.')[0]}.0/24"})


def steps(server: str, addresses: int, interval: str) -> list[Step]:
    """What is reloaded in turn, for *addresses* in the big pool."""
    blocks = max(2, addresses // 256)
    big = [f"10.{block >> 8}.{block & 255}.0/24" for block in range(blocks + 1)]
    kept = [f"10.255.0.{last}" for last in range(1, 6)]
    few = [f"10.255.1.{last}" for last in range(1, 11)]
    resolver = {"name": "soak", "servers": [server], "max_queries_per_second": 5000, "max_in_flight": 512}
    resolver |= {"timeout": "1s", "attempts": 2}

    def step(**pools: list[str]) -> Step:
        listed = [{"name": name, "interval": interval, "addresses": list(_entries(pools[name]))} for name in pools]
        return Step(yaml.safe_dump({"resolvers": [resolver], "pools": listed}), {n: frozenset(pools[n]) for n in pools})

    return [
        step(big=big[:blocks], kept=kept),
        Step(BAD),
        step(big=big[:blocks], kept=kept, small=few),
        step(big=big[:blocks], kept=kept, small=few[:3]),
        step(big=big[:blocks], kept=kept, renamed=few[:3]),
        step(big=big, kept=kept),
        Step(BAD),
        step(big=big[: blocks - 1], kept=kept),
    ]


def _entries(written: list[str]) -> Iterator[dict[str, str]]:
    for one in written:
        dashed = one.replace(".", "-")
        yield {"network": one} if "/" in one else {"ip": one, "helo": f"mta-{dashed}.example.org"}


def _size(entry: str) -> int:
    return ip_network(entry).num_addresses if "/" in entry else int(bool(ip_address(entry)))
