"""The families about pools, addresses and HELO names, read from the board.

The rule of this file: what is shown is said once. `FleetCollector` builds the families anew from one generation of the
board, as prometheus-client does it; `exporter.metrics.blocks` has the same functions write lines, and keeps those of
what did not change. Both run in a thread beside the event loop: they read immutable states, and ask the DNS nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from exporter.checks.report import spf_passes
from exporter.checks.result import CheckName, Finding, IprevVerdict, Result
from exporter.inventory.pool import Pool
from exporter.inventory.pool import Series as Shown
from exporter.metrics import families
from exporter.metrics.families import Family, Series, Sink
from exporter.state.address import AddressState, health, problems, shown_ptr
from exporter.state.board import Board
from exporter.state.helo import HeloState
from exporter.state.known import Slot
from exporter.state.pool import FAILING, PoolState

# SECTION exporter.metrics.authentication
# The series of one address about SPF and block lists, from what is held of its findings.

_IDENTITIES = {CheckName.SPF_HELO: "helo", CheckName.SPF_MAILFROM: "mailfrom"}


def add_authentication(sink: Sink, labels: tuple[str, ...], known: Mapping[Slot, Finding]) -> None:
    """Add the series of the address with these *labels* to *sink*."""
    for (check, subject), finding in known.items():
        identity = _IDENTITIES.get(check)
        if identity is not None:
            passes = spf_passes(finding)
            if passes is not None:
                sink[families.SPF_PASS].add((*labels, identity, subject), passes)
        elif check is CheckName.DNSBL:
            sink[families.DNSBL_LISTED].add((*labels, subject), finding.result is Result.FAIL)


# SECTION exporter.metrics.fleet

SHOWN_FAILING = 1000
"""How many addresses of a pool are shown where only failing ones are."""

_PAIRS = (
    (CheckName.HELO_ADDRESS_MATCH, families.HELO_ADDRESS_MATCH),
    (CheckName.HELO_PTR_MATCH, families.HELO_PTR_MATCH),
    (CheckName.HELO_ALIGNED, families.HELO_ALIGNED),
)


class FleetCollector(Collector):
    """Shows the board. *lags* gives each pool's sampling lag, *now* the Unix time.

    *dropped* counts, by pool, the failing addresses that scrapes left out.
    """

    def __init__(self, board: Board, lags: Callable[[], dict[str, float]], now: Callable[[], float]) -> None:
        self.board = board
        self.lags = lags
        self.now = now
        self.dropped: dict[str, int] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the configuration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family that the current generation has a series of."""
        scrape = Scrape()
        now = self.now()
        lags = self.lags()
        pools = self.board.pools
        self.count_dropped(pools)
        for name, state in pools.items():
            add_pool(scrape, state, lags.get(name, 0.0), self.dropped[name])
            for helo in state.helos.values():
                add_helo(scrape, name, helo)
            for address in shown(state, 0, state.pool.size, SHOWN_FAILING):
                add_address(scrape, state.pool, address, now)
                add_times(scrape, state.pool, address)
        yield from scrape.metrics()

    def count_dropped(self, pools: Mapping[str, PoolState]) -> None:
        """Count what a scrape of *pools* leaves out; pools that are gone are forgotten."""
        self.dropped = {name: self.dropped.get(name, 0) + _excess(state) for name, state in pools.items()}


def _excess(state: PoolState) -> int:
    if state.pool.series is not Shown.FAILING:
        return 0
    return max(0, state.healths.count(FAILING) - SHOWN_FAILING)


def shown(state: PoolState, first: int, stop: int, most: int) -> Iterator[AddressState]:
    """The addresses from *first* to before *stop* that have series of their own; *most* of them if they must fail."""
    match state.pool.series:
        case Shown.ALL:
            yield from state.sampled(first, stop)
        case Shown.FAILING:
            yield from map(state.__getitem__, islice(_failing(state, first, stop), most))


def _failing(state: PoolState, first: int, stop: int) -> Iterator[int]:
    place = state.healths.find(FAILING, first, stop)
    while place >= 0:
        yield place
        place = state.healths.find(FAILING, place + 1, stop)


class Scrape(dict[Family, Series]):
    """The families of one scrape, made as they are needed, shown in the order of the catalogue."""

    def __missing__(self, family: Family) -> Series:
        series = self[family] = family.series()
        return series

    def metrics(self) -> Iterator[Metric]:
        for family in families.CATALOGUE:
            if family in self:
                yield self[family].metric


def add_pool(scrape: Sink, state: PoolState, lag_seconds: float, dropped: int) -> None:
    """Add the series of a pool as a whole."""
    pool = state.pool
    name = pool.name
    scrape[families.POOL_ADDRESSES].add((name,), pool.size)
    scrape[families.POOL_INTERVAL].add((name,), pool.whole_interval_seconds)
    for (check, result), count in state.results().items():
        scrape[families.POOL_RESULTS].add((name, check, result), count)
    for check in pool.checks:
        scrape[families.POOL_CHECK_EXPECTED].add((name, check), check in pool.expect)
    for (receiver, outcome), count in state.receiver_results().items():
        scrape[families.POOL_RECEIVER_RESULTS].add((name, receiver, outcome), count)
    counters = state.counters
    for (check, result), count in counters.samples.items():
        scrape[families.SAMPLES].add((name, check, result), count)
    for (check, result), count in counters.changes.items():
        scrape[families.RESULT_CHANGES].add((name, check, result), count)
    scrape[families.POOL_CHANGES].add((name,), counters.all_changes)
    scrape[families.POOL_ROUNDS].add((name,), counters.rounds)
    if state.round_seconds is not None:
        scrape[families.POOL_ROUND_DURATION].add((name,), state.round_seconds)
    oldest = state.oldest_sample()
    if oldest:
        scrape[families.POOL_OLDEST_SAMPLE].add((name,), oldest)
    scrape[families.SAMPLING_LAG].add((name,), lag_seconds)
    scrape[families.SERIES_DROPPED].add((name,), dropped)


