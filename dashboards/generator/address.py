"""The Address dashboard: one address over time, from its PTR names to what is wrong with them.

The rule of this file: everything is about the one address of the variable `ip`; a large pool shows its address only
while it has a problem, and the panels say so.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import board
from dashboards.generator.authentication_panels import address_authentication
from dashboards.generator.panels import (
    COLOURED,
    COUNT,
    NARROW,
    AnyPanel,
    lines,
    number,
    override,
    prose,
    rows,
    timeline,
)
from dashboards.generator.queries import VARIABLES, select
from dashboards.generator.receiver_panels import address_receivers
from dashboards.generator.style import (
    BAD,
    CONCLUSIVE,
    CONFIRMED,
    GOOD,
    MATCHES,
    UNKNOWN,
    YES_NO,
    State,
    plain_mappings,
    steps,
)
from exporter.metrics import catalogue
from exporter.metrics.catalogue import Family

_IP = 'ip="$ip"'
NOT_SHOWN = "Not known yet; or the address has no series: a large pool shows only addresses with a problem."
NO_PROBLEM = "The address passes all checks that its pool expects."
NO_HELO = "No HELO name is configured for the address, or nothing is known of it yet."
_TIME = "dateTimeAsLocal"

_EVIDENCE = {
    "title": "The evidence, on the status page",
    "url": "${exporter}/addresses/${ip}",
    "targetBlank": True,
}
_PAIR_CHECKS: Sequence[tuple[str, Family]] = (
    ("resolves to the address", catalogue.HELO_ADDRESS_MATCH),
    ("is a PTR name", catalogue.HELO_PTR_MATCH),
    ("is aligned", catalogue.HELO_ALIGNED),
)


def _of(family: Family) -> str:
    return select(family, _IP)


def _word(title: str, description: str, family: Family, states: Sequence[State], *, worst: str = "min") -> AnyPanel:
    return number(
        title,
        description,
        f"{worst}({_of(family)})",
        unit=units.NoUnit,
        colours=steps(UNKNOWN),
        states=states,
        empty=NOT_SHOWN,
        span=4,
        link=_EVIDENCE,
    )


def _moment(title: str, description: str, family: Family, empty: str) -> AnyPanel:
    return number(
        title,
        description,
        f"max({_of(family)}) * 1000",
        unit="dateTimeFromNow",
        colours=steps("#4A4A4A"),
        empty=empty,
        span=4,
    )


def summary() -> Sequence[AnyPanel]:
    """How it is now."""
    return [
        _word(
            "Forward-confirmed",
            "Whether a PTR name of the address resolves back to it (FCrDNS), as it was last known.",
            catalogue.FCRDNS_MATCH,
            CONFIRMED,
        ),
        _word(
            "Latest sample",
            "Whether the DNS answered the latest sample. If not, the values here are those of an earlier one.",
            catalogue.FCRDNS_CONCLUSIVE,
            CONCLUSIVE,
        ),
        _word(
            "As expected",
            "Whether the address passes every check that its pool expects.",
            catalogue.ADDRESS_HEALTHY,
            YES_NO,
        ),
        _moment("Last sample", "When the address was last sampled.", catalogue.LAST_SAMPLE, NOT_SHOWN),
        _moment(
            "Last answer", "When the DNS last answered a sample of it.", catalogue.LAST_CONCLUSIVE_SAMPLE, NOT_SHOWN
        ),
        _moment(
            "Last change",
            "When a conclusive result of the address last changed.",
            catalogue.LAST_CHANGE,
            "not since it was first known",
        ),
    ]


def problems() -> Sequence[AnyPanel]:
    """What is wrong, now and before."""
    return [
        rows(
            "What is wrong",
            "The checks that fail although the pool expects them, with the reason. The runbooks say of "
            "each how to fix it; 'maildns-exporter check' prints the records to publish.",
            {"A": f"max by (pool, check, reason) ({_of(catalogue.ADDRESS_PROBLEM)})"},
            columns={"check": "Check", "reason": "Reason", "pool": "Pool"},
            styles={"Check": [override("links", [_EVIDENCE])]},
            sort="Check",
            ascending=True,
            empty=NO_PROBLEM,
            span=10,
            height=6,
        ),
        timeline(
            "Problems over time",
            "Each problem, for as long as it lasted: the check, and the reason.",
            {"{{check}}: {{reason}}": f"max by (check, reason) ({_of(catalogue.ADDRESS_PROBLEM)})"},
            states=((1, "problem", BAD),),
            empty=NO_PROBLEM,
            span=14,
            height=6,
        ),
    ]


def confirmation() -> Sequence[AnyPanel]:
    """PTR and forward records."""
    return [
        timeline(
            "Confirmation over time",
            "Whether the address was forward-confirmed, as it was last known; and whether the DNS answered.",
            {
                "forward-confirmed": f"min({_of(catalogue.FCRDNS_MATCH)})",
                "as expected": f"min({_of(catalogue.ADDRESS_HEALTHY)})",
            },
            states=YES_NO,
            empty=NOT_SHOWN,
            span=24,
            height=5,
            link=_EVIDENCE,
        ),
        timeline(
            "Answers over time",
            "Whether the DNS answered the samples. While it does not, nothing above changes.",
            {"the DNS": f"min({_of(catalogue.FCRDNS_CONCLUSIVE)})"},
            states=CONCLUSIVE,
            empty=NOT_SHOWN,
            span=24,
            height=4,
        ),
        lines(
            "PTR names",
            "How many PTR names the address has, and how many of them resolve back to it. One that does is enough; "
            "with several, receivers that use only the first one see now this, now that.",
            {
                "PTR names": f"max({_of(catalogue.PTR_RECORDS)})",
                "that resolve back": f"max({_of(catalogue.PTR_CONFIRMED_RECORDS)})",
            },
            unit=COUNT,
            colours={"PTR names": UNKNOWN, "that resolve back": GOOD},
            empty=NOT_SHOWN,
            span=12,
            height=7,
        ),
        timeline(
            "Which PTR name",
            "The PTR name over time: one that resolves back if there is one. 'flapping' if it keeps changing.",
            {"{{ptr}}": f"max by (ptr) ({_of(catalogue.PTR_INFO)})"},
            states=((1, "published", GOOD),),
            empty="The address has no PTR name, or the pool does not show them (ptr_info).",
            span=12,
            height=7,
        ),
    ]


def _with_helo(how: str, family: Family) -> str:
    """A family about HELO names, for those of the address."""
    said = f"max by (pool, helo) ({_of(catalogue.HELO_ADDRESS_MATCH)})"
    return f"{how} by (helo) ({select(family)} and on (pool, helo) {said})"


def helo_names() -> Sequence[AnyPanel]:
    """What the server says in HELO, against what the DNS says."""
    return [
        timeline(
            "HELO names over time",
            "Each HELO name of the address: whether it resolves to the address, is one of its PTR names, and is in the "
            "same domain as one. Orange is a difference, and a problem only where the pool expects "
            "otherwise: see above.",
            {f"{{{{helo}}}} {what}": f"min by (helo) ({_of(family)})" for what, family in _PAIR_CHECKS},
            states=MATCHES,
            empty=NO_HELO,
            span=14,
            height=8,
        ),
        rows(
            "HELO names now",
            "The HELO names of the address, and what is known of them the other way round: whether they "
            "resolve, to how "
            "many addresses, and how many of these are forward-confirmed.",
            {
                "A": _with_helo("min", catalogue.HELO_RESOLVES),
                "B": _with_helo("max", catalogue.HELO_ADDRESSES),
                "C": _with_helo("max", catalogue.HELO_CONFIRMED_ADDRESSES),
            },
            columns={"helo": "HELO name", "Value #A": "Resolves", "Value #B": "Addresses", "Value #C": "Confirmed"},
            styles={
                "Resolves": [override("mappings", plain_mappings(YES_NO)), COLOURED, NARROW],
                "Addresses": [NARROW],
                "Confirmed": [NARROW],
            },
            sort="HELO name",
            ascending=True,
            empty=NO_HELO,
            span=10,
            height=8,
        ),
    ]


HOW_TO_READ = """
- Choose the **address** above. If it is not on the list, its pool is large and shows only addresses with a problem.
- **Confirmation**: an address needs a PTR record, and one of its PTR names needs an A (IPv4) or AAAA (IPv6) record \
with the address. Either may be reached through a CNAME.
- **Values are held** while the DNS does not answer; *Latest sample* and *Answers over time* say when that is.
- **Problems** are failures of what the pool expects. The same difference may be by design in another pool.
- For the whole chain, question by question, follow *The evidence, on the status page*, or run \
`maildns-exporter check ${ip}`: it also prints the records that would fix it.
"""


def address() -> str:
    """The dashboard's JSON."""
    page = board.board(
        board.ADDRESS_UID,
        "One outbound address over time: PTR names, forward confirmation, HELO names, problems and their reasons.",
    )
    page.with_variable(board.pools())
    page.with_variable(
        board.choice("ip", "Address", catalogue.LAST_SAMPLE, f'{VARIABLES}, pool=~"$pool"', several=False).description(
            "An address that has series of its own."
        )
    )
    board.add_row(page, "Address ${ip} now", summary())
    board.add_row(page, "Problems", problems())
    board.add_row(page, "PTR names and forward confirmation", confirmation())
    board.add_row(page, "HELO names", helo_names())
    board.add_row(page, "SPF and block lists", address_authentication())
    board.add_row(page, "What receivers would say", address_receivers())
    board.add_row(page, "How to read this", [prose("How to read this", HOW_TO_READ)])
    return board.finished(page)
