"""The Fleet dashboard: is every outbound address confirmed, and if not, which pool is it, and why?

The rule of this file: counts of pools come from `maildns_pool_results`, which counts every address; reasons come from
`maildns_address_problem`, which follows what each pool expects, and shows at most 1,000 addresses of a large pool.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import board
from dashboards.generator.address_rules import ADDRESS_CHECKS
from dashboards.generator.authentication_panels import fleet_checks
from dashboards.generator.authentication_rules import AUTHENTICATION_CHECKS
from dashboards.generator.big_pool_panels import big_pools
from dashboards.generator.domain_panels import fleet_domains
from dashboards.generator.fleet_places import ADDRESS_LINKS, BAD_COUNT, NO_PROBLEM, helo_names, places
from dashboards.generator.panels import (
    COUNT,
    NARROW,
    AnyPanel,
    counted,
    lines,
    number,
    override,
    prose,
    rows,
    share,
    timeline,
    wide,
)
from dashboards.generator.queries import increase, select
from dashboards.generator.receiver_panels import fleet_receivers
from dashboards.generator.source_panels import fleet_sources
from dashboards.generator.style import BAD, GOOD, NOTICE, POOL, UNKNOWN, WELL, steps
from dashboards.generator.words import IN_WORDS
from exporter.metrics import catalogue

_SIZE = select(catalogue.POOL_ADDRESSES)
_PASS = select(catalogue.POOL_RESULTS, check="fcrdns", result="pass")
_FAIL = select(catalogue.POOL_RESULTS, check="fcrdns", result="fail")
_UNKNOWN = select(catalogue.POOL_RESULTS, check="fcrdns", result="unknown")
_PROBLEM = select(catalogue.ADDRESS_PROBLEM)
_ADDRESS_WITH_PROBLEM = f"max by (pool, ip) ({_PROBLEM})"
_NONE_OF_A_POOL = f"sum by (pool) ({_SIZE}) * 0"
_REASONS = f"count by (pool, check, reason) (max by (pool, ip, check, reason) ({_PROBLEM}))"
_FIRST_REASON = " or on (pool, ip) ".join(
    f"max by (pool, ip, reason) ({select(catalogue.ADDRESS_PROBLEM, check=check)})"
    for check in (*ADDRESS_CHECKS, *AUTHENTICATION_CHECKS)
)
_UP = select(catalogue.RESOLVER_UP)
_WELL = f"min({select(catalogue.CANARY_OK)} * {_UP} or {_UP})"

NOTHING_YET = "Nothing was sampled yet, or no exporter is scraped."


def summary() -> Sequence[AnyPanel]:
    """The answer in one number, and what it needs to be believed."""
    return [
        number(
            "Forward-confirmed",
            "The share of all addresses whose latest sample found a PTR name that resolves back to them (FCrDNS). "
            "What the DNS did not answer counts as not confirmed here; 'Unanswered' says how much that is.",
            f"sum({_PASS}) / sum({_SIZE})",
            unit=units.PercentUnit,
            colours=steps(BAD, (0.9, NOTICE), (1, GOOD)),
            empty=NOTHING_YET,
            span=6,
        ),
        number(
            "Not confirmed",
            "Addresses whose PTR name is missing, or does not resolve back to them. Receivers refuse mail from these.",
            f"sum({_FAIL})",
            colours=steps(GOOD, (1, BAD)),
            empty=NOTHING_YET,
        ),
        number(
            "Unanswered",
            "Addresses of which the DNS did not say whether they are confirmed, at their latest sample. "
            "It is not known "
            "that anything is wrong with them; their gauges keep the last value that was known.",
            f"sum({_UNKNOWN})",
            colours=steps(GOOD, (1, UNKNOWN)),
            empty=NOTHING_YET,
        ),
        number(
            "With a problem",
            "Addresses that fail at least one check that their pool expects: confirmation, HELO names and "
            "whatever else "
            "is checked. Of a large pool at most 1,000 are counted here.",
            f"count({_ADDRESS_WITH_PROBLEM}) or sum({_SIZE}) * 0",
            colours=steps(GOOD, (1, BAD)),
            empty=NOTHING_YET,
        ),
        number(
            "Addresses",
            "All addresses of the chosen pools.",
            f"sum({_SIZE})",
            colours=steps("#4A4A4A"),
            empty=NOTHING_YET,
            span=3,
        ),
        number(
            "Exporter",
            "Whether the exporter's resolvers are to be trusted: each server answers, and passes the "
            "canary's questions. "
            "If not, the verdicts here are as they were before.",
            _WELL,
            unit=units.NoUnit,
            colours=steps(UNKNOWN),
            states=WELL,
            empty="No resolver was asked yet.",
            span=3,
            link=board.EXPORTER_LINK,
        ),
    ]


def pools() -> Sequence[AnyPanel]:
    """Which pool, and why."""
    return [
        rows(
            "Pools",
            "Each pool, the worst first: how many of its addresses fail a check that it expects, and what is the "
            "matter with most of them. Of an address that fails several checks the cause counts: what keeps it from "
            "being forward-confirmed first, then its HELO name, SPF, block lists.",
            {
                "A": f"sum by (pool) ({_SIZE})",
                "B": f"count by (pool) ({_ADDRESS_WITH_PROBLEM}) or {_NONE_OF_A_POOL}",
                "C": f"(count by (pool) ({_ADDRESS_WITH_PROBLEM}) or {_NONE_OF_A_POOL}) / sum by (pool) ({_SIZE})",
                "D": f"topk by (pool) (1, count by (pool, reason) ({_FIRST_REASON}))",
                "E": f"sum by (pool) ({_FAIL})",
                "F": f"sum by (pool) ({_UNKNOWN})",
                "G": f"max by (pool) ({select(catalogue.LAST_CHANGE)}) * 1000",
            },
            columns={
                "pool": "Pool",
                "Value #B": "With a problem",
                "Value #C": "Of the pool",
                "reason": "Most common cause",
                "Value #D": "Of those",
                "Value #E": "Not confirmed",
                "Value #F": "Unanswered",
                "Value #A": "Addresses",
                "Value #G": "Last change",
            },
            styles={
                "Pool": [override("links", [board.POOL_LINK, board.POOL_PAGE_LINK]), wide(150)],
                "With a problem": [*BAD_COUNT, NARROW],
                "Of the pool": [*share(BAD), wide(140)],
                "Most common cause": [IN_WORDS, override("noValue", "all is as expected")],
                "Of those": [NARROW],
                "Not confirmed": [*BAD_COUNT, NARROW],
                "Unanswered": [*counted(UNKNOWN), NARROW],
                "Addresses": [NARROW],
                "Last change": [override("unit", "dateTimeFromNow"), override("noValue", "never"), wide(150)],
            },
            sort="With a problem",
            empty=NOTHING_YET,
            span=24,
            height=11,
        ),
        timeline(
            "Pools over time",
            "Each pool over time: vermilion while an address fails a check that the pool expects, grey while the DNS "
            "does not answer for some, blue while all pass.",
            {
                "{{pool}}": f"clamp_max(2 * ((count by (pool) ({_PROBLEM}) or {_NONE_OF_A_POOL}) > bool 0)"
                f" + (sum by (pool) ({_UNKNOWN}) > bool 0), 2)"
            },
            states=POOL,
            empty=NOTHING_YET,
            span=12,
            height=9,
        ),
        rows(
            "Why",
            "What is wrong, by pool: the check that fails, the reason, and how many addresses it concerns. The "
            "runbooks say of each reason how to fix it.",
            {"A": _REASONS},
            columns={"pool": "Pool", "check": "Check", "reason": "Reason", "Value": "Addresses"},
            styles={
                "Pool": [override("links", [board.POOL_LINK, board.POOL_PAGE_LINK])],
                "Addresses": [*BAD_COUNT, NARROW],
            },
            sort="Addresses",
            empty=NO_PROBLEM,
            height=9,
        ),
    ]


def changes() -> Sequence[AnyPanel]:
    """What changed, and when."""
    return [
        lines(
            "Addresses with a problem",
            "How many addresses fail a check that their pool expects.",
            {"{{pool}}": f"count by (pool) ({_ADDRESS_WITH_PROBLEM}) or {_NONE_OF_A_POOL}"},
            unit=COUNT,
            stacked=True,
            empty=NOTHING_YET,
            span=8,
        ),
        lines(
            "Changes",
            "Conclusive results that changed, or changed their reason: to the worse, and to the better. Each was asked "
            "for twice before it was believed.",
            {
                "broke": f"sum({increase(catalogue.RESULT_CHANGES, result='fail')})",
                "fixed": f"sum({increase(catalogue.RESULT_CHANGES, result='pass')})",
            },
            unit=COUNT,
            colours={"broke": BAD, "fixed": GOOD},
            bars=True,
            stacked=True,
            empty=NOTHING_YET,
            span=7,
        ),
        rows(
            "Latest changes",
            "The twenty addresses of which a result changed last.",
            {"A": f"topk(20, max by (pool, ip) ({select(catalogue.LAST_CHANGE)})) * 1000"},
            columns={"pool": "Pool", "ip": "Address", "Value": "Changed"},
            styles={"Address": [ADDRESS_LINKS], "Changed": [override("unit", "dateTimeFromNow"), wide(140)]},
            sort="Changed",
            empty="No result has changed since it was first known.",
            span=9,
        ),
    ]


HOW_TO_READ = """
- **Forward-confirmed** (FCrDNS, *iprev pass* in RFC 8601): the address has a PTR name, and that name resolves back to \
the address. One such name is enough. Large receivers refuse mail from addresses without one.
- **Blue** is healthy, **vermilion** is broken, **grey** is not known: the DNS did not answer. What is grey was not \
found to be wrong, and sets off no alert about an address; gauges keep what was known last.
- **A problem** is a check that fails although the pool *expects* it (`expect` and `profile` in the configuration). \
What is by design, such as HELO names of Microsoft 365 that are not PTR names, is counted in results but is no problem.
- Samples are taken in the background, each address once in its pool's interval. A change for the worse is asked \
again, past caches, before it is believed.
- When **Exporter** is failing, look at the dashboard *Exporter* first: everything else here is then as old as that \
failure.
"""


def how_to_read() -> Sequence[AnyPanel]:
    """The page's own manual."""
    return [prose("How to read this", HOW_TO_READ)]


def fleet() -> str:
    """The dashboard's JSON."""
    page = board.board(
        board.FLEET_UID,
        "Is every outbound mail address forward-confirmed? If not: which pool, which prefix, why, and since when.",
    ).with_variable(board.pools())
    board.add_row(page, "Is every outbound address confirmed?", summary())
    board.add_row(page, "Which pools, and why", pools())
    board.add_row(page, "Where", places())
    board.add_row(page, "What receivers would say", fleet_receivers())
    board.add_row(page, "What changed, and when", changes())
    board.add_row(page, "Every check", fleet_checks())
    board.add_row(page, "What share, and how sure", big_pools())
    board.add_row(page, "Where pools have their addresses from", fleet_sources())
    board.add_row(page, "Domains", fleet_domains())
    board.add_row(page, "HELO names", helo_names())
    board.add_row(page, "How to read this", how_to_read())
    return board.finished(page)
