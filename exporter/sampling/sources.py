"""Feeds pools from outside of the configuration: watched files, and SPF records.

The rule of this file: it knows when to look, and hands the whole inventory over when something changed; what an
address's sources come to is for `exporter.inventory.sources` to say.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

import structlog

from exporter.checks.answers import Question, Status
from exporter.checks.check import Check, CheckRun, Evidence, OnAnswer
from exporter.checks.names import DomainName
from exporter.checks.spf.compiled import CompiledSpf
from exporter.config.configuration import Configuration, PoolSettings
from exporter.inventory.expansion import (
    Expansion,
    Kept,
    Trouble,
    expand,
    expansion,
    from_text,
    loses,
    to_text,
    together,
)
from exporter.inventory.files import FilesContent, scan
from exporter.inventory.load import loads, rate_of
from exporter.inventory.shard import ALONE, Shard
from exporter.inventory.sources import NOTHING, Fed, Inventory, Origin, merge
from exporter.state.sources import Source, SourceStatus
from exporter.state.storage.key_values import MAX_BYTES, POOL, KeyValueTable

# SECTION exporter.sampling.feed
# One pool's SPF record, expanded again and again.
#
# The rule of this file: nothing takes an address away but two expansions in a row that lack it, told by servers
# that pass
# their canaries after that. Whatever else happens, the last expansion stays.

log = structlog.get_logger()

LEAST_SECONDS = 600.0
"""How long an expansion is good at least, whatever the TTLs say."""
MOST_SECONDS = 86_400.0
_NOTE = "spf"
"""The name of the note about a pool's expansion."""
RETRY_SECONDS = 60.0
"""How long after a failure it is tried again."""


class FeedAsker(Protocol):
    """What a feed needs of the DNS: see `exporter.sampling.sampling.Asker`."""

    def ask(
        self, question: Question, on_answer: OnAnswer, *, max_age_seconds: float = inf, confirm: bool = False
    ) -> None:
        """Get *question* answered."""

    def verify(self, servers: Collection[str], verified: Callable[[Status | None], None]) -> None:
        """Tell *verified* why those *servers* are not believed, None if they are."""


