"""What fires about the sources of pools: watched files, and SPF records.

The rule of this file: a source that fails takes no address away, so nothing here is critical; but what it has new is
not watched, and nobody else would say so.
"""

from dashboards.generator.address_rules import KEEPS_FIRING
from dashboards.generator.rules import Alert, Group
from dashboards.generator.watcher_rules import UNLESS_BLIND

SOURCE_REASONS = (
    "unreadable-file",
    "unanswered",
    "no-record",
    "permerror",
    "too-many-addresses",
    "no-addresses",
    "not-enumerable",
)
"""Every reason that has an alert here, the cause before its consequences: the first one is told."""

_BY = "job, instance, pool, source"
_FAILING = f"\nor on ({_BY})\n".join(
    f'max by ({_BY}, reason) (maildns_pool_source_problem{{reason="{reason}"}})' for reason in SOURCE_REASONS[:-1]
)
_CAME = f"sum by ({_BY}) (increase(maildns_pool_source_added_addresses_total[1h]))"
_WENT = f"sum by ({_BY}) (increase(maildns_pool_source_removed_addresses_total[1h]))"

ALERTS = [
    Alert(
        "MailDnsPoolSourceFailing",
        f"(\n{_FAILING}\n)\n{UNLESS_BLIND}",
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "warning",
        "The source of a pool's addresses cannot be used; the last good ones are kept.",
        "The addresses of pool {{ $labels.pool }} that {{ $labels.instance }} has from {{ $labels.source }} cannot be "
        "brought up to date: {{ $labels.reason }}. Those that it had before are still watched; new ones are not. "
        "The log says which file and line it is, or which term of the SPF record.",
        "Files are looked at every five seconds, a record that failed every minute.",
    ),
    Alert(
        "MailDnsPoolSourceChanged",
        f"({_CAME} + {_WENT})\n"
        f"/ clamp_min(sum by ({_BY}) (maildns_pool_source_addresses) - {_CAME} + {_WENT}, 1)\n"
        f"and ({_CAME} + {_WENT} > 2)",
        ">",
        0.25,
        "1m",
        "15m",
        "warning",
        "The source of a pool's addresses made the pool much larger or smaller.",
        "Within an hour {{ $value | humanizePercentage }} of the addresses that pool {{ $labels.pool }} has from "
        "{{ $labels.source }} came or went. Addresses that went are not watched any more: see whether that is what "
        "was meant. maildns_pool_source_added_addresses_total and ..._removed_addresses_total say which it was.",
        "A quarter of it, and three addresses at least; what came first does not count.",
    ),
    Alert(
        "MailDnsPoolSourceIncomplete",
        f'max by ({_BY}, reason) (maildns_pool_source_problem{{reason="{SOURCE_REASONS[-1]}"}})\n'
        f'unless on ({_BY}) (\n  maildns_pool_source_problem{{reason!="{SOURCE_REASONS[-1]}"}}\n)',
        ">",
        0,
        "1h",
        KEEPS_FIRING,
        "info",
        "Some of the addresses that an SPF record authorises cannot be listed.",
        "The SPF record that pool {{ $labels.pool }} is made of has terms that depend on more than the address "
        "(exists, ptr, macros): what they authorise is not watched. Name those networks in the pool's addresses, if "
        "you know them.",
        "The record is right as it is: it is only more than can be watched.",
    ),
]

GROUP = Group("maildns-sources", "30s", [], ALERTS)
