"""The panels about pools that are too big to be swept: what share is bad, how sure that is, and where.

The rule of this file: it holds for small pools too; there the sample is the pool, and nothing is estimated.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import board
from dashboards.generator.estimate import Estimate
from dashboards.generator.fleet_places import BAD_COUNT
from dashboards.generator.panels import NARROW, AnyPanel, override, rows
from dashboards.generator.queries import select
from exporter.metrics import catalogue

_ESTIMATE = Estimate(
    f"sum by (pool, check) ({select(catalogue.POOL_SAMPLE_ADDRESSES)})",
    f"sum by (pool, check) ({select(catalogue.POOL_SAMPLE_FAILURES)})",
    f"sum by (pool) ({select(catalogue.POOL_ADDRESSES)})",
    "pool",
)
_RATIO = f"({_ESTIMATE.ratio})"
_EFFECTIVE = f"({_ESTIMATE.effective})"
_WORST = f"sum by (pool, prefix) ({select(catalogue.POOL_FAILING_PREFIX_ADDRESSES)})"
_SHARE = [override("unit", units.PercentUnit), override("decimals", 1), NARROW]


def big_pools() -> Sequence[AnyPanel]:
    """The share that is bad, with its error bound; the worst prefixes."""
    return [
        rows(
            "What share fails",
            "Of each pool and check: the share of addresses that fail, and between which bounds the true share is, in "
            "95 of 100 rounds. Where a round draws some addresses of each prefix, this is an estimate from the draws; "
            "where it sweeps the pool, it is counted, and the bounds are the share.",
            {
                "A": _ESTIMATE.ratio,
                "B": _ESTIMATE.end(_RATIO, _EFFECTIVE, upper=False),
                "C": _ESTIMATE.end(_RATIO, _EFFECTIVE, upper=True),
                "D": _ESTIMATE.sampled,
            },
            columns={
                "pool": "Pool",
                "check": "Check",
                "Value #A": "Fails",
                "Value #B": "At least",
                "Value #C": "At most",
                "Value #D": "Sampled",
            },
            styles={
                "Pool": [override("links", [board.POOL_LINK, board.POOL_PAGE_LINK])],
                **dict.fromkeys(("Fails", "At least", "At most"), _SHARE),
                "Sampled": [NARROW],
            },
            sort="Fails",
            empty="No round has ended yet, or no exporter is scraped.",
            span=14,
            height=9,
        ),
        rows(
            "Worst prefixes",
            "The prefixes with the most addresses that are known to fail a check that the pool expects, up to 50 of "
            "each pool, and of how many that is. A prefix that is wholly broken is found in the first round, however "
            "big the pool is.",
            {
                "A": f"topk(50, {_WORST})",
                "B": f"sum by (pool, prefix) ({select(catalogue.POOL_FAILING_PREFIX_SAMPLED)})"
                f" and on (pool, prefix) topk(50, {_WORST})",
            },
            columns={"pool": "Pool", "prefix": "Prefix", "Value #A": "Failing", "Value #B": "Of"},
            styles={
                "Pool": [override("links", [board.POOL_LINK, board.POOL_PAGE_LINK])],
                "Failing": [*BAD_COUNT, NARROW],
                "Of": [NARROW],
            },
            sort="Failing",
            empty="No prefix has an address that fails what its pool expects.",
            span=10,
            height=9,
        ),
    ]
