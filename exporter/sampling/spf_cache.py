"""Compiled SPF records that many addresses share, and the other inputs of a sample besides the answers of the DNS."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import CheckRun, Evidence, OnAnswer
from exporter.checks.report import AuthenticationSettings, Target
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import CompiledSpf
from exporter.inventory.pool import Pool
from exporter.sampling.confirm import Asker, servers_of
from exporter.state.blocklists import Blocklists

log = structlog.get_logger()

MIN_USES = 32
"""A record with fewer evaluations in an interval is not compiled: evaluating it for each address is cheaper."""

MIN_SECONDS = 10.0
"""How long a record is kept at least, even if its TTL is shorter, and the pause after a failed attempt."""

_MAX_DOMAINS = 4096


@dataclass(slots=True)
class _CachedSpf:
    """The compiled record of one domain. Times are those of the cache's clock, in seconds.

    Attributes:
        counted_from: When the count of uses began.
        uses: Evaluations that found no usable record, since then.
        compiled: The latest record.
        begun_at: When its compilation began.
        good_until: When it expires.
        retry_at: The earliest time of the next compilation.
        is_under_way: Whether a compilation is running.
    """

    counted_from: float
    uses: int = 0
    compiled: CompiledSpf | None = None
    begun_at: float = 0.0
    good_until: float = 0.0
    retry_at: float = 0.0
    is_under_way: bool = False


class SpfCache:
    """Compiled SPF records by domain, for addresses to evaluate without asking the DNS.

    A record is compiled twice, the second time without the DNS cache, and by servers that pass their canaries
    afterwards. So addresses can rely on it without a confirmation. Until there is such a record, each address evaluates
    SPF by itself. *asker* gives the current resolvers; *clock* is monotonic, in seconds.
    """

    def __init__(self, asker: Callable[[], Asker], clock: Callable[[], float]) -> None:
        self._asker = asker
        self._clock = clock
        self._records: dict[str, _CachedSpf] = {}
        self._stopped = False

    def compiled(self, domain: str, max_age_seconds: float) -> CompiledSpf | None:
        """The record of *domain*, not older than *max_age_seconds* and its TTL; None if there is none.

        Each call that gets None counts as an evaluation; many of them start a compilation.
        """
        now = self._clock()
        cached = self._records.get(domain)
        if cached is None:
            if len(self._records) >= _MAX_DOMAINS:
                del self._records[next(iter(self._records))]
            cached = self._records[domain] = _CachedSpf(now)
        if now < cached.good_until and now - cached.begun_at < max_age_seconds:
            return cached.compiled
        if now - cached.counted_from > max_age_seconds:
            cached.counted_from, cached.uses = now, 0
        cached.uses += 1
        if cached.uses >= MIN_USES and not cached.is_under_way and now >= cached.retry_at and not self._stopped:
            cached.is_under_way = True
            cached.retry_at = now + MIN_SECONDS
            _SpfRefresh(self, domain, cached, now, max_age_seconds).start()
        return None

    def forget(self, domain: str) -> None:
        """Forget the record of *domain*: a newer one may be published."""
        self._records.pop(domain, None)

    def stop(self) -> None:
        """Ask nothing any more."""
        self._stopped = True

    def ask(self, question: Question, on_answer: OnAnswer, max_age_seconds: float, *, confirm: bool) -> None:
        """Answer a question of a compilation."""
        if self._stopped:
            on_answer(question, Answer(Status.TIMEOUT))
        elif confirm:
            self._asker().ask(question, on_answer, confirm=True)
        else:
            self._asker().ask(question, on_answer, max_age_seconds=max_age_seconds)

    def verify(self, evidence: Evidence, verified: Callable[[Status | None], None]) -> None:
        """Ask the canaries of the servers that gave *evidence*."""
        self._asker().verify(servers_of(evidence), verified)


class _SpfRefresh:
    """Compiles one record: once, and if it changed, a second time without the DNS cache."""

    def __init__(self, cache: SpfCache, domain: str, cached: _CachedSpf, now: float, max_age_seconds: float) -> None:
        self._cache = cache
        self._domain = domain
        self._cached = cached
        self._max_age = max_age_seconds
        self._began = now
        self._first: CompiledSpf | None = None

    def start(self) -> None:
        CheckRun(compile_spf(self._domain), self._ask, self._done, self._broke).start()

    def _ask(self, question: Question, on_answer: OnAnswer) -> None:
        self._cache.ask(question, on_answer, self._max_age, confirm=self._first is not None)

    def _done(self, compiled: CompiledSpf, evidence: Evidence) -> None:
        if compiled == self._cached.compiled:
            self._put(compiled, evidence)
        elif self._first is None:
            self._first = compiled
            self.start()
            return
        elif compiled == self._first:
            self._cache.verify(evidence, lambda failure: self._verified(failure, compiled, evidence))
            return
        self._cached.is_under_way = False

    def _verified(self, failure: Status | None, compiled: CompiledSpf, evidence: Evidence) -> None:
        if failure is None:
            self._put(compiled, evidence)
        self._cached.is_under_way = False

    def _put(self, compiled: CompiledSpf, evidence: Evidence) -> None:
        is_whole = all(answer.is_conclusive for answer in evidence.values())
        ttl = min((answer.ttl for answer in evidence.values()), default=0) if is_whole else 0
        self._cached.compiled = compiled
        self._cached.begun_at = self._began
        self._cached.good_until = self._began + max(MIN_SECONDS, ttl)

    def _broke(self, error: Exception) -> None:
        self._cached.is_under_way = False
        log.error("an SPF record cannot be compiled", domain=self._domain, exc_info=error)


class Authentication:
    """The inputs of background samples besides answers: compiled SPF records, and the results of block lists."""

    def __init__(self, asker: Callable[[], Asker], blocklists: Blocklists | None = None) -> None:
        self._spf = SpfCache(asker, lambda: asyncio.get_running_loop().time())
        self._blocklists = Blocklists() if blocklists is None else blocklists

    def wanted(self, pool: Pool, index: int, target: Target) -> AuthenticationSettings:
        """What to evaluate in a sample of *target*, the address of *pool* at *index*."""
        return AuthenticationSettings(
            pool.helo_spf_required,
            pool.mail_from_domains,
            partial(self._spf.compiled, max_age_seconds=pool.interval_seconds),
            self._blocklists.findings(pool, index, target.address),
        )

    def wanted_now(self, pool: Pool, target: Target) -> AuthenticationSettings:
        """The same, past the cache. Later samples do not use the cached records either, which may be older."""
        for domain in (*[helo.text for helo in target.helos], *pool.mail_from_domains):
            self._spf.forget(domain)
        return wanted_now(pool, target, self._blocklists)

    def stop(self) -> None:
        """Ask nothing any more."""
        self._spf.stop()


def wanted_now(pool: Pool, target: Target, blocklists: Blocklists) -> AuthenticationSettings:
    """What to evaluate for a probe: SPF without the cache, and known results of block lists, which are not asked."""
    index = pool.index(target.address)
    listings = () if index is None else blocklists.findings(pool, index, target.address)
    return AuthenticationSettings(pool.helo_spf_required, pool.mail_from_domains, listings=listings)
