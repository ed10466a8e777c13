"""The two lists side by side: the addresses that SPF authorises, and those that pools hold.

The rule of this file: it compares ranges with ranges, so that neither list has to be written out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from exporter.checks.spf.compiled import CompiledSpf
from exporter.checks.spf.ranges import Range, difference, size, union


@dataclass(frozen=True, slots=True)
class SideBySide:
    """What is in one list and not in the other, for one family, as ranges of numbers.

    *unused* is authorised and in no pool; *unauthorised* is in a pool and does not pass; *open* is in a pool and has to
    be evaluated address by address.
    """

    unused: tuple[Range, ...]
    unauthorised: tuple[Range, ...]
    open: tuple[Range, ...]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many addresses there are in each."""
        return size(self.unused), size(self.unauthorised), size(self.open)


def side_by_side(compiled: CompiledSpf, family: Literal[4, 6], pools: Iterable[Range]) -> SideBySide:
    """Compare what a record authorises with the addresses of all pools, given as ranges of numbers."""
    held = union(pools)
    authorised, undecided = compiled.authorised(family), compiled.open(family)
    outside = difference(held, authorised)
    unauthorised = difference(outside, undecided)
    return SideBySide(difference(authorised, held), unauthorised, difference(outside, unauthorised))
