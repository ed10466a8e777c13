"""How states look: colours that colour-blind people can distinguish, and a word for each state.

Blue is healthy, vermilion is broken, grey is unknown, orange is worth a look (after Okabe and Ito); these four mean
nothing else. A colour never stands alone: each state also has a word.
"""

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

GOOD = "#0072B2"
BAD = "#D55E00"
UNKNOWN = "#8E8E8E"
NOTICE = "#E69F00"
NEUTRAL = "#4A4A4A"
SERIES = ("#56B4E9", "#CC79A7", "#009E73", "#F0E442")

State = tuple[float, str, str]
"""A value, its word, and its colour."""

YES_NO: Sequence[State] = ((0, "no", BAD), (1, "yes", GOOD))
CONFIRMED: Sequence[State] = ((0, "not confirmed", BAD), (1, "confirmed", GOOD))
CONCLUSIVE: Sequence[State] = ((0, "no answer", UNKNOWN), (1, "answered", GOOD))
PASSES: Sequence[State] = ((0, "does not pass", NOTICE), (1, "passes", GOOD))
TRUSTED: Sequence[State] = ((0, "no", UNKNOWN), (1, "yes", GOOD))
LISTED: Sequence[State] = ((0, "not listed", GOOD), (1, "listed", BAD))
SAVED: Sequence[State] = ((0, "not saved", BAD), (1, "saved", GOOD))
HEALTHY: Sequence[State] = ((0, "failing", BAD), (1, "healthy", GOOD))
RELOADED: Sequence[State] = ((0, "bad, old one in use", BAD), (1, "good", GOOD))
MATCHES: Sequence[State] = ((0, "differs", NOTICE), (1, "matches", GOOD))
RECEIVER: Sequence[State] = ((0, "refuses", NOTICE), (1, "accepts some", NOTICE), (2, "accepts", GOOD))
BELIEVED: Sequence[State] = ((0, "failing: values are old", BAD), (1, "healthy", GOOD))
POOL: Sequence[State] = ((0, "all pass", GOOD), (1, "some unanswered", UNKNOWN), (2, "some fail", BAD))

REASONS = {
    "ptr-nxdomain": "no PTR name",
    "ptr-nodata": "no PTR name",
    "ptr-missing-dot": "PTR record lacks its final dot",
    "ptr-address": "PTR record names an address",
    "ptr-special-use": "PTR name is not in the public DNS",
    "ptr-syntax": "PTR name is not a host name",
    "address-not-public": "address is behind NAT",
    "forward-nxdomain": "PTR name does not exist",
    "forward-nodata": "PTR name has no address",
    "forward-mismatch": "PTR name has other addresses",
    "helo-syntax": "HELO name is not a host name",
    "helo-unqualified": "HELO name is a single label",
    "helo-literal": "HELO is an address, not a name",
    "helo-special-use": "HELO name is not in the public DNS",
    "helo-dangling": "HELO name is a dangling CNAME",
    "helo-nxdomain": "HELO name does not exist",
    "helo-nodata": "HELO name has no address",
    "helo-mismatch": "HELO name has other addresses",
    "helo-not-ptr": "HELO name is not the PTR name",
    "helo-not-aligned": "HELO and PTR name: different domains",
    "spf-none": "no SPF record",
    "spf-neutral": "SPF is neutral about the address",
    "spf-softfail": "SPF does not authorise it (~all)",
    "spf-fail": "SPF does not authorise it",
    "spf-syntax": "SPF record has a syntax error",
    "spf-several-records": "more than one SPF record",
    "spf-no-target": "SPF includes a missing record",
    "spf-lookup-limit": "SPF needs too many lookups",
    "spf-void-lookup-limit": "SPF has too many void lookups",
    "spf-mx-limit": "SPF mx has too many hosts",
    "dnsbl-listed": "on a block list",
}
"""Each reason for which a check of an address fails, in words short enough for a table."""


def mappings(states: Sequence[State]) -> list[model.ValueMapping]:
    """Grafana's value mapping for *states*."""
    options = {
        f"{value:g}": model.ValueMappingResult(text=word, color=color, index=index)
        for index, (value, word, color) in enumerate(states)
    }
    return [model.ValueMap(options=options)]


def column_mappings(states: Sequence[State]) -> list[dict[str, Any]]:
    """The value mapping for *states* as an override of one table column."""
    options = {
        f"{value:g}": {"text": word, "color": color, "index": index}
        for index, (value, word, color) in enumerate(states)
    }
    return [{"type": "value", "options": options}]


def reason_mappings() -> list[dict[str, Any]]:
    """The value mapping for a column of reasons."""
    options = {reason: {"text": text, "index": index} for index, (reason, text) in enumerate(REASONS.items())}
    return [{"type": "value", "options": options}]


def steps(first: str, *others: tuple[float, str]) -> build.ThresholdsConfig:
    """Colours by value: *first* below the first of *others*, each other colour from its value upwards."""
    thresholds = [model.Threshold(value=None, color=first)]
    thresholds += [model.Threshold(value=value, color=color) for value, color in others]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds)
