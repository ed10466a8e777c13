"""A stub resolver (RFC 9499) over a few servers, with its cache.

Each question is called back exactly once, with a value: no DNS failure raises. Equal questions in flight are asked
once, and a cached answer is used as long as it is valid.
"""

import asyncio
import marshal
import math
import time
from collections.abc import Callable, Collection, Iterable, KeysView, Sequence
from operator import attrgetter
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
from exporter.dns.canary import Verified, first_failure
from exporter.dns.codec import RandomSource
from exporter.dns.engine import Engine
from exporter.dns.query import Answered, Query
from exporter.dns.servers import CanaryFailure, Workaround
from exporter.dns.settings import Endpoint, ResolverSettings
from exporter.dns.statistics import RRTYPES, Statistics

KEY_SUFFIXES = {rdtype: f" {rdtype}" for rdtype in RRTYPES}
"""Name and suffix make the key of a question. It is a plain str, which takes two thirds of a `DomainName`'s memory."""

_CONFIRMATION = "? "  # before the key of a question that skips the cache: it does not join ordinary ones
_FIRST_PINNED = ord(" ") + 1  # replaces the space if a question is for one server only
_CONCLUSIVE = (Status.ANSWER, Status.NODATA, Status.NXDOMAIN)


class ServerHealth(NamedTuple):
    """The health of one server.

    Attributes:
        endpoint: The server.
        up: Whether it answers.
        last_error: The status of its last failed query; None if all is well.
        canary_ok: Whether it passes its canary.
        contradicted: Whether it answered its canary wrongly, so that its answers do not count.
        round_trip_seconds: Its smoothed response time.
        canary_failure: The latest failure of its canary; None before the first check and after a right answer.
        canary_passed_at: The Unix time at which it last passed its canary; 0.0 for never.
        workarounds: How it is asked differently from what the settings say.
    """

    endpoint: Endpoint
    up: bool
    last_error: Status | None
    canary_ok: bool
    contradicted: bool
    round_trip_seconds: float
    canary_failure: CanaryFailure | None = None
    canary_passed_at: float = 0.0
    workarounds: tuple[Workaround, ...] = ()

    @property
    def is_working(self) -> bool:
        """Whether it answers, and passes its canary."""
        return self.up and self.canary_ok

    @property
    def is_failing(self) -> bool:
        """Whether it is silent, or fails its canary in any way. Before the first check it is neither."""
        return not self.up or self.contradicted or self.canary_failure is not None


_health = attrgetter(*ServerHealth._fields[:-1])  # of a `Server`


