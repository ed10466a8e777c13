"""The rows of the Fleet dashboard that say where: prefixes, addresses, HELO names.

The rule of this file: each table is bounded, and the worst come first.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import board
from dashboards.generator.panels import COLOURED, NARROW, AnyPanel, counted, override, rows
from dashboards.generator.promql import by_prefix
from dashboards.generator.queries import select
from dashboards.generator.style import BAD, YES_NO, plain_mappings
from exporter.metrics import catalogue

NO_PROBLEM = "No address has a problem: all checks that the pools expect pass."
ADDRESS_LINKS = override("links", [board.ADDRESS_LINK, board.EVIDENCE_LINK])
BAD_COUNT = counted(BAD)

_PROBLEM = select(catalogue.ADDRESS_PROBLEM)
_LOST = by_prefix(f"max by (pool, ip) ({select(catalogue.ADDRESS_PROBLEM, check='fcrdns')})")
_HAS = f"sum by (pool, prefix) ({select(catalogue.POOL_FAILING_PREFIX_SAMPLED)})"


def places() -> Sequence[AnyPanel]:
    """Which prefixes, which addresses."""
    return [
        rows(
            "Prefixes that are not confirmed",
            "The fifty /24 (IPv4) and /64 (IPv6) networks with the most addresses that are not forward-confirmed. A "
            "reverse zone usually covers such a network: where all of one fails, look at its delegation. 'Of' is how "
            "many addresses the pool has of it; of a pool that is not swept, how many were sampled.",
            {
                "A": f"topk(50, count by (pool, prefix) ({_LOST}))",
                "B": f"{_HAS} and on (pool, prefix) count by (pool, prefix) ({_LOST})",
            },
            columns={"pool": "Pool", "prefix": "Prefix", "Value #A": "Not confirmed", "Value #B": "Of"},
            styles={"Not confirmed": [*BAD_COUNT, NARROW], "Of": [NARROW]},
            sort="Not confirmed",
            empty="Every address that is expected to be is forward-confirmed.",
            span=11,
            height=10,
        ),
        rows(
            "Addresses with a problem",
            "Up to 200 addresses that fail a check that their pool expects. An address opens its own "
            "dashboard, and the "
            "exporter's evidence: every question, and what the DNS said.",
            {"A": f"topk(200, max by (pool, ip, check, reason) ({_PROBLEM}))"},
            columns={"pool": "Pool", "ip": "Address", "check": "Check", "reason": "Reason"},
            styles={"Address": [ADDRESS_LINKS]},
            sort="Pool",
            ascending=True,
            empty=NO_PROBLEM,
            span=13,
            height=10,
        ),
    ]


def helo_names() -> Sequence[AnyPanel]:
    """The HELO names, the other way round."""
    inside = f"max by (pool, helo) ({select(catalogue.HELO_POOL_ADDRESSES)})"
    worst = f"topk(100, max by (pool, helo) ({select(catalogue.HELO_ADDRESSES)}))"
    return [
        rows(
            "HELO names, the other way round",
            "Up to 100 HELO names: whether they resolve, to how many addresses, how many of those are "
            "forward-confirmed, how many are in the pool, which share of the pool that is, and how many are not in "
            "it. At Microsoft 365 a name stands for a region: that it covers a part of the pool, and has addresses "
            "that are not in it, is by design.",
            {
                "A": f"min by (pool, helo) ({select(catalogue.HELO_RESOLVES)}) and on (pool, helo) {worst}",
                "B": worst,
                "C": f"max by (pool, helo) ({select(catalogue.HELO_CONFIRMED_ADDRESSES)}) and on (pool, helo) {worst}",
                "D": f"max by (pool, helo) ({select(catalogue.HELO_ADDRESSES_OUTSIDE_POOL)})"
                f" and on (pool, helo) {worst}",
                "E": f"{inside} and on (pool, helo) {worst}",
                "F": f"{inside} / on (pool) group_left () sum by (pool) ({select(catalogue.POOL_ADDRESSES)})"
                f" and on (pool, helo) {worst}",
            },
            columns={
                "pool": "Pool",
                "helo": "HELO name",
                "Value #A": "Resolves",
                "Value #B": "Addresses",
                "Value #C": "Confirmed",
                "Value #E": "In the pool",
                "Value #F": "Of the pool",
                "Value #D": "Outside the pool",
            },
            styles={
                "Resolves": [override("mappings", plain_mappings(YES_NO)), COLOURED, NARROW],
                "Addresses": [NARROW],
                "Confirmed": [NARROW],
                "In the pool": [NARROW],
                "Of the pool": [override("unit", units.PercentUnit), override("decimals", 0), NARROW],
                "Outside the pool": [NARROW],
            },
            sort="Resolves",
            ascending=True,
            empty="No HELO name is configured, or none was looked up yet.",
            span=24,
            height=9,
        )
    ]
