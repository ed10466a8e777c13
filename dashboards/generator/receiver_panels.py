"""The rows about receivers: what real mail servers would say, predicted from the DNS.

The rule of this file: a refusal by design of the pool's profile is told apart wherever the family does so.
"""

from collections.abc import Sequence

from dashboards.generator import board
from dashboards.generator.fleet_places import BAD_COUNT
from dashboards.generator.panels import COUNT, NARROW, AnyPanel, counted, lines, override, rows, timeline, wide
from dashboards.generator.queries import select
from dashboards.generator.style import NOTICE, RECEIVER, UNKNOWN
from exporter.metrics import catalogue

NOT_PREDICTED = "No receiver is predicted for these pools (receivers), or nothing is known of their addresses yet."


def _addresses(result: str, labels: str) -> str:
    return f"sum by ({labels}) ({select(catalogue.POOL_RECEIVER_RESULTS, result=result)})"


def fleet_receivers() -> Sequence[AnyPanel]:
    """Which receivers refuse, and which pools."""
    return [
        rows(
            "Receivers",
            "What each kind of receiver would do with connections from the addresses of a pool: refuse some or all of "
            "them; refuse them by design, since the pool's profile does not expect what the receiver wants. The "
            "others are accepted. Predicted from the DNS, after the receivers' own sources.",
            {
                "A": _addresses("refuse", "pool, receiver"),
                "B": _addresses("by-design", "pool, receiver"),
                "C": _addresses("unknown", "pool, receiver"),
            },
            columns={
                "pool": "Pool",
                "receiver": "Receiver",
                "Value #A": "Refused",
                "Value #B": "By design",
                "Value #C": "Not known",
            },
            styles={
                "Pool": [override("links", [board.POOL_LINK, board.POOL_PAGE_LINK])],
                "Receiver": [wide(290)],
                "Refused": [*BAD_COUNT, NARROW],
                "By design": [*counted(NOTICE), NARROW],
                "Not known": [*counted(UNKNOWN), NARROW],
            },
            sort="Refused",
            empty=NOT_PREDICTED,
            span=15,
            height=9,
        ),
        lines(
            "Addresses that are refused",
            "By receiver: addresses of which it would refuse some or all connections, those by design left out.",
            {"{{receiver}}": _addresses("refuse", "receiver")},
            unit=COUNT,
            empty=NOT_PREDICTED,
            span=9,
            height=9,
        ),
    ]


def address_receivers() -> Sequence[AnyPanel]:
    """What receivers make of one address."""
    accepts = select(catalogue.RECEIVER_ACCEPTS, 'ip="$ip"')
    share = f"min by (helo, receiver) ({accepts})"
    return [
        timeline(
            "Receivers over time",
            "What each kind of receiver would do with connections from the address: accept all, some (it takes the "
            "first of several PTR names, which is a lottery), or none. A refusal may be by design of the pool's "
            "profile; the status page says so, and why.",
            {"{{receiver}}, {{helo}}": f"floor({share}) + ceil({share})"},
            states=RECEIVER,
            empty="No receiver is predicted for the address, or nothing is known of it yet.",
            height=9,
        )
    ]
