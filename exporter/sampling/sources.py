"""Addresses of pools that come from watched files and SPF records, and the inventory made of them."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from exporter.checks.answers import Question, Status
from exporter.checks.check import CheckRun, Evidence, OnAnswer
from exporter.checks.names import DomainName
from exporter.checks.spf.compiled import CompiledSpf
from exporter.config.configuration import Configuration, PoolSettings
from exporter.inventory.budget import over_budget, query_budget
from exporter.inventory.expansion import (
    Expansion,
    SavedExpansion,
    Trouble,
    expand,
    expansion,
    expansion_from_json,
    expansion_to_json,
    loses,
    merged,
)
from exporter.inventory.files import FilesContent, scan
from exporter.inventory.shard import ALONE, Shard
from exporter.inventory.sources import NOTHING, Inventory, LoadedAddresses, Origin, merge
from exporter.sampling.confirm import Asker, servers_of
from exporter.state.sources import PoolSource, SourceStatus
from exporter.state.storage.key_values import MAX_BYTES, POOL, KeyValueTable
from exporter.tasks import supervised

log = structlog.get_logger()

POLL_SECONDS = 5.0
"""How often files are read."""

MIN_SECONDS = 600.0
"""How long an expansion is valid at least, even if TTLs are shorter."""
MAX_SECONDS = 86_400.0
RETRY_SECONDS = 60.0
"""The pause after a failed expansion."""

_KEY = "spf"
"""The key of a pool's expansion in the key-value table."""

_MAX_ON_LOOP = 1000
"""An inventory with more addresses than this is merged in a thread."""


@dataclass(slots=True)
class _Files:
    """The files of one pool: their patterns, what was read last, and the Unix time of the last success."""

    globs: tuple[str, ...]
    content: FilesContent = field(default_factory=FilesContent)
    succeeded_at: float = 0.0


