"""Every family of metrics that the exporter shows. docs/metrics.md, the dashboards and the rules are held to this list.

The rule of this package: a family is declared once, with its labels and its HELP, in the chapter that it belongs to,
and made nowhere else. Names are contracts: other people's alerts hang on them. Whoever fills families says
`catalogue.FCRDNS_MATCH`, whichever chapter that is in: therefore the stars.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from prometheus_client import Metric

# SECTION exporter.metrics.catalogue.family
# What declares a family of metrics, and what is filled for one scrape of it.

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


class Adder(Protocol):
    """One family on its way: `Series`, or lines."""

    def add(self, labels: tuple[str, ...], value: float) -> None:
        """Add one gauge or counter; *labels* in the order of the declaration."""


class Sink(Protocol):
    """Where samples go: `exporter.metrics.fleet.Scrape`, or `exporter.metrics.lines.Lines`."""

    def __getitem__(self, family: Family, /) -> Adder: ...


SAMPLED = "Sampled in the background, not by the scrape: see maildns_last_sample_timestamp_seconds."
HELD = "The last conclusive value is kept while the DNS does not answer, and nothing is shown before there is one."

ADDRESS_LABELS = ("pool", "ip")
PAIR_LABELS = ("pool", "ip", "helo")
HELO_LABELS = ("pool", "helo")
POOL_LABELS = ("pool",)


# SECTION exporter.metrics.catalogue.addresses
# The families about single addresses and HELO names.

FCRDNS_MATCH = Family(
    "maildns_fcrdns_match",
    "gauge",
    ADDRESS_LABELS,
    f"1 if the address is forward-confirmed (FCrDNS, iprev pass of RFC 8601), 0 if it is not. {HELD} {SAMPLED}",
)
FCRDNS_CONCLUSIVE = Family(
    "maildns_fcrdns_conclusive",
    "gauge",
    ADDRESS_LABELS,
    f"1 if the DNS answered the latest sample, 0 if it did not and older values stand. {SAMPLED}",
)
PTR_RECORDS = Family("maildns_ptr_records", "gauge", ADDRESS_LABELS, f"PTR names of the address. {HELD}")
PTR_CONFIRMED_RECORDS = Family(
    "maildns_ptr_confirmed_records",
    "gauge",
    ADDRESS_LABELS,
    f"PTR names of the address that resolve back to it, of the first 10 in alphabetical order. {HELD}",
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
    PAIR_LABELS,
    f"1 if the HELO name resolves to the address, in the address's own family. {HELD}",
)
HELO_PTR_MATCH = Family(
    "maildns_helo_ptr_match", "gauge", PAIR_LABELS, f"1 if the HELO name is a PTR name of the address. {HELD}"
)
HELO_ALIGNED = Family(
    "maildns_helo_aligned",
    "gauge",
    PAIR_LABELS,
    f"1 if the HELO name and a PTR name of the address are both in the pool's aligned_suffix. {HELD}",
)
HELO_RESOLVES = Family(
    "maildns_helo_resolves", "gauge", HELO_LABELS, f"1 if the HELO name has an A or AAAA record. {HELD}"
)
HELO_ADDRESSES = Family(
    "maildns_helo_addresses", "gauge", HELO_LABELS, f"Addresses that the HELO name resolves to. {HELD}"
)
HELO_CONFIRMED_ADDRESSES = Family(
    "maildns_helo_confirmed_addresses",
    "gauge",
    HELO_LABELS,
    f"Addresses that the HELO name resolves to and that are forward-confirmed. {HELD}",
)
HELO_ADDRESSES_OUTSIDE_POOL = Family(
    "maildns_helo_addresses_outside_pool",
    "gauge",
    HELO_LABELS,
    f"Addresses that the HELO name resolves to and that are not in the pool. {HELD}",
)
HELO_POOL_ADDRESSES = Family(
    "maildns_helo_pool_addresses",
    "gauge",
    HELO_LABELS,
    f"Addresses of the pool that the HELO name resolves to. {HELD}",
)
RECEIVER_ACCEPTS = Family(
    "maildns_receiver_accepts",
    "gauge",
    ("pool", "ip", "helo", "receiver"),
    "Share of the connections that a receiver of this kind would accept, predicted from the DNS: 1, 0, or between "
    f"where it takes the first of several PTR names. {HELD}",
)
ADDRESS_HEALTHY = Family(
    "maildns_address_healthy",
    "gauge",
    ADDRESS_LABELS,
    f"1 if the address passes every check that its pool expects, 0 if it fails one. {HELD}",
)
ADDRESS_PROBLEM = Family(
    "maildns_address_problem",
    "gauge",
    ("pool", "ip", "check", "reason"),
    "1 while the address fails a check that its pool expects, with the reason; absent otherwise.",
)
LAST_SAMPLE = Family(
    "maildns_last_sample_timestamp_seconds", "gauge", ADDRESS_LABELS, "When the address was last sampled, as Unix time."
)
LAST_CONCLUSIVE_SAMPLE = Family(
    "maildns_last_conclusive_sample_timestamp_seconds",
    "gauge",
    ADDRESS_LABELS,
    "When the DNS last answered a sample of the address, as Unix time.",
)
LAST_CHANGE = Family(
    "maildns_last_change_timestamp_seconds",
    "gauge",
    ADDRESS_LABELS,
    "When a conclusive result of the address last changed, as Unix time; absent before the first change.",
)


# SECTION exporter.metrics.catalogue.authentication
# The families about what an address proves beside its names: SPF, and what block lists say.

SPF_PASS = Family(
    "maildns_spf_pass",
    "gauge",
    ("pool", "ip", "identity", "domain"),
    "1 if SPF (RFC 7208) authorises the address: the result for this identity, helo or mailfrom, is pass. Nothing is "
    f"shown of a HELO name that has no SPF record and needs none. {HELD} {SAMPLED}",
)
DNSBL_LISTED = Family(
    "maildns_dnsbl_listed",
    "gauge",
    ("pool", "ip", "dnsbl"),
    "1 if the block list has the address, 0 if it does not. Lists are asked at a pace of their own; a list that fails "
    f"its test points or refuses to answer changes nothing. {HELD}",
)
DNSBL_USABLE = Family(
    "maildns_dnsbl_usable",
    "gauge",
    ("dnsbl", "family"),
    "1 if the block list passes its test points (RFC 5782 section 5) for addresses of the family, ipv4 or ipv6; 0 if "
    "it fails them, refuses to answer, or is silent, so that nothing it says is believed.",
)


# SECTION exporter.metrics.catalogue.pools
# The families about pools as a whole: sizes, sums, rounds.

POOL_ADDRESSES = Family("maildns_pool_addresses", "gauge", POOL_LABELS, "Addresses of the pool.")
POOL_RESULTS = Family(
    "maildns_pool_results",
    "gauge",
    ("pool", "check", "result"),
    f"Addresses of the pool by the latest result of each check; the three results sum to the pool's size. {SAMPLED}",
)
POOL_CHECK_EXPECTED = Family(
    "maildns_pool_check_expected",
    "gauge",
    ("pool", "check"),
    "1 if the pool expects its addresses to pass the check, so that a failure is a problem; 0 if failures are by "
    "design.",
)
POOL_RECEIVER_RESULTS = Family(
    "maildns_pool_receiver_results",
    "gauge",
    ("pool", "receiver", "result"),
    "Addresses of the pool by what a receiver of this kind would do with their connections: accept, refuse some or "
    "all of them, refuse them by design of the pool's profile, unknown; of several HELO names the worst counts, and "
    "the four results sum to the pool's size. The last conclusive prediction is kept while the DNS does not answer.",
)
POOL_INTERVAL = Family(
    "maildns_pool_interval_seconds",
    "gauge",
    POOL_LABELS,
    "Seconds in which each address of the pool is sampled once, as long as sampling keeps up.",
)
POOL_ROUNDS = Family("maildns_pool_rounds_total", "counter", POOL_LABELS, "Rounds over the pool that ended.")
POOL_ROUND_DURATION = Family(
    "maildns_pool_round_duration_seconds", "gauge", POOL_LABELS, "How long the latest round over the pool took."
)
POOL_OLDEST_SAMPLE = Family(
    "maildns_pool_oldest_sample_timestamp_seconds",
    "gauge",
    POOL_LABELS,
    "When the address of the pool that has waited longest was last sampled, as Unix time; absent until every address "
    "has been sampled once.",
)
POOL_CHANGES = Family(
    "maildns_pool_changes_total", "counter", POOL_LABELS, "Conclusive results of the pool's addresses that changed."
)
SAMPLES = Family(
    "maildns_samples_total",
    "counter",
    ("pool", "check", "result"),
    "Samples of the pool's addresses, by the result of each check.",
)
RESULT_CHANGES = Family(
    "maildns_result_changes_total",
    "counter",
    ("pool", "check", "result"),
    "Conclusive results that changed, or whose reason changed, by the new result.",
)
SAMPLING_LAG = Family(
    "maildns_sampling_lag_seconds",
    "gauge",
    POOL_LABELS,
    "How late the next sample of the pool is; 0 while it keeps up.",
)
SERIES_DROPPED = Family(
    "maildns_series_dropped_total",
    "counter",
    POOL_LABELS,
    "Failing addresses that a scrape left out because the pool has more of them than it may show.",
)


# SECTION exporter.metrics.catalogue.samples
# The families about how much of a pool is bad, and where.

POOL_SAMPLE_ADDRESSES = Family(
    "maildns_pool_sample_addresses",
    "gauge",
    ("pool", "check"),
    "Addresses from which the share of failing ones is estimated: those that the latest round drew, each of the pool "
    "as likely as any other, and that the DNS answered for; in a pool that is swept, all that it answered for. 0 until "
    f"the first round has ended. {SAMPLED}",
)
POOL_SAMPLE_FAILURES = Family(
    "maildns_pool_sample_failures",
    "gauge",
    ("pool", "check"),
    "Those of maildns_pool_sample_addresses that fail the check. Failures found by searching around another one are "
    "not counted.",
)
POOL_FAILING_PREFIX_ADDRESSES = Family(
    "maildns_pool_failing_prefix_addresses",
    "gauge",
    ("pool", "prefix"),
    "Addresses of the prefix that are known to fail a check that the pool expects: the 50 worst prefixes of the pool "
    "that have any. In a pool of which some addresses of each prefix are sampled, those that were sampled.",
)
POOL_FAILING_PREFIX_SAMPLED = Family(
    "maildns_pool_failing_prefix_sampled_addresses",
    "gauge",
    ("pool", "prefix"),
    "The whole of which maildns_pool_failing_prefix_addresses is a part: all addresses that the pool has in the "
    "prefix or, in a pool of which some addresses of each prefix are sampled, those that ever were.",
)
POOL_NOT_ENUMERABLE_SAMPLES = Family(
    "maildns_pool_unlisted_samples_total",
    "counter",
    ("pool", "verdict"),
    "Samples of addresses that were drawn at random from the pool's IPv6 ranges that are too big to be listed, by "
    "iprev result (RFC 8601): permerror means no PTR record, which is no fault where nobody sends mail. No other "
    "family counts them; absent where the pool has no such ranges.",
)


# SECTION exporter.metrics.catalogue.sources
# The families about what feeds pools: files and SPF records.

SOURCE_LABELS = ("pool", "source")

SOURCE_ADDRESSES = Family(
    "maildns_pool_source_addresses", "gauge", SOURCE_LABELS, "Addresses that the pool has from its files, or from SPF."
)
SOURCE_CONFLICTS = Family(
    "maildns_pool_source_conflicting_addresses",
    "gauge",
    SOURCE_LABELS,
    "Addresses that the source names, but that belong to another pool.",
)
SOURCE_ADDED = Family(
    "maildns_pool_source_added_addresses_total",
    "counter",
    SOURCE_LABELS,
    "Addresses that changes of the source added; those of its first reading are not counted.",
)
SOURCE_REMOVED = Family(
    "maildns_pool_source_removed_addresses_total",
    "counter",
    SOURCE_LABELS,
    "Addresses that changes of the source removed.",
)
SOURCE_SUCCESS = Family(
    "maildns_pool_source_last_refresh_success",
    "gauge",
    SOURCE_LABELS,
    "1 if the source could be used when it was last read, 0 if it could not and its previous addresses are kept.",
)
SOURCE_SUCCESS_TIMESTAMP = Family(
    "maildns_pool_source_last_refresh_success_timestamp_seconds",
    "gauge",
    SOURCE_LABELS,
    "When the source was last read and could be used, as Unix time; absent before that.",
)
SOURCE_PROBLEM = Family(
    "maildns_pool_source_problem",
    "gauge",
    ("pool", "source", "reason"),
    "1 while something is wrong with the source, with the reason; absent otherwise.",
)


# SECTION exporter.metrics.catalogue.domains
# The families about domains: what they publish for their mail, and their SPF record beside the pools.

DOMAIN_LABELS = ("domain",)
SELECTOR_LABELS = ("domain", "selector")

_SAMPLED = "Sampled in the background, not by the scrape: see maildns_domain_last_sample_timestamp_seconds."

DOMAIN_HEALTHY = Family(
    "maildns_domain_healthy",
    "gauge",
    DOMAIN_LABELS,
    f"1 if every check that is expected of the domain passes, 0 if one fails. {HELD}",
)
DOMAIN_PROBLEM = Family(
    "maildns_domain_problem",
    "gauge",
    ("domain", "check", "reason", "selector"),
    "1 while an expected check of the domain fails for this reason; absent otherwise. The selector is that of a DKIM "
    "key, and empty for other checks.",
)
DOMAIN_HINT = Family(
    "maildns_domain_hint",
    "gauge",
    ("domain", "check", "reason", "selector"),
    "1 while something that works could be better, like a DKIM key of 1024 bits; absent otherwise.",
)
DOMAIN_CONCLUSIVE = Family(
    "maildns_domain_conclusive",
    "gauge",
    DOMAIN_LABELS,
    f"1 if the DNS answered everything that the latest sample of the domain asked. {_SAMPLED}",
)
DOMAIN_LAST_SAMPLE = Family(
    "maildns_domain_last_sample_timestamp_seconds",
    "gauge",
    DOMAIN_LABELS,
    "When the domain was last sampled, as Unix time.",
)
DOMAIN_LAST_CONCLUSIVE_SAMPLE = Family(
    "maildns_domain_last_conclusive_sample_timestamp_seconds",
    "gauge",
    DOMAIN_LABELS,
    "When the DNS last answered everything that a sample of the domain asked, as Unix time.",
)
DOMAIN_LAST_CHANGE = Family(
    "maildns_domain_last_change_timestamp_seconds",
    "gauge",
    DOMAIN_LABELS,
    "When a conclusive result of the domain last changed, as Unix time; absent before that.",
)
DOMAIN_SAMPLES = Family("maildns_domain_samples_total", "counter", DOMAIN_LABELS, "Samples of the domain.")
DOMAIN_CHANGES = Family(
    "maildns_domain_result_changes_total",
    "counter",
    ("domain", "check", "result"),
    "Conclusive results of the domain that changed, or whose reasons changed, by the new result.",
)

DOMAIN_SPF_VALID = Family(
    "maildns_domain_spf_valid",
    "gauge",
    DOMAIN_LABELS,
    "1 if the domain has one SPF record that can be read with all that it includes, within the limits of RFC 7208, "
    f"and does not let everybody pass. {HELD}",
)
DOMAIN_SPF_LOOKUPS = Family(
    "maildns_domain_spf_lookups",
    "gauge",
    DOMAIN_LABELS,
    f"Terms of the SPF record and its includes that ask the DNS, at most; 10 are allowed. {HELD}",
)
DOMAIN_SPF_VOID_LOOKUPS = Family(
    "maildns_domain_spf_void_lookups",
    "gauge",
    DOMAIN_LABELS,
    f"Terms of the SPF record and its includes whose lookups find nothing; 2 are allowed. {HELD}",
)
DOMAIN_SPF_AUTHORISED = Family(
    "maildns_domain_spf_authorised_addresses",
    "gauge",
    ("domain", "family"),
    "Addresses that pass the domain's SPF record, of IPv4 (4) and IPv6 (6); those that depend on more than the "
    "address (macros, ptr) are not counted.",
)
DOMAIN_SPF_UNUSED = Family(
    "maildns_domain_spf_unused_addresses",
    "gauge",
    ("domain", "family"),
    "Addresses that pass the domain's SPF record and are in no configured pool.",
)
DOMAIN_SPF_UNAUTHORISED = Family(
    "maildns_domain_spf_unauthorised_addresses",
    "gauge",
    ("domain", "pool"),
    "Addresses that do not pass the domain's SPF record, of a pool that sends for the domain (mail_from_domains).",
)
DOMAIN_SPF_OPEN = Family(
    "maildns_domain_spf_open_addresses",
    "gauge",
    ("domain", "pool"),
    "Addresses of a pool that sends for the domain for which only a full evaluation can tell whether they pass: the "
    "record has macros or ptr.",
)
DOMAIN_SPF_UNCONFIRMED = Family(
    "maildns_domain_spf_unconfirmed_addresses",
    "gauge",
    ("domain", "pool"),
    "Addresses of the pool that pass the domain's SPF record and are not forward-confirmed, by their last conclusive "
    "results; at most 10,000 are counted, among the first 20,000 of the pool that fail any check. "
    "The pool need not name the domain.",
)

DOMAIN_DKIM_KEY_VALID = Family(
    "maildns_domain_dkim_key_valid",
    "gauge",
    SELECTOR_LABELS,
    f"1 if the key of the selector is there, can be read, and is neither revoked nor too weak. {HELD}",
)
DOMAIN_DKIM_KEY_BITS = Family(
    "maildns_domain_dkim_key_bits",
    "gauge",
    SELECTOR_LABELS,
    f"Size of the selector's key; absent where there is none to be read. {HELD}",
)
DOMAIN_DKIM_KEY_INFO = Family(
    "maildns_domain_dkim_key_info",
    "gauge",
    ("domain", "selector", "key_type"),
    "1, with the type of the selector's key: rsa, or ed25519.",
)
DOMAIN_DMARC_VALID = Family(
    "maildns_domain_dmarc_valid",
    "gauge",
    DOMAIN_LABELS,
    "1 if a DMARC record applies to the domain, can be read, and its reports may go where it sends them (RFC 9989, "
    f"RFC 9990). {HELD}",
)
DOMAIN_DMARC_POLICY_INFO = Family(
    "maildns_domain_dmarc_policy_info",
    "gauge",
    ("domain", "policy", "subdomain_policy", "testing"),
    "1, with what the domain asks receivers to do with mail that fails DMARC, its own and that of its subdomains: "
    "none, quarantine or reject; testing is true where they are asked to apply the next weaker policy (t=y).",
)
DOMAIN_MX_VALID = Family(
    "maildns_domain_mx_valid", "gauge", DOMAIN_LABELS, f"1 if mail to the domain can be delivered. {HELD}"
)
DOMAIN_MTA_STS_VALID = Family(
    "maildns_domain_mta_sts_valid",
    "gauge",
    DOMAIN_LABELS,
    f"1 if the domain announces an MTA-STS policy, and the host that serves it resolves (RFC 8461). {HELD}",
)
DOMAIN_TLS_RPT_VALID = Family(
    "maildns_domain_tls_rpt_valid",
    "gauge",
    DOMAIN_LABELS,
    f"1 if the domain asks for TLS reports in a way that senders can read (RFC 8460). {HELD}",
)


# SECTION exporter.metrics.catalogue.dns
# The families about asking the DNS: queries, cache, servers, canaries.

DNS_QUERIES = Family(
    "maildns_dns_queries_total",
    "counter",
    ("resolver", "qtype", "outcome"),
    "Queries sent to the servers of the resolver, retries included, by outcome.",
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
    "Questions that were answered from the cache, by outcome.",
)
DNS_IGNORED_PACKETS = Family(
    "maildns_dns_ignored_packets_total",
    "counter",
    ("resolver", "reason"),
    "UDP packets that were not the reply to a query. They change no answer: the exporter goes on waiting for the "
    "right one.",
)
DNS_OVERFLOWED_QUESTIONS = Family(
    "maildns_dns_overflowed_questions_total",
    "counter",
    ("resolver",),
    "Questions that were never sent, because the queue of the resolver was full or too slow.",
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
    "1 if the server answers the canary's questions as it should; 0 if not, and no verdict rests on what it says.",
)
RESOLVER_DISAGREEMENT = Family(
    "maildns_resolver_disagreement",
    "gauge",
    POOL_LABELS,
    "Addresses and HELO names of the pool that resolvers disagree about: in the latest sample, one saw a failure "
    "where another saw none. At most 10000 over all pools.",
)
DOMAIN_RESOLVER_DISAGREEMENT = Family(
    "maildns_domain_resolver_disagreement",
    "gauge",
    ("domain",),
    "1 while resolvers disagree about the domain: in the latest sample, one saw a failure where another saw none; "
    "else 0.",
)
RESOLVER_DISAGREEMENTS = Family(
    "maildns_resolver_disagreements_total",
    "counter",
    ("resolver", "other"),
    "Samples in which one of the two resolvers saw a failure where the other saw none; the same name twice for two "
    "servers of one resolver.",
)


# SECTION exporter.metrics.catalogue.storage
# The families about the file in which state outlives the process.

_ONLY = "Only where a storage is configured."

STORAGE_OK = Family(
    "maildns_storage_ok",
    "gauge",
    (),
    f"1 if state is being saved, 0 if it cannot be; sampling goes on regardless. {_ONLY}",
)
STORAGE_ERRORS = Family(
    "maildns_storage_errors_total", "counter", ("reason",), f"Attempts to save that failed, by cause. {_ONLY}"
)
STORAGE_BYTES = Family(
    "maildns_storage_bytes", "gauge", (), f"Size of the file of the storage, its write-ahead log included. {_ONLY}"
)
STORAGE_LAST_COMMIT = Family(
    "maildns_storage_last_commit_timestamp_seconds",
    "gauge",
    (),
    f"When something was last written to the storage, as Unix time. {_ONLY}",
)
STORAGE_RESTORED = Family(
    "maildns_storage_restored_addresses",
    "gauge",
    (),
    f"Addresses whose state was restored at the start. {_ONLY}",
)
STORAGE_UNREADABLE = Family(
    "maildns_storage_unreadable_rows_total",
    "counter",
    (),
    f"Rows of the storage that were damaged, and left out when state was restored. {_ONLY}",
)
STORAGE_LOST_CHANGES = Family(
    "maildns_storage_lost_changes_total",
    "counter",
    (),
    f"Changes that were dropped from memory before they could be written. {_ONLY}",
)


# SECTION exporter.metrics.catalogue.runtime
# The families about the exporter itself, and those of `/probe`.

EVENT_LOOP_LAG = Family(
    "maildns_event_loop_lag_seconds",
    "gauge",
    (),
    "The longest time that the event loop was blocked in the last 15 seconds.",
)
BUILD_INFO = Family("maildns_build_info", "gauge", ("version", "python"), "1, with the version that runs.")
RELOAD_SUCCESSFUL = Family(
    "maildns_config_last_reload_successful",
    "gauge",
    (),
    "1 if the configuration was good when it was last read, 0 if it was bad and the previous one is still in use.",
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
    "1 if the DNS answered enough to judge every check that the pool expects, passing or failing; 0 if not. In /probe "
    "only.",
)
PROBE_DURATION = Family(
    "maildns_probe_duration_seconds", "gauge", (), "How long the sample of this probe took. In /probe only."
)


# SECTION exporter.metrics.catalogue

CATALOGUE: tuple[Family, ...] = tuple(one for one in tuple(globals().values()) if isinstance(one, Family))
"""Every family, chapter by chapter."""