class SpfFeed:
    """Keeps the expansion of *domain* for the pool *pool*; *changed* is called when another one is adopted.

    *names* are HELO names whose addresses are known to be used. Times are Unix times, 0.0 for never. What *notes* has
    from before a restart is the expansion until the DNS gives one.
    """

    def __init__(
        self,
        pool: str,
        domain: DomainName,
        names: Sequence[DomainName],
        asker: Callable[[], FeedAsker],
        changed: Callable[[], None],
        key_values: KeyValueTable,
    ) -> None:
        self.pool = pool
        self.domain = domain
        self.names = tuple(names)
        self._key_values = key_values
        kept = from_text(domain, key_values.get(POOL + pool, _NOTE) or "")
        self.expansion: Expansion | None = None if kept is None else kept.expansion
        self.troubles: tuple[Trouble, ...] = () if kept is None else kept.expansion.troubles
        self.tried_at = 0.0
        self.succeeded_at = 0.0 if kept is None else kept.at
        self._asker = asker
        self._changed = changed

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is known yet, not even that there is nothing to know."""
        return self.expansion is None and (not self.troubles or Trouble.UNANSWERED in self.troubles)

    @property
    def last_succeeded(self) -> bool:
        """Whether the latest attempt gave an expansion that is fit to be used."""
        return bool(self.tried_at) and self.tried_at == self.succeeded_at

    async def run(self) -> None:
        """Refresh for as long as it is let."""
        while True:
            seconds = await self.refresh()
            await asyncio.sleep(seconds)

    async def refresh(self) -> float:
        """Expand the record once, and take in what came of it; gives the seconds until the next time."""
        before = self.expansion
        found, evidence = await self._expand(confirm=False)
        if before is not None and found.is_sound and loses(before, found):
            second, more = await self._expand(confirm=True)
            found = together(found, second) if second.is_sound else second
            evidence = {**evidence, **more}
        if found != before and found.is_usable and await self._doubt(evidence) is not None:
            found = Expansion(found.listed, found.space, (Trouble.UNANSWERED,))
        self._take(found, before)
        if not found.is_sound:
            return RETRY_SECONDS
        return min(MOST_SECONDS, max(LEAST_SECONDS, found.ttl_seconds))

    def _take(self, found: Expansion, before: Expansion | None) -> None:
        now = time.time()
        if found.troubles != self.troubles:
            self._tell(found)
        self.troubles, self.tried_at = found.troubles, now
        if found.is_sound or (before is None and found.is_usable):
            self.expansion = found
            if found.is_sound:
                self.succeeded_at = now
                self._keep(Kept(found, now))
            if before is None or (before.listed, before.space) != (found.listed, found.space):
                self._changed()
        elif before is None:
            self._changed()  # whoever waits for it need not wait any longer

    def _keep(self, kept: Kept) -> None:
        text = to_text(self.domain, kept)
        if len(text) <= MAX_BYTES:  # a longer one has to be asked for again
            self._key_values.put(POOL + self.pool, _NOTE, text)

    def _tell(self, found: Expansion) -> None:
        if found.is_sound and not found.troubles:
            log.info("the SPF record of a pool can be expanded again", pool=self.pool, spf=str(self.domain))
            return
        part = "a part of" if found.is_sound else "all of"
        log.warning(
            "an SPF record cannot be expanded",
            part=part,
            pool=self.pool,
            spf=str(self.domain),
            reasons=[trouble.value for trouble in found.troubles],
            terms=list(found.terms),
        )

    async def _expand(self, *, confirm: bool) -> tuple[Expansion, Evidence]:
        asker = self._asker()
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[tuple[CompiledSpf, Evidence]] = loop.create_future()

        def ask(question: Question, on_answer: OnAnswer) -> None:
            asker.ask(question, on_answer, max_age_seconds=LEAST_SECONDS, confirm=confirm)

        def done(compiled: CompiledSpf, evidence: Evidence) -> None:
            if not outcome.done():
                outcome.set_result((compiled, evidence))

        def failed(error: Exception) -> None:
            if not outcome.done():
                outcome.set_exception(error)

        check: Check[CompiledSpf] = expand(str(self.domain), self.names)
        CheckRun(check, ask, done, failed).start()
        compiled, evidence = await outcome
        return expansion(compiled, self.names, evidence), evidence

    async def _doubt(self, evidence: Evidence) -> Status | None:
        """Why those who told this are not believed; None if they are."""
        outcome: asyncio.Future[Status | None] = asyncio.get_running_loop().create_future()

        def verified(doubt: Status | None) -> None:
            if not outcome.done():
                outcome.set_result(doubt)

        self._asker().verify({answer.server for answer in evidence.values() if answer.server}, verified)
        return await outcome


# SECTION exporter.sampling.feeds

POLL_SECONDS = 5.0
"""How often files are looked at."""

_FEW = 1000
"""Addresses that are put together before a thread would have begun."""


@dataclass(slots=True)
class _Files:
    patterns: tuple[str, ...]
    content: FilesContent = field(default_factory=FilesContent)
    succeeded_at: float = 0.0


class Feeds:
    """The sources of the pools of one configuration. *changed* is called, on the loop, when addresses came or went.

    *notes* is where expansions outlive the process.
    """

    def __init__(
        self,
        asker: Callable[[], FeedAsker],
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
        self._spf: dict[str, SpfFeed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._status: dict[Source, SourceStatus] = {}
        self._told: set[str] = set()
        self._is_started = False

    async def follow(self, configuration: Configuration) -> None:
        """Feed the pools of *configuration* from now on; what is known of sources that stay is kept."""
        files: dict[str, _Files] = {}
        for pool in configuration.pools:
            if pool.addresses_files:
                known = self._files.get(pool.name)
                same = known is not None and known.patterns == pool.addresses_files
                files[pool.name] = known if known is not None and same else _Files(pool.addresses_files)
        self._files = files
        for name in files:
            await self._look(name)
        self._configuration = configuration
        kept = {pool.name: self._feed(pool) for pool in configuration.pools}
        self._spf = {name: feed for name, feed in kept.items() if feed is not None}
        for name in tuple(self._tasks):
            if name and name not in self._spf:
                self._tasks.pop(name).cancel()
        if self._is_started:
            self.start()

    def start(self) -> None:
        """Begin to look, and to ask."""
        self._is_started = True
        if self._files and "" not in self._tasks:
            self._tasks[""] = asyncio.create_task(self._poll())
        for name, feed in self._spf.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(feed.run())

    async def stop(self) -> None:
        """Look and ask no more."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    @property
    def waiting(self) -> tuple[str, ...]:
        """The pools whose first expansion is still to come."""
        return tuple(name for name, feed in self._spf.items() if feed.is_waiting)

    def statuses(self) -> Mapping[Source, SourceStatus]:
        """What each source is at; for a scrape, which reads it in another thread."""
        for name, files in self._files.items():
            status = self._status_of(name, Origin.FILES)
            problems = files.content.problems
            status.succeeded, status.succeeded_at = not problems, files.succeeded_at
            status.troubles = (Trouble.UNREADABLE_FILE,) if problems else ()
        for name, feed in self._spf.items():
            status = self._status_of(name, Origin.SPF)
            status.succeeded, status.succeeded_at = feed.last_succeeded, feed.succeeded_at
            status.troubles = feed.troubles
        return dict(self._status)

    def inventory(self) -> Inventory:
        """Everything that there is to sample at the moment."""
        return self._taken(merge(*self._given()))

    async def gathered(self) -> Inventory:
        """The same, put together in a thread where it is much: it would hold the event loop."""
        given = self._given()
        if _size(*given[:2]) <= _FEW:
            return self._taken(merge(*given))
        return self._taken(await asyncio.to_thread(merge, *given))

    def _given(self) -> tuple[Configuration, Mapping[str, Fed], Shard]:
        if self._configuration is None:
            raise RuntimeError("there is no configuration to follow yet")
        fed = {pool.name: self._fed(pool.name) for pool in self._configuration.pools if pool.is_fed}
        return self._configuration, fed, self._shard

    def _taken(self, made: Inventory) -> Inventory:
        self._note(made)
        if self._configuration is not None:
            self._warn(self._configuration, made)
        return made

    def _fed(self, name: str) -> Fed:
        files, feed = self._files.get(name), self._spf.get(name)
        expansion = None if feed is None else feed.expansion
        return Fed(
            NOTHING if files is None else files.content.addresses,
            NOTHING if expansion is None else expansion.listed,
            (() if files is None else files.content.space) + (() if expansion is None else expansion.space),
        )

    def _feed(self, pool: PoolSettings) -> SpfFeed | None:
        if pool.spf is None:
            return None
        names = [helo.host_name for helo in pool.helo_names if helo.host_name is not None]
        known = self._spf.get(pool.name)
        if known is not None and (known.domain, known.names) == (pool.spf, tuple(names)):
            return known
        task = self._tasks.pop(pool.name, None)
        if task is not None:
            task.cancel()
        return SpfFeed(pool.name, pool.spf, names, self._asker, self._changed, self._key_values)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            changed = [await self._look(name) for name in tuple(self._files)]
            if any(changed):
                self._changed()

    async def _look(self, name: str) -> bool:
        """Look at the files of a pool; says whether their addresses changed."""
        files = self._files[name]
        before = files.content
        found = await asyncio.to_thread(scan, files.patterns, before)
        files.content = found
        if not found.problems:
            files.succeeded_at = time.time()
        for problem in found.problems:
            if problem not in before.problems:
                log.warning(
                    "a file of addresses cannot be used; what it had before stays", pool=name, problem=str(problem)
                )
        return (found.addresses, found.space) != (before.addresses, before.space)

    def _status_of(self, pool: str, origin: Origin) -> SourceStatus:
        return self._status.setdefault((pool, origin), SourceStatus())

    def _note(self, made: Inventory) -> None:
        """Count what came and went, and tell of addresses that another pool has."""
        present = {
            (share.pool, share.origin): share for share in made.shares if share.origin is not Origin.CONFIGURATION
        }
        self._status = {source: self._status_of(*source) for source in present}
        for source, share in present.items():
            status = self._status[source]
            if share.conflicts and share.conflicts != status.conflicts:
                log.warning(
                    "addresses are in another pool already, and stay there",
                    pool=share.pool,
                    source=share.origin.value,
                    addresses=share.conflicts,
                )
            status.take(share)

    def _warn(self, configuration: Configuration, made: Inventory) -> None:
        told = {f"{load.pool}: {load}" for load in loads(made.pools, rate_of(configuration))}
        for text in sorted(told - self._told):
            log.warning("a round does not fit into its interval", what=text)
        self._told = told


def _size(configuration: Configuration, fed: Mapping[str, Fed]) -> int:
    """How many addresses there are, those that several sources have counted several times."""
    named = sum(entry.last - entry.first + 1 for pool in configuration.pools for entry in pool.addresses)
    return named + sum(one.files.size + one.spf.size for one in fed.values())
