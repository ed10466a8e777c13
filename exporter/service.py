"""Starts the exporter, connects its parts, reloads the configuration, and stops everything in order."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import structlog

from exporter.checks.result import Result
from exporter.config.configuration import Configuration
from exporter.config.effective import Effective
from exporter.dns.resolvers import Resolvers, log_servers
from exporter.errors import ConfigError
from exporter.inventory.build import list_plans, watched_domains
from exporter.metrics.collectors import (
    BlocklistCollector,
    DisagreementCollector,
    DnsCollector,
    DomainsCollector,
    ReloadStatus,
    RuntimeCollector,
    SampleCollector,
    SourceCollector,
    StorageCollector,
)
from exporter.metrics.exposition import Exposition
from exporter.metrics.fleet import FleetCollector, render_probe
from exporter.options import ServeOptions
from exporter.sampling.blocklists import BlocklistSampler
from exporter.sampling.sampler import RECHECK_JOB, RECHECK_SECONDS, DomainSampler, Sampler, recheck_limits
from exporter.sampling.schedule import Schedule
from exporter.sampling.sources import PoolSources
from exporter.sampling.subjects import sample_now
from exporter.state.blocklists import Blocklists
from exporter.state.board import Board
from exporter.state.disputes import Disputes
from exporter.state.domain import DomainBoard
from exporter.state.journal import Change, Journal, change_fields
from exporter.state.spf_coverage import SpfCoverageCache
from exporter.state.storage.key_values import KeyValueTable
from exporter.state.storage.storage import Storage, is_fresh
from exporter.tasks import supervised
from exporter.views.outage import outage
from exporter.views.sources import ConfigurationStatus, Sources
from exporter.web.access import Access
from exporter.web.api import CheckAgain, Probe
from exporter.web.server import Endpoints, WebServer, written

log = structlog.get_logger()

_RESOLVERS_SECONDS = 10.0
"""The time between two looks for changed addresses of DNS servers."""


class Service:
    """The running exporter. `run` serves until a signal or `stop` ends it."""

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._board = Board()
        self._domains = DomainBoard()
        self._spf_coverage = SpfCoverageCache()
        self._journal = Journal()
        self._disputes = Disputes()
        self._key_values = KeyValueTable()
        self._blocklists = Blocklists()
        self._storage = Storage(self._board, self._domains, self._blocklists, self._journal, self._key_values)
        self._blocklist_sampler = BlocklistSampler(self._blocklists, lambda: self._resolvers)
        self._reload_problems: tuple[str, ...] = ()
        self._reload_status = ReloadStatus()
        self._was_ready = False
        self._effective = Effective()
        self._reloading = asyncio.Lock()
        self._publishing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.listening, self.stopping = asyncio.Event(), asyncio.Event()
        self.addresses: list[tuple[str, int]] = []

    async def run(self) -> None:
        """Serve. Raises `ConfigError` for a bad configuration and `CannotRunError` for a port that is in use."""
        self._configuration = configuration = self._options.load()
        self._access = Access(self._options.web_config)
        self._reload_status.succeeded_at = time.time()
        self._resolvers = await Resolvers.started(configuration.resolver_settings())
        self._schedule = Schedule(self._tick)
        self._sampler = Sampler(
            self._board,
            lambda: self._resolvers,
            self._blocklists,
            on_change=self._changed,
            disputes=self._disputes,
            due=self._schedule.due_in,
            recheck_limit=lambda: recheck_limits(self._resolvers.max_queries_per_second)[0],
        )
        self._domain_sampler = DomainSampler(
            self._domains,
            lambda: self._resolvers,
            self._disputes,
            self._changed,
            lambda: recheck_limits(self._resolvers.max_queries_per_second)[1],
        )
        self._pool_sources = PoolSources(
            lambda: self._resolvers, lambda: self._begin(self._publish), self._key_values, self._options.shard
        )
        web = WebServer(
            self._endpoints(),
            max_requests=self._options.max_requests,
            route_prefix=self._options.route_prefix,
            link_prefix=self._options.external_path,
            access=self._access,
            limits=self._options.connection_limits,
        )
        await self._storage.use(configuration.storage)
        try:
            await self._pool_sources.follow(configuration)
            self._board.publish(self._pool_sources.inventory().pools)
            self._pools_published()
            restoring = await self._storage.begin_restoring()
            self.addresses = await web.start(list(self._options.listen))
            self._handle_signals()
            await restoring
            if not self.stopping.is_set():
                self._sampler.resume()
                self._schedule.start()
                self._follow(self._domain_sampler.due(time.time()))
                self._pool_sources.start()
                servers = partial(log_servers, lambda: self._resolvers)
                self._begin(partial(supervised, "logging servers that fall silent", servers))
                self._begin(partial(supervised, "watching the addresses of DNS servers", self._watch_resolvers))
                log.info("serving", on=" ".join(map(written, self.addresses)), **self._board.sizes)
                self.listening.set()
            await self.stopping.wait()
            log.info("stopping")
        finally:
            self.stopping.set()  # not ready from now on, but still answering scrapes
            self._schedule.stop()
            self._blocklist_sampler.stop()
            self._domain_sampler.stop()
            self._sampler.stop()
            await self._pool_sources.stop()
            await self._storage.stop()
            await web.stop()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._resolvers.close()

    def stop(self) -> None:
        """End `run`."""
        self.stopping.set()
        self._storage.stop_restoring()

    async def reload(self) -> str | None:
        """Read the configuration again and use it. If it is bad, keep the current one and return the problems."""
        async with self._reloading:
            try:
                configuration = await asyncio.to_thread(self._options.load)
            except ConfigError as bad:
                self._reload_status.successful = False
                self._reload_problems = tuple(map(str, bad.problems))
                log.warning(
                    "the new configuration is bad; the current one stays in use", problems=list(self._reload_problems)
                )
                return str(bad)
            if self.stopping.is_set():
                return "stopping"
            await self._use_resolvers(configuration)
            self._configuration = configuration
            await self._storage.use(configuration.storage)
            await self._pool_sources.follow(configuration)
            await self._publish()
            self._reload_problems = ()
            self._reload_status.successful = True
            self._reload_status.succeeded_at = time.time()
            log.info("reloaded", **self._board.sizes)
            return None

    async def _use_resolvers(self, configuration: Configuration) -> None:
        """Start new resolvers if they would differ from the old ones, which close when their questions are answered."""
        settings = await asyncio.to_thread(configuration.resolver_settings)
        if await self._resolvers.is_outdated(settings):
            old, self._resolvers = self._resolvers, await Resolvers.started(settings, self._resolvers)
            self._begin(old.retire)
            servers = sorted({str(server) for each in settings for server in each.servers})
            log.info("asking other DNS servers, or with other settings", servers=servers)

    async def _watch_resolvers(self) -> None:
        """Use a changed /etc/resolv.conf, CA file or address of a server without a reload."""
        while True:
            await asyncio.sleep(_RESOLVERS_SECONDS)
            async with self._reloading:
                await self._use_resolvers(self._configuration)

    async def _publish(self) -> None:
        """Publish the pools with the addresses that their sources have now."""
        async with self._publishing:
            await self._sampler.publish((await self._pool_sources.inventory_async()).pools)
            if not self.stopping.is_set():
                self._pools_published()
                self._storage.start_restoring()
                self._follow()

    def _pools_published(self) -> None:
        """Prepare what must match the board's new pools before their stored state is restored."""
        self._domains.publish(watched_domains(self._configuration, self._options.shard))
        self._blocklists.publish(list_plans(self._configuration), [each.pool for each in self._board.pools.values()])
        self._storage.follow()

    def _follow(self, first: Mapping[str, float] | None = None) -> None:
        """Match rounds and jobs to the published pools. New or changed ones are sampled at once, or as *first* says."""
        changed = self._sampler.follow() | self._domain_sampler.follow()
        pools = {name: state.pool.interval_seconds for name, state in self._board.pools.items()}
        pools[RECHECK_JOB] = RECHECK_SECONDS
        self._schedule.follow(pools | self._domain_sampler.intervals, changed=changed, first=first or {})
        self._blocklist_sampler.follow(list_plans(self._configuration), self._board)

    def _tick(self, job: str) -> None:
        """Each sampler ignores the jobs of the other."""
        self._sampler.tick(job)
        self._domain_sampler.tick(job)

    def _endpoints(self) -> Endpoints:
        exposition = Exposition(
            FleetCollector(self._board, self._sampler.lag_seconds, time.time),
            DomainsCollector(self._domains, self._board, self._spf_coverage),
            SampleCollector(self._board),
            SourceCollector(self._pool_sources.statuses),
            DnsCollector(lambda: self._resolvers),
            DisagreementCollector(self._board, self._domains, self._disputes, lambda: self._resolvers),
            BlocklistCollector(self._blocklists),
            StorageCollector(lambda: self._storage.status),
            RuntimeCollector(
                self._reload_status,
                lambda: self._schedule.loop_lag_seconds,
                (self._options.external_url, self._options.grafana_url),
            ),
        )
        return Endpoints(
            metrics=exposition,
            ready=self._why_not_ready,
            sources=Sources(
                self._board,
                self._journal,
                self._storage.changes,
                resolvers=lambda: self._resolvers,
                lags=self._sampler.lag_seconds,
                loop_lag=lambda: self._schedule.loop_lag_seconds,
                configuration=self._configuration_status,
                disputes=self._disputes,
                domains=self._domains,
                spf_coverage=self._spf_coverage,
                storage=lambda: self._storage.status,
            ),
            probe=Probe(
                self._board,
                lambda pool, target, known, seconds: sample_now(
                    pool, target, known, self._resolvers, seconds, self._blocklists
                ),
                render_probe,
                self._options.probe_offset_seconds,
            ),
            reload=self.reload if self._options.enable_lifecycle else None,
            check_again=CheckAgain(self._board, self._domains, self._sampler.check_now, self._domain_sampler.check_now),
        )

    async def _configuration_status(self) -> ConfigurationStatus:
        return ConfigurationStatus(
            await asyncio.to_thread(self._effective, self._configuration),
            self._reload_status.succeeded_at,
            self._reload_problems,
            self._access.problems,
        )

    def _changed(self, pool: str, change: Change) -> None:
        self._storage.add_change(self._journal.write(pool, change))
        name = change.domain or pool
        subjects = self._configuration.pools if change.domain is None else self._configuration.domains
        is_expected = any(change.after.check in one.expect for one in subjects if one.name == name)
        is_failure = is_expected and change.after.result is Result.FAIL
        (log.warning if is_failure else log.info)("changed", **change_fields(pool, change))

    def _why_not_ready(self) -> str | None:
        if self.stopping.is_set():
            return "stopping"
        if self._was_ready:
            return None  # a new pool after a reload must not hide the metrics of the others
        now, pools = time.time(), self._board.pools.items()
        found = outage(self._resolvers, now)
        if found is not None and found.is_blind:
            return found.sentence  # a rollout must not replace a process that sees by one that never did
        waiting = [name for name, state in pools if state.round_seconds is None and not is_fresh(state, now)]
        waiting += set(self._pool_sources.waiting).difference(waiting)
        waiting += self._domain_sampler.waiting(now)
        if waiting:
            return f"the first round has not ended yet: {', '.join(waiting)}"
        if not any(resolver.is_working for resolver in self._resolvers):
            return "no resolver has answered its canary yet"
        self._was_ready = True
        return None

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_for, loop)
        loop.add_signal_handler(signal.SIGHUP, self._begin, self.reload)

    def _stop_for(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop in order. A second signal ends the process at once."""
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        self.stop()

    def _begin(self, do: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Run *do* as a task. Keep a reference until it has ended: the event loop has only a weak one."""
        task = asyncio.create_task(do())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task failed", task=str(task.get_coro()), exc_info=error)
