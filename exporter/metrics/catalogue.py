"""Every family of metrics that the exporter shows. docs/metrics.md, the dashboards and the rules are held to this list.

The rule of this file: a family is declared here once, with its labels and its HELP, and made nowhere else. Names are
contracts: other people's alerts hang on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Metric

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """The declaration of one family: *labels* in the order in which values are given to `Series.add`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    def series(self) -> "Series":
        """An empty family to fill for one scrape."""
        return Series(self)


class Series:
    """The samples of one family in one scrape. Refuses label values that do not fit the declaration."""

    def __init__(self, family: Family) -> None:
        self._family = family
        name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
        self.metric = Metric(name, family.help, family.kind)

    def add(self, labels: Sequence[str], value: float) -> None:
        """Add one gauge or counter."""
        self.metric.add_sample(self._family.name, self._named(labels), value)

    def add_histogram(self, labels: Sequence[str], buckets: Sequence[tuple[str, float]], total: float) -> None:
        """Add one histogram: cumulative counts by upper bound, "+Inf" last, and the sum of what was observed."""
        named = self._named(labels)
        name = self._family.name
        for bound, count in buckets:
            self.metric.add_sample(f"{name}_bucket", {**named, "le": bound}, count)
        self.metric.add_sample(f"{name}_count", named, buckets[-1][1])
        self.metric.add_sample(f"{name}_sum", named, total)

    def _named(self, labels: Sequence[str]) -> dict[str, str]:
        return dict(zip(self._family.labels, labels, strict=True))


SAMPLED = "Sampled in the background, not by the scrape: see maildns_last_sample_timestamp_seconds."
_HELD = "The last conclusive value is kept while the DNS does not answer, and nothing is shown before there is one."

_ADDRESS = ("pool", "ip")
_PAIR = ("pool", "ip", "helo")
_HELO = ("pool", "helo")
_POOL = ("pool",)

