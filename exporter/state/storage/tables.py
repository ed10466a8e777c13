"""Reads and writes the tables of the database. A row that is damaged or not understood is counted and skipped."""

import contextlib
import json
import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote
from zlib import crc32

from exporter.checks.addresses import Address
from exporter.checks.dnsbl import ListHealth
from exporter.checks.names import DomainName
from exporter.checks.result import Finding, Reason
from exporter.config.configuration import DomainSettings
from exporter.config.model import StorageEntry
from exporter.inventory.build import ListPlan
from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRanges
from exporter.state.address import AddressState
from exporter.state.blocklists import BLOCK, PENDING, Blocklists, PoolListings
from exporter.state.domain import DomainBoard, DomainState
from exporter.state.helo import HeloState
from exporter.state.journal import ALL_CHANGES, Change, ChangeFilter, JournalEntry, unpack
from exporter.state.pool import PoolState
from exporter.state.storage import codec
from exporter.state.storage.codec import as_value_error
from exporter.state.storage.database import APPLICATION_ID, VERSION, decoded
from exporter.state.storage.key_values import POOL, Key
from exporter.state.storage.status import StorageError, StorageErrorReason

ROWS_PER_STEP = 500
"""How many addresses are written or read before other threads run."""

_BUSY_SECONDS = 5.0

T = TypeVar("T")


def checksum(*values: bytes | str) -> int:
    """The CRC-32 of *values*, separated by a zero byte."""
    crc = 0
    for value in values:
        crc = crc32(b"\0", crc32(value.encode() if isinstance(value, str) else value, crc))
    return crc


def checked(text: Any, crc: Any, *key: bytes | str) -> str:
    """Return *text*. Raises `ValueError` if *crc* is not the checksum of *key* and *text*."""
    if not isinstance(text, str) or checksum(*key, text) != crc:
        raise ValueError("the checksum is wrong")
    return text


