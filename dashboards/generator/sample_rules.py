"""What share of each pool is bad, recorded with the ends of its 95% interval; docs/pools.md says how to read them."""

from dashboards.generator.address_rules import POOL_SIZE
from dashboards.generator.estimate import Estimate
from dashboards.generator.rules import Group, Recording

_SAMPLED = "job_pool_check:maildns_pool_sample_addresses:sum"
_FAILED = "job_pool_check:maildns_pool_sample_failures:sum"
_EFFECTIVE = "job_pool_check:maildns_pool_sample_addresses:effective"
# What people write into queries and alerts of their own: short names, whose labels are job, pool and check.
RATIO = "maildns:pool_mismatch:ratio"
LOWER = "maildns:pool_mismatch:lower"
UPPER = "maildns:pool_mismatch:upper"

_ESTIMATE = Estimate(_SAMPLED, _FAILED, POOL_SIZE, "job, pool")

RECORDINGS = [
    Recording(_SAMPLED, "sum by (job, pool, check) (maildns_pool_sample_addresses)", "The sample, over all shards."),
    Recording(_FAILED, "sum by (job, pool, check) (maildns_pool_sample_failures)", "Those of it that fail."),
    Recording(_EFFECTIVE, _ESTIMATE.effective, "The sample's size, corrected for a finite population."),
    Recording(RATIO, _ESTIMATE.ratio, "The share of addresses that fail a check, as far as the sample tells."),
    Recording(LOWER, _ESTIMATE.end(RATIO, _EFFECTIVE, upper=False), "The lower end of its 95% interval (Wilson)."),
    Recording(UPPER, _ESTIMATE.end(RATIO, _EFFECTIVE, upper=True), "The upper end."),
]

GROUP = Group("maildns-samples", "30s", RECORDINGS, [])
