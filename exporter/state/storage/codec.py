"""What is written into the tables and read from them.

The rule of this file: a row that cannot be read, or whose checksum is wrong, is as good as none: it is counted, and
left out. Statements stand here and nowhere else but in `history` and `retention`.
"""

import contextlib
import json
import re
import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from zlib import crc32

from exporter.checks.addresses import Address
from exporter.checks.domain import DomainCheckName, DomainFinding, DomainReason
from exporter.checks.helo import HeloName
from exporter.checks.helo_name import HeloNameReport
from exporter.checks.iprev import Iprev
from exporter.checks.names import DomainName
from exporter.checks.receivers import ACCEPTED, Receiver, ReceiverResult, ReceiverVerdict
from exporter.checks.report import Report, Target
from exporter.checks.result import CheckName, Finding, Fix, IprevVerdict, Reason, Result
from exporter.checks.spf.compiled import RangeMap
from exporter.checks.spf.results import Outcome
from exporter.inventory.pool import Pool
from exporter.inventory.ranges import AddressRanges
from exporter.state.address import AddressState
from exporter.state.helo import HeloState
from exporter.state.journal import AnyFinding
from exporter.state.known import KnownFindings
from exporter.state.pool import PoolState
from exporter.state.storage.key_values import Key
from exporter.state.store import CompactRow, Form, StateBuilder, Times

# SECTION exporter.state.storage.words
# Findings, verdicts and targets as plain data, to be written as JSON and read back as they were.
#
# The rule of this file: every reader raises `ValueError` for what no writer here wrote, a word of another
# version
# included: whoever reads a row then does without it, and samples anew.

P = ParamSpec("P")
T = TypeVar("T")


def as_value_error(read: Callable[P, T]) -> Callable[P, T]:
    """Turn whatever *read* stumbles over into a `ValueError`."""

    def guarded(*arguments: P.args, **more: P.kwargs) -> T:
        try:
            return read(*arguments, **more)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"not what was written: {error}") from error

    return guarded


def finding_data(finding: AnyFinding) -> list[Any]:
    """A finding."""
    if finding.result is Result.PASS:
        return [finding.check, finding.subject]
    fix = finding.fix
    return [
        finding.check,
        finding.subject,
        finding.result,
        finding.reason,
        finding.sentence,
        None if fix is None else [fix.advice, fix.zone, fix.records, fix.replaces],
    ]


def any_finding(data: Sequence[Any]) -> AnyFinding:
    """The finding, about an address or a domain, that `finding_data` wrote."""
    return finding(data) if data[0] in _ADDRESS_CHECKS else _domain_finding(data)


_ADDRESS_CHECKS = frozenset(CheckName)


def finding(data: Sequence[Any]) -> Finding:
    """The finding about an address that `finding_data` wrote."""
    if len(data) == 2:
        return _pass(*data)
    check, subject, result, reason, sentence, fix = data
    return Finding(CheckName(check), Result(result), str(subject), Reason(reason), str(sentence), _fix(fix))


@lru_cache(4096)
def _pass(check: str, subject: str) -> Finding:
    return Finding(CheckName(check), Result.PASS, subject)


def _domain_finding(data: Sequence[Any]) -> DomainFinding:
    if len(data) == 2:
        return DomainFinding(DomainCheckName(data[0]), Result.PASS, str(data[1]))
    check, subject, result, reason, sentence, fix = data
    read = DomainReason(reason) if reason in _DOMAIN_REASONS else Reason(reason)
    return DomainFinding(DomainCheckName(check), Result(result), str(subject), read, str(sentence), _fix(fix))


_DOMAIN_REASONS = frozenset(DomainReason)


def _fix(data: Sequence[Any] | None) -> Fix | None:
    if data is None:
        return None
    advice, zone, records, replaces = data
    return Fix(str(advice), str(zone), tuple(map(str, records)), tuple(map(str, replaces)))


def iprev_data(iprev: Iprev, places: Mapping[Finding, int]) -> list[Any]:
    """A verdict on an address; one that passes is its names. *places* says where findings are that stand elsewhere."""
    if iprev.verdict is IprevVerdict.PASS:
        return (
            [iprev.ptr_names] if iprev.ptr_names == iprev.confirmed_names else [iprev.ptr_names, iprev.confirmed_names]
        )
    return [iprev.ptr_names, iprev.confirmed_names, iprev.verdict, finding_at(iprev.finding, places)]


