"""Remembers conclusive answers, in as little memory as they fit in.

The rule of this file: an entry is hit only while its TTL lasts and it is younger than the asker allows, by a monotonic
clock; what is inconclusive is never remembered. Size is bounded twice: in entries and in octets.

An entry is one `bytes`: objects would take three times as much, and the garbage collector would go through them.
"""

from collections.abc import Iterable, KeysView
from struct import Struct

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.names import DomainName
from exporter.dns.packing import KIND_A, KIND_AAAA, KIND_NAMES, decode, encode
from exporter.dns.statistics import RRTYPES

_HEAD = Struct("<ddIBB")  # when stored, when asked (Unix time), TTL, server, kind
_HEAD_OCTETS = _HEAD.size
_SERVER_AT = 20

ENTRY_OCTETS = 250
"""What an entry may take on average, key and dictionary included."""
_OVERHEAD_OCTETS = 33 + 49 + 8 + 52  # headers of a bytes and a str, the ring, the dictionary when it is full

_new = tuple.__new__  # builds a NamedTuple in a third of the time
_ANSWER = Status.ANSWER
_unpack = _HEAD.unpack_from
_pack = _HEAD.pack


def key_of(question: Question) -> str:
    """What a question is known by in the cache: a plain str, because a `DomainName` takes half as much memory again."""
    return question.name + KEY_SUFFIXES[question.rdtype]


KEY_SUFFIXES = {rdtype: f" {rdtype}" for rdtype in RRTYPES}


class Cache:
    """A bounded TTL cache. When it is full, the entry that came in first makes room.

    *servers* are the texts of `Answer.server`, which an entry refers to by number.
    """

    def __init__(self, max_entries: int, servers: tuple[str, ...]) -> None:
        self._max_entries = max_entries
        self._max_octets = max_entries * ENTRY_OCTETS
        self._servers = servers
        self._entries: dict[str, bytes] = {}
        self._ring: list[str] = []
        self._next = 0
        self.octets = 0
        """An estimate of the memory that the entries take."""

    def __len__(self) -> int:
        return len(self._entries)

    def keys(self) -> KeysView[str]:
        """What is remembered, be it still good or not: a view that stays true."""
        return self._entries.keys()

    def get(self, key: str, now: float, max_age_seconds: float) -> Answer | None:
        """The answer to a question, if it is still good. *key* is `key_of` it, *now* the monotonic time."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        stored_at, asked_at, ttl, server, kind = _unpack(entry)
        age = now - stored_at
        if age >= ttl or age >= max_age_seconds:
            return None
        tail = entry[_HEAD_OCTETS:]
        if kind == KIND_A and len(tail) == 4:
            record = _new(Address, (tail,))
            return _new(Answer, (_ANSWER, (record,), (), ttl, self._servers[server], asked_at, ()))
        status, records, chain, errors = decode(kind, tail)
        return _new(Answer, (status, records, chain, ttl, self._servers[server], asked_at, errors))

    def last_server(self, key: str) -> int | None:
        """The number of the server that gave the last answer to a question, be it too old to be hit."""
        entry = self._entries.get(key)
        return None if entry is None else entry[_SERVER_AT]

    def put(self, answers: Iterable[tuple[str, Answer]], server: int, now: float) -> None:
        """Remember conclusive answers that came from *server*, by `key_of`, and forget the ones before them."""
        entries, ring = self._entries, self._ring
        max_entries, max_octets = self._max_entries, self._max_octets
        for key, answer in answers:
            _, records, chain, ttl, _, asked_at, errors = answer
            record = records[0] if len(records) == 1 and not (chain or errors) else None
            if type(record) is Address:  # `encode`, for nearly every answer there is
                (tail,) = record
                kind = KIND_A if len(tail) == 4 else KIND_AAAA
            elif type(record) is DomainName:
                kind, tail = KIND_NAMES, record.encode()
            else:
                kind, tail = encode(answer)
            entry = _pack(now, asked_at, ttl, server, kind) + tail
            octets = self.octets + len(key) + len(entry) + _OVERHEAD_OCTETS
            if octets <= max_octets and len(ring) < max_entries and key not in entries:
                entries[key] = entry
                ring.append(key)
                self.octets = octets
            elif max_entries:
                self._make_room(key, entry)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._ring.clear()
        self._next = 0
        self.octets = 0

    def _make_room(self, key: str, entry: bytes) -> None:
        """Put an entry where there is one already, or no room."""
        old = self._entries.get(key)
        if old is not None:
            self.octets += len(entry) - len(old)
        else:
            ring, at = self._ring, self._next
            if len(ring) < self._max_entries:
                ring.append(key)
            else:
                self._forget(ring[at])
                ring[at] = key
                self._next = at + 1 if at + 1 < self._max_entries else 0
            self.octets += len(key) + len(entry) + _OVERHEAD_OCTETS
        self._entries[key] = entry
        if self.octets > self._max_octets:
            self._evict()

    def _evict(self) -> None:
        """Make room for octets, not for entries: the oldest entry's place in the ring stays, and names nothing."""
        ring = self._ring
        while self.octets > self._max_octets:
            at = self._next if self._next < len(ring) else 0
            key = ring[at]
            ring[at] = ""
            self._next = at + 1 if at + 1 < self._max_entries else 0
            self._forget(key)

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.octets -= len(key) + len(entry) + _OVERHEAD_OCTETS
