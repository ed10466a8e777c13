"""What block lists say, as rows: written, read, noted as gone.

The rule of this file: only what is conclusive is kept, and it is believed after a restart for as long as a running
exporter would have it at most: two of the list's intervals. Whatever is older is asked anew.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.dnsbl import ListHealth
from exporter.checks.names import DomainName
from exporter.checks.verdicts import Finding, Reason
from exporter.state.blocklists import PENDING, STRIDE, Blocklists, Place, PoolListings
from exporter.state.storage.blocks import Blocks
from exporter.state.storage.plain import plain, typed
from exporter.state.storage.rows import Reading, checksum
from exporter.state.storage.words import finding, finding_data, reading

_INTERVALS = 2


class Known(NamedTuple):
    """What is kept of a list itself: how it is, by family, and where the way through the addresses stands."""

    healths: tuple[tuple[int, bool, Reason | None, str], ...]
    pool: str
    address: str


@dataclass(slots=True)
class Taken:
    """Strides of listings, and zones, that are to be saved."""

    strides: list[tuple[DomainName, PoolListings, set[int]]]
    zones: list[DomainName]

    def __bool__(self) -> bool:
        return bool(self.strides or self.zones)


class Neighbours(NamedTuple):
    """Some neighbours, as the file has them: see `PoolListings.restore`."""

    listings: PoolListings
    start: int
    octets: bytes
    listed: dict[int, Finding]
    at: float


class Wanted(NamedTuple):
    """A list, and what of its pools is to be looked for."""

    zone: DomainName
    interval_seconds: float
    listings: Sequence[PoolListings]


Found = tuple[list[tuple[DomainName, Known]], list[Neighbours]]


class KeptBlocklists:
    """The block lists, for the thread that saves (see `exporter.state.storage.parts.Part`)."""

    name = "listings"

    def __init__(self, blocklists: Blocklists) -> None:
        self._blocklists = blocklists

    def note_all(self) -> None:
        """Everything that is known has to be saved anew, and read anew what is not."""
        for listings in tuple(self._blocklists.listings.values()):
            listings.was_looked_for = False
            listings.news.update(stride for stride, at in enumerate(listings.asked) if at)
        for zone, _ in self._blocklists.healths:
            self._blocklists.unsaved.note(zone, is_news=True)

    def take(self, *, all_of_them: bool) -> Taken:
        """Take the strides that have news, or *all_of_them* that were asked about."""
        taken = Taken([], self._blocklists.unsaved.take(all_of_them=all_of_them))
        for (zone, _), listings in tuple(self._blocklists.listings.items()):
            strides = listings.news | listings.asked_again if all_of_them else set(listings.news)
            listings.news -= strides
            listings.asked_again -= strides
            if strides:
                taken.strides.append((zone, listings, strides))
        return taken

    def put_back(self, taken: Taken) -> None:
        """Could not be saved."""
        for _, listings, strides in taken.strides:
            listings.news |= strides
        for zone in taken.zones:
            self._blocklists.unsaved.note(zone, is_news=True)

    def save(self, connection: sqlite3.Connection, taken: Taken) -> None:
        """Write them, as they are now."""
        for zone, listings, strides in taken.strides:
            rows = [_row(zone, listings, start, stop) for start, stop in _blocks(listings, strides)]
            connection.executemany(
                "INSERT OR REPLACE INTO listings (zone, pool, first, at, octets, listed, crc)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        for zone in taken.zones:
            text = _known_text(self._blocklists, zone)
            at = max([max(it.asked) for it in self._blocklists.of(zone)], default=0.0)
            connection.execute(
                "INSERT OR REPLACE INTO blocklists (zone, at, state, crc) VALUES (?, ?, ?, ?)",
                (zone, at, text, checksum(zone, text)),
            )

    def note_gone(self, connection: sqlite3.Connection, now: float) -> None:
        """Note of everything whether it is configured; blocks that begin elsewhere now are not needed any more."""
        configured = dict(self._blocklists.listings)
        for zone, pool in connection.execute("SELECT DISTINCT zone, pool FROM listings").fetchall():
            listings = configured.get((zone, pool))
            gone_at = None if listings is not None else now
            connection.execute(
                "UPDATE listings SET gone_at = ? WHERE zone = ? AND pool = ? AND (gone_at IS NULL) != (? IS NULL)",
                (gone_at, zone, pool, gone_at),
            )
            if listings is not None:
                source, query = listings.pool.source, "SELECT first FROM listings WHERE zone = ? AND pool = ?"
                blocks = Blocks(source)
                strange = [
                    (zone, pool, first)
                    for (first,) in connection.execute(query, (zone, pool)).fetchall()
                    if not blocks.begins_at(source, first)
                ]
                connection.executemany("DELETE FROM listings WHERE zone = ? AND pool = ? AND first = ?", strange)
        zones = {zone for zone, _ in configured}
        for (zone,) in connection.execute("SELECT zone FROM blocklists").fetchall():
            gone_at = None if zone in zones else now
            connection.execute(
                "UPDATE blocklists SET gone_at = ? WHERE zone = ? AND (gone_at IS NULL) != (? IS NULL)",
                (gone_at, zone, gone_at),
            )

    def wanted(self) -> list[Wanted]:
        """The lists with pools that were not looked for in the file."""
        found = []
        for plan in self._blocklists.plans:
            some = [it for it in self._blocklists.of(plan.zone) if not it.was_looked_for]
            for listings in some:
                listings.was_looked_for = True
            if some:
                found.append(Wanted(plan.zone, plan.interval_seconds, some))
        return found

    def read(self, source: Reading, wanted: Iterable[Wanted]) -> Found:
        """What the file has of them that is young enough."""
        lists: list[tuple[DomainName, Known]] = []
        parts: list[Neighbours] = []
        for one in wanted:
            since = max(source.since, source.now - _INTERVALS * one.interval_seconds)
            lists += [(one.zone, known) for known in _known(source, one.zone, since)]
            parts += [part for it in one.listings for part in _parts(source, one.zone, it, since)]
        return lists, parts

    def restore(self, found: Found) -> int:
        """Begin with what was *found*, as far as nothing newer is known; of how many addresses that is."""
        lists, parts = found
        for zone, known in lists:
            for family, works, reason, sentence in known.healths:
                if (zone, family) not in self._blocklists.healths:
                    self._blocklists.put_health(ListHealth(zone, family, works, reason, sentence))
            if known.address and zone not in self._blocklists.reached:
                self._blocklists.reached[zone] = (known.pool, Address.parse(known.address))
        for part in parts:
            part.listings.restore(part.start, part.octets, part.listed, part.at)
        return sum(len(part.octets) - part.octets.count(PENDING) for part in parts)


def _blocks(listings: PoolListings, strides: Iterable[int]) -> list[tuple[int, int]]:
    """The blocks that have addresses of these strides."""
    blocks, found, size = Blocks(listings.pool.source), set(), listings.pool.size
    for stride in strides:
        place, end = stride * STRIDE, min(size, (stride + 1) * STRIDE)
        while place < end:
            block = blocks.around(place)
            found.add(block)
            place = block[1]
    return sorted(found)


def _row(zone: DomainName, listings: PoolListings, start: int, stop: int) -> tuple[object, ...]:
    first = listings.pool.source.at(start)[0].packed
    octets = listings.conclusive(start, stop)
    words = {place - start: finding_data(it) for place in range(start, stop) if (it := listings.listed.get(place))}
    text = json.dumps(words, separators=(",", ":"))
    at = max(listings.asked[start // STRIDE : (stop - 1) // STRIDE + 1])
    return zone, listings.pool.name, first, at, octets, text, checksum(zone, listings.pool.name, first, octets, text)


def _known_text(blocklists: Blocklists, zone: DomainName) -> str:
    healths = [health for (other, _), health in blocklists.healths.items() if other == zone]
    known = tuple([(it.family, it.works, it.reason, it.sentence) for it in healths if it.works is not None])
    place: Place | None = blocklists.reached.get(zone)
    pool, address = ("", "") if place is None else (place[0], str(place[1]))
    return json.dumps(plain(Known(known, pool, address)), separators=(",", ":"))


def _known(source: Reading, zone: DomainName, since: float) -> Iterator[Known]:
    query = "SELECT at, state, crc FROM blocklists WHERE zone = ?"
    for at, text, crc in source.connection.execute(query, (zone,)):
        try:
            if at >= since:
                yield _known_of(zone, text, crc)
        except (TypeError, ValueError):
            source.unreadable += 1


@reading
def _known_of(zone: str, text: str, crc: int) -> Known:
    if checksum(zone, text) != crc:
        raise ValueError("the checksum is wrong")
    healths, pool, address = json.loads(text)
    known = [(int(family), bool(works), typed(Reason | None, why), str(said)) for family, works, why, said in healths]  # type: ignore[arg-type]  # a union is a kind too
    if address:
        Address.parse(address)
    return Known(tuple(known), str(pool), str(address))


def _parts(source: Reading, zone: DomainName, listings: PoolListings, since: float) -> Iterator[Neighbours]:
    query = "SELECT first, at, octets, listed, crc FROM listings WHERE zone = ? AND pool = ? ORDER BY at DESC"
    for row in source.connection.execute(query, (zone, listings.pool.name)):
        try:
            yield from [part for part in _parts_of(zone, listings, row) if part.at >= since]
        except ValueError:
            source.unreadable += 1


@reading
def _parts_of(zone: str, listings: PoolListings, row: tuple[bytes, float, bytes, str, int]) -> list[Neighbours]:
    """What a row has of the addresses that are in the pool: in one piece where they all still are neighbours."""
    first, at, octets, text, crc = row
    pool, source = listings.pool.name, listings.pool.source
    if checksum(zone, pool, first, octets, text) != crc:
        raise ValueError("the checksum is wrong")
    words = {int(offset): finding(data) for offset, data in json.loads(text).items()}
    if not set(octets) <= {0, 1, 2} or words.keys() != {place for place, octet in enumerate(octets) if octet == 2}:
        raise ValueError("what is listed has words, and nothing else has")
    blocks = Blocks(source)
    if blocks.begins_at(source, first):
        start = source.position(Address(first))
        assert start is not None  # noqa: S101  # it begins there
        if blocks.around(start) == (start, start + len(octets)):
            return [Neighbours(listings, start, octets, {start + offset: it for offset, it in words.items()}, at)]
    number, parts = int.from_bytes(first, "big"), []
    for offset, octet in enumerate(octets):
        place = source.position(Address((number + offset).to_bytes(len(first), "big")))
        if place is not None:
            one = {place: words[offset]} if offset in words else {}
            parts.append(Neighbours(listings, place, bytes([octet]), one, at))
    return parts
