"""The panels about SPF and block lists, and about every check by itself.

The rule of this file: results count every address, whether its pool expects the check or not; what is expected and
fails is a problem, and has panels of its own.
"""

from collections.abc import Sequence

from dashboards.generator import board
from dashboards.generator.fleet_places import BAD_COUNT
from dashboards.generator.panels import COLOURED, NARROW, AnyPanel, counted, override, rows, timeline
from dashboards.generator.queries import select
from dashboards.generator.style import LISTED, PASSES, UNKNOWN, YES_NO, plain_mappings
from exporter.metrics import catalogue

_IP = 'ip="$ip"'
NO_SPF = (
    "The pool sends for no domain (mail_from_domains), and the HELO name has no SPF record and needs none; "
    "or the address has no series."
)
NO_LIST = "No list is asked for these pools (dnsbls), or none has answered yet."


def _addresses(result: str) -> str:
    return f"sum by (pool, check) ({select(catalogue.POOL_RESULTS, result=result)})"


def fleet_checks() -> Sequence[AnyPanel]:
    """Every check of every pool in numbers, SPF and block lists among them."""
    return [
        rows(
            "Checks in numbers",
            "Addresses by the latest result of each check: confirmation, HELO names, SPF of the HELO name (spf-helo) "
            "and of the domains that a pool sends for (spf-mailfrom), block lists (dnsbl). A check that fails is a "
            "problem only where the pool expects it: see 'Why'.",
            {"A": _addresses("pass"), "B": _addresses("fail"), "C": _addresses("unknown")},
            columns={
                "pool": "Pool",
                "check": "Check",
                "Value #A": "Pass",
                "Value #B": "Fail",
                "Value #C": "Not known",
            },
            styles={
                "Pool": [override("links", [board.POOL_LINK, board.POOL_PAGE_LINK])],
                "Pass": [NARROW],
                "Fail": [*BAD_COUNT, NARROW],
                "Not known": [*counted(UNKNOWN), NARROW],
            },
            sort="Fail",
            empty="Nothing was sampled yet, or no exporter is scraped.",
            span=15,
            height=9,
        ),
        rows(
            "Block lists",
            "Each list that is asked: how many addresses it has, and whether it can be believed. A list that fails its "
            "test points, refuses to answer or is silent says nothing, and counts as no listing.",
            {
                "A": f"sum by (dnsbl) ({select(catalogue.DNSBL_LISTED)})",
                "B": f"min by (dnsbl) ({select(catalogue.DNSBL_USABLE)})",
            },
            columns={"dnsbl": "List", "Value #A": "Listed", "Value #B": "Believed"},
            styles={
                "Listed": [*BAD_COUNT, NARROW],
                "Believed": [override("mappings", plain_mappings(YES_NO)), COLOURED, NARROW],
            },
            sort="Listed",
            empty="No list is asked for these pools (dnsbls).",
            span=9,
            height=9,
        ),
    ]


def address_authentication() -> Sequence[AnyPanel]:
    """What SPF and the block lists say of one address."""
    return [
        timeline(
            "SPF over time",
            "Whether the address passes the SPF record of its HELO names (helo), and of the domains that its pool "
            "sends for (mailfrom). A HELO name that has no record, and needs none, is not shown.",
            {"{{identity}} {{domain}}": f"min by (identity, domain) ({select(catalogue.SPF_PASS, _IP)})"},
            states=PASSES,
            empty=NO_SPF,
            span=12,
            height=7,
        ),
        timeline(
            "Block lists over time",
            "Whether each of the configured lists has the address. A list that refuses to answer, or that answers "
            "everything, says nothing.",
            {"{{dnsbl}}": f"max by (dnsbl) ({select(catalogue.DNSBL_LISTED, _IP)})"},
            states=LISTED,
            empty=NO_LIST,
            span=12,
            height=7,
        ),
    ]