def is_address(packed: object) -> bool:
    """Whether these are the bytes of an address."""
    return isinstance(packed, bytes) and len(packed) in {4, 16}


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open *path* for reading, even while an exporter writes it. Raises `StorageError` if that is impossible."""
    if not path.is_file():
        message = f"{path} does not exist: no exporter has saved its state there yet"
        raise StorageError(StorageErrorReason.OTHER, message)
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    if not Path(f"{path}-wal").exists():
        uri += "&immutable=1"  # nobody writes, and we may not be allowed to create files in the folder
    try:
        with contextlib.closing(
            sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        ) as connection:
            connection.text_factory = decoded
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID or version > VERSION:
                message = f"{path} was written by a newer exporter, or by another program"
                raise StorageError(StorageErrorReason.FOREIGN, message)
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StorageError(StorageErrorReason.OTHER, f"{path} cannot be read: {error}") from error


# Blocks of addresses: one row for a thousand times instead of a page for each.


class RangeBlocks:
    """Divides a pool's addresses into blocks of at most *size*, none of which spans two ranges.

    The first address of a block determines the others. 1024 times of 4 bytes are a page of the file.
    """

    __slots__ = ("_ends", "_size", "_source", "_starts")

    def __init__(self, source: AddressRanges, size: int = 1024) -> None:
        self._source = source
        self._size = size
        self._starts: list[int] = []
        self._ends: list[int] = []
        end = 0
        for one in source:
            self._starts.append(end)
            end += one.size
            self._ends.append(end)

    def around(self, index: int) -> tuple[int, int]:
        """The start and the stop of the block that contains the address at *index*."""
        number = bisect_right(self._starts, index) - 1
        start = index - (index - self._starts[number]) % self._size
        return start, min(start + self._size, self._ends[number])

    def start_of(self, first: Any) -> int | None:
        """The index of the address with the bytes *first*, if a block starts there."""
        index = self._source.position(Address(first)) if is_address(first) else None
        return index if index is not None and self.around(index)[0] == index else None


# Addresses, HELO names and the key-value table.


def pool_id(connection: sqlite3.Connection, name: str) -> int:
    """The number of the pool *name*, which is added if it is new."""
    connection.execute("INSERT OR IGNORE INTO pools (name) VALUES (?)", (name,))
    (number,) = connection.execute("SELECT id FROM pools WHERE name = ?", (name,)).fetchone()
    return int(number)


def save_addresses(
    connection: sqlite3.Connection,
    pool: int,
    state: PoolState,
    indexes: Sequence[int],
    pause: Callable[[], None],
    *,
    replace: bool = True,
) -> None:
    """Write the states of the addresses at *indexes*. Call *pause* between steps. Without *replace*, only add rows."""
    rest, templates = iter(indexes), codec.RowTemplates()
    while some := list(islice(rest, ROWS_PER_STEP)):
        rows = []
        for index in some:
            row = state.compact_row(index)
            if row is None:
                known = state[index]
                if known.latest is None and not known.known:
                    continue
                target, sampled_at, text = known.target, known.sampled_at, codec.address_text(known)
            elif row.result.verdict is None and not row.result.known:
                continue
            else:
                target, sampled_at = state.pool.targets[index], row.times.sampled_at
                text = templates.text(target, row)
            packed = target.address.packed
            rows.append((pool, packed, sampled_at, text, checksum(packed, text)))
        _replace(connection, "addresses", "pool, address, sampled_at, state, crc", rows, replace=replace)
        pause()


def save_times(
    connection: sqlite3.Connection, pool: int, state: PoolState, indexes: Sequence[int], pause: Callable[[], None]
) -> None:
    """Write when all addresses were last sampled in the blocks of those at *indexes*. Call *pause* between steps."""
    blocks = RangeBlocks(state.pool.source)
    for start, stop in sorted({blocks.around(index) for index in indexes}):
        seconds = array("I", [int(state.sampled_at(index)) for index in range(start, stop)]).tobytes()
        first = state.pool.source.at(start)[0].packed
        row = (pool, first, seconds, checksum(first, seconds))
        _replace(connection, "times", "pool, first, seconds, crc", [row])
        pause()


def renew_times(connection: sqlite3.Connection, pool: int, state: PoolState, pause: Callable[[], None]) -> None:
    """Write all times again if the ranges of the pool changed so that blocks start elsewhere now."""
    blocks = RangeBlocks(state.pool.source)
    rows = connection.execute("SELECT first, seconds, crc FROM times WHERE pool = ?", (pool,)).fetchall()
    if all(blocks.start_of(first) is not None for first, _, _ in rows):
        return
    for row in rows:
        with contextlib.suppress(ValueError):
            connection.executemany(
                "UPDATE addresses SET sampled_at = max(sampled_at, ?) WHERE pool = ? AND address = ?",
                [(at, pool, address.packed) for address, at in _times(*row)],
            )
    connection.execute("DELETE FROM times WHERE pool = ?", (pool,))
    known = [index for index in range(state.pool.size) if state.sampled_at(index)]
    save_times(connection, pool, state, known, pause)


def _times(first: Any, content: Any, crc: Any) -> list[tuple[Address, int]]:
    """The sampled addresses of a block, and when they were sampled. Raises `ValueError` if it is damaged."""
    is_block = is_address(first) and isinstance(content, bytes) and not len(content) % 4
    if not is_block or checksum(first, content) != crc:
        raise ValueError("a damaged block of times")
    seconds = array("I")
    seconds.frombytes(content)
    start, end = int.from_bytes(first, "big"), 1 << len(first) * 8
    return [
        (Address((start + offset).to_bytes(len(first), "big")), at)
        for offset, at in enumerate(seconds)
        if at and start + offset < end
    ]


def save_helos(
    connection: sqlite3.Connection, pool: int, state: PoolState, names: Sequence[str], *, replace: bool = True
) -> None:
    """Write the states of these HELO names. Without *replace*, only add rows."""
    texts = [(name, state.helos[name].sampled_at, codec.helo_text(state.helos[name])) for name in names]
    rows = [(pool, name, at, text, checksum(name, text)) for name, at, text in texts]
    _replace(connection, "helos", "pool, name, sampled_at, state, crc", rows, replace=replace)


def save_key_values(connection: sqlite3.Connection, values: Mapping[Key, tuple[str, float]]) -> None:
    """Write values of the key-value table, each with its time."""
    rows = [(owner, name, at, text, checksum(owner, name, text)) for (owner, name), (text, at) in values.items()]
    _replace(connection, "notes", "owner, name, at, value, crc", rows)


def _replace(
    connection: sqlite3.Connection, table: str, columns: str, rows: Sequence[Sequence[object]], *, replace: bool = True
) -> None:
    values = ", ".join("?" * len(columns.split(", ")))
    conflict = "REPLACE" if replace else "IGNORE"
    connection.executemany(f"INSERT OR {conflict} INTO {table} ({columns}) VALUES ({values})", rows)  # noqa: S608


@dataclass(slots=True)
class StateReader:
    """Reads states from an open database.

    Attributes:
        connection: The connection.
        now: The Unix time; no restored time is later.
        since: The Unix time of the oldest sample that is restored.
        unreadable: How many rows could not be read.
    """

    connection: sqlite3.Connection
    now: float
    since: float
    unreadable: int = 0

    def rows(self, query: str, values: Sequence[object], read: Callable[..., T]) -> Iterator[T]:
        """Yield what *read* returns for each row of *query*. Count and skip rows for which it raises `ValueError`."""
        for row in self.connection.execute(query, values):
            try:
                found = read(*row)
            except ValueError:
                self.unreadable += 1
            else:
                yield found

    def key_values(self) -> dict[Key, str]:
        """Read the key-value table."""
        return dict(self.rows("SELECT owner, name, value, crc FROM notes", (), _key_value))

    def times(self, pool: Pool) -> dict[int, int]:
        """Read from `times` when the addresses of *pool* were last sampled, by index."""
        found: dict[int, int] = {}
        query = "SELECT first, seconds, crc FROM times JOIN pools ON pools.id = pool WHERE name = ?"
        for block in self.rows(query, (pool.name,), _times):
            for address, at in block:
                index = pool.index(address)
                if index is not None:
                    found[index] = max(at, found.get(index, 0))
        return found

    def addresses(self, pool: Pool) -> Iterator[list[tuple[int, AddressState]]]:
        """Read the states of addresses of *pool*, each with its index, a few hundred at a time.

        If some are missing, look for them in the rows of other pools: they may have moved, or the pool was renamed.
        """
        found = bytearray(pool.size)
        for is_own in (True, False):
            if not all(found):
                for states in self._addresses(pool, is_own=is_own):
                    fresh = [(index, state) for index, state in states if is_own or not found[index]]
                    for index, _ in states:
                        found[index] = True
                    yield fresh

    def _addresses(self, pool: Pool, *, is_own: bool) -> Iterator[list[tuple[int, AddressState]]]:
        times = self.times(pool) if is_own else {}
        query = (
            "SELECT address, sampled_at, state, crc FROM addresses JOIN pools ON pools.id = pool"
            " WHERE (name = ?) = ? AND sampled_at IS NOT NULL ORDER BY sampled_at DESC"
        )
        cursor = self.connection.execute(query, (pool.name, is_own))
        while rows := cursor.fetchmany(ROWS_PER_STEP):
            states = []
            for packed, sampled_at, text, crc in rows:
                address = Address(packed)
                index = pool.index(address) if is_address(packed) else None
                if index is None:
                    continue
                try:
                    at = max(float(sampled_at), times.get(index, 0))
                    state = codec.address_state(checked(text, crc, packed), address, at, self.now)
                except ValueError:
                    self.unreadable += 1
                    continue
                if state.sampled_at >= self.since:
                    states.append((index, state.retarget(pool.targets[index])))
            yield states

    def helos(self, pool: Pool) -> list[HeloState]:
        """Read the states of the HELO names of *pool*."""
        helos = {one.text: one for one in pool.helo_names}

        @as_value_error
        def read(name: str, sampled_at: float, text: str, crc: int) -> HeloState | None:
            helo = helos.get(name)
            if helo is None:
                return None
            return codec.helo_state(checked(text, crc, name), helo, float(sampled_at), self.now)

        query = (
            "SELECT helos.name, sampled_at, state, crc FROM helos JOIN pools ON pools.id = pool WHERE pools.name = ?"
        )
        found = self.rows(query, (pool.name,), read)
        return [state for state in found if state is not None and state.sampled_at >= self.since]


@as_value_error
def _key_value(owner: str, name: str, value: str, crc: int) -> tuple[Key, str]:
    return (owner, name), checked(value, crc, owner, name)


# The journal.


def save_changes(connection: sqlite3.Connection, entries: Iterable[JournalEntry]) -> None:
    """Write *entries*, except those that are there already."""
    rows = []
    for entry in entries:
        change = entry.change
        findings = codec.finding_data(change.before), codec.finding_data(change.after)
        text = codec.to_text([codec.target_data(change.target), *findings])
        target = str(change.domain if change.address is None else change.address)
        crc = checksum(str(entry.number), entry.pool, text, entry.evidence)
        check = change.after.check.value
        rows.append((entry.number, change.at, entry.pool, target, check, text, entry.evidence, crc))
    connection.executemany("INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)


def load_changes(
    connection: sqlite3.Connection, count: int, *, before: int | None = None, wanted: ChangeFilter = ALL_CHANGES
) -> Iterator[JournalEntry]:
    """Read the latest *count* entries that *wanted* selects, newest first; with *before*, only with lower numbers."""
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
    checked(evidence, crc, str(number), pool, text)
    target, before, after = json.loads(text)
    unpack(evidence)
    change = Change(codec.target_of(target), codec.finding(before), codec.finding(after), float(at))
    return JournalEntry(number, pool, change, evidence)


def page(path: Path, count: int, before: int | None, wanted: ChangeFilter) -> list[JournalEntry]:
    """Read what `load_changes` yields from the file at *path*. Raises `StorageError`."""
    with read_only(path) as connection:
        return list(load_changes(connection, count, before=before, wanted=wanted))


# Domains and block lists: see `exporter.state.storage.writer.StateTable`.


class DomainTable:
    """The domains of a board, and their rows."""

    name = "domains"

    def __init__(self, board: DomainBoard) -> None:
        self._board = board
        self._looked_for: set[DomainName] = set()

    def add_all(self) -> None:
        """See `StateTable`."""
        self._looked_for.clear()
        self._board.dirty.add_all(name for name, state in self._board.generation().items() if state.sampled_at)

    def take(self, *, with_sampled: bool) -> Sequence[DomainName]:
        """See `StateTable`."""
        return self._board.dirty.take(with_sampled=with_sampled)

    def put_back(self, taken: Sequence[DomainName]) -> None:
        """See `StateTable`."""
        self._board.dirty.add_all(taken)

    def save(self, connection: sqlite3.Connection, taken: Sequence[DomainName]) -> None:
        """See `StateTable`."""
        generation = self._board.generation()
        states = [generation[name] for name in taken if name in generation]
        texts = [(one.settings.name, one.sampled_at, codec.domain_text(one)) for one in states if one.sampled_at]
        rows = [(name, at, text, checksum(name, text)) for name, at, text in texts]
        _replace(connection, "domains", "name, sampled_at, state, crc", rows)

    def update_gone(self, connection: sqlite3.Connection, now: float) -> None:
        """See `StateTable`."""
        configured = self._board.generation()
        for (name,) in connection.execute("SELECT name FROM domains").fetchall():
            _set_gone(connection, "domains", {"name": name}, now, is_configured=name in configured)

    def missing(self) -> list[DomainSettings]:
        """The domains that were not looked for."""
        generation = self._board.generation()
        self._looked_for &= generation.keys()
        unknown = [name for name in generation if name not in self._looked_for]
        self._looked_for.update(unknown)
        return [generation[name].settings for name in unknown]

    def read(self, source: StateReader, missing: Iterable[DomainSettings]) -> list[DomainState]:
        """See `StateTable`."""
        found: list[DomainState] = []
        query = "SELECT sampled_at, state, crc FROM domains WHERE name = ?"
        for settings in missing:
            found += source.rows(query, (settings.name,), partial(_domain, settings, source.now))
        return [state for state in found if state.sampled_at >= source.since]

    def restore(self, found: Iterable[DomainState]) -> int:
        """See `StateTable`."""
        return sum(map(self._board.restore, found))


@as_value_error
def _domain(settings: DomainSettings, now: float, sampled_at: float, text: str, crc: int) -> DomainState:
    return codec.domain_state(checked(text, crc, settings.name), settings, float(sampled_at), now)


_MAX_INTERVALS = 2
"""For how many intervals of its list an answer is used, as in a running exporter. Older ones are not restored."""


class SavedList(NamedTuple):
    """The row of a block list.

    Attributes:
        healths: For each address family: the family, whether the list works, the reason, and a sentence.
        pool: The pool of the address that comes next.
        address: That address, or "".
    """

    healths: tuple[tuple[int, bool, Reason | None, str], ...]
    pool: str
    address: str


DirtyBlocks = tuple[DomainName, PoolListings, list[int]]
DirtyLists = tuple[list[DirtyBlocks], list[DomainName]]
MissingListings = tuple[ListPlan, list[PoolListings]]
ListingsBlock = tuple[PoolListings, int, bytes, dict[int, Finding], float]
"""A part of a row of `listings`: where it belongs, and the arguments of `PoolListings.restore`."""
SavedLists = tuple[list[tuple[DomainName, SavedList]], list[ListingsBlock]]


class BlocklistTables:
    """The block lists, and their rows. Only conclusive answers are saved."""

    name = "listings"

    def __init__(self, blocklists: Blocklists) -> None:
        self._blocklists = blocklists

    def add_all(self) -> None:
        """See `StateTable`."""
        for listings in tuple(self._blocklists.listings.values()):
            listings.was_looked_for = False
            listings.dirty.add_all(block for block, at in enumerate(listings.asked) if at)
        self._blocklists.dirty.add_all(zone for zone, _ in self._blocklists.healths)

    def take(self, *, with_sampled: bool) -> DirtyLists | None:
        """See `StateTable`."""
        dirty: list[DirtyBlocks] = []
        for (zone, _), listings in tuple(self._blocklists.listings.items()):
            blocks = listings.dirty.take(with_sampled=with_sampled)
            if blocks:
                dirty.append((zone, listings, blocks))
        zones = self._blocklists.dirty.take(with_sampled=with_sampled)
        return (dirty, zones) if dirty or zones else None

    def put_back(self, taken: DirtyLists) -> None:
        """See `StateTable`."""
        dirty, zones = taken
        for _, listings, blocks in dirty:
            listings.dirty.add_all(blocks)
        self._blocklists.dirty.add_all(zones)

    def save(self, connection: sqlite3.Connection, taken: DirtyLists) -> None:
        """See `StateTable`."""
        dirty, zones = taken
        for zone, listings, blocks in dirty:
            rows = [_listings_row(zone, listings, start, stop) for start, stop in _range_blocks(listings, blocks)]
            _replace(connection, "listings", "zone, pool, first, at, codes, listed, crc", rows)
        for zone in zones:
            text = self._list_text(zone)
            at = max([max(it.asked) for it in self._blocklists.of(zone)], default=0.0)
            _replace(connection, "blocklists", "zone, at, state, crc", [(zone, at, text, checksum(zone, text))])

    def _list_text(self, zone: DomainName) -> str:
        healths = [health for (other, _), health in self._blocklists.healths.items() if other == zone]
        known = tuple([(it.family, it.works, it.reason, it.sentence) for it in healths if it.works is not None])
        cursor = self._blocklists.cursors.get(zone)
        pool, address = ("", "") if cursor is None else (cursor[0], str(cursor[1]))
        return codec.to_text(codec.to_data(SavedList(known, pool, address)))

    def update_gone(self, connection: sqlite3.Connection, now: float) -> None:
        """See `StateTable`. Blocks that start elsewhere now are deleted."""
        configured = dict(self._blocklists.listings)
        for zone, pool in connection.execute("SELECT DISTINCT zone, pool FROM listings").fetchall():
            listings, key = configured.get((zone, pool)), {"zone": zone, "pool": pool}
            _set_gone(connection, "listings", key, now, is_configured=listings is not None)
            if listings is not None:
                blocks, query = (
                    RangeBlocks(listings.pool.source),
                    "SELECT first FROM listings WHERE zone = ? AND pool = ?",
                )
                rows = connection.execute(query, (zone, pool)).fetchall()
                moved = [(zone, pool, first) for (first,) in rows if blocks.start_of(first) is None]
                connection.executemany("DELETE FROM listings WHERE zone = ? AND pool = ? AND first = ?", moved)
        zones = {zone for zone, _ in configured}
        for (zone,) in connection.execute("SELECT zone FROM blocklists").fetchall():
            _set_gone(connection, "blocklists", {"zone": zone}, now, is_configured=zone in zones)

    def missing(self) -> list[MissingListings]:
        """The lists with pools that were not looked for."""
        found: list[MissingListings] = []
        for plan in self._blocklists.plans:
            some = [it for it in self._blocklists.of(plan.zone) if not it.was_looked_for]
            for listings in some:
                listings.was_looked_for = True
            if some:
                found.append((plan, some))
        return found

    def read(self, source: StateReader, missing: Iterable[MissingListings]) -> SavedLists:
        """See `StateTable`. Answers that are too old are left out."""
        lists: list[tuple[DomainName, SavedList]] = []
        blocks: list[ListingsBlock] = []
        query = "SELECT first, at, codes, listed, crc FROM listings WHERE zone = ? AND pool = ? ORDER BY at DESC"
        for plan, pools in missing:
            zone, since = plan.zone, max(source.since, source.now - _MAX_INTERVALS * plan.interval_seconds)
            rows = source.rows("SELECT zone, at, state, crc FROM blocklists WHERE zone = ?", (zone,), _saved_list)
            lists += [(zone, saved) for at, saved in rows if at >= since]
            for listings in pools:
                read = partial(_listings_blocks, zone, listings)
                for some in source.rows(query, (zone, listings.pool.name), read):
                    blocks += [block for block in some if block[-1] >= since]
        return lists, blocks

    def restore(self, found: SavedLists) -> int:
        """See `StateTable`. Return the number of addresses."""
        lists, blocks = found
        for zone, saved in lists:
            for family, works, reason, sentence in saved.healths:
                if (zone, family) not in self._blocklists.healths:
                    self._blocklists.put_health(ListHealth(zone, family, works, reason, sentence))
            if saved.address and zone not in self._blocklists.cursors:
                self._blocklists.cursors[zone] = (saved.pool, Address.parse(saved.address))
        for listings, start, codes, listed, at in blocks:
            listings.restore(start, codes, listed, at)
        return sum(len(codes) - codes.count(PENDING) for _, _, codes, _, _ in blocks)


@as_value_error
def _saved_list(zone: str, at: float, text: str, crc: int) -> tuple[float, SavedList]:
    saved: SavedList = codec.from_data(SavedList, json.loads(checked(text, crc, zone)))
    if saved.address:
        Address.parse(saved.address)
    return float(at), saved


def _range_blocks(listings: PoolListings, numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The `RangeBlocks` of a pool that have addresses of the blocks *numbers*."""
    blocks, found, size = RangeBlocks(listings.pool.source), set(), listings.pool.size
    for number in numbers:
        index, end = number * BLOCK, min(size, (number + 1) * BLOCK)
        while index < end:
            block = blocks.around(index)
            found.add(block)
            index = block[1]
    return sorted(found)