def finding_at(one: Finding, places: Mapping[Finding, int]) -> int | list[Any]:
    """A finding, or its place among those that stand elsewhere."""
    place = places.get(one)
    return finding_data(one) if place is None else place


def finding_from(data: Any, findings: Sequence[Finding]) -> Finding:
    """What `finding_at` wrote."""
    return findings[data] if isinstance(data, int) else finding(data)


def iprev_of(data: Sequence[Any], findings: Sequence[Finding]) -> Iprev:
    """What `iprev_data` wrote."""
    names = tuple(map(DomainName, data[0]))
    confirmed = tuple(map(DomainName, data[1])) if len(data) > 1 else names
    if len(data) < 4:
        return Iprev(IprevVerdict.PASS, _pass(CheckName.FCRDNS, ""), names, confirmed)
    return Iprev(IprevVerdict(data[2]), finding_from(data[3], findings), names, confirmed)


def verdict_data(verdict: ReceiverVerdict) -> list[Any]:
    """A conclusive verdict of a receiver."""
    if verdict.result is ReceiverResult.ACCEPT:
        return [verdict.receiver]
    return [verdict.receiver, verdict.result, verdict.code, verdict.share, verdict.lacks, verdict.sentence]


def verdict_of(data: Sequence[Any]) -> ReceiverVerdict:
    """What `verdict_data` wrote."""
    if len(data) == 1:
        return _accepts(data[0])
    receiver, result, code, share, lacks, sentence = data
    return ReceiverVerdict(
        Receiver(receiver),
        ReceiverResult(result),
        None if code is None else int(code),
        float(share),
        True,  # noqa: FBT003  # only conclusive verdicts are held
        tuple(map(CheckName, lacks)),
        str(sentence),
    )


@lru_cache(256)
def _accepts(receiver: str) -> ReceiverVerdict:
    return ReceiverVerdict.of(Receiver(receiver), ACCEPTED)


def target_data(target: Target | DomainName) -> list[Any]:
    """What a change is about."""
    if isinstance(target, Target):
        return [str(target.address), *[helo.text for helo in target.helos]]
    return ["", target]


def target_of(data: Sequence[Any]) -> Target | DomainName:
    """What `target_data` wrote."""
    first, *rest = data
    if first:
        return Target(Address.parse(first), tuple(map(HeloName.parse, rest)))
    return DomainName(rest[0])


# SECTION exporter.state.storage.addresses
# What is known of one address, and of one HELO name, as text.
#
# The rule of this file: what comes out is what went in, but for what only this process had: evidence, and
# predictions
# that rest on it. A target whose HELO names changed meanwhile keeps what is held of the names that stay
# (`AddressState.retarget`).

_SAME = 0


def address_text(state: AddressState) -> str:
    """All of *state* but its address, its evidence and the time of its latest sample."""
    known = list(state.known.values())
    places = {one: place for place, one in enumerate(known)}
    latest = state.latest
    data: list[Any] = [
        [helo.text for helo in state.target.helos],
        list(map(finding_data, known)),
        None if latest is None else [finding_at(one, places) for one in latest.findings],
        None if state.iprev is None else iprev_data(state.iprev, places),
        None if latest is None else _SAME if latest.iprev == state.iprev else iprev_data(latest.iprev, places),
        state.concluded_at,
        state.changed_at,
        state.renamed_at,
        [[verdict_data(verdict) for verdict in row if verdict.is_conclusive] for row in state.receivers],
    ]
    return json.dumps(data, separators=(",", ":"))


