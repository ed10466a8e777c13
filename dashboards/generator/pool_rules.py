"""Rules about pools: what their alerts carry, the share that fails, and the sources of their addresses.

1. `maildns_pool_info` has the keys `alert`, `severity`, `team` and `labels` of a pool. Each alert about a pool is
   joined with it. So it carries these labels, and a pool with `alert: false` has none.
2. Where no alert is about single addresses (`alert: share` or `prefixes`), the lower end of the estimated share
   decides. docs/pools.md explains how to read it.
3. A source that fails removes no address, so no alert about it is critical. But new addresses are not watched, and
   nothing else would report it.
"""

from dashboards.generator.exporter_rules import UNLESS_BLIND
from dashboards.generator.promql import Estimate
from dashboards.generator.rules import POOL_DASHBOARD, POOL_PAGE, Alert, Group, Recording, indented

POOL_SIZE = "job_pool:maildns_pool_addresses:sum"
THRESHOLD = "job_pool:maildns_pool_alert_threshold_ratio:max"
ALERT_LABELS = "severity, team, service, environment, tenant"
"""Labels of `maildns_pool_info` that alerts carry. PromQL cannot join labels without naming them."""
_INFO = f"job_pool_{ALERT_LABELS.replace(', ', '_')}:maildns_pool_info:topk"


def about_pool(query: str, *modes: str) -> str:
    """*query*, which has the labels job and pool, with the labels that the pool's alerts carry.

    Without the pools whose alerts are not of these *modes*; pools with `alert: false` have no alerts at all.
    """
    joined = f"(\n{indented(query)}\n)\n* on (job, pool) group_left ({ALERT_LABELS}) {_INFO}"
    return joined + (f'\nand on (job, pool) maildns_pool_info{{alert=~"{"|".join(modes)}"}}' if modes else "")


SOURCE_REASONS = (
    "unreadable-file",
    "unanswered",
    "no-record",
    "permerror",
    "too-many-addresses",
    "no-addresses",
    "not-enumerable",
)
"""Every reason with an alert here. Causes come before consequences: the alert names the first."""
_BY = "job, instance, pool, source"
_FAILING = f"\nor on ({_BY})\n".join(
    f'max by ({_BY}, reason) (maildns_pool_source_problem{{reason="{reason}"}})' for reason in SOURCE_REASONS[:-1]
)
_ADDED = f"sum by ({_BY}) (increase(maildns_pool_source_added_addresses_total[1h]))"
_REMOVED = f"sum by ({_BY}) (increase(maildns_pool_source_removed_addresses_total[1h]))"

SOURCES = Group(
    "maildns-sources",
    [],
    [
        Alert(
            name="MailDnsPoolSourceFailing",
            query=about_pool(f"(\n{_FAILING}\n)\n{UNLESS_BLIND}"),
            keep_firing="15m",
            severity="warning",
            is_capped=True,
            pending="15m",
            page=POOL_PAGE,
            dashboard=POOL_DASHBOARD,
            summary="The source of a pool's addresses cannot be used; the last good addresses stay.",
            description="{{ $labels.instance }} cannot update the addresses of pool {{ $labels.pool }} from "
            "{{ $labels.source }}: {{ $labels.reason }}. It still watches the addresses that it had; new ones go "
            "unwatched. The log names the file and line, or the term of the SPF record.",
            comment="Files are read every five seconds, a failed record every minute.",
        ),
        Alert(
            name="MailDnsPoolSourceChanged",
            query=about_pool(
                f"({_ADDED} + {_REMOVED})\n"
                f"/ clamp_min(sum by ({_BY}) (maildns_pool_source_addresses) - {_ADDED} + {_REMOVED}, 1)\n"
                f"and ({_ADDED} + {_REMOVED} > 2)"
            ),
            threshold=0.25,
            pending="1m",
            keep_firing="15m",
            severity="warning",
            is_capped=True,
            page=POOL_PAGE,
            dashboard=POOL_DASHBOARD,
            summary="The source of a pool's addresses made the pool much larger or smaller.",
            description="Within an hour {{ $value | humanizePercentage }} of the addresses that pool "
            "{{ $labels.pool }} has from {{ $labels.source }} were added or removed. Removed addresses are no longer "
            "watched: make sure that the change was intended. maildns_pool_source_added_addresses_total and "
            "..._removed_addresses_total say which it was.",
            comment="A quarter of the source and at least three addresses; the first load does not count.",
        ),
        Alert(
            name="MailDnsPoolSourceIncomplete",
            query=about_pool(
                f'max by ({_BY}, reason) (maildns_pool_source_problem{{reason="{SOURCE_REASONS[-1]}"}})\n'
                f'unless on ({_BY}) (\n  maildns_pool_source_problem{{reason!="{SOURCE_REASONS[-1]}"}}\n)'
            ),
            pending="1h",
            keep_firing="15m",
            severity="info",
            page=POOL_PAGE,
            dashboard=POOL_DASHBOARD,
            summary="Some of the addresses that an SPF record authorises cannot be listed.",
            description="The SPF record of pool {{ $labels.pool }} has terms that depend on more than the address "
            "(exists, ptr, macros). The addresses that they authorise are not watched. If you know these networks, "
            "add them to the pool's addresses.",
            comment="The record is valid; it authorises more than can be listed.",
        ),
    ],
)

