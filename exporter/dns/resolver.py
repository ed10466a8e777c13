"""Answers questions by asking a few servers: what everybody else sees of `exporter.dns`.

The rule of this file: every question is called back exactly once, with a value; nothing that the DNS says or does not
say raises. Equal questions in flight are asked once, and what was answered is not asked again while it is good.
"""

import asyncio
import marshal
import math
import time
from collections.abc import Callable, Collection, Iterable, KeysView, Sequence
from struct import Struct
from typing import Any, NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.answers import (
    Answer,
    ExtendedError,
    MailExchange,
    Question,
    Record,
    StartOfAuthority,
    Status,
    Text,
)
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.dns.canary import Verified
from exporter.dns.codec import RandomSource
from exporter.dns.engine import Engine
from exporter.dns.queue import Answered, Job
from exporter.dns.settings import Endpoint, ResolverSettings
from exporter.dns.statistics import RRTYPES, Statistics

# SECTION exporter.dns.packing
# Turns what an answer says into octets and back, for the cache.
#
# The rule of this file: the ordinary answer (addresses, or names, at the name itself) takes no more than its
# records;
# anything else goes through `marshal`, whose octets never leave the process.

KIND_A, KIND_AAAA, KIND_NAMES, KIND_NODATA, KIND_NXDOMAIN, KIND_OTHER = range(6)

Said = tuple[Status, tuple[Record, ...], tuple[DomainName, ...], tuple[ExtendedError, ...]]
"""Status, records, chain and errors of an answer."""

_NEGATIVE_KINDS = {KIND_NODATA: Status.NODATA, KIND_NXDOMAIN: Status.NXDOMAIN}
_new = tuple.__new__
_name = DomainName.trusted


def encode(answer: Answer) -> tuple[int, bytes]:
    """The kind and the octets of a conclusive answer."""
    status, records, chain, _, _, _, errors = answer
    if chain or errors:
        return KIND_OTHER, _encode_other(answer)
    if not records:
        return KIND_NODATA if status is Status.NODATA else KIND_NXDOMAIN, b""
    first = records[0]
    if isinstance(first, Address):
        packed = first.packed if len(records) == 1 else b"".join([record.packed for record in answer.addresses])
        return KIND_A if len(first.packed) == 4 else KIND_AAAA, packed
    if isinstance(first, DomainName):
        return KIND_NAMES, first.encode() if len(records) == 1 else "\n".join(answer.names).encode()
    return KIND_OTHER, _encode_other(answer)


def decode(kind: int, octets: bytes) -> Said:
    """What was encoded as *kind*."""
    if kind == KIND_NAMES:
        text = octets.decode()
        names = (_name(text),) if "\n" not in text else tuple(map(_name, text.split("\n")))
        return Status.ANSWER, names, (), ()
    if kind == KIND_OTHER:
        return _decode_other(octets)
    if kind in _NEGATIVE_KINDS:
        return _NEGATIVE_KINDS[kind], (), (), ()
    width = 4 if kind == KIND_A else 16
    return (
        Status.ANSWER,
        tuple([_new(Address, (octets[at : at + width],)) for at in range(0, len(octets), width)]),
        (),
        (),
    )


def _encode_other(answer: Answer) -> bytes:
    records = [(_LETTERS[type(record)], _plain(record)) for record in answer.records]
    errors = [(error.code, error.text) for error in answer.errors]
    return marshal.dumps((answer.status.value, records, [str(name) for name in answer.chain], errors))


def _decode_other(octets: bytes) -> Said:
    status, records, chain, errors = marshal.loads(octets)  # noqa: S302  # our own octets, which never left the process
    return (
        Status(status),
        tuple([_MAKERS[letter](value) for letter, value in records]),
        tuple(map(_name, chain)),
        tuple([ExtendedError(code, text) for code, text in errors]),
    )


def _plain(record: Record) -> object:
    match record:
        case Address(value) | Text(value):
            return value
        case MailExchange(preference, exchange):
            return preference, str(exchange)
        case StartOfAuthority(mname, rname, serial):
            return str(mname), str(rname), serial
        case name:
            return str(name)


_LETTERS: dict[type, str] = {Address: "a", DomainName: "n", MailExchange: "m", StartOfAuthority: "s", Text: "t"}
_MAKERS: dict[str, Callable[[Any], Record]] = {
    "a": Address,
    "n": _name,
    "m": lambda value: MailExchange(value[0], _name(value[1])),
    "s": lambda value: StartOfAuthority(_name(value[0]), _name(value[1]), value[2]),
    "t": Text,
}