@as_value_error
def address_state(text: str, address: Address, sampled_at: float, now: float) -> AddressState:
    """What `address_text` wrote of *address*, last sampled at *sampled_at*; no time of it is later than *now*.

    A latest sample that was conclusive concluded when it was taken. Raises `ValueError`.
    """
    helos, held, latest, iprev, latest_iprev, concluded_at, changed_at, renamed_at, receivers = json.loads(text)
    target = Target(address, tuple(map(HeloName.parse, helos)))
    findings = list(map(finding, held))
    known = None if iprev is None else iprev_of(iprev, findings)
    report = None
    if latest is not None:
        last = known if latest_iprev == _SAME else iprev_of(latest_iprev, findings)
        if last is None:
            raise ValueError("a latest sample without a verdict")
        report = Report(target, last, tuple([finding_from(it, findings) for it in latest]))
        if report.is_conclusive:
            concluded_at = sampled_at
    return AddressState(
        target,
        latest=report,
        known=_held(findings),
        iprev=known,
        sampled_at=min(sampled_at, now),
        concluded_at=min(float(concluded_at), now),
        changed_at=min(float(changed_at), now),
        renamed_at=tuple([min(float(at), now) for at in renamed_at]),
        receivers=tuple([tuple(map(verdict_of, row)) for row in receivers]),
    )


def _held(findings: list[Any]) -> KnownFindings:
    return {(one.check, one.subject): one for one in findings}


def helo_text(state: HeloState) -> str:
    """All of *state* but its name and the time of its latest sample."""
    report = state.latest
    data: list[Any] = [
        list(map(finding_data, state.known.values())),
        [state.resolves, state.addresses, state.confirmed_addresses, state.addresses_outside_pool],
    ]
    if report is not None:
        data += [
            report.resolves,
            report.is_complete,
            list(map(finding_data, report.findings)),
            [list(map(str, addresses)) for addresses in _addresses(report)],
        ]
    return json.dumps(data, separators=(",", ":"))


@as_value_error
def helo_state(text: str, helo: HeloName, sampled_at: float, now: float) -> HeloState:
    """What `helo_text` wrote of the HELO name *said*. Raises `ValueError`."""
    held, numbers, *last = json.loads(text)
    report = None
    if last:
        resolves, is_complete, findings, addresses = last
        syntax, forward, fcrdns = map(finding, findings)
        known, confirmed, unconfirmed, unknown, unfollowed, outside = [
            tuple(map(Address.parse, some)) for some in addresses
        ]
        report = HeloNameReport(
            helo,
            _flag(resolves),
            (syntax, forward, fcrdns),
            known,
            confirmed,
            unconfirmed,
            unknown,
            unfollowed,
            outside,
            is_complete=bool(is_complete),
        )
    resolves, *counts = numbers
    total, good, strange = [None if one is None else int(one) for one in counts]
    return HeloState(
        helo,
        report,
        _held(list(map(finding, held))),
        _flag(resolves),
        total,
        good,
        strange,
        min(sampled_at, now),
    )


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _addresses(report: HeloNameReport) -> tuple[tuple[Address, ...], ...]:
    return (
        report.addresses,
        report.confirmed,
        report.unconfirmed,
        report.unknown,
        report.unfollowed,
        report.outside,
    )


# SECTION exporter.state.storage.patterns
# The texts of many addresses at once: what those of one form have in common is written once.
#
# The rule of this file: a text is, to the letter, what `address_text` writes of the state that is made of the
# same
# outline. To make such a state and write it takes four times as long, and half a million may be news at the
# very end.

_SLOT = re.compile(r'"\\u0001(\w+)"')
_PTR, _CONFIRMED, _CONCLUDED_AT, _CHANGED_AT = "ptr", "confirmed", "concluded", "changed"


