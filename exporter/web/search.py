"""Finding addresses: by address, by prefix, by PTR or HELO name, by health.

The rule of this file: it never holds the event loop for long: a search by name gives way again and again, and one runs
at a time.
"""

import asyncio
import math
import re
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from multidict import MultiMapping

from exporter.checks.addresses import Address
from exporter.errors import ExporterError
from exporter.state.board import Board
from exporter.state.pool import NAMES_BLOCK, PoolState
from exporter.views.pools import Listed, listed, with_health

# SECTION exporter.web.names
# An index of PTR and HELO names, for those who know a part of one.
#
# The rule of this file: it is made when somebody first searches, a stride at a time, and made anew only where
# names
# changed since. Forty octets an address are the price of looking through half a million names in a few
# milliseconds.


class NameIndex:
    """The names of each pool as lines of text: one line an address, its names in lower case, spaces between."""

    def __init__(self) -> None:
        self._pools: dict[str, tuple[PoolState, list[tuple[int, str]]]] = {}

    async def find(self, state: PoolState, needle: str, first: int, stop: int) -> AsyncIterator[int]:
        """The places from *first* to before *stop* whose address has *needle* in one of its names, in order."""
        if any(character.isspace() for character in needle):
            return  # no name has one, and here it would match across names
        strides = self._blocks(state)
        for number in range(first // NAMES_BLOCK, -(-stop // NAMES_BLOCK)):
            if strides[number][0] != state.name_changes[number]:
                changes = state.name_changes[number]
                strides[number] = (changes, _lines(state, number))
                await asyncio.sleep(0)
            for line in _matching(strides[number][1], needle):
                index = number * NAMES_BLOCK + line
                if first <= index < stop:
                    yield index

    def _blocks(self, state: PoolState) -> list[tuple[int, str]]:
        known = self._pools.get(state.pool.name)
        if known is None or known[0] is not state:
            known = (state, [(-1, "")] * len(state.name_changes))
            self._pools[state.pool.name] = known
        return known[1]


def _lines(state: PoolState, number: int) -> str:
    start = number * NAMES_BLOCK
    has_helo = any(one.helo for one in state.pool.source)
    targets = state.pool.targets
    lines = []
    for index in range(start, min(start + NAMES_BLOCK, state.pool.size)):
        names: list[str] = [*state.ptr_names(index)]
        if has_helo:
            names += [helo.text.lower() for helo in targets[index].helos]
        lines.append(" ".join(names))
    return "\n".join(lines)


def _matching(text: str, needle: str) -> Iterator[int]:
    """The numbers of the lines that have *needle* in them, in order."""
    line, counted = 0, 0
    at = text.find(needle)
    while at >= 0:
        line += text.count("\n", counted, at)
        yield line
        counted = text.find("\n", at)
        at = text.find(needle, counted) if counted >= 0 else -1


# SECTION exporter.web.search

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


# SECTION exporter.web.query
# Reading what a URL asks for.
#
# The rule of this file: whatever cannot be used is a `BadQueryError`, a 400 that says what would be right; what
# is
# well written but not configured is a `NotConfiguredError`, a 404.


class BadQueryError(ExporterError):
    """A parameter, or a header, of a request that cannot be used."""


class NotConfiguredError(ExporterError):
    """Something that a request names, and that the configuration does not have."""


def text_of(query: MultiMapping[str], name: str) -> str:
    """A parameter as text; "" if it is not there."""
    values = query.getall(name, [])
    if len(values) > 1:
        raise BadQueryError(f"{name} is given {len(values)} times, once would be right")
    text = values[0].strip() if values else ""
    if len(text) > MAX_QUERY:
        raise BadQueryError(f"{name} has {len(text)} characters, {MAX_QUERY} at most would be right")
    return text


def whole_number(query: MultiMapping[str], name: str, low: int, high: int) -> int | None:
    """A parameter as a number from *low* to *high*; None if it is not there."""
    text = text_of(query, name)
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII) or not low <= int(text) <= high:
        raise BadQueryError(f"{name} is not a number from {low} to {high}")
    return int(text)


def place_parameter(query: MultiMapping[str], name: str) -> Place:
    """A parameter that says where a list goes on, as an earlier page gave it; the start if it is not there."""
    text = text_of(query, name)
    if not text:
        return 0, 0
    match = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,12})", text, re.ASCII)
    if match is None:
        raise BadQueryError(f"{name} is not a place that an earlier page gave")
    return int(match[1]), int(match[2])


def place_text(place: Place) -> str:
    """A place, as `place_parameter` reads it."""
    return f"{place[0]}-{place[1]}"


def seconds_of(text: str, what: str, high: float) -> float:
    """A positive length of time in seconds, *high* at most; neither NaN nor infinite."""
    try:
        seconds = float(text) if re.fullmatch(r"[0-9.eE+-]{1,30}", text, re.ASCII) else math.nan
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds <= 0:
        raise BadQueryError(f"{what} is not a positive number of seconds")
    return min(seconds, high)
