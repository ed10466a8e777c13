"""The dashboard Fleet: is every outbound address confirmed, and if not, which pool is broken, and why?

Shares of pools are estimates from `maildns_pool_sample_addresses`, exact for pools that are swept. Reasons come from
`maildns_address_problem`, which follows what each pool expects and shows at most 1,000 addresses of a large pool.
Every table is bounded and sorted with the worst first.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import dashboard
from dashboards.generator.address_rules import ADDRESS_CHECKS
from dashboards.generator.panels import (
    COUNT,
    NARROW,
    PERCENTAGE,
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
from dashboards.generator.promql import Estimate, by_prefix, increase, select
from dashboards.generator.style import (
    BAD,
    BELIEVED,
    GOOD,
    NEUTRAL,
    NOTICE,
    POOL,
    TRUSTED,
    UNKNOWN,
    YES_NO,
    reason_mappings,
    steps,
)
from exporter.metrics import families
from exporter.metrics.families import Family

NOTHING_YET = "Nothing was sampled yet, or no exporter is scraped."
NO_PROBLEM = "No address has a problem: all checks that the pools expect pass."
NO_SOURCE = "No pool reads its addresses from files or an SPF record: all are in the configuration."
NOT_PREDICTED = "No receiver is predicted for these pools (receivers), or nothing is known about their addresses yet."

_SIZE = select(families.POOL_ADDRESSES)
_UNKNOWN = select(families.POOL_RESULTS, check="fcrdns", result="unknown")
_NOT_SAMPLED = select(families.POOL_RESULTS, check="fcrdns", result="not-sampled")
_SAMPLED = select(families.POOL_RESULTS, 'result!="not-sampled"', check="fcrdns")
_PROBLEM = select(families.ADDRESS_PROBLEM)
_ADDRESS_WITH_PROBLEM = f"max by (pool, ip) ({_PROBLEM})"
_NONE_OF_A_POOL = f"sum by (pool) ({_SIZE}) * 0"
_REASONS = f"count by (pool, check, reason) (max by (pool, ip, check, reason) ({_PROBLEM}))"
_FIRST_REASON = " or on (pool, ip) ".join(
    f"max by (pool, ip, reason) ({select(families.ADDRESS_PROBLEM, check=check)})" for check in ADDRESS_CHECKS
)
_UP = select(families.RESOLVER_UP)


def confirmed(end: str) -> str:
    """The share of each pool that is forward-confirmed, or the *end* ("lower" or "upper") of its 95% interval.

    If the DNS does not answer for a tenth of what was sampled, it is the last value from before, up to six hours old.
    """
    estimate = Estimate(
        f"sum by (pool) ({select(families.POOL_SAMPLE_ADDRESSES, check='fcrdns')})",
        f"sum by (pool) ({select(families.POOL_SAMPLE_FAILURES, check='fcrdns')})",
        f"sum by (pool) ({_SIZE})",
        "pool",
    )
    ratio, effective = f"({estimate.ratio})", f"({estimate.effective})"
    failing = estimate.ratio if end == "share" else estimate.end(ratio, effective, upper=end == "lower")
    answered = f"sum by (pool) ({_UNKNOWN}) < 0.1 * sum by (pool) ({_SAMPLED})"
    now = f"(1 - ({failing}))"
    return f"(last_over_time(({now} and on (pool) ({answered}))[6h:1m]) and on (pool) ({_SIZE}) or on (pool) {now})"


def summary() -> Sequence[AnyPanel]:
    """The answer in one number, and whether it can be trusted."""
    return [
        stat(
            "Forward-confirmed",
            "The share of all addresses with a PTR name that resolves back to them (FCrDNS). An estimate where rounds "
            "sample a part of a pool; the table below has its 95% interval. While the DNS does not answer, the last "
            "conclusive value.",
            f"sum({confirmed('share')} * on (pool) sum by (pool) ({_SIZE})) / sum(sum by (pool) ({_SIZE})"
            f" and on (pool) {confirmed('share')})",
            unit=units.PercentUnit,
            decimals=2,
            thresholds=steps(BAD, (0.9, NOTICE), (1, GOOD)),
            no_value=NOTHING_YET,
        ),
        stat(
            "Addresses with a problem",
            "Addresses that fail at least one check that their pool expects, by their last conclusive results. At most "
            "1,000 addresses of a large pool are counted here.",
            f"count({_ADDRESS_WITH_PROBLEM}) or sum({_SIZE}) * 0",
            thresholds=steps(GOOD, (1, BAD)),
            no_value=NOTHING_YET,
        ),
        stat(
            "Domains with a problem",
            "Domains that do not publish what is expected of them: SPF, DKIM, DMARC, MX.",
            f"count(min by (domain) ({select(families.DOMAIN_HEALTHY)}) == 0)"
            f" or count({select(families.DOMAIN_HEALTHY)}) * 0",
            thresholds=steps(GOOD, (1, BAD)),
            no_value="No domain is configured (domains), or nothing is known about one yet.",
            link=dashboard.DOMAINS_LINK,
        ),
        stat(
            "Unanswered addresses",
            "Addresses for which the DNS did not answer the latest sample. Nothing is known to be wrong with them; "
            "their gauges keep the last known value. Addresses that were never sampled are not counted.",
            f"sum({_UNKNOWN})",
            thresholds=steps(GOOD, (1, UNKNOWN)),
            no_value=NOTHING_YET,
        ),
        stat(
            "Addresses",
            "All addresses of the chosen pools.",
            f"sum({_SIZE})",
            thresholds=steps(NEUTRAL),
            no_value=NOTHING_YET,
        ),
        stat(
            "DNS resolvers",
            "Whether the exporter's resolvers can be trusted: each server answers and passes its canaries. If not, the "
            "values here are the last conclusive ones.",
            f"min({select(families.CANARY_OK)} * {_UP} or {_UP})",
            unit=units.NoUnit,
            thresholds=steps(UNKNOWN),
            states=BELIEVED,
            no_value="No resolver was asked yet.",
            link=dashboard.EXPORTER_LINK,
        ),
    ]


def pools() -> Sequence[AnyPanel]:
    """Which pools have problems, and why."""
    return [
        table(
            "Pools",
            "How many addresses of each pool fail an expected check, and the most common cause. If an address fails "
            "several checks, the cause counts: forward confirmation first, then the HELO name, SPF, block lists. "
            "'Confirmed' is the forward-confirmed share of the pool, with its 95% interval where rounds sample a part.",
            {
                "A": f"sum by (pool) ({_SIZE})",
                "B": f"count by (pool) ({_ADDRESS_WITH_PROBLEM}) or {_NONE_OF_A_POOL}",
                "C": confirmed("share"),
                "D": f"topk by (pool) (1, count by (pool, reason) ({_FIRST_REASON}))",
                "E": confirmed("lower"),
                "F": f"sum by (pool) ({_UNKNOWN})",
                "G": f"max by (pool) ({select(families.LAST_CHANGE)}) * 1000",
                "H": confirmed("upper"),
                "I": f"sum by (pool) ({_NOT_SAMPLED})",
            },
            columns={
                "pool": "Pool",
                "Value #B": "With a problem",
                "reason": "Most common cause",
                "Value #C": "Confirmed",
                "Value #E": "At least",
                "Value #H": "At most",
                "Value #F": "Unanswered",
                "Value #I": "Not sampled",
                "Value #A": "Addresses",
                "Value #G": "Last change",
            },
            styles={
                "Pool": [dashboard.POOL_LINKS, wide(150)],
                "With a problem": counted(BAD),
                "Most common cause": [
                    override("mappings", reason_mappings()),
                    override("noValue", "all is as expected"),
                ],
                **dict.fromkeys(("Confirmed", "At least", "At most"), PERCENTAGE),
                "Unanswered": counted(UNKNOWN),
                "Not sampled": [NARROW],
                "Addresses": [NARROW],
                "Last change": [override("unit", "dateTimeFromNow"), override("noValue", "never"), wide(150)],
            },
            sort="With a problem",
            no_value=NOTHING_YET,
            width=24,
            height=10,
        ),
        table(
            "Failing addresses",
            "Up to 200 addresses that fail an expected check. Each links to its own dashboard and to the exporter's "
            "evidence: every question and answer.",
            {"A": f"topk(200, max by (pool, ip, check, reason, subject) ({_PROBLEM}))"},
            columns={"pool": "Pool", "ip": "Address", "check": "Check", "reason": "Reason", "subject": "About"},
            styles={
                "Pool": [dashboard.POOL_LINKS, wide(180)],
                "Address": [dashboard.ADDRESS_LINKS, wide(320)],
                "Check": [wide(180)],
                "Reason": [wide(200)],
            },
            sort="Pool",
            ascending=True,
            no_value=NO_PROBLEM,
            width=24,
            height=9,
        ),
        table(
            "Problems by reason",
            "The checks that fail, the reasons, and how many addresses have them. The runbooks say how to fix each "
            "reason.",
            {"A": _REASONS},
            columns={"pool": "Pool", "check": "Check", "reason": "Reason", "Value": "Addresses"},
            styles={
                "Pool": [dashboard.POOL_LINKS, wide(150)],
                "Check": [wide(160)],
                "Reason": [wide(150)],
                "Addresses": counted(BAD),
            },
            sort="Addresses",
            no_value=NO_PROBLEM,
            width=11,
            height=9,
        ),
        state_timeline(
            "Pools over time",
            "Vermilion while an address of the pool fails an expected check, grey while the DNS does not answer for "
            "some, blue while all pass.",
            {
                "{{pool}}": f"clamp_max(2 * ((count by (pool) ({_PROBLEM}) or {_NONE_OF_A_POOL}) > bool 0)"
                f" + (sum by (pool) ({_UNKNOWN}) > bool 0), 2)"
            },
            states=POOL,
            no_value=NOTHING_YET,
            width=7,
            height=9,
        ),
        time_series(
            "Addresses with a problem over time",
            "How many addresses fail a check that their pool expects.",
            {"{{pool}}": f"count by (pool) ({_ADDRESS_WITH_PROBLEM}) or {_NONE_OF_A_POOL}"},
            unit=COUNT,
            stacked=True,
            no_value=NOTHING_YET,
            width=6,
            height=9,
        ),
    ]


def prefixes() -> Sequence[AnyPanel]:
    """Which prefixes have problems."""
    lost = by_prefix(f"max by (pool, ip) ({select(families.ADDRESS_PROBLEM, check='fcrdns')})")
    worst = f"sum by (pool, prefix) ({select(families.POOL_FAILING_PREFIX_ADDRESSES)})"
    sampled = f"sum by (pool, prefix) ({select(families.POOL_FAILING_PREFIX_SAMPLED)})"
    return [
        table(
            "Prefixes not forward-confirmed",
            "The fifty /24 (IPv4) and /64 (IPv6) networks with the most addresses that are not forward-confirmed. One "
            "reverse zone usually covers such a network: if all of it fails, check the delegation. 'Of' counts the "
            "pool's addresses there; if the pool is not swept, those that were sampled.",
            {
                "A": f"topk(50, count by (pool, prefix) ({lost}))",
                "B": f"{sampled} and on (pool, prefix) count by (pool, prefix) ({lost})",
            },
            columns={"pool": "Pool", "prefix": "Prefix", "Value #A": "Not confirmed", "Value #B": "Of"},
            styles={"Not confirmed": counted(BAD), "Of": [NARROW]},
            sort="Not confirmed",
            no_value="Every address that is expected to be is forward-confirmed.",
            width=12,
            height=9,
        ),
        table(
            "Worst prefixes",
            "The prefixes with the most addresses that fail an expected check, up to 50 per pool, and the number that "
            "was sampled there. The first round finds every prefix that is wholly broken, however big the pool is.",
            {
                "A": f"topk(50, {worst})",
                "B": f"{sampled} and on (pool, prefix) topk(50, {worst})",
            },
            columns={"pool": "Pool", "prefix": "Prefix", "Value #A": "Failing", "Value #B": "Of"},
            styles={"Pool": [dashboard.POOL_LINKS], "Failing": counted(BAD), "Of": [NARROW]},
            sort="Failing",
            no_value="No prefix has an address that fails an expected check.",
            width=12,
            height=9,
        ),
    ]


def _receiver_results(result: str, labels: str) -> str:
    return f"sum by ({labels}) ({select(families.POOL_RECEIVER_RESULTS, result=result)})"


def receivers() -> Sequence[AnyPanel]:
    """Which receivers would refuse, and from which pools."""
    return [
        table(
            "Predicted refusals by receiver",
            "How many addresses of a pool each kind of receiver would refuse, for some or all connections. 'By "
            "design': the pool's profile does not expect what the receiver requires. All other addresses are accepted. "
            "Predicted from the DNS, following the receivers' source code.",
            {
                "A": _receiver_results("refuse", "pool, receiver"),
                "B": _receiver_results("by-design", "pool, receiver"),
                "C": _receiver_results("unknown", "pool, receiver"),
            },
            columns={
                "pool": "Pool",
                "receiver": "Receiver",
                "Value #A": "Refused",
                "Value #B": "By design",
                "Value #C": "Not known",
            },
            styles={
                "Pool": [dashboard.POOL_LINKS],
                "Receiver": [wide(340)],
                "Refused": counted(BAD),
                "By design": counted(NOTICE),
                "Not known": counted(UNKNOWN),
            },
            sort="Refused",
            no_value=NOT_PREDICTED,
            width=15,
            height=9,
        ),
        time_series(
            "Refused addresses over time",
            "Addresses that each receiver would refuse, for some or all connections; without refusals by design.",
            {"{{receiver}}": _receiver_results("refuse", "receiver")},
            unit=COUNT,
            no_value=NOT_PREDICTED,
            width=9,
            height=9,
        ),
    ]


def changes() -> Sequence[AnyPanel]:
    """What changed, and when."""
    return [
        time_series(
            "Changed results of addresses",
            "Conclusive results that changed, or changed their reason, for the worse and for the better. Each was "
            "asked twice before it was recorded.",
            {
                "broke": f"sum({increase(families.RESULT_CHANGES, result='fail')})",
                "fixed": f"sum({increase(families.RESULT_CHANGES, result='pass')})",
            },
            unit=COUNT,
            colours={"broke": BAD, "fixed": GOOD},
            bars=True,
            stacked=True,
            no_value=NOTHING_YET,
            width=12,
        ),
        table(
            "Latest changes by address",
            "The twenty addresses with the latest change of a result.",
            {"A": f"topk(20, max by (pool, ip) ({select(families.LAST_CHANGE)})) * 1000"},
            columns={"pool": "Pool", "ip": "Address", "Value": "Changed"},
            styles={
                "Address": [dashboard.ADDRESS_LINKS],
                "Changed": [override("unit", "dateTimeFromNow"), wide(140)],
            },
            sort="Changed",
            no_value="No result has changed since it was first known.",
            width=12,
        ),
    ]


def _results(result: str) -> str:
    return f"sum by (pool, check) ({select(families.POOL_RESULTS, result=result)})"


def checks() -> Sequence[AnyPanel]:
    """Every check of every pool in numbers, whether the pool expects it or not; and the block lists."""
    return [
        table(
            "Results by check",
            "Addresses by the latest result of each check: confirmation, HELO names, SPF of the HELO name (spf-helo) "
            "and of the domains that a pool sends for (spf-mailfrom), block lists (dnsbl). A failure is a problem only "
            "if the pool expects the check to pass: see 'Problems by reason'.",
            {"A": _results("pass"), "B": _results("fail"), "C": _results("unknown"), "D": _results("not-sampled")},
            columns={
                "pool": "Pool",
                "check": "Check",
                "Value #A": "Pass",
                "Value #B": "Fail",
                "Value #C": "Unanswered",
                "Value #D": "Not sampled",
            },
            styles={
                "Pool": [dashboard.POOL_LINKS],
                "Pass": [NARROW],
                "Fail": counted(BAD),
                "Unanswered": counted(UNKNOWN),
                "Not sampled": [NARROW],
            },
            sort="Fail",
            no_value=NOTHING_YET,
            width=15,
            height=9,
        ),
        table(
            "Block lists",
            "How many addresses each list has, and whether the list can be trusted. A list that fails its test points, "
            "refuses to answer or is silent counts as listing nothing.",
            {
                "A": f"sum by (dnsbl) ({select(families.DNSBL_LISTED)})",
                "B": f"min by (dnsbl) ({select(families.DNSBL_USABLE)})",
            },
            columns={"dnsbl": "List", "Value #A": "Listed", "Value #B": "Trusted"},
            styles={"Listed": counted(BAD), "Trusted": state_column(TRUSTED)},
            sort="Listed",
            no_value="These pools ask no block list (dnsbls).",
            width=9,
            height=9,
        ),
    ]


def estimates() -> Sequence[AnyPanel]:
    """The share that fails each check, with its error bounds; exact for a pool that is swept."""
    estimate = Estimate(
        f"sum by (pool, check) ({select(families.POOL_SAMPLE_ADDRESSES)})",
        f"sum by (pool, check) ({select(families.POOL_SAMPLE_FAILURES)})",
        f"sum by (pool) ({_SIZE})",
        "pool",
    )
    ratio, effective = f"({estimate.ratio})", f"({estimate.effective})"
    return [
        table(
            "Share that fails each check (95% interval)",
            "The share of addresses that fail each check, and the bounds that contain the true share in 95 of 100 "
            "rounds. An estimate if a round samples some addresses of each prefix; an exact count if it samples all.",
            {
                "A": estimate.ratio,
                "B": estimate.end(ratio, effective, upper=False),
                "C": estimate.end(ratio, effective, upper=True),
                "D": estimate.sampled,
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
                "Pool": [dashboard.POOL_LINKS],
                **dict.fromkeys(("Fails", "At least", "At most"), PERCENTAGE),
                "Sampled": [NARROW],
            },
            sort="Fails",
            no_value="No round has ended yet, or no exporter is scraped.",
            width=24,
            height=9,
        ),
    ]


def _source(aggregation: str, family: Family) -> str:
    return f"{aggregation} by (pool, source) ({select(family)})"


def sources() -> Sequence[AnyPanel]:
    """The files and SPF records that pools read their addresses from."""
    return [
        table(
            "Address sources (files and SPF)",
            "How many addresses each source of a pool has, whether it could be used when it was last read, what is "
            "wrong with it, and how many of its addresses belong to another pool. While a source fails, its last good "
            "addresses stay.",
            {
                "A": _source("sum", families.SOURCE_ADDRESSES),
                "B": _source("min", families.SOURCE_SUCCESS),
                "C": f"max by (pool, source, reason) ({select(families.SOURCE_PROBLEM)})",
                "D": _source("sum", families.SOURCE_CONFLICTS),
                "E": f"{_source('min', families.SOURCE_SUCCESS_TIMESTAMP)} * 1000",
            },
            columns={
                "pool": "Pool",
                "source": "Source",
                "Value #A": "Addresses",
                "Value #B": "Good",
                "reason": "What is wrong",
                "Value #D": "In other pools",
                "Value #E": "Last good",
            },
            styles={
                "Pool": [dashboard.POOL_LINKS],
                "Source": [NARROW],
                "Addresses": [NARROW],
                "Good": state_column(YES_NO),
                "What is wrong": [override("noValue", "nothing")],
                "In other pools": counted(NOTICE),
                "Last good": [override("unit", "dateTimeFromNow"), wide(140)],
            },
            sort="Good",
            ascending=True,
            no_value=NO_SOURCE,
            width=17,
            height=6,
        ),
        time_series(
            "Addresses added and removed by sources",
            "By changes of the sources, after the first load.",
            {
                "{{pool}}: added": f"sum by (pool) ({increase(families.SOURCE_ADDED)})",
                "{{pool}}: removed": f"sum by (pool) ({increase(families.SOURCE_REMOVED)})",
            },
            unit=COUNT,
            bars=True,
            no_value=NO_SOURCE,
            width=7,
            height=6,
        ),
    ]


def helo_names() -> Sequence[AnyPanel]:
    """The reverse check of HELO names: to which addresses they resolve."""
    inside = f"max by (pool, helo) ({select(families.HELO_POOL_ADDRESSES)})"
    worst = f"topk(100, max by (pool, helo) ({select(families.HELO_ADDRESSES)}))"
    return [
        table(
            "HELO names, reverse check",
            "Up to 100 HELO names: whether they resolve, to how many addresses, how many of those are "
            "forward-confirmed, how many are in the pool, which share of the pool that is, and how many are outside "
            "it. A name of Microsoft 365 covers a region: by design it has a part of the pool, and other addresses.",
            {
                "A": f"min by (pool, helo) ({select(families.HELO_RESOLVES)}) and on (pool, helo) {worst}",
                "B": worst,
                "C": f"max by (pool, helo) ({select(families.HELO_CONFIRMED_ADDRESSES)}) and on (pool, helo) {worst}",
                "D": f"max by (pool, helo) ({select(families.HELO_ADDRESSES_OUTSIDE_POOL)})"
                f" and on (pool, helo) {worst}",
                "E": f"{inside} and on (pool, helo) {worst}",
                "F": f"{inside} / on (pool) group_left () sum by (pool) ({_SIZE}) and on (pool, helo) {worst}",
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
                "Resolves": state_column(YES_NO),
                "Addresses": [NARROW],
                "Confirmed": [NARROW],
                "In the pool": [NARROW],
                "Of the pool": [override("unit", units.PercentUnit), override("decimals", 0), NARROW],
                "Outside the pool": [NARROW],
            },
            sort="Resolves",
            ascending=True,
            no_value="No HELO name is configured, or none was looked up yet.",
            width=24,
            height=9,
        )
    ]


HOW_TO_READ = """
- **Forward-confirmed** (FCrDNS, *iprev pass* in RFC 8601): the address has a PTR name, and that name resolves back to \
the address. One such name is enough. Large receivers refuse mail from addresses without one.
- **Blue** is healthy, **vermilion** is broken, **grey** is unknown: the DNS did not answer. Unknown is not a failure \
and fires no alert about an address; gauges keep the last known value.
- **A problem** is a failure of a check that the pool *expects* to pass (`expect` and `profile` in the configuration). \
A difference by design, such as a HELO name of Microsoft 365 that is not a PTR name, is no problem.
- The exporter samples each address once per interval of its pool. It asks again, past caches, before it records a \
change for the worse.
- **Not sampled** is not unanswered: where rounds sample a part of a pool, nobody has asked about those addresses yet. \
*Confirmed* is then an estimate, and the true share is between *At least* and *At most* in 95 of 100 rounds.
- When **DNS resolvers** is failing, look at the dashboard *Exporter* first: everything here is then as old as that \
failure.
"""


def fleet() -> str:
    """The dashboard as JSON."""
    page = dashboard.new_dashboard(
        dashboard.FLEET_UID,
        "Is every outbound mail address forward-confirmed? If not: which pool, which prefix, why, and since when.",
    ).with_variable(dashboard.pool_variable())
    dashboard.add_row(page, "Is every outbound address confirmed?", summary())
    dashboard.add_row(page, "Pools and addresses", pools())
    dashboard.add_collapsed(
        page,
        {
            "Prefixes": prefixes(),
            "Predicted verdicts of receivers": receivers(),
            "Changes": changes(),
            "Checks and block lists": checks(),
            "Estimates of sampled pools": estimates(),
            "Sources of addresses": sources(),
            "HELO names": helo_names(),
            "How to read this": [markdown("How to read this", HOW_TO_READ)],
        },
    )
    return dashboard.to_json(page)
