"""Finding addresses: by address, by prefix, by PTR or HELO name, by health.

The rule of this file: it never holds the event loop for long: a search by name gives way again and again, and one runs
at a time.
"""

import asyncio
import re
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from exporter.checks.addresses import Address
from exporter.state.board import Board
from exporter.state.pool import PoolState
from exporter.web.fleet import Listed, listed, with_health
from exporter.web.names import NameIndex

MAX_QUERY = 300
"""Characters of a query that are looked at: more than any name has."""

Place = tuple[int, int]
"""Where a search goes on: the pool's number, and the place in it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. *pool* and *health* narrow it down; *query* is an address, a prefix or part of a name."""

    query: str = ""
    pool: str | None = None
    health: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, in the order of the pools, and where the search goes on, if there is more."""

    addresses: list[Listed]
    more: Place | None


class Search:
    """Searches a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._names = NameIndex()
        self._turn = asyncio.Lock()

    async def find(self, wanted: Wanted, limit: int, start: Place = (0, 0)) -> Found:
        """The first *limit* addresses that are wanted, from *start* on."""
        found: list[Listed] = []
        async for place, state in self._places(wanted, start):
            if len(found) == limit:
                return Found(found, place)
            found.append(listed(state, place[1]))
        return Found(found, None)

    async def _places(self, wanted: Wanted, start: Place) -> AsyncIterator[tuple[Place, PoolState]]:
        network = read_network(wanted.query)
        needle = wanted.query.lower()[:MAX_QUERY]
        for number, (name, state) in enumerate(self._board.pools.items()):
            if number < start[0] or wanted.pool not in {None, name}:
                continue
            first = start[1] if number == start[0] else 0
            stop = state.pool.size
            if network is not None:
                low, high = places_of(state, network)
                first, stop = max(first, low), min(stop, high)
            if network is not None or not needle:
                for index in _with(state, wanted.health, first, stop):
                    yield (number, index), state
            else:
                async with self._turn:
                    async for index in self._names.find(state, needle, first, stop):
                        if wanted.health in {None, state.healths[index]}:
                            yield (number, index), state


def _with(state: PoolState, health: int | None, first: int, stop: int) -> Iterable[int]:
    return range(first, stop) if health is None else with_health(state, health, start=first, stop=stop)


def read_network(query: str) -> IPv4Network | IPv6Network | None:
    """Read an address or a prefix, however it is written: ``192.0.2.10``, ``192.0.2.0/24``, ``192.0.2.``, IPv6 too."""
    text = query.strip()
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}\.?|[0-9]{1,3}\.", text):
        octets = [*text.rstrip(".").split("."), "0", "0", "0"][:4]
        text = f"{'.'.join(octets)}/{8 * (text.rstrip('.').count('.') + 1)}"
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def places_of(state: PoolState, network: IPv4Network | IPv6Network) -> tuple[int, int]:
    """The places of a pool that are in *network*: from the first to before the second."""
    targets = state.pool.source

    def key(index: int) -> tuple[int, bytes]:
        packed = targets.at(index)[0].packed
        return len(packed), packed

    first, last = network.network_address.packed, network.broadcast_address.packed
    low = bisect_left(range(targets.size), (len(first), first), key=key)
    high = bisect_left(range(targets.size), (len(last), last + b"\0"), key=key)
    return low, high


def read_address(text: str) -> Address | None:
    """Read one address, or say that it is none."""
    try:
        return Address.parse(text.strip())
    except ValueError:
        return None