class RowTemplates:
    """Writes states of pools that are kept in numbers. It is as good as new for as long as it lives."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[int, int, bool], tuple[Form, str]] = {}

    def text(self, target: Target, outline: CompactRow) -> str:
        """What `address_text` writes of the state of *target* that is made of *outline*."""
        form, ptr_names, confirmed_names, times = outline
        is_same = ptr_names == confirmed_names
        key = (id(form), len(target.helos), is_same)
        known = self._patterns.get(key)
        if known is None:  # it holds on to the form, or another one might come to have its number
            known = self._patterns[key] = (form, _pattern(target, form, is_same=is_same))
        slots: dict[str, Any] = {f"helo{place}": quoted(helo.text) for place, helo in enumerate(target.helos)}
        slots[_PTR] = ",".join(map(quoted, ptr_names))
        slots[_CONFIRMED] = slots[_PTR] if is_same else ",".join(map(quoted, confirmed_names))
        _, slots[_CONCLUDED_AT], slots[_CHANGED_AT] = times
        return known[1] % slots


def _pattern(target: Target, form: Form, *, is_same: bool) -> str:
    """The text of a state of *form*, with slots in place of names and times: no name has a control character."""
    helos = [HeloName(_slot(f"helo{place}"), None) for place in range(len(target.helos))]
    names = (_slot(_PTR),), (_slot(_PTR if is_same else _CONFIRMED),)
    times: Any = Times(0.0, *map(_slot, (_CONCLUDED_AT, _CHANGED_AT)))  # type: ignore[arg-type]  # they are slots, too
    state = StateBuilder(form).state(Target(target.address, tuple(helos)), names, times)
    return _SLOT.sub(r"%(\1)s", address_text(state).replace("%", "%%"))


def _slot(name: str) -> str:
    return f"\1{name}"


# SECTION exporter.state.storage.blocks
# Neighbours whose sample times are written together.
#
# The rule of this file: when nothing but the time of a sample changed, a row an address would be a page an
# address;
# a block of them is one row for a thousand. A block never spans two ranges of a pool, so that its first address
# says
# which ones follow.

SIZE = 1024
"""How many addresses a block has at most: four octets each, so that one is a page of the file."""


class RangeBlocks:
    """The blocks of a pool's addresses."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, source: AddressRanges) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        end = 0
        for one in source:
            self._starts.append(end)
            end += one.size
            self._ends.append(end)

    def around(self, index: int) -> tuple[int, int]:
        """From where to before where the block of the address at *index* goes."""
        place = bisect_right(self._starts, index) - 1
        start = index - (index - self._starts[place]) % SIZE
        return start, min(start + SIZE, self._ends[place])

    def begins_at(self, source: AddressRanges, first: object) -> bool:
        """Whether a block begins at the address with these octets."""
        if not isinstance(first, bytes) or len(first) not in {4, 16}:
            return False
        index = source.position(Address(first))
        return index is not None and self.around(index)[0] == index


# SECTION exporter.state.storage.rows

ROWS_PER_STEP = 500
"""How many rows are made, or read, before others get their turn."""


def checksum(*parts: bytes | str) -> int:
    """The CRC-32 of *parts*, told apart."""
    crc = 0
    for part in parts:
        crc = crc32(b"\0", crc32(part.encode() if isinstance(part, str) else part, crc))
    return crc


def pool_id(connection: sqlite3.Connection, name: str) -> int:
    """The number of the pool of this name; it gets one if it has none."""
    connection.execute("INSERT OR IGNORE INTO pools (name) VALUES (?)", (name,))
    (number,) = connection.execute("SELECT id FROM pools WHERE name = ?", (name,)).fetchone()
    return int(number)


def save_addresses(
    connection: sqlite3.Connection, pool: int, state: PoolState, indexes: Sequence[int], breathe: Callable[[], None]
) -> None:
    """Write what is known of the addresses at *indexes*."""
    rest, patterns = iter(indexes), RowTemplates()
    while chunk := list(islice(rest, ROWS_PER_STEP)):
        rows = []
        for index in chunk:
            outline = state.compact_row(index)
            if outline is None:
                known = state[index]
                if known.latest is None and not known.known:
                    continue
                target, sampled_at, text = known.target, known.sampled_at, address_text(known)
            elif outline.form.verdict is None and not outline.form.known:
                continue
            else:
                target, sampled_at = state.pool.targets[index], outline.times.sampled_at
                text = patterns.text(target, outline)
            packed = target.address.packed
            rows.append((pool, packed, sampled_at, text, checksum(packed, text)))
        connection.executemany(
            "INSERT OR REPLACE INTO addresses (pool, address, sampled_at, state, crc) VALUES (?, ?, ?, ?, ?)", rows
        )
        breathe()


def save_times(
    connection: sqlite3.Connection, pool: int, state: PoolState, indexes: Sequence[int], breathe: Callable[[], None]
) -> None:
    """Write when the addresses at *indexes*, and their neighbours, were last sampled."""
    blocks = RangeBlocks(state.pool.source)
    for start, stop in sorted({blocks.around(index) for index in indexes}):
        seconds = array("I", [int(state.sampled_at(index)) for index in range(start, stop)]).tobytes()
        first = state.pool.source.at(start)[0].packed
        connection.execute(
            "INSERT OR REPLACE INTO times (pool, first, seconds, crc) VALUES (?, ?, ?, ?)",
            (pool, first, seconds, checksum(first, seconds)),
        )
        breathe()


