"""The families about how much of a pool is bad, and where."""

from exporter.metrics.catalogue.family import SAMPLED, Family

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
POOL_UNLISTED_SAMPLES = Family(
    "maildns_pool_unlisted_samples_total",
    "counter",
    ("pool", "verdict"),
    "Samples of addresses that were drawn at random from the pool's IPv6 ranges that are too big to be listed, by "
    "iprev result (RFC 8601): permerror means no PTR record, which is no fault where nobody sends mail. No other "
    "family counts them; absent where the pool has no such ranges.",
)