def _listings_row(zone: DomainName, listings: PoolListings, start: int, stop: int) -> tuple[object, ...]:
    first = listings.pool.source.at(start)[0].packed
    codes = listings.conclusive(start, stop)
    found = [(index - start, listings.listed.get(index)) for index in range(start, stop)]
    text = codec.to_text({offset: codec.finding_data(it) for offset, it in found if it is not None})
    at = max(listings.asked[start // BLOCK : (stop - 1) // BLOCK + 1])
    return zone, listings.pool.name, first, at, codes, text, checksum(zone, listings.pool.name, first, codes, text)


@as_value_error
def _listings_blocks(
    zone: str, listings: PoolListings, first: bytes, at: float, codes: bytes, text: str, crc: int
) -> list[ListingsBlock]:
    """The parts of a row that are in the pool: one if its addresses still are a block, else one for each address."""
    pool, source = listings.pool.name, listings.pool.source
    data = json.loads(checked(text, crc, zone, pool, first, codes))
    listed = {int(offset): codec.finding(it) for offset, it in data.items()}
    if not set(codes) <= {0, 1, 2} or listed.keys() != {offset for offset, code in enumerate(codes) if code == 2}:
        raise ValueError("exactly the listed addresses must have findings")
    blocks = RangeBlocks(source)
    start = blocks.start_of(first)
    if start is not None and blocks.around(start) == (start, start + len(codes)):
        found = {start + offset: it for offset, it in listed.items()}
        return [(listings, start, codes, found, at)]
    number, blocks_of_one = int.from_bytes(first, "big"), list[ListingsBlock]()
    for offset, code in enumerate(codes):
        index = source.position(Address((number + offset).to_bytes(len(first), "big")))
        if index is not None:
            found = {index: listed[offset]} if offset in listed else {}
            blocks_of_one.append((listings, index, bytes([code]), found, at))
    return blocks_of_one


# What left the configuration, and what is too old. Configured subjects are never deleted.

_MAX_ROWS = 2000
"""How many rows of a table are deleted at a time, so that no transaction is long."""
_KEYS = {
    "addresses": "pool, address",
    "helos": "pool, name",
    "domains": "name",
    "listings": "zone, pool, first",
    "blocklists": "zone",
}


def update_gone(connection: sqlite3.Connection, pools: Mapping[str, PoolState], now: float) -> None:
    """Record of each address and HELO name since when it is not configured, or that it is."""
    for number, name in connection.execute("SELECT id, name FROM pools").fetchall():
        state = pools.get(name)
        if state is None:
            for table in ("addresses", "helos"):
                _set_gone(connection, table, {"pool": number}, now, is_configured=False)
            continue
        keys: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
            ("addresses", "address", partial(_has_address, state.pool)),
            ("helos", "name", state.helos.__contains__),
        )
        for table, column, is_configured in keys:
            rows = connection.execute(f"SELECT {column}, gone_at FROM {table} WHERE pool = ?", (number,))  # noqa: S608
            moved = [
                (now if gone_at is None else None, number, key)
                for key, gone_at in rows
                if (gone_at is None) != is_configured(key)
            ]
            connection.executemany(f"UPDATE {table} SET gone_at = ? WHERE pool = ? AND {column} = ?", moved)  # noqa: S608


def _has_address(pool: Pool, packed: Any) -> bool:
    return is_address(packed) and pool.index(Address(packed)) is not None


def _set_gone(
    connection: sqlite3.Connection, table: str, key: Mapping[str, object], now: float, *, is_configured: bool
) -> None:
    """Set or clear `gone_at` in the rows with this *key*, unless it is right already."""
    gone_at = None if is_configured else now
    where = " AND ".join(f"{column} = ?" for column in key)
    query = f"UPDATE {table} SET gone_at = ? WHERE {where} AND (gone_at IS NULL) != (? IS NULL)"  # noqa: S608
    connection.execute(query, (gone_at, *key.values(), gone_at))


def newest(connection: sqlite3.Connection) -> float:
    """The Unix time of the latest sample or change in the file: until then, at least, an exporter ran. 0.0 for none."""
    blocks = connection.execute("SELECT seconds FROM times")
    found = [max(array("I", seconds[: len(seconds) // 4 * 4]), default=0) for (seconds,) in blocks]
    columns = (("at", "changes"), ("sampled_at", "addresses"), ("sampled_at", "helos"), ("sampled_at", "domains"))
    for column, table in columns:
        found += [at or 0.0 for (at,) in connection.execute(f"SELECT max({column}) FROM {table}")]  # noqa: S608
    return float(max(found))


def delete_old(connection: sqlite3.Connection, entry: StorageEntry, oldest: float) -> bool:
    """Delete some of the rows that are older than *oldest* or too many. Return whether there may be more."""
    deleted = 0
    for table, key in _KEYS.items():
        query = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE gone_at < ? LIMIT ?)"  # noqa: S608
        deleted += connection.execute(query, (oldest, _MAX_ROWS)).rowcount
    deleted += connection.execute(
        "DELETE FROM changes WHERE number IN (SELECT number FROM changes WHERE at < ? ORDER BY at LIMIT ?)",
        (oldest, _MAX_ROWS),
    ).rowcount
    (count,) = connection.execute("SELECT count(*) FROM changes").fetchone()
    if count > entry.max_changes:
        deleted += connection.execute(
            "DELETE FROM changes WHERE number IN (SELECT number FROM changes ORDER BY number LIMIT ?)",
            (min(count - entry.max_changes, _MAX_ROWS),),
        ).rowcount
    connection.execute("DELETE FROM times WHERE pool NOT IN (SELECT pool FROM addresses)")
    return deleted > 0


def delete_key_values(connection: sqlite3.Connection, pools: Collection[str], oldest: float) -> None:
    """Delete values older than *oldest* of pools that are not in *pools*."""
    for (owner,) in connection.execute("SELECT DISTINCT owner FROM notes").fetchall():
        if owner.startswith(POOL) and owner.removeprefix(POOL) not in pools:
            connection.execute("DELETE FROM notes WHERE owner = ? AND at < ?", (owner, oldest))
