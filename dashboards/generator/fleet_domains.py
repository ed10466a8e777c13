"""The row about domains on the dashboard Fleet: what each publishes, and how its SPF record covers the pools.

Domains belong to no pool: the variable `pool` only selects the pools that an SPF record is compared with.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator.dashboard import DOMAIN_LINKS
from dashboards.generator.panels import (
    COUNT,
    NARROW,
    AnyPanel,
    counted,
    override,
    state_column,
    table,
    time_series,
    wide,
)
from dashboards.generator.promql import select
from dashboards.generator.style import BAD, NOTICE, YES_NO
from exporter.metrics import families
from exporter.metrics.families import Family

NO_DOMAIN = "No domain is configured (domains), or nothing is known about one yet."
NO_RECORD = "No domain with an SPF record is configured, or no pool has an address in it."
NO_PROBLEM = "Every domain publishes what is expected of it, or none is configured (domains)."


def _by_domain(family: Family) -> str:
    return f"min by (domain) ({select(family)})"


def _by_pool(family: Family) -> str:
    return f"max by (domain, pool) ({select(family)})"


def domains() -> Sequence[AnyPanel]:
    """The domains, what is wrong with them, and whether their SPF records cover the pools."""
    return [
        table(
            "Domains",
            "Whether each domain publishes what is expected of it: its SPF record (which may use ten lookups), its "
            "DKIM keys, its DMARC record and the policy, and whether mail to it can be delivered.",
            {
                "A": _by_domain(families.DOMAIN_HEALTHY),
                "B": _by_domain(families.DOMAIN_SPF_VALID),
                "C": f"max by (domain) ({select(families.DOMAIN_SPF_LOOKUPS)})",
                "D": _by_domain(families.DOMAIN_DKIM_KEY_VALID),
                "E": _by_domain(families.DOMAIN_DMARC_VALID),
                "F": _by_domain(families.DOMAIN_MX_VALID),
                "G": f"max by (domain, policy) ({select(families.DOMAIN_DMARC_POLICY_INFO)})",
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
                "Domain": [DOMAIN_LINKS],
                **dict.fromkeys(("As expected", "SPF", "DKIM", "DMARC", "MX"), state_column(YES_NO)),
                "Lookups": counted(NOTICE, 9),
                "Policy": [wide(90)],
            },
            sort="As expected",
            ascending=True,
            no_value=NO_DOMAIN,
            width=14,
            height=9,
        ),
        table(
            "What is wrong with domains",
            "The expected checks that fail, with the reason, and the selector for DKIM keys. The status page says what "
            "to publish in which zone.",
            {"A": f"max by (domain, check, selector, reason) ({select(families.DOMAIN_PROBLEM)})"},
            columns={"domain": "Domain", "check": "Check", "selector": "Selector", "reason": "Reason"},
            styles={"Domain": [DOMAIN_LINKS], "Check": [wide(80)], "Selector": [wide(90)]},
            sort="Domain",
            ascending=True,
            no_value=NO_PROBLEM,
            width=10,
            height=9,
        ),
        table(
            "SPF coverage of the pools",
            "By domain and pool: addresses that send for the domain and do not pass its record; addresses that depend "
            "on more than the address (exists, ptr, macros); and addresses of any pool that pass the record and are "
            "not forward-confirmed.",
            {
                "A": _by_pool(families.DOMAIN_SPF_UNAUTHORISED),
                "B": _by_pool(families.DOMAIN_SPF_OPEN),
                "C": _by_pool(families.DOMAIN_SPF_UNCONFIRMED),
            },
            columns={
                "domain": "Domain",
                "pool": "Pool",
                "Value #A": "Do not pass",
                "Value #B": "Undecided",
                "Value #C": "Not confirmed",
            },
            styles={
                "Domain": [DOMAIN_LINKS, wide(180)],
                "Do not pass": counted(BAD),
                "Undecided": counted(NOTICE),
                "Not confirmed": counted(NOTICE),
            },
            sort="Do not pass",
            no_value=NO_RECORD,
            width=14,
            height=8,
        ),
        table(
            "DKIM keys",
            "Whether the key of each configured selector can be used, and its size. RSA keys of 1024 bits are "
            "accepted, but 2048 are better.",
            {
                "A": f"min by (domain, selector) ({select(families.DOMAIN_DKIM_KEY_VALID)})",
                "B": f"min by (domain, selector) ({select(families.DOMAIN_DKIM_KEY_BITS)})",
            },
            columns={"domain": "Domain", "selector": "Selector", "Value #A": "Usable", "Value #B": "Bits"},
            styles={
                "Domain": [DOMAIN_LINKS],
                "Usable": state_column(YES_NO),
                "Bits": [override("unit", units.NoUnit), NARROW],
            },
            sort="Usable",
            ascending=True,
            no_value="No selector is configured (dkim_selectors), or nothing is known about its key yet.",
            width=10,
            height=8,
        ),
        table(
            "What could be better",
            "Hints. They are no failures, and no alert follows them.",
            {"A": f"max by (domain, check, selector, reason) ({select(families.DOMAIN_HINT)})"},
            columns={"domain": "Domain", "check": "Check", "selector": "Selector", "reason": "Hint"},
            styles={"Domain": [DOMAIN_LINKS], "Check": [wide(80)], "Selector": [wide(90)]},
            sort="Domain",
            ascending=True,
            no_value="Nothing, or no domain is configured (domains).",
            width=14,
            height=7,
        ),
        time_series(
            "Lookups of SPF records",
            "DNS lookups of the ten records that need most, with all includes. A record that needs more than ten fails "
            "for everybody.",
            {"{{domain}}": f"topk(10, max by (domain) ({select(families.DOMAIN_SPF_LOOKUPS)}))"},
            unit=COUNT,
            no_value=NO_DOMAIN,
            width=10,
            height=7,
        ),
    ]