def fold_times(connection: sqlite3.Connection, pool: int) -> None:
    """Write the times of blocks to the rows of their addresses, and delete the blocks."""
    for first, octets, crc in connection.execute(
        "SELECT first, seconds, crc FROM times WHERE pool = ?", (pool,)
    ).fetchall():
        with contextlib.suppress(ValueError):
            connection.executemany(
                "UPDATE addresses SET sampled_at = max(sampled_at, ?) WHERE pool = ? AND address = ?",
                [(moment, pool, address.packed) for address, moment in _block(first, octets, crc)],
            )
    connection.execute("DELETE FROM times WHERE pool = ?", (pool,))


def _block(first: Any, octets: Any, crc: int) -> list[tuple[Address, int]]:
    """The addresses of a block that were sampled, with their times. Raises `ValueError` if it is damaged."""
    if not _are_bytes(first, octets) or checksum(first, octets) != crc or len(first) not in {4, 16} or len(octets) % 4:
        raise ValueError("a damaged block of times")
    seconds = array("I")
    seconds.frombytes(octets)
    start, end = int.from_bytes(first, "big"), 1 << len(first) * 8
    return [
        (Address((start + offset).to_bytes(len(first), "big")), moment)
        for offset, moment in enumerate(seconds)
        if moment and start + offset < end
    ]


def save_helos(connection: sqlite3.Connection, pool: int, state: PoolState, names: Sequence[str]) -> None:
    """Write what is known of these HELO names."""
    rows = []
    for name in names:
        known = state.helos[name]
        text = helo_text(known)
        rows.append((pool, name, known.sampled_at, text, checksum(name, text)))
    connection.executemany(
        "INSERT OR REPLACE INTO helos (pool, name, sampled_at, state, crc) VALUES (?, ?, ?, ?, ?)", rows
    )


def save_notes(connection: sqlite3.Connection, notes: Mapping[Key, tuple[str, float]]) -> None:
    """Write notes, with their times."""
    connection.executemany(
        "INSERT OR REPLACE INTO notes (owner, name, at, value, crc) VALUES (?, ?, ?, ?, ?)",
        [(owner, name, at, value, checksum(owner, name, value)) for (owner, name), (value, at) in notes.items()],
    )


@dataclass(slots=True)
class StateReader:
    """What is read: where from, what time it is, and how many rows could not be used."""

    connection: sqlite3.Connection
    now: float
    since: float
    unreadable: int = 0

    def notes(self) -> dict[Key, str]:
        """Every note."""
        found: dict[Key, str] = {}
        for owner, name, value, crc in self.connection.execute("SELECT owner, name, value, crc FROM notes"):
            if isinstance(value, str) and checksum(owner, name, value) == crc:
                found[owner, name] = value
            else:
                self.unreadable += 1
        return found

    def times(self, pool: Pool) -> dict[int, int]:
        """When each address of *pool* was last sampled, by its place, as far as that was written on its own."""
        found: dict[int, int] = {}
        query = "SELECT first, seconds, crc FROM times JOIN pools ON pools.id = pool WHERE name = ?"
        for first, octets, crc in self.connection.execute(query, (pool.name,)):
            try:
                block = _block(first, octets, crc)
            except ValueError:
                self.unreadable += 1
                continue
            for address, moment in block:
                index = pool.index(address)
                if index is not None:
                    found[index] = max(moment, found.get(index, 0))
        return found

    def addresses(self, pool: Pool) -> Iterator[list[tuple[int, AddressState]]]:
        """What is known of addresses of *pool*, with their places, some at a time."""
        times = self.times(pool)
        query = (
            "SELECT address, sampled_at, state, crc FROM addresses JOIN pools ON pools.id = pool"
            " WHERE name = ? AND sampled_at IS NOT NULL"
        )
        cursor = self.connection.execute(query, (pool.name,))
        while rows := cursor.fetchmany(ROWS_PER_STEP):
            chunk = []
            for packed, sampled_at, text, crc in rows:
                address = Address(packed)
                index = pool.index(address) if _are_bytes(packed) and len(packed) in {4, 16} else None
                if index is None:
                    continue
                if not isinstance(text, str) or checksum(packed, text) != crc:
                    self.unreadable += 1
                    continue
                try:
                    latest = max(float(sampled_at), times.get(index, 0))
                    state = address_state(text, address, latest, self.now)
                except ValueError:
                    self.unreadable += 1
                    continue
                if state.sampled_at >= self.since:
                    chunk.append((index, state.retarget(pool.targets[index])))
            yield chunk

    def helos(self, pool: Pool) -> list[HeloState]:
        """What is known of the HELO names of *pool*."""
        helo = {one.text: one for one in pool.helo_names}
        found = []
        query = (
            "SELECT helos.name, sampled_at, state, crc FROM helos JOIN pools ON pools.id = pool WHERE pools.name = ?"
        )
        for name, sampled_at, text, crc in self.connection.execute(query, (pool.name,)):
            known: HeloName | None = helo.get(name)
            if known is None:
                continue
            if not isinstance(text, str) or checksum(name, text) != crc:
                self.unreadable += 1
                continue
            try:
                state = helo_state(text, known, float(sampled_at), self.now)
            except ValueError:
                self.unreadable += 1
                continue
            if state.sampled_at >= self.since:
                found.append(state)
        return found


