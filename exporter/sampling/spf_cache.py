"""SPF records that many addresses ask for, worked out once for all of them.

The rule of this file: what it gives out was seen twice, the second time past the cache, and by servers that passed
their canaries after that. So a hundred thousand addresses need not each ask again before they believe it. While there
is no such thing, it gives out nothing, and each address is evaluated by itself.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import CheckRun, Evidence, OnAnswer
from exporter.checks.report import Target, Wanted
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import CompiledSpf
from exporter.inventory.pool import Pool
from exporter.sampling.confirm import Asker
from exporter.state.blocklists import Blocklists

log = structlog.get_logger()

WORTH_USES = 32
"""So many evaluations of a record within a round are dearer than to work it out for all addresses."""

LEAST_SECONDS = 10.0
"""How long a record is kept at least, however short its TTL, and how soon it is tried again after a failure."""

_MAX_DOMAINS = 4096


@dataclass(slots=True)
class _Entry:
    """What is known of one domain. Times are those of the clock."""

    counted_from: float
    uses: int = 0
    compiled: CompiledSpf | None = None
    begun_at: float = 0.0
    good_until: float = 0.0
    retry_at: float = 0.0
    is_under_way: bool = False


class SpfBook:
    """Compiled records by domain. *asker* gives whoever answers at the moment; *clock* is monotonic, in seconds."""

    def __init__(self, asker: Callable[[], Asker], clock: Callable[[], float]) -> None:
        self._asker = asker
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._stopped = False

    def compiled(self, domain: str, max_age_seconds: float) -> CompiledSpf | None:
        """The record of *domain*, not older than *max_age_seconds* and its TTL; None where there is none at hand.

        Each call that gets None counts as an evaluation; a record with many of them gets compiled.
        """
        now = self._clock()
        entry = self._entries.get(domain)
        if entry is None:
            if len(self._entries) >= _MAX_DOMAINS:
                del self._entries[next(iter(self._entries))]
            entry = self._entries[domain] = _Entry(now)
        if now < entry.good_until and now - entry.begun_at < max_age_seconds:
            return entry.compiled
        if now - entry.counted_from > max_age_seconds:
            entry.counted_from, entry.uses = now, 0
        entry.uses += 1
        if entry.uses >= WORTH_USES and not entry.is_under_way and now >= entry.retry_at and not self._stopped:
            entry.is_under_way = True
            entry.retry_at = now + LEAST_SECONDS
            _Compilation(self, domain, entry, max_age_seconds).start()
        return None

    def stop(self) -> None:
        """Ask nothing any more."""
        self._stopped = True

    def ask(self, question: Question, on_answer: OnAnswer, max_age_seconds: float, *, confirm: bool) -> None:
        """Get a question of a compilation answered."""
        if self._stopped:
            on_answer(question, Answer(Status.TIMEOUT))
        elif confirm:
            self._asker().ask(question, on_answer, confirm=True)
        else:
            self._asker().ask(question, on_answer, max_age_seconds=max_age_seconds)

    def verify(self, evidence: Evidence, verified: Callable[[Status | None], None]) -> None:
        """Have the servers that gave *evidence* checked."""
        self._asker().verify({answer.server for answer in evidence.values() if answer.server}, verified)

    def take(self, entry: _Entry, compiled: CompiledSpf, evidence: Evidence, begun_at: float) -> None:
        """Take in a record that is to be believed."""
        is_whole = all(answer.is_conclusive for answer in evidence.values())
        ttl = min((answer.ttl for answer in evidence.values()), default=0) if is_whole else 0
        entry.compiled = compiled
        entry.begun_at = begun_at
        entry.good_until = begun_at + max(LEAST_SECONDS, ttl)

    def now(self) -> float:
        """The time."""
        return self._clock()


class _Compilation:
    """One compilation under way: once, and where it says anything new, once more past the cache."""

    def __init__(self, book: SpfBook, domain: str, entry: _Entry, max_age_seconds: float) -> None:
        self._book = book
        self._domain = domain
        self._entry = entry
        self._max_age = max_age_seconds
        self._began = book.now()
        self._first: CompiledSpf | None = None

    def start(self) -> None:
        CheckRun(compile_spf(self._domain), self._ask, self._done, self._broke).start()

    def _ask(self, question: Question, on_answer: OnAnswer) -> None:
        self._book.ask(question, on_answer, self._max_age, confirm=self._first is not None)

    def _done(self, compiled: CompiledSpf, evidence: Evidence) -> None:
        if compiled == self._entry.compiled:
            self._book.take(self._entry, compiled, evidence, self._began)
        elif self._first is None:
            self._first = compiled
            self.start()
            return
        elif compiled == self._first:
            self._book.verify(evidence, lambda doubt: self._verified(doubt, compiled, evidence))
            return
        self._entry.is_under_way = False

    def _verified(self, doubt: Status | None, compiled: CompiledSpf, evidence: Evidence) -> None:
        if doubt is None:
            self._book.take(self._entry, compiled, evidence, self._began)
        self._entry.is_under_way = False

    def _broke(self, error: Exception) -> None:
        self._entry.is_under_way = False
        log.error("an SPF record cannot be compiled", domain=self._domain, exc_info=error)


# SECTION exporter.sampling.authentication
# What samples in the background are told beside the answers: records that many share, and what block lists say.


class Authentication:
    """Says what is wanted of each sample. *asker* gives whoever answers questions at the moment."""

    def __init__(self, asker: Callable[[], Asker], blocklists: Blocklists | None = None) -> None:
        self._book = SpfBook(asker, lambda: asyncio.get_running_loop().time())
        self._blocklists = Blocklists() if blocklists is None else blocklists

    def wanted(self, pool: Pool, index: int, target: Target) -> Wanted:
        """What is wanted of a sample of *target*, the address of *pool* at *index*."""
        return Wanted(
            pool.helo_spf_required,
            pool.mail_from_domains,
            partial(self._book.compiled, max_age_seconds=pool.interval_seconds),
            self._blocklists.findings(pool, index, target.address),
        )

    def stop(self) -> None:
        """Ask nothing any more."""
        self._book.stop()


def wanted_now(pool: Pool, target: Target, blocklists: Blocklists) -> Wanted:
    """What is wanted of a sample that somebody waits for: records are evaluated, lists are not asked."""
    index = pool.index(target.address)
    listings = () if index is None else blocklists.findings(pool, index, target.address)
    return Wanted(pool.helo_spf_required, pool.mail_from_domains, listings=listings)
