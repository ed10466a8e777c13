"""The journal: the latest changes of conclusive findings, over all pools and domains."""

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, get_args

from exporter.checks.addresses import Address
from exporter.checks.answers import (
    Answer,
    ExtendedError,
    MailExchange,
    Question,
    Record,
    RRType,
    StartOfAuthority,
    Status,
    Text,
)
from exporter.checks.check import Evidence
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import Finding


@dataclass(frozen=True, slots=True)
class Change:
    """A conclusive finding that differs from the conclusive one before it.

    Attributes:
        target: The address with its HELO names, or the domain.
        before: The finding that was known before.
        after: The new finding.
        at: Unix time of the sample.
        evidence: The answers of that sample; empty in the journal, which packs them.
    """

    target: Target | DomainName
    before: Finding
    after: Finding
    at: float
    evidence: Evidence = field(default_factory=dict, compare=False, repr=False)

    @property
    def address(self) -> Address | None:
        """The changed address; None for a domain."""
        return self.target.address if isinstance(self.target, Target) else None

    @property
    def domain(self) -> DomainName | None:
        """The changed domain; None for an address."""
        return self.target if isinstance(self.target, DomainName) else None


def change_fields(pool: str, change: Change) -> dict[str, str | None]:
    """The fields of the log line about *change*; *pool* is "" for a domain."""
    before, after = change.before, change.after
    about = {"pool": pool, "ip": str(change.address)} if change.domain is None else {"domain": change.domain}
    return about | {
        "check": after.check.value,
        "subject": after.subject,
        "before": before.result.value,
        "after": after.result.value,
        "reason": after.reason.value if after.reason else None,
        "sentence": after.sentence,
    }


MAX_BYTES = 4096
"""The longest packed evidence of a change: about twenty ordinary answers."""

_RDTYPES = frozenset(get_args(RRType))
_EMPTY = "[]"


def pack(evidence: Evidence, max_bytes: int = MAX_BYTES) -> str:
    """Return questions and answers as ASCII text. Answers that do not fit into *max_bytes* are left out whole."""
    packed: list[str] = []
    room = max_bytes - len(_EMPTY)
    for question, answer in evidence.items():
        text = json.dumps(_packed(question, answer), separators=(",", ":"))
        if len(text) < room:
            packed.append(text)
            room -= len(text) + 1
    return f"[{','.join(packed)}]"


def unpack(text: str) -> Evidence:
    """Reverse `pack`. Raises `ValueError` if *text* is not packed evidence."""
    try:
        return dict(map(_unpacked, json.loads(text)))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is not packed evidence: {error}") from None


def _packed(question: Question, answer: Answer) -> list[Any]:
    records = list(map(_record, answer.records))
    errors = [(error.code, error.text) for error in answer.errors]
    origin = answer.ttl, answer.server, round(answer.asked_at, 6)
    return [question.name, question.rdtype, answer.status, records, answer.chain, *origin, errors]


def _unpacked(fields: Sequence[Any]) -> tuple[Question, Answer]:
    name, rdtype, status, records, chain, ttl, server, asked_at, errors = fields
    if rdtype not in _RDTYPES:
        raise ValueError(f"{rdtype!r} is not a record type")
    read = _READERS.get(rdtype, DomainName)
    answer = Answer(
        Status(status),
        tuple([read(record) for record in records]),
        tuple(map(DomainName, chain)),
        int(ttl),
        str(server),
        float(asked_at),
        tuple([ExtendedError(int(code), str(text)) for code, text in errors]),
    )
    return Question(DomainName(name), rdtype), answer


def _record(record: Record) -> Any:
    match record:
        case Address():
            return str(record)
        case Text(joined, lengths):
            text = joined.decode("latin-1")
            return [text, lengths.decode("latin-1")] if lengths else text
        case _:
            return record  # a name is a string, the others are tuples


_READERS: dict[str, Callable[[Any], Record]] = {
    "A": Address.parse,
    "AAAA": Address.parse,
    "MX": lambda fields: MailExchange(int(fields[0]), DomainName(fields[1])),
    "SOA": lambda fields: StartOfAuthority(DomainName(fields[0]), DomainName(fields[1]), int(fields[2])),
    "TXT": lambda it: Text(*[part.encode("latin-1") for part in ([it] if isinstance(it, str) else it)]),
}

CAPACITY = 10_000
"""How many changes the journal keeps."""

MAX_NUMBER = 2**53 - 1
"""The largest integer that every JSON reader can represent; as microseconds, the year 2255."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change in the journal.

    Attributes:
        number: Its number, which it keeps over restarts. Later changes have higher numbers.
        pool: The pool of the address; "" for a domain.
        change: The change, without its evidence.
        evidence: The packed evidence: see `pack`.
    """

    number: int
    pool: str
    change: Change
    evidence: str = "[]"


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Selects entries: those that match every field that is not None.

    Attributes:
        pool: The name of a pool.
        address: The changed address.
        domain: The changed domain.
        check: The value of a check.
        since: The Unix time of the oldest change.
    """

    pool: str | None = None
    address: Address | None = None
    domain: DomainName | None = None
    check: str | None = None
    since: float | None = None

    def matches(self, entry: JournalEntry) -> bool:
        """Whether *entry* is selected."""
        change = entry.change
        return (
            self.pool in {None, entry.pool}
            and self.address in {None, change.address}
            and self.domain in {None, change.domain}
            and self.check in {None, change.after.check.value}
            and (self.since is None or change.at >= self.since)
        )


ALL_CHANGES = ChangeFilter()


class Journal:
    """The latest *capacity* changes, oldest first.

    A number is the time of the change in microseconds, or one more than the previous number if that is higher. So
    numbers always rise, even if the clock is set back, and a reader who pages backwards sees every entry once.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=capacity)
        self._last = 0

    def write(self, pool: str, change: Change) -> JournalEntry:
        """Add a new change, and return its entry."""
        self._last = max(self._last + 1, min(int(change.at * 1e6), MAX_NUMBER))
        entry = JournalEntry(self._last, pool, replace(change, evidence={}), pack(change.evidence))
        self._entries.append(entry)
        return entry

    def restore(self, entries: Iterable[JournalEntry]) -> None:
        """Add entries of an earlier process. Of these and the present ones, the latest stay."""
        known = {entry.number: entry for entry in (*entries, *self._entries)}
        self._entries.clear()
        self._entries.extend([known[number] for number in sorted(known)])
        self._last = max(self._last, max(known, default=0))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def first(self) -> int | None:
        """The lowest number in memory; None if there is none."""
        return self._entries[0].number if self._entries else None

    def entries(self) -> list[JournalEntry]:
        """All entries, oldest first."""
        return list(self._entries)

    def latest(
        self, count: int, *, before: int | None = None, wanted: ChangeFilter = ALL_CHANGES
    ) -> list[JournalEntry]:
        """The latest *count* entries that *wanted* selects, newest first; with *before*, only with lower numbers."""
        older = (entry for entry in reversed(self._entries) if before is None or entry.number < before)
        return list(islice(filter(wanted.matches, older), count))
