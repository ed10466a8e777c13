"""Every family of metrics that the exporter shows, with its labels and its HELP text.

docs/metrics.md, the dashboards and the alerting rules are tested against this list. Names and labels are contracts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from prometheus_client import Metric


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """The declaration of one family.

    Attributes:
        name: Full name, with `_total` for a counter.
        kind: Prometheus type.
        labels: Label names, in the order in which `FamilySamples.add` takes their values.
        help: HELP text: one sentence.
    """

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str

    def series(self) -> "FamilySamples":
        """An empty family to fill for one scrape."""
        return FamilySamples(self)


class FamilySamples:
    """The samples of one family in one scrape. Raises `ValueError` for the wrong number of label values."""

    def __init__(self, family: Family) -> None:
        self._family = family
        name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
        self.metric = Metric(name, family.help, family.kind)

    def add(self, labels: Sequence[str], value: float) -> None:
        """Add a sample of a gauge or counter."""
        self.metric.add_sample(self._family.name, self._named(labels), value)

    def add_histogram(self, labels: Sequence[str], buckets: Sequence[tuple[str, float]], total: float) -> None:
        """Add a histogram: cumulative counts by upper bound, "+Inf" last, and the sum of the observed values."""
        named = self._named(labels)
        name = self._family.name
        for bound, count in buckets:
            self.metric.add_sample(f"{name}_bucket", {**named, "le": bound}, count)
        self.metric.add_sample(f"{name}_count", named, buckets[-1][1])
        self.metric.add_sample(f"{name}_sum", named, total)

    def _named(self, labels: Sequence[str]) -> dict[str, str]:
        return dict(zip(self._family.labels, labels, strict=True))


class Adder(Protocol):
    """Collects the samples of one family: `FamilySamples` or `exporter.metrics.exposition.FamilyLines`."""

    def add(self, labels: tuple[str, ...], value: float) -> None:
        """Add a sample of a gauge or counter; *labels* in the order of the declaration."""


class Sink(Protocol):
    """Collects samples by family: `exporter.metrics.fleet.Scrape` or `exporter.metrics.exposition.Lines`."""

    def __getitem__(self, family: Family, /) -> Adder: ...


def _gauge(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, "gauge", labels, text)


def _counter(name: str, labels: tuple[str, ...], text: str) -> Family:
    return Family(name, "counter", labels, text)


_ADDRESS = ("pool", "ip")
_ADDRESS_HELO = ("pool", "ip", "helo")

_KEPT = "sampled in the background, and kept while the DNS does not answer"

FCRDNS_MATCH = _gauge(
    "maildns_fcrdns_match",
    _ADDRESS,
    "1 if a PTR name of the address resolves back to it (forward-confirmed, RFC 8601 iprev pass), else 0; "
    f"{_KEPT}, see maildns_last_sample_timestamp_seconds.",
)
FCRDNS_CONCLUSIVE = _gauge(
    "maildns_fcrdns_conclusive",
    _ADDRESS,
    "1 if the DNS answered the latest sample of the address, 0 if it did not and older results are shown.",
)
PTR_RECORDS = _gauge("maildns_ptr_records", _ADDRESS, "Number of PTR names of the address.")
PTR_CONFIRMED_RECORDS = _gauge(
    "maildns_ptr_confirmed_records",
    _ADDRESS,
    "Number of PTR names that resolve back to the address, of the first 10 in alphabetical order.",
)
PTR_INFO = _gauge(
    "maildns_ptr_info",
    (*_ADDRESS, "ptr"),
    "1, with one PTR name of the address, preferably a confirming one; 'flapping' if the name keeps changing.",
)
HELO_ADDRESS_MATCH = _gauge(
    "maildns_helo_address_match",
    _ADDRESS_HELO,
    "1 if the HELO name resolves to the address, in its own address family, else 0.",
)
HELO_PTR_MATCH = _gauge(
    "maildns_helo_ptr_match", _ADDRESS_HELO, "1 if the HELO name is a PTR name of the address, else 0."
)
HELO_ALIGNED = _gauge(
    "maildns_helo_aligned",
    _ADDRESS_HELO,
    "1 if the HELO name and a PTR name of the address are in one domain, else 0.",
)

_HELO = ("pool", "helo")

HELO_RESOLVES = _gauge("maildns_helo_resolves", _HELO, "1 if the HELO name has an A or AAAA record, else 0.")
HELO_ADDRESSES = _gauge("maildns_helo_addresses", _HELO, "Addresses that the HELO name resolves to.")
HELO_CONFIRMED_ADDRESSES = _gauge(
    "maildns_helo_confirmed_addresses",
    _HELO,
    "Addresses that the HELO name resolves to and that are forward-confirmed.",
)
HELO_ADDRESSES_OUTSIDE_POOL = _gauge(
    "maildns_helo_addresses_outside_pool",
    _HELO,
    "Addresses that the HELO name resolves to and that are not in the pool.",
)
HELO_POOL_ADDRESSES = _gauge(
    "maildns_helo_pool_addresses", _HELO, "Addresses that the HELO name resolves to and that are in the pool."
)
RECEIVER_ACCEPTS = _gauge(
    "maildns_receiver_accepts",
    (*_ADDRESS_HELO, "receiver"),
    "Share of connections that this kind of receiver would accept, from 0 to 1, predicted from the DNS.",
)
ADDRESS_HEALTHY = _gauge(
    "maildns_address_healthy",
    _ADDRESS,
    f"1 if the address passes every check that its pool expects, 0 if it fails one; {_KEPT}.",
)
ADDRESS_PROBLEM = _gauge(
    "maildns_address_problem",
    (*_ADDRESS, "check", "reason", "subject"),
    "1 while the address fails a check that its pool expects, with the reason, and the HELO name, domain or block "
    "list that the check is about, else the first HELO name of the address; absent otherwise.",
)
LAST_SAMPLE = _gauge(
    "maildns_last_sample_timestamp_seconds", _ADDRESS, "Unix time in seconds of the latest sample of the address."
)
LAST_CONCLUSIVE_SAMPLE = _gauge(
    "maildns_last_conclusive_sample_timestamp_seconds",
    _ADDRESS,
    "Unix time in seconds of the latest sample of the address that the DNS answered.",
)
LAST_CHANGE = _gauge(
    "maildns_last_change_timestamp_seconds",
    _ADDRESS,
    "Unix time in seconds at which a conclusive result of the address last changed; absent before the first change.",
)
SPF_PASS = _gauge(
    "maildns_spf_pass",
    (*_ADDRESS, "identity", "domain"),
    "1 if SPF (RFC 7208) authorises the address for the identity, helo or mailfrom, else 0; absent for a HELO name "
    "that has no record and needs none.",
)
DNSBL_LISTED = _gauge(
    "maildns_dnsbl_listed", (*_ADDRESS, "dnsbl"), "1 if the block list lists the address, 0 if it does not."
)
DNSBL_USABLE = _gauge(
    "maildns_dnsbl_usable",
    ("dnsbl", "family"),
    "1 if the block list passes its test points (RFC 5782 section 5) for the address family, ipv4 or ipv6, 0 if it "
    "does not and its answers are not believed.",
)

_POOL = ("pool",)
_POOL_CHECK = ("pool", "check")

POOL_ADDRESSES = _gauge("maildns_pool_addresses", _POOL, "Number of addresses in the pool.")
POOL_INFO = _gauge(
    "maildns_pool_info",
    ("pool", "alert", "severity", "team", "service", "environment", "tenant"),
    "1, with what alerts about the pool are about (addresses, prefixes, share or none), how severe they may be, who "
    "gets them, and the labels of the configuration.",
)
POOL_ALERT_THRESHOLD = _gauge(
    "maildns_pool_alert_threshold_ratio",
    _POOL,
    "The share of addresses, from 0 to 1, that has to fail for an alert about the whole pool.",
)
POOL_RESULTS = _gauge(
    "maildns_pool_results",
    (*_POOL_CHECK, "result"),
    "Addresses of the pool by the latest result of each check: pass, fail, unknown (the DNS did not answer) or "
    "not-sampled (nobody asked it yet); the four results sum to the pool's size.",
)
POOL_CHECK_EXPECTED = _gauge(
    "maildns_pool_check_expected", _POOL_CHECK, "1 if the pool expects the check to pass, 0 if a failure is by design."
)
POOL_RECEIVER_RESULTS = _gauge(
    "maildns_pool_receiver_results",
    ("pool", "receiver", "result"),
    "Addresses of the pool by what this kind of receiver would do with their worst HELO name: accept, refuse some "
    "or all connections, refuse by-design, unknown or not-sampled; the five results sum to the pool's size.",
)
POOL_INTERVAL = _gauge(
    "maildns_pool_interval_seconds",
    _POOL,
    "Time in seconds in which each address of the pool is sampled once, as long as sampling keeps up.",
)
POOL_ROUNDS = _counter("maildns_pool_rounds_total", _POOL, "Rounds over the pool that ended.")
POOL_ROUND_DURATION = _gauge(
    "maildns_pool_round_duration_seconds", _POOL, "Duration in seconds of the latest round over the pool."
)
POOL_OLDEST_SAMPLE = _gauge(
    "maildns_pool_oldest_sample_timestamp_seconds",
    _POOL,
    "Unix time in seconds of the latest sample of the address that has waited longest; absent until every address of "
    "the pool has been sampled.",
)
POOL_CHANGES = _counter("maildns_pool_changes_total", _POOL, "Conclusive results of the pool's addresses that changed.")
SAMPLES = _counter(
    "maildns_samples_total", (*_POOL_CHECK, "result"), "Samples of the pool's addresses, by the result of each check."
)
RESULT_CHANGES = _counter(
    "maildns_result_changes_total",
    (*_POOL_CHECK, "result"),
    "Conclusive results that changed, or whose reason changed, by the new result.",
)
SAMPLING_LAG = _gauge(
    "maildns_sampling_lag_seconds",
    _POOL,
    "How late the next sample of the pool is, in seconds; 0 while sampling keeps up.",
)
SERIES_DROPPED = _counter(
    "maildns_series_dropped_total",
    _POOL,
    "Failing addresses that scrapes left out because a pool shows at most 1,000 of them.",
)
POOL_SAMPLE_ADDRESSES = _gauge(
    "maildns_pool_sample_addresses",
    _POOL_CHECK,
    "Addresses with a conclusive result from which the share of failing addresses is estimated; 0 until the first "
    "round has ended.",
)
POOL_SAMPLE_FAILURES = _gauge(
    "maildns_pool_sample_failures", _POOL_CHECK, "Addresses of maildns_pool_sample_addresses that fail the check."
)
POOL_FAILING_PREFIX_ADDRESSES = _gauge(
    "maildns_pool_failing_prefix_addresses",
    ("pool", "prefix"),
    "Addresses that fail a check that the pool expects, in each of the 50 worst prefixes (a /24, or a /64 of IPv6).",
)
POOL_FAILING_PREFIX_SAMPLED = _gauge(
    "maildns_pool_failing_prefix_sampled_addresses",
    ("pool", "prefix"),
    "Addresses that maildns_pool_failing_prefix_addresses is a part of: all that the pool has in the prefix, or all "
    "that were ever sampled where rounds draw addresses.",
)
POOL_NOT_ENUMERABLE_SAMPLES = _counter(
    "maildns_pool_unlisted_samples_total",
    ("pool", "verdict"),
    "Samples of random addresses in the pool's IPv6 ranges that are too large to enumerate, by iprev verdict "
    "(RFC 8601); no other family counts them.",
)

_SOURCE = ("pool", "source")

SOURCE_ADDRESSES = _gauge(
    "maildns_pool_source_addresses", _SOURCE, "Addresses that the pool has from the source (files or spf)."
)
SOURCE_CONFLICTS = _gauge(
    "maildns_pool_source_conflicting_addresses",
    _SOURCE,
    "Addresses that the source names but that belong to another pool.",
)
SOURCE_ADDED = _counter(
    "maildns_pool_source_added_addresses_total",
    _SOURCE,
    "Addresses that changes of the source added, without those of its first reading.",
)
SOURCE_REMOVED = _counter(
    "maildns_pool_source_removed_addresses_total", _SOURCE, "Addresses that changes of the source removed."
)
SOURCE_SUCCESS = _gauge(
    "maildns_pool_source_last_refresh_success",
    _SOURCE,
    "1 if the source was usable when last read, 0 if it was not and its previous addresses are kept.",
)
SOURCE_SUCCESS_TIMESTAMP = _gauge(
    "maildns_pool_source_last_refresh_success_timestamp_seconds",
    _SOURCE,
    "Unix time in seconds at which the source was last usable; absent before that.",
)
SOURCE_PROBLEM = _gauge(
    "maildns_pool_source_problem",
    (*_SOURCE, "reason"),
    "1 while the source has this problem, with the reason; absent otherwise.",
)

_DOMAIN = ("domain",)
_DOMAIN_PROBLEM = ("domain", "check", "reason", "selector")

DOMAIN_HEALTHY = _gauge(
    "maildns_domain_healthy",
    _DOMAIN,
    f"1 if every check that is expected of the domain passes, 0 if one fails; {_KEPT}.",
)
DOMAIN_PROBLEM = _gauge(
    "maildns_domain_problem",
    _DOMAIN_PROBLEM,
    "1 while an expected check of the domain fails for this reason; absent otherwise.",
)
DOMAIN_HINT = _gauge(
    "maildns_domain_hint",
    _DOMAIN_PROBLEM,
    "1 while something works but could be better, like a DKIM key of 1024 bits; absent otherwise.",
)
DOMAIN_CONCLUSIVE = _gauge(
    "maildns_domain_conclusive",
    _DOMAIN,
    "1 if the DNS answered every question of the latest sample of the domain, else 0.",
)
DOMAIN_LAST_SAMPLE = _gauge(
    "maildns_domain_last_sample_timestamp_seconds", _DOMAIN, "Unix time in seconds of the latest sample of the domain."
)
DOMAIN_LAST_CONCLUSIVE_SAMPLE = _gauge(
    "maildns_domain_last_conclusive_sample_timestamp_seconds",
    _DOMAIN,
    "Unix time in seconds of the latest sample of the domain in which the DNS answered every question.",
)
DOMAIN_LAST_CHANGE = _gauge(
    "maildns_domain_last_change_timestamp_seconds",
    _DOMAIN,
    "Unix time in seconds at which a conclusive result of the domain last changed; absent before the first change.",
)
DOMAIN_SAMPLES = _counter("maildns_domain_samples_total", _DOMAIN, "Samples of the domain.")
DOMAIN_CHANGES = _counter(
    "maildns_domain_result_changes_total",
    ("domain", "check", "result"),
    "Conclusive results of the domain that changed, or whose reason changed, by the new result.",
)
DOMAIN_SPF_VALID = _gauge(
    "maildns_domain_spf_valid",
    _DOMAIN,
    "1 if the domain has one valid SPF record (RFC 7208) that does not let everybody pass, else 0.",
)
DOMAIN_SPF_LOOKUPS = _gauge(
    "maildns_domain_spf_lookups",
    _DOMAIN,
    "Terms of the SPF record and its includes that query the DNS, at most; RFC 7208 allows 10.",
)
DOMAIN_SPF_VOID_LOOKUPS = _gauge(
    "maildns_domain_spf_void_lookups",
    _DOMAIN,
    "Terms of the SPF record and its includes whose lookups find nothing; RFC 7208 allows 2.",
)
DOMAIN_SPF_AUTHORISED = _gauge(
    "maildns_domain_spf_authorised_addresses",
    ("domain", "family"),
    "Addresses that pass the domain's SPF record, of IPv4 (4) and IPv6 (6), without those that depend on macros or "
    "ptr.",
)
DOMAIN_SPF_UNUSED = _gauge(
    "maildns_domain_spf_unused_addresses",
    ("domain", "family"),
    "Addresses that pass the domain's SPF record and are in no configured pool.",
)
DOMAIN_SPF_UNAUTHORISED = _gauge(
    "maildns_domain_spf_unauthorised_addresses",
    ("domain", "pool"),
    "Addresses that do not pass the domain's SPF record, of a pool that sends for the domain (mail_from_domains).",
)
DOMAIN_SPF_OPEN = _gauge(
    "maildns_domain_spf_open_addresses",
    ("domain", "pool"),
    "Addresses of a pool that sends for the domain that need a full SPF evaluation, because the record has macros or "
    "ptr.",
)
DOMAIN_SPF_UNCONFIRMED = _gauge(
    "maildns_domain_spf_unconfirmed_addresses",
    ("domain", "pool"),
    "Addresses of any pool that pass the domain's SPF record and are not forward-confirmed; at most 10,000, among the "
    "pool's first 20,000 that fail any check.",
)
DOMAIN_DKIM_KEY_VALID = _gauge(
    "maildns_domain_dkim_key_valid",
    ("domain", "selector"),
    "1 if the DKIM key exists, can be read, and is neither revoked nor too weak, else 0.",
)
DOMAIN_DKIM_KEY_BITS = _gauge(
    "maildns_domain_dkim_key_bits",
    ("domain", "selector"),
    "Size of the DKIM key in bits; absent without a readable key.",
)
DOMAIN_DKIM_KEY_INFO = _gauge(
    "maildns_domain_dkim_key_info",
    ("domain", "selector", "key_type"),
    "1, with the type of the DKIM key: rsa or ed25519.",
)
DOMAIN_DMARC_VALID = _gauge(
    "maildns_domain_dmarc_valid",
    _DOMAIN,
    "1 if a valid DMARC record (RFC 9989) applies to the domain and its report hosts accept the reports (RFC 9990), "
    "else 0.",
)
DOMAIN_DMARC_POLICY_INFO = _gauge(
    "maildns_domain_dmarc_policy_info",
    ("domain", "policy", "subdomain_policy", "testing"),
    "1, with the DMARC policies of the domain and its subdomains: none, quarantine or reject; testing is true if "
    "receivers should apply the next weaker one (t=y).",
)
DOMAIN_MX_VALID = _gauge("maildns_domain_mx_valid", _DOMAIN, "1 if mail to the domain can be delivered, else 0.")
DOMAIN_MTA_STS_VALID = _gauge(
    "maildns_domain_mta_sts_valid",
    _DOMAIN,
    "1 if an MTA-STS policy (RFC 8461) is announced and the host that serves it resolves, else 0.",
)
DOMAIN_TLS_RPT_VALID = _gauge(
    "maildns_domain_tls_rpt_valid",
    _DOMAIN,
    "1 if the domain requests TLS reports in a valid record (RFC 8460), else 0.",
)

_QUERY = ("resolver", "qtype", "outcome")
_SERVER = ("resolver", "server")

DNS_QUERIES = _counter(
    "maildns_dns_queries_total", _QUERY, "Queries sent to the servers of the resolver, retries included, by outcome."
)
DNS_QUERY_DURATION = Family(
    "maildns_dns_query_duration_seconds",
    "histogram",
    _QUERY,
    "Duration in seconds of queries to the servers of the resolver.",
)
DNS_CACHE_HITS = _counter(
    "maildns_dns_cache_hits_total", _QUERY, "Questions that were answered from the cache, by outcome."
)
DNS_IGNORED_PACKETS = _counter(
    "maildns_dns_ignored_packets_total",
    ("resolver", "reason"),
    "UDP packets that did not fit a query and were ignored, by reason.",
)
DNS_OVERFLOWED_QUESTIONS = _counter(
    "maildns_dns_overflowed_questions_total",
    ("resolver",),
    "Questions that were never sent, because the queue of the resolver was full or too slow.",
)
RESOLVER_UP = _gauge(
    "maildns_resolver_up", _SERVER, "1 if the server answers, 0 if it left its latest queries unanswered."
)
CANARY_OK = _gauge(
    "maildns_canary_ok",
    _SERVER,
    "1 if the server answers the canary correctly, 0 if it does not and its answers are not believed.",
)
RESOLVER_DISAGREEMENT = _gauge(
    "maildns_resolver_disagreement",
    _POOL,
    "Addresses and HELO names of the pool that resolvers disagree about; at most 10,000 over all pools.",
)
DOMAIN_RESOLVER_DISAGREEMENT = _gauge(
    "maildns_domain_resolver_disagreement", _DOMAIN, "1 while resolvers disagree about the domain, else 0."
)
RESOLVER_DISAGREEMENTS = _counter(
    "maildns_resolver_disagreements_total",
    ("resolver", "other"),
    "Samples in which one of the two resolvers saw a failure and the other none; the same name twice means two servers "
    "of one resolver.",
)
STORAGE_OK = _gauge("maildns_storage_ok", (), "1 if state is being saved, 0 if it cannot be; sampling continues.")
STORAGE_ERRORS = _counter("maildns_storage_errors_total", ("reason",), "Attempts to save that failed, by reason.")
STORAGE_BYTES = _gauge("maildns_storage_bytes", (), "Size in bytes of the storage file and its write-ahead log.")
STORAGE_LAST_COMMIT = _gauge(
    "maildns_storage_last_commit_timestamp_seconds",
    (),
    "Unix time in seconds at which something was last written to the storage; absent before that.",
)
STORAGE_RESTORED = _gauge("maildns_storage_restored_addresses", (), "Addresses whose state was restored at the start.")
STORAGE_UNREADABLE = _counter(
    "maildns_storage_unreadable_rows_total", (), "Damaged rows that were left out when state was restored."
)
STORAGE_LOST_CHANGES = _counter(
    "maildns_storage_lost_changes_total", (), "Changes dropped from memory before they could be written."
)
EVENT_LOOP_LAG = _gauge(
    "maildns_event_loop_lag_seconds",
    (),
    "The longest time in seconds that the event loop was blocked in the last 15 seconds.",
)
BUILD_INFO = _gauge("maildns_build_info", ("version", "python"), "1, with the versions of the exporter and of Python.")
WEB_INFO = _gauge(
    "maildns_web_info",
    ("external_url", "grafana_url"),
    "1, with the URLs of the status page and of Grafana, for links in alerts; absent without --web.external-url and "
    "--web.grafana-url.",
)
RELOAD_SUCCESSFUL = _gauge(
    "maildns_config_last_reload_successful",
    (),
    "1 if the configuration was valid when last read, 0 if it was not and the previous one is still in use.",
)
RELOAD_SUCCESS_TIMESTAMP = _gauge(
    "maildns_config_last_reload_success_timestamp_seconds",
    (),
    "Unix time in seconds at which the configuration in use was read.",
)
PROBE_SUCCESS = _gauge(
    "maildns_probe_success",
    (),
    "1 if the DNS answered enough to evaluate every check that the pool expects, block lists apart, else 0.",
)
PROBE_DURATION = _gauge("maildns_probe_duration_seconds", (), "Duration in seconds of the sample of this probe.")

CATALOGUE: tuple[Family, ...] = tuple(one for one in tuple(globals().values()) if isinstance(one, Family))
"""Every family, in the order in which scrapes show them."""