def add_helo(scrape: Sink, pool: str, state: HeloState) -> None:
    """Add the series of one HELO name, the other way round."""
    labels = (pool, state.helo.text)
    for family, value in (
        (families.HELO_RESOLVES, state.resolves),
        (families.HELO_ADDRESSES, state.addresses),
        (families.HELO_CONFIRMED_ADDRESSES, state.confirmed_addresses),
        (families.HELO_ADDRESSES_OUTSIDE_POOL, state.addresses_outside_pool),
        (families.HELO_POOL_ADDRESSES, state.pool_addresses),
    ):
        if value is not None:
            scrape[family].add(labels, value)


def add_address(scrape: Sink, pool: Pool, state: AddressState, now: float) -> None:
    """Add the series of one address, but for those of `add_times`: only news of the address changes them."""
    expect = pool.expect
    labels = (pool.name, str(state.target.address))
    if state.iprev is not None:
        scrape[families.FCRDNS_MATCH].add(labels, state.iprev.verdict is IprevVerdict.PASS)
        scrape[families.PTR_RECORDS].add(labels, len(state.iprev.ptr_names))
        scrape[families.PTR_CONFIRMED_RECORDS].add(labels, len(state.iprev.confirmed_names))
        name = shown_ptr(state.iprev)
        if pool.ptr_info and name is not None:
            scrape[families.PTR_INFO].add((*labels, "flapping" if state.is_flapping(now) else name), 1)
    if state.latest is not None:
        scrape[families.FCRDNS_CONCLUSIVE].add(labels, state.latest.is_conclusive)
    for helo in state.target.helos:
        pair = (*labels, helo.text)
        for check, family in _PAIRS:
            finding = state.known.get((check, helo.text))
            if finding is not None:
                scrape[family].add(pair, finding.result is Result.PASS)
    for helo, row in zip(state.target.helos, state.receivers, strict=False):
        for verdict in row:
            if verdict.receiver in pool.receivers:
                scrape[families.RECEIVER_ACCEPTS].add((*labels, helo.text, verdict.receiver), verdict.share)
    add_authentication(scrape, labels, state.known)
    healthy = health(state, expect)
    if healthy is not None:
        scrape[families.ADDRESS_HEALTHY].add(labels, healthy)
    for finding in () if healthy else problems(state, expect):  # what is held is judged, so a healthy one has none
        scrape[families.ADDRESS_PROBLEM].add((*labels, finding.check, finding.reason or ""), 1)


def add_times(scrape: Sink, pool: Pool, state: AddressState) -> None:
    """Add the series of one address that every sample of it changes."""
    labels = (pool.name, str(state.target.address))
    for family, moment in (
        (families.LAST_SAMPLE, state.sampled_at),
        (families.LAST_CONCLUSIVE_SAMPLE, state.concluded_at),
        (families.LAST_CHANGE, state.changed_at),
    ):
        if moment:
            scrape[family].add(labels, moment)


# SECTION exporter.metrics.probe
# What `/probe` shows: the families of one address, as one sample found them, in a registry of their own.
#
# The rule of this file: nothing outlives the probe, and nothing of the background samples is in it.


class ProbeCollector(Collector):
    """Shows *state*, which one sample that took *seconds* led to."""

    def __init__(self, pool: Pool, state: AddressState, seconds: float) -> None:
        self._pool = pool
        self._state = state
        self._seconds = seconds

    def describe(self) -> Iterable[Metric]:
        """Nothing needs to be declared ahead."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The two families of a probe, and those of the address."""
        scrape = Scrape()
        scrape[families.PROBE_SUCCESS].add((), self._is_known())
        scrape[families.PROBE_DURATION].add((), self._seconds)
        add_address(scrape, self._pool, self._state, self._state.sampled_at)
        add_times(scrape, self._pool, self._state)
        for metric in scrape.metrics():
            metric.documentation = metric.documentation.replace(families.SAMPLED, "Sampled by this probe.")
            yield metric

    def _is_known(self) -> bool:
        report = self._state.latest
        return report is not None and all(
            finding.result is not Result.UNKNOWN
            for finding in report.findings
            if finding.check in self._pool.expect and finding.check is not CheckName.DNSBL  # lists keep their own time
        )


def render_probe(pool: Pool, state: AddressState, seconds: float, accept: str) -> tuple[bytes, str]:
    """The exposition of one probe and its content type, for the `Accept` header *accept*."""
    registry = CollectorRegistry()
    registry.register(ProbeCollector(pool, state, seconds))
    encoder, content_type = choose_encoder(accept)
    text: bytes = encoder(registry)
    return text, content_type
