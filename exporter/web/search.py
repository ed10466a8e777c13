"""Search for addresses by address, prefix, name or health, in the forms that people paste, and the parameters of URLs.

A search by name yields to the event loop again and again, and one runs at a time.
"""

import asyncio
import math
import re
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from multidict import MultiMapping

from exporter.checks.addresses import Address
from exporter.errors import ExporterError
from exporter.state.board import Board
from exporter.state.pool import PoolState
from exporter.views.pools import Listed, listed, with_health

MAX_QUERY = 300
"""The characters of a query that count: more than a name has."""

Cursor = tuple[int, int]
"""Where a search continues: the number of the pool, and the index of the address in it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search for *query*: an address, a prefix or a part of a name; *pool* and *health* restrict it."""

    query: str = ""
    pool: str | None = None
    health: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The addresses found, in the order of the pools, and where the search continues; None at the end."""

    addresses: list[Listed]
    more: Cursor | None


class Search:
    """Searches the addresses of a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._names = NameIndex()
        self._lock = asyncio.Lock()

    async def find(self, wanted: Wanted, limit: int, start: Cursor = (0, 0)) -> Found:
        """The first *limit* addresses that match, from *start* on."""
        found: list[Listed] = []
        async for cursor, state in self._matches(wanted, start):
            if len(found) == limit:
                return Found(found, cursor)
            found.append(listed(state, cursor[1]))
        return Found(found, None)

    async def _matches(self, wanted: Wanted, start: Cursor) -> AsyncIterator[tuple[Cursor, PoolState]]:
        query = unwrapped(wanted.query)
        network = read_network(query)
        needle = query.lower()[:MAX_QUERY]
        for number, (name, state) in enumerate(self._board.pools.items()):
            if number < start[0] or wanted.pool not in {None, name}:
                continue
            first = start[1] if number == start[0] else 0
            stop = state.pool.size
            if network is not None:
                low, high = indexes_of(state, network)
                first, stop = max(first, low), min(stop, high)
            if network is not None or not needle:
                for index in _with(state, wanted.health, first, stop):
                    yield (number, index), state
            else:
                async with self._lock:
                    async for index in self._names.find(state, needle, first, stop):
                        if wanted.health in {None, state.healths[index]}:
                            yield (number, index), state


def _with(state: PoolState, health: int | None, first: int, stop: int) -> Iterable[int]:
    return range(first, stop) if health is None else with_health(state, health, start=first, stop=stop)


_WRAPPINGS = "<>()\"'`,;"
_LITERAL = re.compile(r"[^\[\]]*\[(?:ipv6:)?([^\[\]]+)\](?::[0-9]{1,5})?", re.IGNORECASE)
_BEFORE = re.compile(r"(?:[a-z][a-z0-9+.-]*://|[^@\s]*@|ip[46]:|ipv6:)", re.IGNORECASE)
_PORT = re.compile(r"([^:]+):[0-9]{1,5}")


def unwrapped(query: str) -> str:
    """The address, prefix or name in *query*, without what logs, zones, URLs and mail put around it.

    It takes ``mail.example.org.``, ``192.0.2.10:25``, ``[192.0.2.10]``, ``mail.example.org[192.0.2.10]:25``,
    ``[IPv6:2001:db8::10]``, ``2001:db8::10%eth0``, ``::ffff:192.0.2.10``, ``10.2.0.192.in-addr.arpa``,
    ``ip4:192.0.2.0/24``, ``postmaster@example.org`` and ``smtp://mail.example.org:25/``.
    """
    text = query.strip().strip(_WRAPPINGS)
    literal = _LITERAL.fullmatch(text)
    if literal is not None and read_network(literal[1].partition("%")[0]) is not None:
        text = literal[1]
    elif (before := _BEFORE.match(text)) is not None:
        text = text[before.end() :]
        if before[0].endswith("://"):
            text = text.partition("/")[0]
        return unwrapped(text) or query.strip()
    if ":" in text:
        text = text.partition("%")[0]
    port = _PORT.fullmatch(text)
    text = text if port is None else port[1]
    if text.endswith(".") and not re.fullmatch(r"([0-9]{1,3}\.){1,3}", text):
        text = text[:-1]
    return _address_of(text) or query.strip()


def _address_of(text: str) -> str:
    """The IPv4 address in an IPv4-mapped one, the address of a whole reverse name; *text* if it is neither."""
    head, _, tree = text.lower().rpartition(".in-addr.arpa")
    if not tree and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", head):
        return ".".join(reversed(head.split(".")))
    head, _, tree = text.lower().rpartition(".ip6.arpa")
    if not tree and re.fullmatch(r"[0-9a-f](\.[0-9a-f]){31}", head):
        return str(IPv6Address(int(head.replace(".", "")[::-1], 16)))
    try:
        mapped = IPv6Address(text).ipv4_mapped
    except ValueError:
        return text
    return text if mapped is None else str(mapped)