# SECTION exporter.dns.cache
# Remembers conclusive answers, in as little memory as they fit in.
#
# The rule of this file: an entry is hit only while its TTL lasts and it is younger than the asker allows, by a
# monotonic
# clock; what is inconclusive is never remembered. Size is bounded twice: in entries and in octets.
#
# An entry is one `bytes`: objects would take three times as much, and the garbage collector would go through
# them.

_HEAD = Struct("<ddIBB")  # when stored, when asked (Unix time), TTL, server, kind
_HEAD_BYTES = _HEAD.size
_SERVER_AT = 20

ENTRY_BYTES = 250
"""What an entry may take on average, key and dictionary included."""
_OVERHEAD_BYTES = 33 + 49 + 8 + 52  # headers of a bytes and a str, the ring, the dictionary when it is full

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
        self._max_bytes = max_entries * ENTRY_BYTES
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
        tail = entry[_HEAD_BYTES:]
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
        max_entries, max_bytes = self._max_entries, self._max_bytes
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
            octets = self.octets + len(key) + len(entry) + _OVERHEAD_BYTES
            if octets <= max_bytes and len(ring) < max_entries and key not in entries:
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
            self.octets += len(key) + len(entry) + _OVERHEAD_BYTES
        self._entries[key] = entry
        if self.octets > self._max_bytes:
            self._evict()

    def _evict(self) -> None:
        """Make room for octets, not for entries: the oldest entry's place in the ring stays, and names nothing."""
        ring = self._ring
        while self.octets > self._max_bytes:
            at = self._next if self._next < len(ring) else 0
            key = ring[at]
            ring[at] = ""
            self._next = at + 1 if at + 1 < self._max_entries else 0
            self._forget(key)

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.octets -= len(key) + len(entry) + _OVERHEAD_BYTES


# SECTION exporter.dns.resolver

_CONFIRMATION = "? "  # before the key of a question that goes past the cache: it joins no ordinary one in flight
_FIRST_MARK = ord(" ") + 1  # in place of that space: the server that alone is asked, so that only its like are joined
_CONCLUSIVE = (Status.ANSWER, Status.NODATA, Status.NXDOMAIN)


class ServerHealth(NamedTuple):
    """How one server of a resolver is. *last_error* is what its last failed query came to; None while all is well."""

    endpoint: Endpoint
    up: bool
    last_error: Status | None
    canary_ok: bool
    contradicted: bool
    round_trip_seconds: float