class PoolSources:
    """The files and SPF records of the pools of one configuration.

    *changed* is called on the event loop when addresses were added or removed. *key_values* keeps SPF expansions
    through a restart.
    """

    def __init__(
        self,
        asker: Callable[[], Asker],
        changed: Callable[[], None],
        key_values: KeyValueTable,
        shard: Shard = ALONE,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._asker = asker
        self._changed = changed
        self._key_values = key_values
        self._shard = shard
        self._poll_seconds = poll_seconds
        self._configuration: Configuration | None = None
        self._files: dict[str, _Files] = {}
        self._spf: dict[str, SpfSource] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._status: dict[PoolSource, SourceStatus] = {}
        self._warned: set[str] = set()
        self._is_started = False
        self._is_stopping = False

    async def follow(self, configuration: Configuration) -> None:
        """Use the sources of *configuration* from now on. Sources that stay keep their addresses."""
        files: dict[str, _Files] = {}
        for pool in configuration.pools:
            if pool.addresses_files:
                known = self._files.get(pool.name)
                same = known is not None and known.globs == pool.addresses_files
                files[pool.name] = known if known is not None and same else _Files(pool.addresses_files)
        self._files = files
        for name in files:
            await self._read(name)
        self._configuration = configuration
        kept = {pool.name: self._spf_source(pool) for pool in configuration.pools}
        self._spf = {name: source for name, source in kept.items() if source is not None}
        for name in tuple(self._tasks):
            if name and name not in self._spf:
                self._tasks.pop(name).cancel()
        if self._is_started:
            self.start()

    def start(self) -> None:
        """Begin to watch files and to expand SPF records."""
        self._is_started = True
        if self._files and "" not in self._tasks:
            self._tasks[""] = asyncio.create_task(supervised("watching files of addresses", self._poll))
        for name, source in self._spf.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(supervised(f"expanding SPF of the pool {name}", source.run))

    async def stop(self) -> None:
        """Read and ask nothing any more."""
        self._is_stopping = True
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    @property
    def waiting(self) -> tuple[str, ...]:
        """The pools that wait for their first SPF expansion."""
        return tuple(name for name, source in self._spf.items() if source.is_waiting)

    def statuses(self) -> Mapping[PoolSource, SourceStatus]:
        """The status of each source, for a scrape, which reads it in another thread."""
        for name, files in self._files.items():
            status = self._status_of(name, Origin.FILES)
            problems = files.content.problems
            status.succeeded, status.succeeded_at = not problems, files.succeeded_at
            status.troubles = (Trouble.UNREADABLE_FILE,) if problems else ()
        for name, source in self._spf.items():
            status = self._status_of(name, Origin.SPF)
            status.succeeded, status.succeeded_at = source.last_succeeded, source.succeeded_at
            status.troubles = source.troubles
        return dict(self._status)

    def inventory(self) -> Inventory:
        """All pools with their current addresses."""
        return self._merged(merge(*self._inputs()))

    async def inventory_async(self) -> Inventory:
        """The same as `inventory`. A large one is merged in a thread, so as not to block the event loop."""
        inputs = self._inputs()
        if _size(*inputs[:2]) <= _MAX_ON_LOOP:
            return self._merged(merge(*inputs))
        return self._merged(await asyncio.to_thread(merge, *inputs))

    def _inputs(self) -> tuple[Configuration, Mapping[str, LoadedAddresses], Shard]:
        if self._configuration is None:
            raise RuntimeError("call follow() before asking for the inventory")
        loaded = {pool.name: self._loaded(pool.name) for pool in self._configuration.pools if pool.has_sources}
        return self._configuration, loaded, self._shard

    def _loaded(self, name: str) -> LoadedAddresses:
        files, source = self._files.get(name), self._spf.get(name)
        expansion = None if source is None else source.expansion
        return LoadedAddresses(
            NOTHING if files is None else files.content.addresses,
            NOTHING if expansion is None else expansion.addresses,
            (() if files is None else files.content.not_enumerable)
            + (() if expansion is None else expansion.not_enumerable),
        )

    def _merged(self, made: Inventory) -> Inventory:
        """Update the statuses, and log what an operator should know about a new inventory."""
        present = {
            (share.pool, share.origin): share for share in made.shares if share.origin is not Origin.CONFIGURATION
        }
        self._status = {source: self._status_of(*source) for source in present}
        for source, share in present.items():
            status = self._status[source]
            if share.conflicts and share.conflicts != status.conflicts:
                log.warning(
                    "addresses belong to another pool and stay there",
                    pool=share.pool,
                    source=share.origin.value,
                    addresses=share.conflicts,
                )
            status.take(share)
        if self._configuration is not None:
            warnings = {f"{load.pool}: {load}" for load in over_budget(made.pools, query_budget(self._configuration))}
            for text in sorted(warnings - self._warned):
                log.warning("a round does not fit into its interval", what=text)
            self._warned = warnings
        return made

    def _spf_source(self, pool: PoolSettings) -> "SpfSource | None":
        if pool.spf is None:
            return None
        names = [helo.host_name for helo in pool.helo_names if helo.host_name is not None]
        known = self._spf.get(pool.name)
        if known is not None and (known.domain, known.names) == (pool.spf, tuple(names)):
            return known
        task = self._tasks.pop(pool.name, None)
        if task is not None:
            task.cancel()
        return SpfSource(pool.name, pool.spf, names, self._asker, self._changed, self._key_values)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            changed = [await self._read(name) for name in tuple(self._files)]
            if any(changed):
                self._changed()

    async def _read(self, name: str) -> bool:
        """Read the files of a pool. Returns whether their addresses changed."""
        files = self._files[name]
        before = files.content
        found = await asyncio.to_thread(scan, files.globs, before, lambda: self._is_stopping)
        files.content = found
        if not found.problems:
            files.succeeded_at = time.time()
        for problem in found.problems:
            if problem not in before.problems:
                log.warning(
                    "a file of addresses cannot be used; its previous addresses are kept",
                    pool=name,
                    problem=str(problem),
                )
        return (found.addresses, found.not_enumerable) != (before.addresses, before.not_enumerable)

    def _status_of(self, pool: str, origin: Origin) -> SourceStatus:
        return self._status.setdefault((pool, origin), SourceStatus())


def _size(configuration: Configuration, loaded: Mapping[str, LoadedAddresses]) -> int:
    """How many addresses there are; an address in several sources counts several times."""
    named = sum(entry.last - entry.first + 1 for pool in configuration.pools for entry in pool.addresses)
    return named + sum(one.files.size + one.spf.size for one in loaded.values())


class SpfSource:
    """The SPF record of one pool, expanded to addresses again and again.

    An address is removed only after two expansions in a row lack it, the second without the DNS cache, and the servers
    pass their canaries afterwards. After any failure the last expansion stays.

    Attributes:
        pool: The name of the pool.
        domain: The owner of the record.
        names: HELO names whose addresses belong to the pool too.
        expansion: The latest usable expansion; at the start, the one that was stored.
        troubles: What was wrong at the latest attempt.
        tried_at: Unix time of the latest attempt; 0.0 for never.
        succeeded_at: Unix time of the latest success; 0.0 for never.
    """

    def __init__(
        self,
        pool: str,
        domain: DomainName,
        names: Sequence[DomainName],
        asker: Callable[[], Asker],
        changed: Callable[[], None],
        key_values: KeyValueTable,
    ) -> None:
        self.pool = pool
        self.domain = domain
        self.names = tuple(names)
        self._key_values = key_values
        self.expansion: Expansion | None = None
        self.troubles: tuple[Trouble, ...] = ()
        self.tried_at = 0.0
        self.succeeded_at = 0.0
        self._asker = asker
        self._changed = changed
        self._restore()

    def _restore(self) -> bool:
        """Use the expansion that was stored. Return whether there is one."""
        kept = expansion_from_json(self.domain, self._key_values.get(POOL + self.pool, _KEY) or "")
        if kept is not None:
            self.expansion, self.troubles, self.succeeded_at = kept.expansion, kept.expansion.troubles, kept.at
        return kept is not None

    @property
    def is_waiting(self) -> bool:
        """Whether no attempt has been answered yet."""
        return self.expansion is None and (not self.troubles or Trouble.UNANSWERED in self.troubles)

    @property
    def last_succeeded(self) -> bool:
        """Whether the latest attempt gave a usable expansion."""
        return bool(self.tried_at) and self.tried_at == self.succeeded_at

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            seconds = await self.refresh()
            await asyncio.sleep(seconds)

    async def refresh(self) -> float:
        """Expand the record once. Returns the seconds until the next time."""
        if self.expansion is None and self._restore():  # the storage opened late
            self._changed()
        before = self.expansion
        found, evidence = await self._expand(confirm=False)
        if before is not None and found.is_sound and loses(before, found):
            second, more = await self._expand(confirm=True)
            found = merged(found, second) if second.is_sound else second
            evidence = {**evidence, **more}
        if found != before and found.is_usable and await self._verify(evidence) is not None:
            found = Expansion(found.addresses, found.not_enumerable, (Trouble.UNANSWERED,))
        self._use(found, before)
        if not found.is_sound:
            return RETRY_SECONDS
        return min(MAX_SECONDS, max(MIN_SECONDS, found.ttl_seconds))

    def _use(self, found: Expansion, before: Expansion | None) -> None:
        now = time.time()
        if found.troubles != self.troubles:
            self._log(found)
        self.troubles, self.tried_at = found.troubles, now
        if found.is_sound or (before is None and found.is_usable):
            self.expansion = found
            if found.is_sound:
                self.succeeded_at = now
                text = expansion_to_json(self.domain, SavedExpansion(found, now))
                if len(text) <= MAX_BYTES:  # a longer one is expanded again after a restart
                    self._key_values.put(POOL + self.pool, _KEY, text)
            if before is None or (before.addresses, before.not_enumerable) != (found.addresses, found.not_enumerable):
                self._changed()
        elif before is None:
            self._changed()  # the pool no longer waits for its first expansion

    def _log(self, found: Expansion) -> None:
        if found.is_sound and not found.troubles:
            log.info("the SPF record of a pool can be expanded again", pool=self.pool, spf=str(self.domain))
            return
        log.warning(
            "an SPF record cannot be expanded",
            part="a part of" if found.is_sound else "all of",
            pool=self.pool,
            spf=str(self.domain),
            reasons=[trouble.value for trouble in found.troubles],
            terms=list(found.terms),
        )

    async def _expand(self, *, confirm: bool) -> tuple[Expansion, Evidence]:
        asker = self._asker()
        outcome: asyncio.Future[tuple[CompiledSpf, Evidence]] = asyncio.get_running_loop().create_future()

        def ask(question: Question, on_answer: OnAnswer) -> None:
            asker.ask(question, on_answer, max_age_seconds=MIN_SECONDS, confirm=confirm)

        def done(compiled: CompiledSpf, evidence: Evidence) -> None:
            if not outcome.done():
                outcome.set_result((compiled, evidence))

        def failed(error: Exception) -> None:
            if not outcome.done():
                outcome.set_exception(error)

        CheckRun(expand(str(self.domain), self.names), ask, done, failed).start()
        compiled, evidence = await outcome
        return expansion(compiled, self.names, evidence), evidence

    async def _verify(self, evidence: Evidence) -> Status | None:
        """Why the servers that gave *evidence* are not believed; None if their canaries pass."""
        outcome: asyncio.Future[Status | None] = asyncio.get_running_loop().create_future()

        def verified(failure: Status | None) -> None:
            if not outcome.done():
                outcome.set_result(failure)

        self._asker().verify(servers_of(evidence), verified)
        return await outcome
