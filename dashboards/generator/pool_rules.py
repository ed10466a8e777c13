"""Rules about pools: the sources of their addresses (files and SPF records), and the share that fails, from samples.

A source that fails removes no address, so no alert here is critical. But new addresses are not watched, and nothing
else would report it. docs/pools.md explains how to read the estimated shares.
"""

from dashboards.generator.address_rules import POOL_SIZE
from dashboards.generator.exporter_rules import UNLESS_BLIND
from dashboards.generator.promql import Estimate
from dashboards.generator.rules import Alert, Group, Recording

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
            query=f"(\n{_FAILING}\n)\n{UNLESS_BLIND}",
            severity="warning",
            summary="The source of a pool's addresses cannot be used; the last good addresses stay.",
            description="{{ $labels.instance }} cannot update the addresses of pool {{ $labels.pool }} from "
            "{{ $labels.source }}: {{ $labels.reason }}. It still watches the addresses that it had; new ones go "
            "unwatched. The log names the file and line, or the term of the SPF record.",
            comment="Files are read every five seconds, a failed record every minute.",
        ),
        Alert(
            name="MailDnsPoolSourceChanged",
            query=f"({_ADDED} + {_REMOVED})\n"
            f"/ clamp_min(sum by ({_BY}) (maildns_pool_source_addresses) - {_ADDED} + {_REMOVED}, 1)\n"
            f"and ({_ADDED} + {_REMOVED} > 2)",
            threshold=0.25,
            pending="1m",
            severity="warning",
            summary="The source of a pool's addresses made the pool much larger or smaller.",
            description="Within an hour {{ $value | humanizePercentage }} of the addresses that pool "
            "{{ $labels.pool }} has from {{ $labels.source }} were added or removed. Removed addresses are no longer "
            "watched: make sure that the change was intended. maildns_pool_source_added_addresses_total and "
            "..._removed_addresses_total say which it was.",
            comment="A quarter of the source and at least three addresses; the first load does not count.",
        ),
        Alert(
            name="MailDnsPoolSourceIncomplete",
            query=f'max by ({_BY}, reason) (maildns_pool_source_problem{{reason="{SOURCE_REASONS[-1]}"}})\n'
            f'unless on ({_BY}) (\n  maildns_pool_source_problem{{reason!="{SOURCE_REASONS[-1]}"}}\n)',
            pending="1h",
            severity="info",
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

SAMPLES = Group(
    "maildns-samples",
    [
        Recording(
            _SAMPLED, "sum by (job, pool, check) (maildns_pool_sample_addresses)", "The sample, over all shards."
        ),
        Recording(_FAILED, "sum by (job, pool, check) (maildns_pool_sample_failures)", "The failures among it."),
        Recording(_EFFECTIVE, _ESTIMATE.effective, "The sample's size, corrected for a finite population."),
        Recording(RATIO, _ESTIMATE.ratio, "The estimated share of addresses that fail a check."),
        Recording(LOWER, _ESTIMATE.end(RATIO, _EFFECTIVE, upper=False), "The lower end of its 95% interval (Wilson)."),
        Recording(UPPER, _ESTIMATE.end(RATIO, _EFFECTIVE, upper=True), "The upper end."),
    ],
    [],
)