_SAMPLED = "job_pool_check:maildns_pool_sample_addresses:sum"
_FAILED = "job_pool_check:maildns_pool_sample_failures:sum"
_EFFECTIVE = "job_pool_check:maildns_pool_sample_addresses:effective"
# People write these three into queries and alerts of their own: short names, with the labels job, pool and check.
RATIO = "maildns:pool_mismatch:ratio"
LOWER = "maildns:pool_mismatch:lower"
UPPER = "maildns:pool_mismatch:upper"
_ESTIMATE = Estimate(_SAMPLED, _FAILED, POOL_SIZE, "job, pool")

BEYOND = "job_pool_check:maildns_pool_mismatch:beyond"
POOLS = [
    Recording(POOL_SIZE, "sum by (job, pool) (maildns_pool_addresses)", "The size of a pool, over all shards."),
    Recording(
        THRESHOLD,
        "max by (job, pool) (maildns_pool_alert_threshold_ratio)",
        "The share of a pool that has to fail for an alert about the whole pool.",
    ),
    Recording(
        _INFO,
        f'topk by (job, pool) (\n  1,\n  max by (job, pool, {ALERT_LABELS}) (maildns_pool_info{{alert!="none"}})\n)',
        "What alerts about a pool carry; one series a pool, even while shards have different configurations.",
    ),
    Recording(_SAMPLED, "sum by (job, pool, check) (maildns_pool_sample_addresses)", "The sample, over all shards."),
    Recording(_FAILED, "sum by (job, pool, check) (maildns_pool_sample_failures)", "The failures among it."),
    Recording(_EFFECTIVE, _ESTIMATE.effective, "The sample's size, corrected for a finite population."),
    Recording(RATIO, _ESTIMATE.ratio, "The estimated share of addresses that fail a check."),
    Recording(LOWER, _ESTIMATE.end(RATIO, _EFFECTIVE, upper=False), "The lower end of its 95% interval (Wilson)."),
    Recording(UPPER, _ESTIMATE.end(RATIO, _EFFECTIVE, upper=True), "The upper end."),
    Recording(
        BEYOND,
        f"round({RATIO} * on (job, pool) group_left () {POOL_SIZE})\n"
        "and (\n"
        "  (\n"
        f"    ({LOWER} == {UPPER})\n"
        "    or\n"
        f"    (min_over_time({LOWER}[15m]) and last_over_time({LOWER}[5m] offset 15m))\n"
        f"  ) > on (job, pool) group_left () {THRESHOLD}\n"
        ")\n"
        "and on (job, pool, check) (maildns_pool_check_expected == 1)\n"
        'and on (job, pool) maildns_pool_info{alert=~"prefixes|share"}',
        "About how many addresses of a pool fail, where no alert is about single ones: if the share is exact, or "
        "its lower end was beyond the threshold for 15 minutes.",
    ),
]
