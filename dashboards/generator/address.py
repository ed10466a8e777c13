"""The dashboard Address: PTR names, HELO names, SPF, block lists, receivers and problems of one address over time.

Every panel is about the address of the variable `ip`. A large pool shows an address only while it has a problem; the
panels say so when they have no data.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import dashboard
from dashboards.generator.panels import (
    COUNT,
    NARROW,
    AnyPanel,
    markdown,
    override,
    stat,
    state_column,
    state_timeline,
    table,
    time_series,
)
from dashboards.generator.promql import VARIABLES, select
from dashboards.generator.style import (
    BAD,
    CONCLUSIVE,
    CONFIRMED,
    GOOD,
    LISTED,
    MATCHES,
    NEUTRAL,
    PASSES,
    RECEIVER,
    UNKNOWN,
    YES_NO,
    State,
    steps,
)
from exporter.metrics import families
from exporter.metrics.families import Family

NOT_SHOWN = "Unknown yet, or the address has no series: a large pool shows only addresses with a problem."
NO_PROBLEM = "The address passes every check that its pool expects."
NO_HELO = "No HELO name is configured for the address, or nothing is known about it yet."
NO_SPF = (
    "The pool sends for no domain (mail_from_domains), and the HELO name has no SPF record and needs none; "
    "or the address has no series."
)
NO_LIST = "These pools ask no block list (dnsbls), or none has answered yet."


def _of(family: Family) -> str:
    return select(family, 'ip="$ip"')


def _word(title: str, description: str, family: Family, states: Sequence[State]) -> AnyPanel:
    return stat(
        title,
        description,
        f"min({_of(family)})",
        unit=units.NoUnit,
        thresholds=steps(UNKNOWN),
        states=states,
        no_value=NOT_SHOWN,
        link=dashboard.EVIDENCE_LINK,
    )


def _age(title: str, description: str, family: Family, no_value: str) -> AnyPanel:
    return stat(
        title,
        description,
        f"max({_of(family)}) * 1000",
        unit="dateTimeFromNow",
        thresholds=steps(NEUTRAL),
        no_value=no_value,
    )


def summary() -> Sequence[AnyPanel]:
    """The current state."""
    return [
        _word(
            "Forward-confirmed",
            "Whether a PTR name of the address resolves back to it (FCrDNS). The last known result.",
            families.FCRDNS_MATCH,
            CONFIRMED,
        ),
        _word(
            "Latest sample",
            "Whether the DNS answered the latest sample. If not, the values here are from an earlier one.",
            families.FCRDNS_CONCLUSIVE,
            CONCLUSIVE,
        ),
        _word(
            "As expected",
            "Whether the address passes every check that its pool expects.",
            families.ADDRESS_HEALTHY,
            YES_NO,
        ),
        _age("Last sample", "When the address was last sampled.", families.LAST_SAMPLE, NOT_SHOWN),
        _age("Last answer", "When the DNS last answered a sample.", families.LAST_CONCLUSIVE_SAMPLE, NOT_SHOWN),
        _age(
            "Last change",
            "When a conclusive result of the address last changed.",
            families.LAST_CHANGE,
            "not since it was first known",
        ),
    ]


def problems() -> Sequence[AnyPanel]:
    """What is wrong, now and before."""
    return [
        table(
            "Failing checks",
            "The expected checks that fail, with the reason. The runbooks say how to fix each reason; "
            "'maildns-exporter check' prints the records to publish.",
            {"A": f"max by (pool, check, reason, subject) ({_of(families.ADDRESS_PROBLEM)})"},
            columns={"check": "Check", "reason": "Reason", "subject": "About", "pool": "Pool"},
            styles={"Check": [override("links", [dashboard.EVIDENCE_LINK])]},
            sort="Check",
            ascending=True,
            no_value=NO_PROBLEM,
            width=12,
            height=6,
        ),
        state_timeline(
            "Failing checks over time",
            "Each problem while it lasts: the check and the reason.",
            {"{{check}}: {{reason}}": f"max by (check, reason) ({_of(families.ADDRESS_PROBLEM)})"},
            states=((1, "problem", BAD),),
            no_value=NO_PROBLEM,
            width=12,
            height=6,
        ),
    ]


def history() -> Sequence[AnyPanel]:
    """Each kind of check over time."""
    return [
        state_timeline(
            "Forward confirmation over time",
            "Whether the address was forward-confirmed, and whether it passed every expected check.",
            {
                "forward-confirmed": f"min({_of(families.FCRDNS_MATCH)})",
                "as expected": f"min({_of(families.ADDRESS_HEALTHY)})",
            },
            states=YES_NO,
            no_value=NOT_SHOWN,
            width=12,
            height=7,
            link=dashboard.EVIDENCE_LINK,
        ),
        state_timeline(
            "HELO names over time",
            "Whether each HELO name resolves to the address, is one of its PTR names, and is in the domain of one. "
            "Orange is a difference, and a problem only if the pool expects a match: see above.",
            {
                "{{helo}} resolves to the address": f"min by (helo) ({_of(families.HELO_ADDRESS_MATCH)})",
                "{{helo}} is a PTR name": f"min by (helo) ({_of(families.HELO_PTR_MATCH)})",
                "{{helo}} is aligned": f"min by (helo) ({_of(families.HELO_ALIGNED)})",
            },
            states=MATCHES,
            no_value=NO_HELO,
            width=12,
            height=7,
        ),
        *authentication(),
    ]


def ptr_names() -> Sequence[AnyPanel]:
    """PTR names, and whether the DNS answered."""
    return [
        time_series(
            "Number of PTR names",
            "How many PTR names the address has, and how many of them resolve back to it. One is enough; with several, "
            "a receiver that uses only the first one gets changing results.",
            {
                "PTR names": f"max({_of(families.PTR_RECORDS)})",
                "that resolve back": f"max({_of(families.PTR_CONFIRMED_RECORDS)})",
            },
            unit=COUNT,
            colours={"PTR names": NEUTRAL, "that resolve back": GOOD},
            no_value=NOT_SHOWN,
            height=7,
        ),
        state_timeline(
            "PTR name over time",
            "The PTR name over time, preferably one that resolves back. 'flapping' if it keeps changing.",
            {"{{ptr}}": f"max by (ptr) ({_of(families.PTR_INFO)})"},
            states=((1, "published", GOOD),),
            no_value="The address has no PTR name, or the pool does not show PTR names (ptr_info).",
            width=12,
            height=7,
        ),
        state_timeline(
            "DNS answers over time",
            "Whether the DNS answered the samples. While it does not, all values stay as they are.",
            {"the DNS": f"min({_of(families.FCRDNS_CONCLUSIVE)})"},
            states=CONCLUSIVE,
            no_value=NOT_SHOWN,
            height=4,
        ),
    ]


def _with_helo(aggregation: str, family: Family) -> str:
    """*family*, which is about HELO names, for the HELO names of the address."""
    names = f"max by (pool, helo) ({_of(families.HELO_ADDRESS_MATCH)})"
    return f"{aggregation} by (helo) ({select(family)} and on (pool, helo) {names})"


def helo_names() -> Sequence[AnyPanel]:
    """The names that the server gives in HELO, and where they lead."""
    return [
        table(
            "HELO names and their addresses",
            "The HELO names of the address, and the reverse check: whether they resolve, to how many addresses, and "
            "how many of these are forward-confirmed.",
            {
                "A": _with_helo("min", families.HELO_RESOLVES),
                "B": _with_helo("max", families.HELO_ADDRESSES),
                "C": _with_helo("max", families.HELO_CONFIRMED_ADDRESSES),
            },
            columns={"helo": "HELO name", "Value #A": "Resolves", "Value #B": "Addresses", "Value #C": "Confirmed"},
            styles={"Resolves": state_column(YES_NO), "Addresses": [NARROW], "Confirmed": [NARROW]},
            sort="HELO name",
            ascending=True,
            no_value=NO_HELO,
            width=24,
            height=6,
        ),
    ]


def authentication() -> Sequence[AnyPanel]:
    """Results of SPF and the block lists."""
    return [
        state_timeline(
            "SPF over time",
            "Whether the address passes the SPF record of its HELO names (helo), and of the domains that its pool "
            "sends for (mailfrom). A HELO name that has no record and needs none is not shown.",
            {"{{identity}} {{domain}}": f"min by (identity, domain) ({_of(families.SPF_PASS)})"},
            states=PASSES,
            no_value=NO_SPF,
            width=12,
            height=7,
        ),
        state_timeline(
            "Block lists over time",
            "Whether each configured list has the address. A list that refuses to answer, or lists everything, is not "
            "shown.",
            {"{{dnsbl}}": f"max by (dnsbl) ({_of(families.DNSBL_LISTED)})"},
            states=LISTED,
            no_value=NO_LIST,
            width=12,
            height=7,
        ),
    ]


def receivers() -> Sequence[AnyPanel]:
    """What each kind of receiver would do with the address."""
    accepts = f"min by (helo, receiver) ({_of(families.RECEIVER_ACCEPTS)})"
    return [
        state_timeline(
            "Receivers over time",
            "Which connections from the address each kind of receiver would accept: all, some (it uses the first of "
            "several PTR names, which changes), or none. The status page says why, and whether a refusal is by design "
            "of the pool's profile.",
            {"{{receiver}}, {{helo}}": f"floor({accepts}) + ceil({accepts})"},
            states=RECEIVER,
            no_value="No receiver is predicted for the address, or nothing is known about it yet.",
            height=9,
        )
    ]


HOW_TO_READ = """
- Choose the **address** above. If it is not on the list, its pool is large and shows only addresses with a problem.
- **Confirmation**: an address needs a PTR record, and one of its PTR names needs an A (IPv4) or AAAA (IPv6) record \
with the address. Either may be reached through a CNAME.
- **Values keep their last known result** while the DNS does not answer; *Latest sample* and *DNS answers over time* \
show when that is.
- **Problems** are failures of checks that the pool expects. The same difference may be by design in another pool.
- For the whole chain, question by question, follow *The evidence, on the status page*, or run \
`maildns-exporter check ${ip}`: it also prints the records that would fix it.
"""


def address() -> str:
    """The dashboard as JSON."""
    page = dashboard.new_dashboard(
        dashboard.ADDRESS_UID,
        "One outbound address over time: PTR names, forward confirmation, HELO names, problems and their reasons.",
    )
    page.with_variable(dashboard.pool_variable())
    page.with_variable(
        dashboard.variable(
            "ip", "Address", families.LAST_SAMPLE, f'{VARIABLES}, pool=~"$pool"', several=False
        ).description("An address that has series of its own.")
    )
    dashboard.add_row(page, "Address ${ip} now", summary())
    dashboard.add_row(page, "Failing checks", problems())
    dashboard.add_row(page, "History", history())
    dashboard.add_collapsed(
        page,
        {
            "PTR names and DNS answers": ptr_names(),
            "HELO names": helo_names(),
            "Predicted verdicts of receivers": receivers(),
            "How to read this": [markdown("How to read this", HOW_TO_READ)],
        },
    )
    return dashboard.to_json(page)