FCRDNS_MATCH = Family(
    "maildns_fcrdns_match",
    "gauge",
    _ADDRESS,
    f"1 if the address is forward-confirmed (FCrDNS, iprev pass of RFC 8601), 0 if it is not. {_HELD} {SAMPLED}",
)
FCRDNS_CONCLUSIVE = Family(
    "maildns_fcrdns_conclusive",
    "gauge",
    _ADDRESS,
    f"1 if the DNS answered the latest sample, 0 if it did not and older values stand. {SAMPLED}",
)
PTR_RECORDS = Family("maildns_ptr_records", "gauge", _ADDRESS, f"PTR names of the address. {_HELD}")
PTR_CONFIRMED_RECORDS = Family(
    "maildns_ptr_confirmed_records",
    "gauge",
    _ADDRESS,
    f"PTR names of the address that resolve back to it, of the first 10 in alphabetical order. {_HELD}",
)
PTR_INFO = Family(
    "maildns_ptr_info",
    "gauge",
    ("pool", "ip", "ptr"),
    "1, with one PTR name of the address: one that confirms it if there is one; 'flapping' if it keeps changing.",
)
HELO_ADDRESS_MATCH = Family(
    "maildns_helo_address_match",
    "gauge",
    _PAIR,
    f"1 if the HELO name resolves to the address, in the address's own family. {_HELD}",
)
HELO_PTR_MATCH = Family(
    "maildns_helo_ptr_match", "gauge", _PAIR, f"1 if the HELO name is a PTR name of the address. {_HELD}"
)
HELO_ALIGNED = Family(
    "maildns_helo_aligned",
    "gauge",
    _PAIR,
    f"1 if the HELO name and a PTR name of the address are both in the pool's aligned_suffix. {_HELD}",
)
HELO_RESOLVES = Family("maildns_helo_resolves", "gauge", _HELO, f"1 if the HELO name has an A or AAAA record. {_HELD}")
HELO_ADDRESSES = Family("maildns_helo_addresses", "gauge", _HELO, f"Addresses that the HELO name resolves to. {_HELD}")
HELO_CONFIRMED_ADDRESSES = Family(
    "maildns_helo_confirmed_addresses",
    "gauge",
    _HELO,
    f"Addresses that the HELO name resolves to and that are forward-confirmed. {_HELD}",
)
HELO_ADDRESSES_OUTSIDE_POOL = Family(
    "maildns_helo_addresses_outside_pool",
    "gauge",
    _HELO,
    f"Addresses that the HELO name resolves to and that are not in the pool. {_HELD}",
)
RECEIVER_ACCEPTS = Family(
    "maildns_receiver_accepts",
    "gauge",
    ("pool", "ip", "helo", "receiver"),
    "Share of the connections that a receiver of this kind would accept, predicted from the DNS: 1, 0, or between "
    f"where it takes the first of several PTR names. {_HELD}",
)
ADDRESS_HEALTHY = Family(
    "maildns_address_healthy",
    "gauge",
    _ADDRESS,
    f"1 if the address passes every check that its pool expects, 0 if it fails one. {_HELD}",
)
ADDRESS_PROBLEM = Family(
    "maildns_address_problem",
    "gauge",
    ("pool", "ip", "check", "reason"),
    "1 while the address fails a check that its pool expects, with the reason; absent otherwise.",
)
LAST_SAMPLE = Family(
    "maildns_last_sample_timestamp_seconds", "gauge", _ADDRESS, "When the address was last sampled, as Unix time."
)
LAST_CONCLUSIVE_SAMPLE = Family(
    "maildns_last_conclusive_sample_timestamp_seconds",
    "gauge",
    _ADDRESS,
    "When the DNS last answered a sample of the address, as Unix time.",
)
LAST_CHANGE = Family(
    "maildns_last_change_timestamp_seconds",
    "gauge",
    _ADDRESS,
    "When a conclusive result of the address last changed, as Unix time; absent before the first change.",
)
POOL_ADDRESSES = Family("maildns_pool_addresses", "gauge", _POOL, "Addresses of the pool.")
POOL_RESULTS = Family(
    "maildns_pool_results",
    "gauge",
    ("pool", "check", "result"),
    f"Addresses of the pool by the latest result of each check; the three results sum to the pool's size. {SAMPLED}",
)
POOL_RECEIVER_RESULTS = Family(
    "maildns_pool_receiver_results",
    "gauge",
    ("pool", "receiver", "result"),
    "Addresses of the pool by what a receiver of this kind would do with their connections: accept, refuse some or "
    "all of them, refuse them by design of the pool's profile, unknown; of several HELO names the worst counts, and "
    "the four results sum to the pool's size. The last conclusive prediction is kept while the DNS does not answer.",
)
POOL_ROUNDS = Family("maildns_pool_rounds_total", "counter", _POOL, "Rounds over the pool that ended.")
POOL_ROUND_DURATION = Family(
    "maildns_pool_round_duration_seconds", "gauge", _POOL, "How long the latest round over the pool took."
)
POOL_OLDEST_SAMPLE = Family(
    "maildns_pool_oldest_sample_timestamp_seconds",
    "gauge",
    _POOL,
    "When the address of the pool that was not sampled for the longest was last sampled, as Unix time; "
    "absent until each was sampled once.",
)
POOL_CHANGES = Family(
    "maildns_pool_changes_total", "counter", _POOL, "Conclusive results of the pool's addresses that changed."
)
SAMPLES = Family(
    "maildns_samples_total",
    "counter",
    ("pool", "check", "result"),
    "Samples of the pool's addresses by what each check came to.",
)
RESULT_CHANGES = Family(
    "maildns_result_changes_total",
    "counter",
    ("pool", "check", "result"),
    "Conclusive results that changed, or changed their reason, by what they changed to.",
)
DNS_QUERIES = Family(
    "maildns_dns_queries_total",
    "counter",
    ("resolver", "qtype", "outcome"),
    "Queries sent to the servers of the resolver, retries included, by what became of them.",
)
DNS_QUERY_DURATION = Family(
    "maildns_dns_query_duration_seconds",
    "histogram",
    ("resolver", "qtype", "outcome"),
    "How long queries to the servers of the resolver took.",
)
DNS_CACHE_HITS = Family(
    "maildns_dns_cache_hits_total",
    "counter",
    ("resolver", "qtype", "outcome"),
    "Questions that the cache answered, by what it answered.",
)
RESOLVER_UP = Family(
    "maildns_resolver_up",
    "gauge",
    ("resolver", "server"),
    "1 if the server answers, 0 if it was silent the last few times that it was asked.",
)
CANARY_OK = Family(
    "maildns_canary_ok",
    "gauge",
    ("resolver", "server"),
    "1 if the server answers the canary's questions as it should, 0 if not: then no verdict rests on it.",
)
SAMPLING_LAG = Family(
    "maildns_sampling_lag_seconds", "gauge", _POOL, "How late the next sample of the pool is; 0 while it keeps up."
)
EVENT_LOOP_LAG = Family(
    "maildns_event_loop_lag_seconds", "gauge", (), "The longest that the event loop was held in the last 15 seconds."
)
SERIES_DROPPED = Family(
    "maildns_series_dropped_total",
    "counter",
    _POOL,
    "Failing addresses that a scrape left out because the pool has more of them than it may show.",
)
BUILD_INFO = Family("maildns_build_info", "gauge", ("version", "python"), "1, with the version that runs.")
RELOAD_SUCCESSFUL = Family(
    "maildns_config_last_reload_successful",
    "gauge",
    (),
    "1 if the configuration was good when it was last read, 0 if it was not and the one before it stays.",
)
RELOAD_SUCCESS_TIMESTAMP = Family(
    "maildns_config_last_reload_success_timestamp_seconds",
    "gauge",
    (),
    "When the configuration in use was read, as Unix time.",
)
PROBE_SUCCESS = Family(
    "maildns_probe_success",
    "gauge",
    (),
    "1 if the DNS said enough to judge every check that the pool expects, be it good or bad; 0 if not. In /probe only.",
)
PROBE_DURATION = Family(
    "maildns_probe_duration_seconds", "gauge", (), "How long the sample of this probe took. In /probe only."
)

CATALOGUE: tuple[Family, ...] = tuple(family for family in globals().values() if isinstance(family, Family))
"""Every family, in the order of this file."""
