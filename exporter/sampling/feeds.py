"""Feeds pools from outside of the configuration: watched files, and SPF records.

The rule of this file: it knows when to look, and hands the whole inventory over when something changed; what an
address's sources come to is for `exporter.inventory.sources` to say.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from exporter.config.configuration import Configuration, PoolSettings
from exporter.inventory.expansion import Trouble
from exporter.inventory.files import FilesContent, scan
from exporter.inventory.load import loads, rate_of
from exporter.inventory.shard import ALONE, Shard
from exporter.inventory.sources import NOTHING, Fed, Inventory, Origin, merge
from exporter.sampling.feed import FeedAsker, SpfFeed
from exporter.state.sources import Source, SourceStatus
from exporter.state.storage.notes import Notes

log = structlog.get_logger()

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
        notes: Notes,
        shard: Shard = ALONE,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._asker = asker
        self._changed = changed
        self._notes = notes
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
        names = [said.host_name for said in pool.helo_names if said.host_name is not None]
        known = self._spf.get(pool.name)
        if known is not None and (known.domain, known.names) == (pool.spf, tuple(names)):
            return known
        task = self._tasks.pop(pool.name, None)
        if task is not None:
            task.cancel()
        return SpfFeed(pool.name, pool.spf, names, self._asker, self._changed, self._notes)

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
