"""How states look: colours that colour-blind people can tell apart, and the words beside them.

The rule of this file: a colour never stands alone. Blue is well, vermilion is broken, grey is not known, orange is
worth a look (after Okabe and Ito); each state has a word of its own too.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

GOOD = "#0072B2"
BAD = "#D55E00"
UNKNOWN = "#8E8E8E"
NOTICE = "#E69F00"
SERIES = ("#56B4E9", "#CC79A7", "#009E73", "#F0E442")

State = tuple[float, str, str]
"""A value, the word for it, and its colour."""

YES_NO: Sequence[State] = ((0, "no", BAD), (1, "yes", GOOD))
CONFIRMED: Sequence[State] = ((0, "not confirmed", BAD), (1, "confirmed", GOOD))
CONCLUSIVE: Sequence[State] = ((0, "no answer", UNKNOWN), (1, "answered", GOOD))
PASSES: Sequence[State] = ((0, "does not pass", NOTICE), (1, "passes", GOOD))
LISTED: Sequence[State] = ((0, "not listed", GOOD), (1, "listed", BAD))
SAVED: Sequence[State] = ((0, "not saved", BAD), (1, "saved", GOOD))
WELL: Sequence[State] = ((0, "failing", BAD), (1, "healthy", GOOD))
MATCHES: Sequence[State] = ((0, "differs", NOTICE), (1, "matches", GOOD))
RECEIVER: Sequence[State] = ((0, "refuses", NOTICE), (1, "accepts some", SERIES[1]), (2, "accepts", GOOD))
POOL: Sequence[State] = ((0, "all pass", GOOD), (1, "some unanswered", UNKNOWN), (2, "some fail", BAD))


def mappings(states: Sequence[State]) -> list[model.ValueMapping]:
    """Grafana's value mapping for *states*."""
    options = {
        f"{value:g}": model.ValueMappingResult(text=word, color=color, index=index)
        for index, (value, word, color) in enumerate(states)
    }
    return [model.ValueMap(options=options)]


def plain_mappings(states: Sequence[State]) -> list[dict[str, object]]:
    """The same for one column of a table, where the field's own properties are overridden."""
    options = {
        f"{value:g}": {"text": word, "color": color, "index": index}
        for index, (value, word, color) in enumerate(states)
    }
    return [{"type": "value", "options": options}]


def steps(first: str, *others: tuple[float, str]) -> build.ThresholdsConfig:
    """Colours by value: *first* up to the first of *others*, each of those from its value on."""
    thresholds = [model.Threshold(value=None, color=first)]
    thresholds += [model.Threshold(value=value, color=color) for value, color in others]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds)
