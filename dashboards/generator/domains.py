"""The dashboard Domains: what each domain publishes, what is wrong with it, and how its SPF record covers the pools.

Domains belong to no pool: the variable `pool` only selects the pools that an SPF record is compared with.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import dashboard
from dashboards.generator.dashboard import DOMAIN_LINKS
from dashboards.generator.panels import (
    COUNT,
    NARROW,
    AnyPanel,
    counted,
    markdown,
    override,
    stat,
    state_column,
    state_timeline,
    table,
    time_series,
    wide,
)
from dashboards.generator.promql import VARIABLES, increase, select
from dashboards.generator.style import BAD, GOOD, NOTICE, UNKNOWN, YES_NO, State, steps
from exporter.metrics import families
from exporter.metrics.families import Family

SPF_LOOKUP_LIMIT = 10
"""RFC 7208 section 4.6.4."""
NO_DOMAIN = "No domain is configured (domains), or nothing is known about one yet."
NO_RECORD = "No domain with an SPF record is configured, or no pool has an address in it."
NO_PROBLEM = "Every domain publishes what is expected of it, or none is configured (domains)."


_CHOSEN = 'domain=~"$domain"'
_STATES: Sequence[State] = ((0, "a check fails", BAD), (1, "unanswered", UNKNOWN), (2, "as expected", GOOD))


def _of(family: Family, *matchers: str, **equal: str) -> str:
    return select(family, _CHOSEN, *matchers, **equal)


def _by_domain(family: Family) -> str:
    return f"min by (domain) ({_of(family)})"


def _by_pool(family: Family) -> str:
    return f"max by (domain, pool) ({_of(family)})"


def _count(expr: str, family: Family) -> str:
    """How many series *expr* has; 0 if it has none and *family* has one."""
    return f"count({expr}) or count({_of(family)}) * 0"


def _number(title: str, description: str, expr: str, colour: str) -> AnyPanel:
    return stat(title, description, expr, thresholds=steps(GOOD, (1, colour)), no_value=NO_DOMAIN)


def summary() -> Sequence[AnyPanel]:
    """The current state in six numbers."""
    without = f"max by (domain) ({_of(families.DOMAIN_DMARC_POLICY_INFO, policy='none')})"
    return [
        _number(
            "Domains with a problem",
            "Domains that fail a check that is expected of them, by their last conclusive results.",
            _count(f"{_by_domain(families.DOMAIN_HEALTHY)} == 0", families.DOMAIN_HEALTHY),
            BAD,
        ),
        stat(
            "Most SPF lookups",
            "DNS lookups of the SPF record that needs most, with all includes. A record that needs more than ten fails "
            "for everybody.",
            f"max({_of(families.DOMAIN_SPF_LOOKUPS)})",
            thresholds=steps(GOOD, (9, NOTICE), (SPF_LOOKUP_LIMIT + 1, BAD)),
            no_value=NO_DOMAIN,
        ),
        _number(
            "Unusable DKIM keys",
            "Keys that are missing, unreadable, revoked or too weak.",
            _count(f"min by (domain, selector) ({_of(families.DOMAIN_DKIM_KEY_VALID)}) == 0", families.DOMAIN_HEALTHY),
            BAD,
        ),
        _number(
            "Domains without DMARC",
            "Domains without a valid DMARC record, or whose report hosts do not accept the reports.",
            _count(f"{_by_domain(families.DOMAIN_DMARC_VALID)} == 0", families.DOMAIN_HEALTHY),
            BAD,
        ),
        _number(
            "DMARC policy none",
            "Domains whose DMARC policy asks receivers to do nothing: fine at the beginning, not for ever.",
            _count(without, families.DOMAIN_HEALTHY),
            NOTICE,
        ),
        _number(
            "Unanswered domains",
            "Domains for which the DNS did not answer the latest sample. The values keep the last conclusive result.",
            _count(f"{_by_domain(families.DOMAIN_CONCLUSIVE)} == 0", families.DOMAIN_CONCLUSIVE),
            UNKNOWN,
        ),
    ]


def records() -> Sequence[AnyPanel]:
    """The domains, what is wrong with them, and whether their SPF records cover the pools."""
    healthy = _by_domain(families.DOMAIN_HEALTHY)
    changes_in_range = f"max by (domain) (changes({_of(families.DOMAIN_HEALTHY)}[$__range] @ end()))"
    return [
        table(
            "Domains",
            "Whether each domain publishes what is expected of it: its SPF record (which may use ten lookups), its "
            "DKIM keys, its DMARC record and the policy, and whether mail to it can be delivered.",
            {
                "A": _by_domain(families.DOMAIN_HEALTHY),
                "B": _by_domain(families.DOMAIN_SPF_VALID),
                "C": f"max by (domain) ({_of(families.DOMAIN_SPF_LOOKUPS)})",
                "D": _by_domain(families.DOMAIN_DKIM_KEY_VALID),
                "E": _by_domain(families.DOMAIN_DMARC_VALID),
                "F": _by_domain(families.DOMAIN_MX_VALID),
                "G": f"max by (domain, policy) ({_of(families.DOMAIN_DMARC_POLICY_INFO)})",
            },
            columns={
                "domain": "Domain",
                "Value #A": "Healthy",
                "Value #B": "SPF",
                "Value #C": "Lookups",
                "Value #D": "DKIM",
                "Value #E": "DMARC",
                "policy": "Policy",
                "Value #F": "MX",
            },
            styles={
                "Domain": [DOMAIN_LINKS],
                **dict.fromkeys(("Healthy", "SPF", "DKIM", "DMARC", "MX"), state_column(YES_NO)),
                "Lookups": counted(NOTICE, BAD, minimum=9, second=SPF_LOOKUP_LIMIT + 1),
                "Policy": [wide(90)],
            },
            sort="Healthy",
            ascending=True,
            no_value=NO_DOMAIN,
            width=14,
            height=9,
        ),
        table(
            "Failing checks of domains",
            "The expected checks that fail, with the reason, and the selector for DKIM keys. The status page says what "
            "to publish in which zone.",
            {"A": f"max by (domain, check, selector, reason) ({_of(families.DOMAIN_PROBLEM)})"},
            columns={"domain": "Domain", "check": "Check", "selector": "Selector", "reason": "Reason"},
            styles={"Domain": [DOMAIN_LINKS, wide(190)], "Check": [wide(76)], "Selector": [wide(80)]},
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
                "A": f"min by (domain, selector) ({_of(families.DOMAIN_DKIM_KEY_VALID)})",
                "B": f"min by (domain, selector) ({_of(families.DOMAIN_DKIM_KEY_BITS)})",
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
        time_series(
            "SPF lookups over time (limit 10)",
            "DNS lookups of the ten records that need most, with all includes. A record that needs more than ten fails "
            "for everybody.",
            {"{{domain}}": f"topk(10, max by (domain) ({_of(families.DOMAIN_SPF_LOOKUPS)}))"},
            unit=COUNT,
            line=SPF_LOOKUP_LIMIT,
            soft_max=SPF_LOOKUP_LIMIT + 2,
            no_value=NO_DOMAIN,
            width=10,
            height=9,
        ),
        state_timeline(
            "Domains over time",
            "Vermilion while an expected check fails, grey while the DNS does not answer, blue otherwise. The twelve "
            "domains that changed most often in the chosen time.",
            {
                "{{domain}}": f"{healthy} * (1 + ({_by_domain(families.DOMAIN_CONCLUSIVE)} > bool 0))"
                f" and on (domain) topk(12, {changes_in_range})"
            },
            states=_STATES,
            no_value=NO_DOMAIN,
            width=14,
            height=9,
        ),
    ]


def hints() -> Sequence[AnyPanel]:
    """What works, and could be better."""
    return [
        table(
            "Hints",
            "Hints. They are no failures, and no alert follows them.",
            {"A": f"max by (domain, check, selector, reason) ({_of(families.DOMAIN_HINT)})"},
            columns={"domain": "Domain", "check": "Check", "selector": "Selector", "reason": "Hint"},
            styles={"Domain": [DOMAIN_LINKS], "Check": [wide(80)], "Selector": [wide(90)]},
            sort="Domain",
            ascending=True,
            no_value="Nothing, or no domain is configured (domains).",
            width=24,
            height=7,
        ),
    ]


def changes() -> Sequence[AnyPanel]:
    """What changed, and when."""
    return [
        time_series(
            "Changed results of domains",
            "Conclusive results that changed, or changed their reason, for the worse and for the better.",
            {
                "broke": f"sum({increase(families.DOMAIN_CHANGES, _CHOSEN, result='fail')})",
                "fixed": f"sum({increase(families.DOMAIN_CHANGES, _CHOSEN, result='pass')})",
            },
            unit=COUNT,
            colours={"broke": BAD, "fixed": GOOD},
            bars=True,
            stacked=True,
            no_value=NO_DOMAIN,
        ),
        table(
            "Latest changes by domain",
            "The twenty domains with the latest change of a result.",
            {"A": f"topk(20, max by (domain) ({_of(families.DOMAIN_LAST_CHANGE)})) * 1000"},
            columns={"domain": "Domain", "Value": "Changed"},
            styles={"Domain": [DOMAIN_LINKS], "Changed": [override("unit", "dateTimeFromNow"), wide(140)]},
            sort="Changed",
            no_value="No result has changed since it was first known.",
        ),
    ]


HOW_TO_READ = """
- **A problem** is a failure of a check that is *expected* of the domain (`expect`). A **hint** is no failure: it \
works and could be better.
- **SPF lookups**: a record may need ten DNS lookups, includes counted. The eleventh makes it fail for everybody \
(RFC 7208 section 4.6.4).
- **Blue** is healthy, **vermilion** is broken, **grey** is unknown, **orange** is worth a look. While the DNS does \
not answer, values keep the last conclusive result.
- For the records to publish, follow *The domain, on the status page*, or run `maildns-exporter check DOMAIN`.
"""


def domains() -> str:
    """The dashboard as JSON."""
    page = dashboard.new_dashboard(
        dashboard.DOMAINS_UID,
        "Does every domain publish what it should: SPF, DKIM, DMARC, MX? If not: which record is broken?",
    ).with_variable(dashboard.pool_variable())
    page.with_variable(dashboard.variable("domain", "Domain", families.DOMAIN_LAST_SAMPLE, VARIABLES))
    dashboard.add_row(page, "Is every domain healthy?", summary())
    dashboard.add_row(page, "Records", records())
    dashboard.add_collapsed(
        page,
        {
            "Hints": hints(),
            "Changes": changes(),
            "How to read this": [markdown("How to read this", HOW_TO_READ)],
        },
    )
    return dashboard.to_json(page)
