"""What share of a pool is bad, and how sure that is: an estimate from its sample, for rules and dashboards.

The rule of this file: Wilson's interval (1927), with a correction for the finite population. Where every address was
sampled nothing is left to chance, and both ends are the share itself.
"""

from dataclasses import dataclass

Z = 1.96
"""Standard deviations that leave out 5%."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expressions with the labels *by*, made of three others.

    *sampled* and *failed* have a label `check` beside *on*; *size* has *on* alone.
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
        """How large a sample with replacement would tell as much: infinite where the sample is everything."""
        others = f"clamp_min({self.size} - 1, 1)"
        left = f"clamp_min(-1 * {self.sampled} + on ({self.on}) group_left () {self.size}, 0)"
        return f"({self.sampled} > 0) * on ({self.on}) group_left () {others} / {left}"

    def end(self, ratio: str, effective: str, *, upper: bool) -> str:
        """One end of the 95% interval, of the expressions *ratio* and *effective*."""
        deviation = f"{Z} * sqrt(({ratio} * (1 - {ratio}) + {Z**2 / 4:g} / {effective}) / {effective})"
        middle = f"{ratio} + {Z**2 / 2:g} / {effective}"
        whole = f"({middle} {'+' if upper else '-'} {deviation}) / (1 + {Z**2:g} / {effective})"
        return f"clamp_max({whole}, 1)" if upper else f"clamp_min({whole}, 0)"
