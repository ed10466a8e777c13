"""Queries of the dashboards: families of the catalogue, filtered by the dashboard's variables.

The rule of this file: a selector is made of a family, never of a name, so that no panel can ask for what does not
exist; and every selector follows the variables.
"""

from exporter.metrics.catalogue import Family

VARIABLES = 'job=~"$job", instance=~"$instance"'


def select(family: Family, *matchers: str, suffix: str = "", **equal: str) -> str:
    """A selector for *family* within the chosen jobs and instances, and pools where it has any.

    *equal* are labels and the values that they must have; *matchers* are matchers as PromQL writes them. *suffix* is
    that of a histogram's series.
    """
    chosen = [VARIABLES]
    if "pool" in family.labels:
        chosen.append('pool=~"$pool"')
    for label, value in equal.items():
        _require(family, label)
        chosen.append(f'{label}="{value}"')
    return f"{family.name}{suffix}{{{', '.join([*chosen, *matchers])}}}"


def rate(family: Family, *matchers: str, suffix: str = "", **equal: str) -> str:
    """The increase of a counter a second, over Grafana's interval."""
    return f"rate({select(family, *matchers, suffix=suffix, **equal)}[$__rate_interval])"


def increase(family: Family, *matchers: str, **equal: str) -> str:
    """The increase of a counter over Grafana's interval."""
    return f"increase({select(family, *matchers, **equal)}[$__rate_interval])"


def _require(family: Family, label: str) -> None:
    if label not in family.labels:
        raise ValueError(f"{family.name} has the labels {', '.join(family.labels)}, not {label}")
