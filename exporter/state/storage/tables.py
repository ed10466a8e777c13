"""Changes in the file: writing them, and reading them back, a page at a time.

The rule of this file: reading never writes and never waits for long, so that it can be done beside a running exporter,
by anybody who may read the file.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from exporter.checks.addresses import Address
from exporter.checks.check import Evidence
from exporter.checks.dkim import DkimReport
from exporter.checks.dmarc import DmarcReport
from exporter.checks.dnsbl import ListHealth
from exporter.checks.domain import DomainCheckName, DomainFinding, Hint
from exporter.checks.domain_report import DomainReport
from exporter.checks.names import DomainName
from exporter.checks.result import Finding, Reason
from exporter.checks.spf.domain import SpfDomainReport
from exporter.config.configuration import DomainSettings
from exporter.state.blocklists import BLOCK, PENDING, Blocklists, Cursor, PoolListings
from exporter.state.domain import DomainBoard, DomainState
from exporter.state.journal import ALL_CHANGES, Change, ChangeFilter, JournalEntry, pack, unpack
from exporter.state.storage.codec import (
    RangeBlocks,
    StateReader,
    any_finding,
    as_value_error,
    checksum,
    finding,
    finding_data,
    from_data,
    target_data,
    target_of,
    to_data,
)
from exporter.state.storage.database import APPLICATION_ID, VERSION, readable
from exporter.state.storage.status import StorageError, StorageErrorReason

_WAIT_SECONDS = 5.0


def save_changes(connection: sqlite3.Connection, entries: Iterable[JournalEntry]) -> None:
    """Write *entries*; those that are there already stay as they are."""
    rows = []
    for entry in entries:
        change = entry.change
        data = [target_data(change.target), finding_data(change.before), finding_data(change.after)]
        text = json.dumps(data, separators=(",", ":"))
        target = str(change.domain if change.address is None else change.address)
        rows.append(
            (
                entry.number,
                change.at,
                entry.pool,
                target,
                change.after.check.value,
                text,
                entry.evidence,
                checksum(str(entry.number), entry.pool, text, entry.evidence),
            )
        )
    connection.executemany("INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def load_changes(
    connection: sqlite3.Connection, count: int, *, before: int | None = None, wanted: ChangeFilter = ALL_CHANGES
) -> Iterator[JournalEntry]:
    """The latest *count* entries that are *wanted*, newest first; with *before*, of those with a lower number.

    One that cannot be read is left out.
    """
    clauses: dict[str, Any] = {
        "number < ?": before,
        "pool = ?": wanted.pool,
        "target = ?": wanted.domain if wanted.address is None else str(wanted.address),
        "name = ?": wanted.check,
        "at >= ?": wanted.since,
    }
    given = {clause: value for clause, value in clauses.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    query = f"SELECT number, at, pool, change, evidence, crc FROM changes {where} ORDER BY number DESC LIMIT ?"  # noqa: S608
    for row in connection.execute(query, (*given.values(), count)):
        with contextlib.suppress(ValueError):
            yield _entry(*row)


@as_value_error
def _entry(number: int, at: float, pool: str, text: str, evidence: str, crc: int) -> JournalEntry:
    if checksum(str(number), pool, text, evidence) != crc:
        raise ValueError("the checksum is wrong")
    target, before, after = json.loads(text)
    unpack(evidence)
    return JournalEntry(
        number, pool, Change(target_of(target), any_finding(before), any_finding(after), float(at)), evidence
    )


@contextlib.contextmanager
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Open *path* to read from it, an exporter beside or not. Raises `StorageError` if it is no storage of ours."""
    if not path.is_file():
        raise StorageError(StorageErrorReason.OTHER, f"{path} does not exist: no exporter has kept its state there yet")
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    if not Path(f"{path}-wal").exists():
        place += "&immutable=1"  # nobody writes, and the folder may be one in which we must not
    try:
        with contextlib.closing(
            sqlite3.connect(place, uri=True, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        ) as connection:
            connection.text_factory = readable
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (owner,) = connection.execute("PRAGMA application_id").fetchone()
            if owner != APPLICATION_ID or version > VERSION:
                raise StorageError(
                    StorageErrorReason.FOREIGN, f"{path} is the file of a newer exporter, or of another program"
                )
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StorageError(StorageErrorReason.OTHER, f"{path} cannot be read: {error}") from error


def page(path: Path, count: int, before: int | None, wanted: ChangeFilter) -> list[JournalEntry]:
    """What `load_changes` gives of the file at *path*. Raises `StorageError`."""
    with reader(path) as connection:
        return list(load_changes(connection, count, before=before, wanted=wanted))


# SECTION exporter.state.storage.blocklists
# What block lists say, as rows: written, read, noted as gone.
#
# The rule of this file: only what is conclusive is kept, and it is believed after a restart for as long as a
# running
# exporter would have it at most: two of the list's intervals. Whatever is older is asked anew.

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


class BlocklistTables:
    """The block lists, for the thread that saves (see `exporter.state.storage.parts.Part`)."""

    name = "listings"

    def __init__(self, blocklists: Blocklists) -> None:
        self._blocklists = blocklists

    def add_all(self) -> None:
        """Everything that is known has to be saved anew, and read anew what is not."""
        for listings in tuple(self._blocklists.listings.values()):
            listings.was_looked_for = False
            listings.dirty_blocks.update(stride for stride, at in enumerate(listings.asked) if at)
        for zone, _ in self._blocklists.healths:
            self._blocklists.dirty.note(zone, is_changed=True)

    def take(self, *, all_of_them: bool) -> Taken:
        """Take the strides that have news, or *all_of_them* that were asked about."""
        taken = Taken([], self._blocklists.dirty.take(all_of_them=all_of_them))
        for (zone, _), listings in tuple(self._blocklists.listings.items()):
            strides = listings.dirty_blocks | listings.asked_blocks if all_of_them else set(listings.dirty_blocks)
            listings.dirty_blocks -= strides
            listings.asked_blocks -= strides
            if strides:
                taken.strides.append((zone, listings, strides))
        return taken

    def put_back(self, taken: Taken) -> None:
        """Could not be saved."""
        for _, listings, strides in taken.strides:
            listings.dirty_blocks |= strides
        for zone in taken.zones:
            self._blocklists.dirty.note(zone, is_changed=True)

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
                blocks = RangeBlocks(source)
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

    def read(self, source: StateReader, wanted: Iterable[Wanted]) -> Found:
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
            if known.address and zone not in self._blocklists.cursors:
                self._blocklists.cursors[zone] = (known.pool, Address.parse(known.address))
        for part in parts:
            part.listings.restore(part.start, part.octets, part.listed, part.at)
        return sum(len(part.octets) - part.octets.count(PENDING) for part in parts)


def _blocks(listings: PoolListings, strides: Iterable[int]) -> list[tuple[int, int]]:
    """The blocks that have addresses of these strides."""
    blocks, found, size = RangeBlocks(listings.pool.source), set(), listings.pool.size
    for stride in strides:
        place, end = stride * BLOCK, min(size, (stride + 1) * BLOCK)
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
    at = max(listings.asked[start // BLOCK : (stop - 1) // BLOCK + 1])
    return zone, listings.pool.name, first, at, octets, text, checksum(zone, listings.pool.name, first, octets, text)


def _known_text(blocklists: Blocklists, zone: DomainName) -> str:
    healths = [health for (other, _), health in blocklists.healths.items() if other == zone]
    known = tuple([(it.family, it.works, it.reason, it.sentence) for it in healths if it.works is not None])
    place: Cursor | None = blocklists.cursors.get(zone)
    pool, address = ("", "") if place is None else (place[0], str(place[1]))
    return json.dumps(to_data(Known(known, pool, address)), separators=(",", ":"))


def _known(source: StateReader, zone: DomainName, since: float) -> Iterator[Known]:
    query = "SELECT at, state, crc FROM blocklists WHERE zone = ?"
    for at, text, crc in source.connection.execute(query, (zone,)):
        try:
            if at >= since:
                yield _known_of(zone, text, crc)
        except (TypeError, ValueError):
            source.unreadable += 1


@as_value_error
def _known_of(zone: str, text: str, crc: int) -> Known:
    if checksum(zone, text) != crc:
        raise ValueError("the checksum is wrong")
    healths, pool, address = json.loads(text)
    known = [
        (int(family), bool(works), from_data(Reason | None, why), str(helo)) for family, works, why, helo in healths
    ]  # type: ignore[arg-type]  # a union is a kind too
    if address:
        Address.parse(address)
    return Known(tuple(known), str(pool), str(address))


def _parts(source: StateReader, zone: DomainName, listings: PoolListings, since: float) -> Iterator[Neighbours]:
    query = "SELECT first, at, octets, listed, crc FROM listings WHERE zone = ? AND pool = ? ORDER BY at DESC"
    for row in source.connection.execute(query, (zone, listings.pool.name)):
        try:
            yield from [part for part in _parts_of(zone, listings, row) if part.at >= since]
        except ValueError:
            source.unreadable += 1


@as_value_error
def _parts_of(zone: str, listings: PoolListings, row: tuple[bytes, float, bytes, str, int]) -> list[Neighbours]:
    """What a row has of the addresses that are in the pool: in one piece where they all still are neighbours."""
    first, at, octets, text, crc = row
    pool, source = listings.pool.name, listings.pool.source
    if checksum(zone, pool, first, octets, text) != crc:
        raise ValueError("the checksum is wrong")
    words = {int(offset): finding(data) for offset, data in json.loads(text).items()}
    if not set(octets) <= {0, 1, 2} or words.keys() != {place for place, octet in enumerate(octets) if octet == 2}:
        raise ValueError("what is listed has words, and nothing else has")
    blocks = RangeBlocks(source)
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


# SECTION exporter.state.storage.domains
# What is known of domains, as rows: written, read, noted as gone.
#
# The rule of this file: what comes out is what went in: the reports, with all that pages and metrics show of
# them, and
# what is held. A row has a bound: of a domain whose records are so large that it would be longer, first the
# evidence is
# left out, and then what its latest sample came to and its SPF record; what is held, which decides, never is.

MAX_BYTES = 1 << 20
"""How long a row may be: a record that authorises ten thousand networks fits."""

_MAX_EVIDENCE = 64 << 10
_SAME = 0

TakenDomainNames = Sequence[DomainName]


def domain_text(state: DomainState) -> str:
    """All of *state* but its name, and of its settings the selectors; as much of it as fits into a row."""
    text = _text(state, pack(state.evidence, _MAX_EVIDENCE), with_latest=True)
    if len(text) > MAX_BYTES:
        text = _text(state, pack({}), with_latest=True)
    return text if len(text) <= MAX_BYTES else _text(state, pack({}), with_latest=False)


def _text(state: DomainState, evidence: str, *, with_latest: bool) -> str:
    latest = state.latest if with_latest else None
    spf = state.spf if with_latest else None
    data: list[Any] = [
        list(state.settings.selectors),
        to_data(latest),
        list(map(to_data, state.known.values())),
        [[*slot, to_data(hints)] for slot, hints in state.hints.items()],
        _SAME if latest is not None and spf == latest.spf else to_data(spf),
        {selector: to_data(key) for selector, key in state.dkim.items()},
        to_data(state.dmarc),
        state.concluded_at,
        state.changed_at,
        evidence,
    ]
    return json.dumps(data, separators=(",", ":"))


@as_value_error
def domain_state(text: str, settings: DomainSettings, sampled_at: float, now: float) -> DomainState:
    """What `domain_text` wrote of the domain that has these *settings* now; no time of it is later than *now*.

    What was known of selectors that are no longer configured is left out. Raises `ValueError`.
    """
    selectors, latest, known, hints, spf, dkim, dmarc, concluded_at, changed_at, evidence = json.loads(text)
    report = from_data(DomainReport | None, latest)  # type: ignore[arg-type]  # a union is a kind too
    groups = from_data(tuple[tuple[DomainFinding, ...], ...], known)
    state = DomainState(
        DomainSettings(settings.name, settings.interval, settings.expect, tuple(map(str, selectors))),
        report,
        _answered(unpack(evidence), now),
        {(group[0].check, group[0].subject): group for group in groups},
        {(DomainCheckName(check), str(subject)): from_data(tuple[Hint, ...], some) for check, subject, some in hints},
        report.spf if spf == _SAME and report is not None else from_data(SpfDomainReport | None, spf),  # type: ignore[arg-type]
        {str(selector): from_data(DkimReport, key) for selector, key in dkim.items()},
        from_data(DmarcReport | None, dmarc),  # type: ignore[arg-type]
        min(sampled_at, now),
        min(float(concluded_at), now),
        min(float(changed_at), now),
    )
    return state if state.settings == settings else state.reconfigure(settings)


def _answered(evidence: Evidence, now: float) -> Evidence:
    return {
        question: answer if answer.asked_at <= now else answer._replace(asked_at=now)
        for question, answer in evidence.items()
    }


class DomainTable:
    """The domains of a board, for the thread that saves (see `exporter.state.storage.parts.Part`)."""

    name = "domains"

    def __init__(self, board: DomainBoard) -> None:
        self._board = board
        self._looked: set[DomainName] = set()

    def add_all(self) -> None:
        """Everything that is known has to be saved anew, and read anew what is not."""
        self._looked.clear()
        for name, state in self._board.generation().items():
            if state.sampled_at:
                self._board.dirty.note(name, is_changed=True)

    def take(self, *, all_of_them: bool) -> TakenDomainNames:
        """Take the domains that have news, or *all_of_them* that were sampled."""
        return self._board.dirty.take(all_of_them=all_of_them)

    def put_back(self, taken: TakenDomainNames) -> None:
        """Could not be saved."""
        for name in taken:
            self._board.dirty.note(name, is_changed=True)

    def save(self, connection: sqlite3.Connection, taken: TakenDomainNames) -> None:
        """Write them, as they are now."""
        generation = self._board.generation()
        states = [generation[name] for name in taken if name in generation]
        rows = [(state.settings.name, state.sampled_at, domain_text(state)) for state in states if state.sampled_at]
        connection.executemany(
            "INSERT OR REPLACE INTO domains (name, sampled_at, state, crc) VALUES (?, ?, ?, ?)",
            [(name, at, text, checksum(name, text)) for name, at, text in rows],
        )

    def note_gone(self, connection: sqlite3.Connection, now: float) -> None:
        """Note of every domain whether it is configured, and if not, since when."""
        configured = self._board.generation()
        rows = connection.execute("SELECT name, gone_at FROM domains").fetchall()
        moved = [
            (now if gone_at is None else None, name)
            for name, gone_at in rows
            if (gone_at is None) != (name in configured)
        ]
        connection.executemany("UPDATE domains SET gone_at = ? WHERE name = ?", moved)

    def wanted(self) -> list[DomainSettings]:
        """The domains of which nothing is known, and that were not looked for."""
        generation = self._board.generation()
        self._looked &= generation.keys()
        unknown = [name for name, state in generation.items() if not state.sampled_at and name not in self._looked]
        self._looked.update(unknown)
        return [generation[name].settings for name in unknown]

    def read(self, source: StateReader, wanted: Iterable[DomainSettings]) -> list[DomainState]:
        """What the file has of the *wanted* ones."""
        return list(read_domains(source, wanted))

    def restore(self, found: Iterable[DomainState]) -> int:
        """Begin with what was *found*, as far as nothing newer is known; how many that were."""
        return sum(map(self._board.restore, found))


def read_domains(source: StateReader, wanted: Iterable[DomainSettings]) -> Iterable[DomainState]:
    """What the file has of domains; what cannot be read, or is too old, is left out."""
    for settings in wanted:
        query = "SELECT sampled_at, state, crc FROM domains WHERE name = ?"
        for sampled_at, text, crc in source.connection.execute(query, (settings.name,)):
            if not isinstance(text, str) or checksum(settings.name, text) != crc:
                source.unreadable += 1
                continue
            try:
                state = domain_state(text, settings, float(sampled_at), source.now)
            except ValueError:
                source.unreadable += 1
                continue
            if state.sampled_at >= source.since:
                yield state
