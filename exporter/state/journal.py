"""The journal: the conclusive changes of all pools and domains, the latest ones, in the order in which they were found.

The rule of this file: it is bounded, and a change keeps its number for good, over restarts too, so that a reader who
pages backwards meets none twice and misses none that is still there. A number is the time of the change in
microseconds, or one more than the one before it, whichever is higher: so none has to be remembered to go on, and a
clock that is set back makes no disorder.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from exporter.checks.domain import DomainFinding
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import Finding

# SECTION exporter.state.change
# What a change is: a conclusive finding that differs from the conclusive one before it.
#
# The rule of this file: a change is about an address of a pool, or about a domain, and is told in the same
# words.

AnyFinding = Finding | DomainFinding


@dataclass(frozen=True, slots=True)
class Change:
    """*target* is what it is about: an address with its HELO names, or a domain. *at* is Unix time.

    *evidence* is that of the sample that brought it; the journal packs it.
    """

    target: Target | DomainName
    before: AnyFinding
    after: AnyFinding
    at: float
    evidence: Evidence = field(default_factory=dict, compare=False, repr=False)

    @property
    def address(self) -> Address | None:
        """The address that it is about; None where it is about a domain."""
        return self.target.address if isinstance(self.target, Target) else None

    @property
    def domain(self) -> DomainName | None:
        """The domain that it is about; None where it is about an address."""
        return self.target if isinstance(self.target, DomainName) else None


def change_fields(pool: str, change: Change) -> dict[str, str | None]:
    """What a log line says of a *change* in *pool*, by name."""
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


# SECTION exporter.state.evidence
# Evidence as text: what was asked and answered, packed to be kept with a change for months.
#
# The rule of this file: what comes out of `unpack` is what went into `pack`, answer by answer; what does not
# fit is left
# out whole, so that nobody reads half an answer.

MAX_BYTES = 4096
"""How long the packed evidence of one change may be: some twenty ordinary answers."""

_RDTYPES = frozenset(get_args(RRType))
_EMPTY = "[]"


def pack(evidence: Evidence, most: int = MAX_BYTES) -> str:
    """The answers in their order, as ASCII text; as many of them as fit into *most* octets."""
    packed: list[str] = []
    room = most - len(_EMPTY)
    for question, answer in evidence.items():
        text = json.dumps(_packed(question, answer), separators=(",", ":"))
        if len(text) < room:
            packed.append(text)
            room -= len(text) + 1
    return f"[{','.join(packed)}]"


def unpack(text: str) -> Evidence:
    """What `pack` made *text* of. Raises `ValueError` if it is nothing of that kind."""
    try:
        return dict([_unpacked(*fields) for fields in json.loads(text)])
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no packed evidence: {error}") from None


def _packed(question: Question, answer: Answer) -> list[Any]:
    return [
        question.name,
        question.rdtype,
        answer.status,
        [_record(record) for record in answer.records],
        answer.chain,
        answer.ttl,
        answer.server,
        round(answer.asked_at, 6),
        [(error.code, error.text) for error in answer.errors],
    ]


def _unpacked(
    name: str,
    rdtype: RRType,
    status: str,
    records: Sequence[Any],
    chain: Sequence[str],
    ttl: int,
    server: str,
    asked_at: float,
    errors: Sequence[tuple[int, str]],
) -> tuple[Question, Answer]:
    if rdtype not in _RDTYPES:
        raise ValueError(f"{rdtype!r} is no type of record")
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
        case Text(joined):
            return joined.decode("latin-1")
        case _:
            return record  # a name is a text, the others are tuples


def _address(text: str) -> Address:
    return Address.parse(text)


def _exchange(fields: Sequence[Any]) -> MailExchange:
    preference, exchange = fields
    return MailExchange(int(preference), DomainName(exchange))


def _authority(fields: Sequence[Any]) -> StartOfAuthority:
    mname, rname, serial = fields
    return StartOfAuthority(DomainName(mname), DomainName(rname), int(serial))


def _text(text: str) -> Text:
    return Text(text.encode("latin-1"))


_READERS: dict[str, Callable[[Any], Record]] = {
    "A": _address,
    "AAAA": _address,
    "MX": _exchange,
    "SOA": _authority,
    "TXT": _text,
}


# SECTION exporter.state.journal

CAPACITY = 10_000

MAX_NUMBER = 2**53 - 1
"""What every reader of JSON can hold; the microseconds of the year 2255."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change, with its *number*, and the pool that it was found in; "" where it is about a domain.

    *evidence* is packed: see `exporter.state.evidence`.
    """

    number: int
    pool: str
    change: Change
    evidence: str = "[]"


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which entries a reader wants: those that fit everything that is given. *since* is Unix time."""

    pool: str | None = None
    address: Address | None = None
    domain: DomainName | None = None
    check: str | None = None
    since: float | None = None

    def fits(self, entry: JournalEntry) -> bool:
        """Whether *entry* is wanted."""
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
    """The latest *capacity* changes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=capacity)
        self._last = 0

    def write(self, pool: str, change: Change) -> JournalEntry:
        """Add a change that has just been found."""
        self._last = max(self._last + 1, min(int(change.at * 1e6), MAX_NUMBER))
        entry = JournalEntry(self._last, pool, replace(change, evidence={}), pack(change.evidence))
        self._entries.append(entry)
        return entry

    def restore(self, entries: Iterable[JournalEntry]) -> None:
        """Take in what is known from before this process: of that and what is here already, the latest stay."""
        known = {entry.number: entry for entry in (*entries, *self._entries)}
        self._entries.clear()
        self._entries.extend([known[number] for number in sorted(known)])
        self._last = max(self._last, max(known, default=0))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def first(self) -> int | None:
        """The lowest number that is here; None if there is nothing."""
        return self._entries[0].number if self._entries else None

    def entries(self) -> list[JournalEntry]:
        """All of them, oldest first."""
        return list(self._entries)

    def latest(
        self, count: int, *, before: int | None = None, wanted: ChangeFilter = ALL_CHANGES
    ) -> list[JournalEntry]:
        """The latest *count* entries that are *wanted*, newest first; with *before*, of those with a lower number."""
        found: list[JournalEntry] = []
        for entry in self._backwards(before):
            if len(found) >= count:
                break
            if wanted.fits(entry):
                found.append(entry)
        return found

    def _backwards(self, before: int | None) -> Iterator[JournalEntry]:
        """Newest first, from below *before*."""
        for entry in reversed(self._entries):
            if before is None or entry.number < before:
                yield entry
