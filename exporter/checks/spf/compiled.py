"""What an SPF record says of every address at once: one list of ranges, looked up by bisection.

The rule of this file: nothing here asks; `exporter.checks.spf.compile` makes it, once, from the records.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.spf.results import Outcome, SpfResult

# SECTION exporter.checks.spf.ranges
# Sets of addresses of one family, as sorted ranges of numbers.
#
# The rule of this file: ranges include both ends, never overlap, and are found by bisection, so that a hostile
# record of
# thousands of terms costs no more than its terms.

Range = tuple[int, int]


class Remaining:
    """Addresses that nothing has decided yet; they are taken out as terms match them."""

    __slots__ = ("_highs", "_lows")

    def __init__(self, ranges: Iterable[Range]) -> None:
        merged = union(ranges)
        self._lows = [low for low, _ in merged]
        self._highs = [high for _, high in merged]

    def __bool__(self) -> bool:
        """Whether any are left."""
        return bool(self._lows)

    def take(self, low: int, high: int) -> list[Range]:
        """Take out what is in a range, and return it."""
        lows, highs = self._lows, self._highs
        first = bisect_left(highs, low)
        end = bisect_right(lows, high)
        if first >= end:
            return []
        before = (lows[first], low - 1)
        after = (high + 1, highs[end - 1])
        taken = list(zip(lows[first:end], highs[first:end], strict=True))
        taken[0] = (max(taken[0][0], low), taken[0][1])
        taken[-1] = (taken[-1][0], min(taken[-1][1], high))
        left = [part for part in (before, after) if part[0] <= part[1]]
        lows[first:end] = [part[0] for part in left]
        highs[first:end] = [part[1] for part in left]
        return taken

    def take_all(self) -> list[Range]:
        """Take out everything, and return it."""
        taken = list(zip(self._lows, self._highs, strict=True))
        self._lows, self._highs = [], []
        return taken


def union(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same addresses in as few ranges as can be, sorted."""
    merged: list[Range] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)


def difference(ranges: Iterable[Range], without: Iterable[Range]) -> tuple[Range, ...]:
    """The addresses of *ranges* that are not in *without*."""
    remaining = Remaining(ranges)
    for low, high in without:
        remaining.take(low, high)
    return tuple(remaining.take_all())


def size(ranges: Sequence[Range]) -> int:
    """How many addresses there are in ranges that do not overlap."""
    return sum(high - low + 1 for low, high in ranges)


# SECTION exporter.checks.spf.compiled

BITS = {4: 32, 6: 128}


class OpenTerm(NamedTuple):
    """A term whose match depends on more than ranges (``exists``, ``ptr``, a macro), and the domain whose it is."""

    domain: str
    term: str

    def __str__(self) -> str:
        return f"{self.term} in the record of {self.domain}"


class RangeMap:
    """An outcome for each number from 0 up: None where only an evaluation can tell."""

    __slots__ = ("_outcomes", "_starts")

    def __init__(self, decided: Iterable[tuple[int, int, Outcome | None]]) -> None:
        starts: list[int] = []
        outcomes: list[Outcome | None] = []
        for low, _, outcome in sorted(decided, key=lambda it: it[0]):
            if not outcomes or outcomes[-1] != outcome:
                starts.append(low)
                outcomes.append(outcome)
        self._starts = starts
        self._outcomes = outcomes

    def __getitem__(self, number: int) -> Outcome | None:
        """The outcome for a number."""
        return self._outcomes[bisect_right(self._starts, number) - 1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeMap) and self._starts == other._starts and self._outcomes == other._outcomes

    __hash__ = None  # type: ignore[assignment]  # there are two lists in it

    def __len__(self) -> int:
        """How many ranges there are."""
        return len(self._starts)

    @property
    def parts(self) -> tuple[tuple[int, Outcome | None], ...]:
        """Where each range begins, and its outcome."""
        return tuple(zip(self._starts, self._outcomes, strict=True))

    def ranges(self, result: SpfResult | None, bits: int) -> tuple[Range, ...]:
        """The ranges with this result; None for those that are open."""
        ends = [start - 1 for start in self._starts[1:]] + [(1 << bits) - 1]
        return union(
            [
                (start, end)
                for start, end, outcome in zip(self._starts, ends, self._outcomes, strict=True)
                if (outcome.result if outcome else None) is result
            ]
        )


@dataclass(frozen=True, slots=True)
class CompiledSpf:
    """The record of *domain*, as it stood when it was compiled.

    *open_terms* are those that cannot be enumerated, in order: addresses that get as far as one of them have no
    outcome here and must be evaluated. *owner* and *records* are as in `SpfVerdict`.
    """

    domain: str
    four: RangeMap
    six: RangeMap
    open_terms: tuple[OpenTerm, ...] = ()
    owner: str = ""
    records: tuple[bytes, ...] = ()

    def outcome(self, address: Address) -> Outcome | None:
        """What an evaluation for *address* would come to; None where it has to be done."""
        packed = address.packed
        return (self.four if len(packed) == 4 else self.six)[int.from_bytes(packed, "big")]

    def authorised(self, family: Literal[4, 6]) -> tuple[Range, ...]:
        """The addresses that pass, as numbers."""
        return self._map(family).ranges(SpfResult.PASS, BITS[family])

    def open(self, family: Literal[4, 6]) -> tuple[Range, ...]:
        """The addresses that have to be evaluated, as numbers."""
        return self._map(family).ranges(None, BITS[family])

    def _map(self, family: Literal[4, 6]) -> RangeMap:
        return self.four if family == 4 else self.six


# SECTION exporter.checks.spf.lists
# The two lists side by side: the addresses that SPF authorises, and those that pools hold.
#
# The rule of this file: it compares ranges with ranges, so that neither list has to be written out.


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
    known = union(pools)
    authorised, undecided = compiled.authorised(family), compiled.open(family)
    outside = difference(known, authorised)
    unauthorised = difference(outside, undecided)
    return SideBySide(difference(authorised, known), unauthorised, difference(outside, unauthorised))