class Resolver:
    """Answers questions with the servers of its settings. It belongs to the event loop that starts it.

    *clock* is monotonic, *unix_time* only dates answers, *rng* is the source of IDs, ports and cases. *statistics* are
    those of the resolver that it replaces: counters never fall.
    """

    def __init__(
        self,
        settings: ResolverSettings,
        statistics: Statistics | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
        rng: RandomSource | None = None,
    ) -> None:
        self.settings = settings
        self.statistics = statistics or Statistics()
        self._clock = clock
        self._unix_time = unix_time
        self.cache = Cache(settings.cache_entries, tuple([str(endpoint) for endpoint in settings.servers]))
        self._engine = Engine(
            settings,
            self.statistics,
            clock=clock,
            unix_time=unix_time,
            rng=rng,
            finish=self._finish,
            trust_changed=self.cache.clear,  # the server may have given wrong answers before it was noticed
        )
        self._cached_keys = self.cache.keys()
        self._queries: dict[str, Query] = {}
        self._numbers = {server.text: server.number for server in self._engine.servers}
        self._submit = self._engine.queue.submit
        self._context = self._engine.context

    @property
    def name(self) -> str:
        """The label `resolver`."""
        return self.settings.name

    @property
    def in_flight(self) -> int:
        """How many questions are in flight, with canaries."""
        return self._engine.queue.in_flight

    @property
    def queued(self) -> int:
        """How many questions wait to be sent."""
        return self._engine.queue.queued

    @property
    def open_sockets(self) -> int:
        """How many UDP sockets and stream connections are open. Their number is bounded for each server."""
        return self._engine.open_sockets

    @property
    def servers(self) -> tuple[ServerHealth, ...]:
        """The health of the servers, in the order of the settings."""
        now = self._clock()
        return tuple(
            [ServerHealth._make((*_health(server), server.workarounds(now))) for server in self._engine.servers]
        )

    @property
    def is_up(self) -> bool:
        """Whether any server answers."""
        return any(server.up for server in self._engine.servers)

    @property
    def is_trusted(self) -> bool:
        """Whether any server does not contradict its canary."""
        return not all(server.contradicted for server in self._engine.servers)

    @property
    def is_working(self) -> bool:
        """Whether any server answers and passes its canary."""
        return any(server.up and server.canary_ok for server in self._engine.servers)

    @property
    def deadline_seconds(self) -> float:
        """The longest that an `ask` can take: the queue, all attempts and the whole CNAME chain."""
        return self.settings.max_queue_seconds + self._engine.max_seconds

    async def start(self) -> None:
        """Open the channels to the servers. Questions wait for the first canaries, at most for one timeout."""
        await self._engine.start()

    async def close(self) -> None:
        """Close everything. Open questions are called back as timed out."""
        await self._engine.close()
        for query in tuple(self._queries.values()):
            query.forget()
            self._finish(((query, Answer(Status.TIMEOUT, asked_at=self._unix_time())),), 0, self._clock())

    def ask(
        self,
        question: Question,
        on_answer: OnAnswer,
        *,
        max_age_seconds: float = math.inf,
        confirm: bool = False,
        server: str = "",
    ) -> None:
        """Answer *question*. Calls *on_answer* exactly once, before returning if the answer is cached.

        A cached answer must be younger than *max_age_seconds*. *confirm* skips the cache, and prefers another server
        than the one that gave the last answer. *server*, named as in `Answer.server`, asks only that one.
        """
        key = question[0] + KEY_SUFFIXES[question[1]]
        if not confirm and key in self._cached_keys:
            answer = self.cache.get(key, self._clock(), max_age_seconds)
            if answer is not None:
                self.statistics.count_hit(question[1], answer[0])
                on_answer(question, answer)
                return
        if confirm or server:
            self._ask_uncached(question, key, on_answer, server)
        elif key in self._queries:
            _join(self._queries[key], question, on_answer)
        else:
            self._queries[key] = query = Query(question, key, on_answer, self._context)
            self._submit(query)

    def _ask_uncached(self, question: Question, key: str, on_answer: OnAnswer, server: str) -> None:
        pinned = self._numbers.get(server)
        query_key = (_CONFIRMATION if pinned is None else f"?{chr(_FIRST_PINNED + pinned)}") + key
        if query_key in self._queries:
            _join(self._queries[query_key], question, on_answer)
            return
        self._queries[query_key] = query = Query(question, query_key, on_answer, self._context)
        query.is_confirmation = True
        if pinned is not None:
            query.server = self._engine.servers[pinned]
            query.pinned = True
            query.tried = 1 << pinned  # so that it is not sent with those for any server
        else:
            last = self.cache.last_server(key)
            query.tried = 0 if last is None else 1 << last
        self._submit(query)

    async def resolve(self, question: Question, *, max_age_seconds: float = math.inf, confirm: bool = False) -> Answer:
        """`ask` as a coroutine."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def take(_: Question, answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        self.ask(question, take, max_age_seconds=max_age_seconds, confirm=confirm)
        return await answered

    def verify(self, servers: Collection[str], verified: Verified) -> None:
        """Check the canaries of *servers*, named as in `Answer.server`. Calls *verified* exactly once.

        A server that does not answer its canary keeps its trust, but does not pass.
        """
        mine = [server.number for server in self._engine.servers if server.text in servers]
        take = first_failure(len(mine), verified)
        for number in mine:
            self._engine.monitor.verify(number, take)
        if not mine:
            verified(None)

    def _finish(self, answered: Sequence[Answered], server: int, now: float) -> None:
        """Cache the conclusive answers, and call back for all."""
        queries = self._queries
        conclusive = [
            (query.key if not query.is_confirmation else query.key[len(_CONFIRMATION) :], answer)
            for query, answer in answered
            if answer[0] in _CONCLUSIVE and query.key
        ]
        self.cache.put(conclusive, server, now)
        for query, answer in answered:
            key = query.key
            if key:
                if queries.get(key) is not query:
                    continue  # it was called back when the resolver was closed
                del queries[key]
            on_answer = query.on_answer
            try:
                on_answer(query.question, answer)
            except Exception as error:  # noqa: BLE001  # a defect of one caller must not harm the others
                _report(query.question, error)
            if query.joined is not None:
                for question, on_other_answer in query.joined:
                    try:
                        on_other_answer(question, answer)
                    except Exception as error:  # noqa: BLE001  # as above
                        _report(question, error)


def _join(query: Query, question: Question, on_answer: OnAnswer) -> None:
    """Wait for the answer to an equal question that is queued or in flight."""
    if query.joined is None:
        query.joined = []
    query.joined.append((question, on_answer))


def _report(question: Question, error: Exception) -> None:
    context = {"message": f"the answer to {question} could not be used", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)


_HEAD = Struct("<ddIBB")  # when cached, when asked (Unix time), TTL, server, kind
_HEAD_BYTES = _HEAD.size
_SERVER_AT = 20

ENTRY_BYTES = 250
"""The most that an entry takes on average, with its key and the dictionary."""
_OVERHEAD_BYTES = 33 + 49 + 8 + 52  # headers of a bytes and a str, the ring, the dictionary when it is full

_ANSWER = Status.ANSWER
_unpack = _HEAD.unpack_from
_pack = _HEAD.pack


class Cache:
    """A TTL cache of conclusive answers, bounded in entries and bytes. A full one drops the oldest entry.

    Each entry is one `bytes`: objects would take three times the memory, and the garbage collector would visit them.
    *servers* are the values of `Answer.server`, of which an entry has the index.
    """

    def __init__(self, max_entries: int, servers: tuple[str, ...]) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_entries * ENTRY_BYTES
        self._servers = servers
        self._entries: dict[str, bytes] = {}
        self._ring: list[str] = []
        self._next = 0
        self.size_bytes = 0
        """The estimated memory of all entries."""

    def __len__(self) -> int:
        return len(self._entries)

    def keys(self) -> KeysView[str]:
        """A live view of the keys of all entries, also expired ones."""
        return self._entries.keys()

    def get(self, key: str, now: float, max_age_seconds: float) -> Answer | None:
        """The cached answer, if it is valid at the monotonic time *now* and younger than *max_age_seconds*."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        stored_at, asked_at, ttl, server, kind = _unpack(entry)
        age = now - stored_at
        if age >= ttl or age >= max_age_seconds:
            return None
        tail = entry[_HEAD_BYTES:]
        if kind == _KIND_A and len(tail) == 4:
            record = _new(Address, (tail,))
            return _new(Answer, (_ANSWER, (record,), (), ttl, self._servers[server], asked_at, ()))
        status, records, chain, errors = _decode(kind, tail)
        return _new(Answer, (status, records, chain, ttl, self._servers[server], asked_at, errors))

    def last_server(self, key: str) -> int | None:
        """The number of the server that gave the last answer, even an expired one."""
        entry = self._entries.get(key)
        return None if entry is None else entry[_SERVER_AT]

    def put(self, answers: Iterable[tuple[str, Answer]], server: int, now: float) -> None:
        """Cache conclusive answers from *server*, by key."""
        entries, ring = self._entries, self._ring
        max_entries, max_bytes = self._max_entries, self._max_bytes
        for key, answer in answers:
            _, records, chain, ttl, _, asked_at, errors = answer
            record = records[0] if len(records) == 1 and not (chain or errors) else None
            if type(record) is Address:  # nearly every answer has one address or one name
                (tail,) = record
                kind = _KIND_A if len(tail) == 4 else _KIND_AAAA
            elif type(record) is DomainName:
                kind, tail = _KIND_NAMES, record.encode()
            else:
                kind, tail = _encode(answer)
            entry = _pack(now, asked_at, ttl, server, kind) + tail
            size = self.size_bytes + len(key) + len(entry) + _OVERHEAD_BYTES
            if size <= max_bytes and len(ring) < max_entries and key not in entries:
                entries[key] = entry
                ring.append(key)
                self.size_bytes = size
            elif max_entries:
                self._replace(key, entry)

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
        self._ring.clear()
        self._next = 0
        self.size_bytes = 0

    def _replace(self, key: str, entry: bytes) -> None:
        """Put an entry that replaces another one."""
        old = self._entries.get(key)
        if old is not None:
            self.size_bytes += len(entry) - len(old)
        else:
            ring, at = self._ring, self._next
            if len(ring) < self._max_entries:
                ring.append(key)
            else:
                self._drop(ring[at])
                ring[at] = key
                self._next = at + 1 if at + 1 < self._max_entries else 0
            self.size_bytes += len(key) + len(entry) + _OVERHEAD_BYTES
        self._entries[key] = entry
        while self.size_bytes > self._max_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Drop the oldest entry, but keep its index in the ring, with an empty key."""
        ring = self._ring
        at = self._next if self._next < len(ring) else 0
        key = ring[at]
        ring[at] = ""
        self._next = at + 1 if at + 1 < self._max_entries else 0
        self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size_bytes -= len(key) + len(entry) + _OVERHEAD_BYTES


_KIND_A, _KIND_AAAA, _KIND_NAMES, _KIND_NODATA, _KIND_NXDOMAIN, _KIND_OTHER = range(6)

_Decoded = tuple[Status, tuple[Record, ...], tuple[DomainName, ...], tuple[ExtendedError, ...]]
"""Status, records, chain and errors of an answer."""

_NEGATIVE_KINDS = {_KIND_NODATA: Status.NODATA, _KIND_NXDOMAIN: Status.NXDOMAIN}
_new = tuple.__new__
_name = DomainName.trusted


def _encode(answer: Answer) -> tuple[int, bytes]:
    """The kind and the bytes of a conclusive answer: addresses or names without anything else are only their bytes."""
    status, records, chain, _, _, _, errors = answer
    if chain or errors:
        return _KIND_OTHER, _encode_other(answer)
    if not records:
        return _KIND_NODATA if status is Status.NODATA else _KIND_NXDOMAIN, b""
    first = records[0]
    if isinstance(first, Address):
        packed = first.packed if len(records) == 1 else b"".join([record.packed for record in answer.addresses])
        return _KIND_A if len(first.packed) == 4 else _KIND_AAAA, packed
    if isinstance(first, DomainName):
        return _KIND_NAMES, first.encode() if len(records) == 1 else "\n".join(answer.names).encode()
    return _KIND_OTHER, _encode_other(answer)


def _decode(kind: int, encoded: bytes) -> _Decoded:
    if kind == _KIND_NAMES:
        text = encoded.decode()
        names = (_name(text),) if "\n" not in text else tuple(map(_name, text.split("\n")))
        return Status.ANSWER, names, (), ()
    if kind == _KIND_OTHER:
        return _decode_other(encoded)
    if kind in _NEGATIVE_KINDS:
        return _NEGATIVE_KINDS[kind], (), (), ()
    width = 4 if kind == _KIND_A else 16
    addresses = [_new(Address, (encoded[at : at + width],)) for at in range(0, len(encoded), width)]
    return Status.ANSWER, tuple(addresses), (), ()


def _encode_other(answer: Answer) -> bytes:
    records = [(_LETTERS[type(record)], _fields(record)) for record in answer.records]
    errors = [(error.code, error.text) for error in answer.errors]
    return marshal.dumps((answer.status.value, records, [str(name) for name in answer.chain], errors))


def _decode_other(encoded: bytes) -> _Decoded:
    status, records, chain, errors = marshal.loads(encoded)  # noqa: S302  # our own bytes, which never left the process
    return (
        Status(status),
        tuple([_MAKERS[letter](value) for letter, value in records]),
        tuple(map(_name, chain)),
        tuple([ExtendedError(code, text) for code, text in errors]),
    )


def _fields(record: Record) -> object:
    """The fields of a record, as objects that `marshal` supports."""
    match record:
        case Address(value):
            return value
        case Text(joined, lengths):
            return joined, lengths
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
    "t": lambda value: Text(*value),
}
