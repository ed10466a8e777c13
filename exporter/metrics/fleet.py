"""The families about pools, addresses and HELO names, read from the board; and what `/probe` shows."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from exporter.checks.report import spf_passes
from exporter.checks.result import CheckName, IprevVerdict, Result
from exporter.inventory.pool import Pool, Series
from exporter.metrics import families
from exporter.metrics.families import Family, FamilySamples, Sink
from exporter.state.address import AddressState, health, problems, shown_ptr
from exporter.state.board import Board
from exporter.state.helo import HeloState
from exporter.state.known import KnownFindings
from exporter.state.pool import FAILING, PoolState

SHOWN_FAILING = 1000
"""How many failing addresses a pool shows at most where only failing ones are shown."""

_HELO_MATCHES = (
    (CheckName.HELO_ADDRESS_MATCH, families.HELO_ADDRESS_MATCH),
    (CheckName.HELO_PTR_MATCH, families.HELO_PTR_MATCH),
    (CheckName.HELO_ALIGNED, families.HELO_ALIGNED),
)
_IDENTITIES = {CheckName.SPF_HELO: "helo", CheckName.SPF_MAILFROM: "mailfrom"}


class Scrape(dict[Family, FamilySamples]):
    """The families of one scrape. *shown* are those that are shown even without a series."""

    def __init__(self, *shown: Family) -> None:
        super().__init__([(family, family.series()) for family in shown])

    def __missing__(self, family: Family) -> FamilySamples:
        series = self[family] = family.series()
        return series

    def metrics(self) -> Iterator[Metric]:
        """The families in the order of the catalogue."""
        for family in families.CATALOGUE:
            if family in self:
                yield self[family].metric


def add_pool(sink: Sink, state: PoolState, lag_seconds: float, dropped: int) -> None:
    """Add the series of a pool as a whole."""
    pool = state.pool
    name = pool.name
    sink[families.POOL_ADDRESSES].add((name,), pool.size)
    sink[families.POOL_INTERVAL].add((name,), pool.whole_interval_seconds)
    for (check, result), count in state.results().items():
        sink[families.POOL_RESULTS].add((name, check, result), count)
    for check in pool.checks:
        sink[families.POOL_CHECK_EXPECTED].add((name, check), check in pool.expect)
    for (receiver, outcome), count in state.receiver_results().items():
        sink[families.POOL_RECEIVER_RESULTS].add((name, receiver, outcome), count)
    counters = state.counters
    for (counted, sampled), count in counters.samples.items():
        sink[families.SAMPLES].add((name, counted, sampled), count)
    for (counted, changed), count in counters.changes.items():
        sink[families.RESULT_CHANGES].add((name, counted, changed), count)
    sink[families.POOL_CHANGES].add((name,), counters.all_changes)
    sink[families.POOL_ROUNDS].add((name,), counters.rounds)
    if state.round_seconds is not None:
        sink[families.POOL_ROUND_DURATION].add((name,), state.round_seconds)
    oldest = state.oldest_sample()
    if oldest:
        sink[families.POOL_OLDEST_SAMPLE].add((name,), oldest)
    sink[families.SAMPLING_LAG].add((name,), lag_seconds)
    sink[families.SERIES_DROPPED].add((name,), dropped)


def add_helo(sink: Sink, pool: Pool, state: HeloState, _now: float) -> None:
    """Add the series of one HELO name, from the reverse check."""
    labels = (pool.name, state.helo.text)
    for family, value in (
        (families.HELO_RESOLVES, state.resolves),
        (families.HELO_ADDRESSES, state.addresses),
        (families.HELO_CONFIRMED_ADDRESSES, state.confirmed_addresses),
        (families.HELO_ADDRESSES_OUTSIDE_POOL, state.addresses_outside_pool),
        (families.HELO_POOL_ADDRESSES, state.pool_addresses),
    ):
        if value is not None:
            sink[family].add(labels, value)


def add_address(sink: Sink, pool: Pool, state: AddressState, now: float) -> None:
    """Add the series of one address that stay the same until a result changes; *now* decides about flapping."""
    expect = pool.expect
    labels = (pool.name, str(state.target.address))
    if state.iprev is not None:
        sink[families.FCRDNS_MATCH].add(labels, state.iprev.verdict is IprevVerdict.PASS)
        sink[families.PTR_RECORDS].add(labels, len(state.iprev.ptr_names))
        sink[families.PTR_CONFIRMED_RECORDS].add(labels, len(state.iprev.confirmed_names))
        name = shown_ptr(state.iprev)
        if pool.ptr_info and name is not None:
            sink[families.PTR_INFO].add((*labels, "flapping" if state.is_flapping(now) else name), 1)
    if state.latest is not None:
        sink[families.FCRDNS_CONCLUSIVE].add(labels, state.latest.is_conclusive)
    for helo in state.target.helos:
        pair = (*labels, helo.text)
        for check, family in _HELO_MATCHES:
            finding = state.known.get((check, helo.text))
            if finding is not None:
                sink[family].add(pair, finding.result is Result.PASS)
    for helo, row in zip(state.target.helos, state.receivers, strict=False):
        for verdict in row:
            if verdict.receiver in pool.receivers:
                sink[families.RECEIVER_ACCEPTS].add((*labels, helo.text, verdict.receiver), verdict.share)
    _add_authentication(sink, labels, state.known)
    healthy = health(state, expect)
    if healthy is not None:
        sink[families.ADDRESS_HEALTHY].add(labels, healthy)
    server = state.target.helos[0].text if state.target.helos else ""
    for finding in () if healthy else problems(state, expect):  # a healthy address has no problems
        sink[families.ADDRESS_PROBLEM].add((*labels, finding.check, finding.reason or "", finding.subject or server), 1)


def _add_authentication(sink: Sink, labels: tuple[str, ...], known: KnownFindings) -> None:
    """Add the series about SPF and block lists."""
    for (check, subject), finding in known.items():
        identity = _IDENTITIES.get(check)
        if identity is not None:
            passes = spf_passes(finding)
            if passes is not None:
                sink[families.SPF_PASS].add((*labels, identity, subject), passes)
        elif check is CheckName.DNSBL:
            sink[families.DNSBL_LISTED].add((*labels, subject), finding.result is Result.FAIL)


def add_times(sink: Sink, pool: Pool, state: AddressState, _now: float) -> None:
    """Add the series of one address that change with every sample."""
    labels = (pool.name, str(state.target.address))
    for family, timestamp in (
        (families.LAST_SAMPLE, state.sampled_at),
        (families.LAST_CONCLUSIVE_SAMPLE, state.concluded_at),
        (families.LAST_CHANGE, state.changed_at),
    ):
        if timestamp:
            sink[family].add(labels, timestamp)


class FleetCollector(Collector):
    """Builds the families of the whole board for prometheus-client.

    `exporter.metrics.exposition.FleetText` writes the same families as text, with the same functions, and much faster.
    Both run in a thread beside the event loop: they only read immutable states.

    Attributes:
        board: The pools to show.
        lags: Gives the sampling lag in seconds by pool.
        now: Gives the Unix time.
        shown_failing: How many failing addresses a pool shows at most where only failing ones are shown.
        dropped: Failing addresses that scrapes left out, by pool.
    """

    add_pool = staticmethod(add_pool)
    add_helo = staticmethod(add_helo)
    add_address = staticmethod(add_address)
    add_times = staticmethod(add_times)

    def __init__(
        self,
        board: Board,
        lags: Callable[[], dict[str, float]],
        now: Callable[[], float],
        shown_failing: int = SHOWN_FAILING,
    ) -> None:
        self.board = board
        self.lags = lags
        self.now = now
        self.shown_failing = shown_failing
        self.dropped: dict[str, int] = {}

    def collect(self) -> Iterator[Metric]:
        """Every family that the current generation has a series of."""
        scrape = Scrape()
        now = self.now()
        lags = self.lags()
        pools = self.board.pools
        self.count_dropped(pools)
        for name, state in pools.items():
            self.add_pool(scrape, state, lags.get(name, 0.0), self.dropped[name])
            for helo in state.helos.values():
                self.add_helo(scrape, state.pool, helo, now)
            for address in shown(state, 0, state.pool.size, self.shown_failing):
                self.add_address(scrape, state.pool, address, now)
                self.add_times(scrape, state.pool, address, now)
        yield from scrape.metrics()

    def count_dropped(self, pools: Mapping[str, PoolState]) -> None:
        """Count what a scrape of *pools* leaves out; forget pools that are gone."""
        self.dropped = {name: self.dropped.get(name, 0) + self._excess(state) for name, state in pools.items()}

    def _excess(self, state: PoolState) -> int:
        if state.pool.series is not Series.FAILING:
            return 0
        return max(0, state.healths.count(FAILING) - self.shown_failing)


def shown(state: PoolState, first: int, stop: int, max_failing: int) -> Iterator[AddressState]:
    """The addresses from *first* to before *stop* that have series of their own."""
    match state.pool.series:
        case Series.ALL:
            yield from state.sampled(first, stop)
        case Series.FAILING:
            yield from map(state.__getitem__, islice(_failing(state, first, stop), max_failing))


def _failing(state: PoolState, first: int, stop: int) -> Iterator[int]:
    index = state.healths.find(FAILING, first, stop)
    while index >= 0:
        yield index
        index = state.healths.find(FAILING, index + 1, stop)


class ProbeCollector(Collector):
    """The families of one address as one sample found it, which took *seconds*."""

    def __init__(self, pool: Pool, state: AddressState, seconds: float) -> None:
        self._pool = pool
        self._state = state
        self._seconds = seconds

    def collect(self) -> Iterator[Metric]:
        """The families of the address, then the two families of a probe."""
        scrape = Scrape()
        scrape[families.PROBE_SUCCESS].add((), self._is_known())
        scrape[families.PROBE_DURATION].add((), self._seconds)
        add_address(scrape, self._pool, self._state, self._state.sampled_at)
        add_times(scrape, self._pool, self._state, self._state.sampled_at)
        yield from scrape.metrics()

    def _is_known(self) -> bool:
        report = self._state.latest
        return report is not None and all(
            finding.result is not Result.UNKNOWN
            for finding in report.findings
            if finding.check in self._pool.expect and finding.check is not CheckName.DNSBL  # not asked by a probe
        )


def render_probe(pool: Pool, state: AddressState, seconds: float, accept: str) -> tuple[bytes, str]:
    """The exposition of one probe and its content type, for the `Accept` header *accept*."""
    encoder, content_type = choose_encoder(accept)
    text: bytes = encoder(ProbeCollector(pool, state, seconds))
    return text, content_type
