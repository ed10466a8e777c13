"""The families about pools as a whole: sizes, sums, rounds."""

from exporter.metrics.catalogue.family import POOL_LABELS, SAMPLED, Family

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
