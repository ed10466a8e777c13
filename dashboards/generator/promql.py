"""PromQL for panels and rules: selectors that follow the dashboard variables, prefixes of addresses, estimates.

A selector is made from a `Family`, never from a name, so a panel cannot query a metric or label that does not exist.
"""

from dataclasses import dataclass

from exporter.metrics.families import Family

VARIABLES = 'job=~"$job", instance=~"$instance"'
_Z = 1.96  # standard deviations on both sides of the mean that cover 95% of a normal distribution


def select(family: Family, *matchers: str, suffix: str = "", **equal: str) -> str:
    """A selector for *family* within the chosen jobs, instances and (if it has that label) pools.

    *equal* maps labels to values; *matchers* are written in PromQL. *suffix* is that of a histogram's series.
    """
    chosen = [VARIABLES]
    if "pool" in family.labels:
        chosen.append('pool=~"$pool"')
    for label, value in equal.items():
        if label not in family.labels:
            raise ValueError(f"{family.name} has the labels {', '.join(family.labels)}, not {label}")
        chosen.append(f'{label}="{value}"')
    return f"{family.name}{suffix}{{{', '.join([*chosen, *matchers])}}}"


def rate(family: Family, *matchers: str, suffix: str = "", **equal: str) -> str:
    """The per-second increase of a counter over Grafana's interval."""
    return f"rate({select(family, *matchers, suffix=suffix, **equal)}[$__rate_interval])"


def increase(family: Family, *matchers: str, **equal: str) -> str:
    """The increase of a counter over Grafana's interval."""
    return f"increase({select(family, *matchers, **equal)}[$__rate_interval])"


def by_prefix(vector: str) -> str:
    """*vector*, which has the label `ip`, with a label `prefix`: the /24 of an IPv4 or the /64 of an IPv6 address.

    The exporter writes IPv6 addresses in the form of RFC 5952, so a `::` within the first four groups stands for all
    groups that are missing. An address that matches no pattern is its own prefix.
    """
    rewrites = (
        ("$1", "(.*)"),
        ("$1.0/24", r"(\\d+\\.\\d+\\.\\d+)\\.\\d+"),
        ("$1::/64", "([0-9a-f]+(?::[0-9a-f]+){3}):.*"),
        ("$1::/64", "([0-9a-f]+(?::[0-9a-f]+){0,2})::.*"),
    )
    opened = "label_replace(" * len(rewrites)
    closed = "".join(f',\n  "prefix", "{replacement}", "ip", "{pattern}")' for replacement, pattern in rewrites)
    return f"{opened}\n  {vector}{closed}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share of a pool that fails, estimated from its sample, with Wilson's interval (1927).

    The interval is corrected for a finite population: when every address was sampled, both ends equal the share.

    Attributes:
        sampled: Expression for the sample's size, with the label `check` in addition to those of *on*.
        failed: Expression for the failures among the sample, with the same labels.
        size: Expression for the pool's size, with the labels of *on* alone.
        on: Labels to match on, separated by commas.
    """

    sampled: str
    failed: str
    size: str
    on: str

    @property
    def ratio(self) -> str:
        """The share that fails; absent where nothing was sampled."""
        return f"{self.failed} / ({self.sampled} > 0)"

    @property
    def effective(self) -> str:
        """Size of a sample with replacement of the same precision: infinite if every address was sampled."""
        others = f"clamp_min({self.size} - 1, 1)"
        left = f"clamp_min(-1 * {self.sampled} + on ({self.on}) group_left () {self.size}, 0)"
        return f"({self.sampled} > 0) * on ({self.on}) group_left () {others} / {left}"

    def end(self, ratio: str, effective: str, *, upper: bool) -> str:
        """One end of the 95% interval, from the expressions *ratio* and *effective*."""
        deviation = f"{_Z} * sqrt(({ratio} * (1 - {ratio}) + {_Z**2 / 4:g} / {effective}) / {effective})"
        middle = f"{ratio} + {_Z**2 / 2:g} / {effective}"
        whole = f"({middle} {'+' if upper else '-'} {deviation}) / (1 + {_Z**2:g} / {effective})"
        return f"clamp_max({whole}, 1)" if upper else f"clamp_min({whole}, 0)"