def _are_bytes(*values: object) -> bool:
    return all(isinstance(value, bytes) for value in values)


# SECTION exporter.state.storage.plain
# Values of records as plain data, to be written as JSON and read back as they were, by what their fields are
# declared.
#
# The rule of this file: a record is the list of its fields, in their order; every reader raises `ValueError`
# for what no
# writer here wrote. So a record that has other fields in another version is not misread: it is read from the
# DNS again.


def to_data(value: Any) -> Any:
    """What `json.dumps` takes. Texts may be of any kind: names and words of closed sets are texts."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return [to_data(one) for one in value]
    if isinstance(value, RangeMap):
        outcomes = list(dict.fromkeys(outcome for _, outcome in value.parts))
        places = {outcome: place for place, outcome in enumerate(outcomes)}
        return [to_data(tuple(outcomes)), [[low, places[outcome]] for low, outcome in value.parts]]
    if is_dataclass(value):
        return [to_data(getattr(value, field.name)) for field in fields(value)]
    return value


def from_data(kind: type[T], data: Any) -> T:
    """The value of this *kind* that `plain` made *data* of."""
    return cast("T", _reader(cast("Any", kind))(data))


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _one_of([_reader(one) for one in arguments])
    if origin is tuple:
        return _several(_reader(arguments[0]))
    if kind is RangeMap:
        return _range_map
    if kind is bytes:
        return lambda data: _exactly(str, data).encode("latin-1")
    if kind is DomainName or (isinstance(kind, type) and issubclass(kind, Enum)):
        return lambda data: kind(_exactly(str, data))
    if kind in {str, int, float, bool, NoneType}:
        return lambda data: _exactly(kind, data)
    hints = get_type_hints(kind)
    names = kind._fields if issubclass(kind, tuple) else [field.name for field in fields(kind)]
    return _record(kind, [_reader(hints[name]) for name in names])


def _exactly(kind: type[T], data: Any) -> T:
    if type(data) is not kind:
        raise ValueError(f"{data!r} is no {kind.__name__}")
    return data


def _one_of(readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        for reader in readers:
            try:
                return reader(data)
            except (TypeError, ValueError):
                continue
        raise ValueError(f"{data!r} is nothing of what may be here")

    return read


def _several(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda data: tuple(map(reader, _exactly(list, data)))


def _record(kind: Callable[..., Any], readers: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda data: kind(*[reader(one) for reader, one in zip(readers, _exactly(list, data), strict=True)])


def _range_map(data: Any) -> RangeMap:
    outcomes, parts = data
    known = _reader(tuple[Outcome | None, ...])(outcomes)
    return RangeMap([(_exactly(int, low), low, known[_exactly(int, place)]) for low, place in parts])
