"""The panels about domains: what they publish for their mail, and their SPF records beside the pools.

The rule of this file: domains belong to no pool, so the variable `pool` chooses only among the pools beside them.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import board
from dashboards.generator.fleet_places import BAD_COUNT
from dashboards.generator.panels import COLOURED, COUNT, NARROW, AnyPanel, counted, lines, override, rows, wide
from dashboards.generator.queries import select
from dashboards.generator.style import NOTICE, YES_NO, plain_mappings
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Family

NO_DOMAIN = "No domain is configured (domains), or nothing is known of one yet."
NO_RECORD = "No domain with an SPF record is configured, or no pool has an address in it."
NO_PROBLEM = "Every domain publishes what is expected of it, or none is configured (domains)."
_DOMAIN_LINK = override("links", [board.DOMAIN_PAGE_LINK])
_YES_NO = [override("mappings", plain_mappings(YES_NO)), COLOURED, NARROW]


def _least(family: Family) -> str:
    return f"min by (domain) ({select(family)})"


def _beside(family: Family) -> str:
    return f"max by (domain, pool) ({select(family)})"


def fleet_domains() -> Sequence[AnyPanel]:
    """Which domains, what is wrong with them, and whether their records fit the pools."""
    return [
        rows(
            "Domains",
            "Each domain: whether all that is expected of it is so, its SPF record (and how many of the ten lookups "
            "that it may take it takes), its DKIM keys, its DMARC record and what that asks receivers to do, and "
            "whether mail to it can be delivered.",
            {
                "A": _least(catalogue.DOMAIN_HEALTHY),
                "B": _least(catalogue.DOMAIN_SPF_VALID),
                "C": f"max by (domain) ({select(catalogue.DOMAIN_SPF_LOOKUPS)})",
                "D": _least(catalogue.DOMAIN_DKIM_KEY_VALID),
                "E": _least(catalogue.DOMAIN_DMARC_VALID),
                "F": _least(catalogue.DOMAIN_MX_VALID),
                "G": f"max by (domain, policy) ({select(catalogue.DOMAIN_DMARC_POLICY_INFO)})",
            },
            columns={
                "domain": "Domain",
                "Value #A": "As expected",
                "Value #B": "SPF",
                "Value #C": "Lookups",
                "Value #D": "DKIM",
                "Value #E": "DMARC",
                "policy": "Policy",
                "Value #F": "MX",
            },
            styles={
                "Domain": [_DOMAIN_LINK],
                **dict.fromkeys(("As expected", "SPF", "DKIM", "DMARC", "MX"), _YES_NO),
                "Lookups": [*counted(NOTICE, 9), NARROW],
                "Policy": [wide(90)],
            },
            sort="As expected",
            ascending=True,
            empty=NO_DOMAIN,
            span=14,
            height=9,
        ),
        rows(
            "What is wrong with domains",
            "The checks that fail although they are expected of the domain, with the reason; of DKIM keys, the "
            "selector. The status page says what to publish in which zone.",
            {"A": f"max by (domain, check, selector, reason) ({select(catalogue.DOMAIN_PROBLEM)})"},
            columns={"domain": "Domain", "check": "Check", "selector": "Selector", "reason": "Reason"},
            styles={"Domain": [_DOMAIN_LINK], "Check": [wide(80)], "Selector": [wide(90)]},
            sort="Domain",
            ascending=True,
            empty=NO_PROBLEM,
            span=10,
            height=9,
        ),
        rows(
            "SPF records beside the pools",
            "Of each domain and pool: addresses that send for the domain and do not pass its record; those of which "
            "only an evaluation can tell; and those that pass the record and are not forward-confirmed, whichever pool "
            "they are in.",
            {
                "A": _beside(catalogue.DOMAIN_SPF_UNAUTHORISED),
                "B": _beside(catalogue.DOMAIN_SPF_OPEN),
                "C": _beside(catalogue.DOMAIN_SPF_UNCONFIRMED),
            },
            columns={
                "domain": "Domain",
                "pool": "Pool",
                "Value #A": "Do not pass",
                "Value #B": "Cannot be told",
                "Value #C": "Not confirmed",
            },
            styles={
                "Domain": [_DOMAIN_LINK, wide(180)],
                "Do not pass": [*BAD_COUNT, NARROW],
                "Cannot be told": [*counted(NOTICE), NARROW],
                "Not confirmed": [*counted(NOTICE), NARROW],
            },
            sort="Do not pass",
            empty=NO_RECORD,
            span=14,
            height=8,
        ),
        rows(
            "DKIM keys",
            "Each configured selector: whether its key can be used, and its size. RSA keys of 1024 bits are accepted, "
            "and could be better.",
            {
                "A": f"min by (domain, selector) ({select(catalogue.DOMAIN_DKIM_KEY_VALID)})",
                "B": f"min by (domain, selector) ({select(catalogue.DOMAIN_DKIM_KEY_BITS)})",
            },
            columns={"domain": "Domain", "selector": "Selector", "Value #A": "Usable", "Value #B": "Bits"},
            styles={"Domain": [_DOMAIN_LINK], "Usable": _YES_NO, "Bits": [override("unit", units.NoUnit), NARROW]},
            sort="Usable",
            ascending=True,
            empty="No selector is configured (dkim_selectors), or nothing is known of its key yet.",
            span=10,
            height=8,
        ),
        rows(
            "What could be better",
            "Hints: nothing fails by these, and no alert follows them.",
            {"A": f"max by (domain, check, selector, reason) ({select(catalogue.DOMAIN_HINT)})"},
            columns={"domain": "Domain", "check": "Check", "selector": "Selector", "reason": "Hint"},
            styles={"Domain": [_DOMAIN_LINK], "Check": [wide(80)], "Selector": [wide(90)]},
            sort="Domain",
            ascending=True,
            empty="Nothing, or no domain is configured (domains).",
            span=14,
            height=7,
        ),
        lines(
            "Lookups of SPF records",
            "Terms that ask the DNS, all includes counted, of the ten records that take most. With more than ten the "
            "record fails for everybody.",
            {"{{domain}}": f"topk(10, max by (domain) ({select(catalogue.DOMAIN_SPF_LOOKUPS)}))"},
            unit=COUNT,
            empty=NO_DOMAIN,
            span=10,
            height=7,
        ),
    ]