def read_network(query: str) -> IPv4Network | IPv6Network | None:
    """Parse an address or a prefix: ``192.0.2.10``, ``192.0.2.0/24``, ``192.0.2.``, or IPv6; None for anything else."""
    text = query.strip()
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}\.?|[0-9]{1,3}\.", text):
        numbers = [*text.rstrip(".").split("."), "0", "0", "0"][:4]
        text = f"{'.'.join(numbers)}/{8 * (text.rstrip('.').count('.') + 1)}"
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def indexes_of(state: PoolState, network: IPv4Network | IPv6Network) -> tuple[int, int]:
    """The indexes of the pool's addresses in *network*: the first, and the one after the last."""
    targets = state.pool.source

    def key(index: int) -> tuple[int, bytes]:
        packed = targets.at(index)[0].packed
        return len(packed), packed

    first, last = network.network_address.packed, network.broadcast_address.packed
    low = bisect_left(range(targets.size), (len(first), first), key=key)
    high = bisect_left(range(targets.size), (len(last), last + b"\0"), key=key)
    return low, high


def read_address(text: str) -> Address | None:
    """Parse an address; None if it is not one."""
    try:
        return Address.parse(text.strip())
    except ValueError:
        return None


class NameIndex:
    """An index of PTR and HELO names: a line of text for each address, its names in lower case, with spaces between.

    A block of lines is written at the first search, and again after a name in it has changed. It takes about 40 bytes
    an address, and searches half a million in a few milliseconds.
    """

    def __init__(self) -> None:
        self._pools: dict[str, tuple[PoolState, list[tuple[int, str]]]] = {}

    async def find(self, state: PoolState, needle: str, first: int, stop: int) -> AsyncIterator[int]:
        """The indexes from *first* to before *stop* whose address has *needle* in a name, in order."""
        if any(character.isspace() for character in needle):
            return  # no name has one, and here it would match across names
        blocks = self._blocks(state)
        for number in range(first // state.search_block, -(-stop // state.search_block)):
            if blocks[number][0] != state.name_changes[number]:
                changes = state.name_changes[number]
                blocks[number] = (changes, _lines(state, number))
                await asyncio.sleep(0)
            for line in _matching(blocks[number][1], needle):
                index = number * state.search_block + line
                if first <= index < stop:
                    yield index

    def _blocks(self, state: PoolState) -> list[tuple[int, str]]:
        known = self._pools.get(state.pool.name)
        if known is None or known[0] is not state:
            known = (state, [(-1, "")] * len(state.name_changes))
            self._pools[state.pool.name] = known
        return known[1]


def _lines(state: PoolState, number: int) -> str:
    start = number * state.search_block
    has_helo = any(one.helo for one in state.pool.source)
    targets = state.pool.targets
    lines = []
    for index in range(start, min(start + state.search_block, state.pool.size)):
        names: list[str] = [*state.ptr_names(index)]
        if has_helo:
            names += [helo.text.lower() for helo in targets[index].helos]
        lines.append(" ".join(names))
    return "\n".join(lines)


def _matching(text: str, needle: str) -> Iterator[int]:
    """The numbers of the lines that contain *needle*, in order."""
    line, counted = 0, 0
    at = text.find(needle)
    while at >= 0:
        line += text.count("\n", counted, at)
        yield line
        counted = text.find("\n", at)
        at = text.find(needle, counted) if counted >= 0 else -1


class BadQueryError(ExporterError):
    """A parameter or header of a request is invalid: the response is a 400 that says what would be right."""


class NotConfiguredError(ExporterError):
    """A request names something that is not in the configuration: the response is a 404."""


def text_of(query: MultiMapping[str], name: str) -> str:
    """A parameter as text; "" if it is missing."""
    values = query.getall(name, [])
    if len(values) > 1:
        raise BadQueryError(f"{name} is given {len(values)} times: give it once")
    text = values[0].strip() if values else ""
    if len(text) > MAX_QUERY:
        raise BadQueryError(f"{name} has {len(text)} characters: {MAX_QUERY} are allowed")
    return text


def whole_number(query: MultiMapping[str], name: str, low: int, high: int) -> int | None:
    """A parameter as a number from *low* to *high*; None if it is missing."""
    text = text_of(query, name)
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII) or not low <= int(text) <= high:
        raise BadQueryError(f"{name} is not a number from {low} to {high}")
    return int(text)


def cursor_parameter(query: MultiMapping[str], name: str) -> Cursor:
    """A parameter that continues a list, as `cursor_text` wrote it; the start if it is missing."""
    text = text_of(query, name)
    if not text:
        return 0, 0
    match = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,12})", text, re.ASCII)
    if match is None:
        raise BadQueryError(f"{name} is not a cursor that an earlier page gave")
    return int(match[1]), int(match[2])


def cursor_text(cursor: Cursor) -> str:
    """A cursor as `cursor_parameter` parses it."""
    return f"{cursor[0]}-{cursor[1]}"


def seconds_of(text: str, what: str, high: float) -> float:
    """A positive number of seconds, *high* at most; neither NaN nor infinite."""
    try:
        seconds = float(text) if re.fullmatch(r"[0-9.eE+-]{1,30}", text, re.ASCII) else math.nan
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds <= 0:
        raise BadQueryError(f"{what} is not a positive number of seconds")
    return min(seconds, high)
