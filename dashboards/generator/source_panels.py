"""The panels about what feeds pools: watched files, and SPF records.

The rule of this file: pools whose addresses are all in the configuration have no source, and the panels say so.
"""

from collections.abc import Sequence

from dashboards.generator import board
from dashboards.generator.panels import COLOURED, COUNT, NARROW, AnyPanel, counted, lines, override, rows, wide
from dashboards.generator.queries import increase, select
from dashboards.generator.style import NOTICE, YES_NO, plain_mappings
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Family

NO_SOURCE = "No pool is fed by files or by an SPF record: all addresses are in the configuration."


def _of(how: str, family: Family) -> str:
    return f"{how} by (pool, source) ({select(family)})"


def fleet_sources() -> Sequence[AnyPanel]:
    """Whether they can be read, what is wrong with them, and what came and went."""
    return [
        rows(
            "Sources",
            "Each source of a pool: how many addresses it gives, whether it was right when it was last looked at, "
            "since when it is not, what is wrong with it, and how many of its addresses are left to another pool. "
            "While a source is wrong, what it gave before stays.",
            {
                "A": _of("sum", catalogue.SOURCE_ADDRESSES),
                "B": _of("min", catalogue.SOURCE_SUCCESS),
                "C": f"max by (pool, source, reason) ({select(catalogue.SOURCE_PROBLEM)})",
                "D": _of("sum", catalogue.SOURCE_CONFLICTS),
                "E": f"{_of('min', catalogue.SOURCE_SUCCESS_TIMESTAMP)} * 1000",
            },
            columns={
                "pool": "Pool",
                "source": "Source",
                "Value #A": "Addresses",
                "Value #B": "Right",
                "reason": "What is wrong",
                "Value #D": "Left to others",
                "Value #E": "Last right",
            },
            styles={
                "Pool": [override("links", [board.POOL_LINK, board.POOL_PAGE_LINK])],
                "Source": [NARROW],
                "Addresses": [NARROW],
                "Right": [override("mappings", plain_mappings(YES_NO)), COLOURED, NARROW],
                "What is wrong": [override("noValue", "nothing")],
                "Left to others": [*counted(NOTICE), NARROW],
                "Last right": [override("unit", "dateTimeFromNow"), wide(140)],
            },
            sort="Right",
            ascending=True,
            empty=NO_SOURCE,
            span=17,
            height=6,
        ),
        lines(
            "Addresses that came and went",
            "With changes of the sources, by pool; those that a source had at first left out.",
            {
                "{{pool}}: came": f"sum by (pool) ({increase(catalogue.SOURCE_ADDED)})",
                "{{pool}}: went": f"sum by (pool) ({increase(catalogue.SOURCE_REMOVED)})",
            },
            unit=COUNT,
            bars=True,
            empty=NO_SOURCE,
            span=7,
            height=6,
        ),
    ]