class Resolver:
    """A stub resolver (RFC 9499) over the servers of its settings. It belongs to the event loop that starts it.

    *clock* is monotonic and counts seconds; *unix_time* only dates answers; *rng* gives IDs, ports and cases.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
        rng: RandomSource | None = None,
    ) -> None:
        self.settings = settings
        self.statistics = Statistics()
        self._clock = clock
        self._unix_time = unix_time
        self._engine = Engine(
            settings,
            self.statistics,
            clock=clock,
            unix_time=unix_time,
            rng=rng,
            finish=self._finish,
            trust_changed=self._trust_changed,
        )
        self.cache = Cache(settings.cache_entries, tuple([str(endpoint) for endpoint in settings.servers]))
        self._remembered = self.cache.keys()
        self._joined: dict[str, Job] = {}
        self._servers_by_text = {server.text: server.number for server in self._engine.servers}
        self._submit = self._engine.pump.submit

    @property
    def name(self) -> str:
        """What the operator calls it: the label `resolver`."""
        return self.settings.name

    @property
    def in_flight(self) -> int:
        """Questions that were sent, canaries included, and are not answered yet."""
        return self._engine.pump.in_flight

    @property
    def queued(self) -> int:
        """Questions that wait until they may be sent."""
        return self._engine.pump.queued

    @property
    def open_sockets(self) -> int:
        """UDP sockets and stream connections that are open; their number is bounded for each server."""
        return self._engine.open_sockets

    @property
    def servers(self) -> tuple[ServerHealth, ...]:
        """How the servers are, in the order of the settings."""
        return tuple(
            [
                ServerHealth(
                    server.endpoint,
                    server.up,
                    server.last_error,
                    server.canary_ok,
                    server.contradicted,
                    server.round_trip_seconds,
                )
                for server in self._engine.servers
            ]
        )

    @property
    def is_up(self) -> bool:
        """Whether any of its servers answers."""
        return any(server.up for server in self._engine.servers)

    @property
    def is_trusted(self) -> bool:
        """Whether any of its servers passes its canary, or has not failed it yet."""
        return not all(server.contradicted for server in self._engine.servers)

    @property
    def deadline_seconds(self) -> float:
        """The longest that one `ask` can take: queueing, every attempt and the whole CNAME chain included."""
        return self.settings.max_queue_seconds + self._engine.longest_seconds

    async def start(self) -> None:
        """Open the ways to the servers. Questions are then held until the canaries were heard, or one timeout long."""
        await self._engine.start()

    async def close(self) -> None:
        """Let go of everything. Questions that are still open are called back as timed out."""
        await self._engine.close()
        for job in tuple(self._joined.values()):
            job.forget()
            self._finish(((job, Answer(Status.TIMEOUT, asked_at=self._unix_time())),), 0, self._clock())

    def ask(
        self,
        question: Question,
        on_answer: OnAnswer,
        *,
        max_age_seconds: float = math.inf,
        confirm: bool = False,
        server: str = "",
    ) -> None:
        """Get *question* answered: *on_answer* is called exactly once, before this returns if the answer is at hand.

        An answer out of the cache is younger than *max_age_seconds*. *confirm* goes past the cache, and rather to
        another server than the one that gave the last answer to this question. If *server* names one as in
        `Answer.server`, that is asked and no other. Never raises for what the DNS says.
        """
        key = question[0] + KEY_SUFFIXES[question[1]]  # `key_of`, without the call
        if not confirm and key in self._remembered:
            answer = self.cache.get(key, self._clock(), max_age_seconds)
            if answer is not None:
                self.statistics.count_hit(question[1], answer[0])
                on_answer(question, answer)
                return
        if confirm or server:
            self._ask_past_the_cache(question, key, on_answer, server)
        elif key in self._joined:
            self._join(self._joined[key], question, on_answer)
        else:
            self._joined[key] = job = Job(question, key, on_answer)
            self._submit(job)

    def _ask_past_the_cache(self, question: Question, key: str, on_answer: OnAnswer, server: str) -> None:
        pinned = self._servers_by_text.get(server)
        job_key = (_CONFIRMATION if pinned is None else f"?{chr(_FIRST_MARK + pinned)}") + key
        if job_key in self._joined:
            self._join(self._joined[job_key], question, on_answer)
            return
        self._joined[job_key] = job = Job(question, job_key, on_answer)
        job.is_confirmation = True
        if pinned is not None:
            job.server = self._engine.servers[pinned]
            job.pinned = True
            job.tried = 1 << pinned  # not what any server may be asked
        else:
            last = self.cache.last_server(key)
            job.tried = 0 if last is None else 1 << last
        self._submit(job)

    def _join(self, job: Job, question: Question, on_answer: OnAnswer) -> None:
        """Wait for the answer to an equal question that is under way."""
        self.statistics.coalesced += 1
        if job.more is None:
            job.more = []
        job.more.append((question, on_answer))

    async def resolve(self, question: Question, *, max_age_seconds: float = math.inf, confirm: bool = False) -> Answer:
        """`ask`, for those who can wait."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def take(_: Question, answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        self.ask(question, take, max_age_seconds=max_age_seconds, confirm=confirm)
        return await answered

    def verify(self, servers: Collection[str], verified: Verified) -> None:
        """Ask the canaries of *servers*, named as in `Answer.server`; tell *verified* why one is not believed, or None.

        It is called exactly once, at once where there is nothing to ask. Silence of a server takes no trust away.
        """
        mine = [server.number for server in self._engine.servers if server.text in servers]
        doubts: list[Status | None] = []

        def take(doubt: Status | None) -> None:
            doubts.append(doubt)
            if len(doubts) == len(mine):
                verified(next(filter(None, doubts), None))

        for number in mine:
            self._engine.watch.verify(number, take)
        if not mine:
            verified(None)

    def _finish(self, answered: Sequence[Answered], server: int, now: float) -> None:
        """Remember what is conclusive, and call back everybody who waits for it."""
        joined = self._joined
        conclusive = [
            (job.key if not job.is_confirmation else job.key[len(_CONFIRMATION) :], answer)
            for job, answer in answered
            if answer[0] in _CONCLUSIVE and job.key
        ]
        self.cache.put(conclusive, server, now)
        for job, answer in answered:
            key = job.key
            if key:
                if joined.get(key) is not job:
                    continue  # it was called back when the resolver closed
                del joined[key]
            on_answer = job.on_answer
            try:
                on_answer(job.question, answer)
            except Exception as error:  # noqa: BLE001  # who asked is broken; the other questions must not suffer
                self._complain(job.question, error)
            if job.more is not None:
                for question, on_other_answer in job.more:
                    try:
                        on_other_answer(question, answer)
                    except Exception as error:  # noqa: BLE001  # as above
                        self._complain(question, error)

    def _complain(self, question: Question, error: Exception) -> None:
        context = {"message": f"the answer to {question} could not be used", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    def _trust_changed(self) -> None:
        """Forget what a server said that lies, or may have lied."""
        self.cache.clear()
