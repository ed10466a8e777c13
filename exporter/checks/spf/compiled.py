"""An SPF record as sorted ranges of addresses with their outcomes, which `exporter.checks.spf.compile` makes."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.spf.results import Outcome, SpfResult

Range = tuple[int, int]
"""The lowest and the highest address, as numbers."""


class Remaining:
    """Addresses without an outcome so far. Terms remove what they match, found by bisection."""

    __slots__ = ("_highs", "_lows")

    def __init__(self, ranges: Iterable[Range]) -> None:
        merged = union(ranges)
        self._lows = [low for low, _ in merged]
        self._highs = [high for _, high in merged]

    def __bool__(self) -> bool:
        """Whether any are left."""
        return bool(self._lows)

    def take(self, low: int, high: int) -> list[Range]:
        """Remove the addresses in a range, and return them."""
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
        left = [one for one in (before, after) if one[0] <= one[1]]
        lows[first:end] = [low for low, _ in left]
        highs[first:end] = [high for _, high in left]
        return taken

    def take_all(self) -> list[Range]:
        """Remove all addresses, and return them."""
        taken = list(zip(self._lows, self._highs, strict=True))
        self._lows, self._highs = [], []
        return taken


def union(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same addresses in the fewest ranges, sorted, without overlap."""
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
    """The number of addresses in ranges that do not overlap."""
    return sum(high - low + 1 for low, high in ranges)


BITS = {4: 32, 6: 128}


class OpenTerm(NamedTuple):
    """A term that ranges cannot express (``exists``, ``ptr``, a macro), and the domain of its record."""

    domain: str
    term: str

    def __str__(self) -> str:
        return f"{self.term} in the record of {self.domain}"


class RangeMap:
    """An outcome for each address as a number; None if only an evaluation of the address gives it."""

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

    __hash__ = None  # type: ignore[assignment]  # its lists are mutable

    def __len__(self) -> int:
        """The number of ranges."""
        return len(self._starts)

    @property
    def starts(self) -> tuple[tuple[int, Outcome | None], ...]:
        """The first address of each range, and its outcome."""
        return tuple(zip(self._starts, self._outcomes, strict=True))

    def ranges(self, result: SpfResult | None, bits: int) -> tuple[Range, ...]:
        """The ranges with this result; None for those without an outcome."""
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
    """The record of a domain for all addresses.

    Attributes:
        domain: the domain whose record it is.
        four: the outcomes of IPv4 addresses.
        six: the outcomes of IPv6 addresses.
        open_terms: the terms that ranges cannot express, in order. An address that reaches one has no outcome here.
        owner: the name that has the record, at the end of a CNAME chain.
        records: the SPF records at *owner*.
    """

    domain: str
    four: RangeMap
    six: RangeMap
    open_terms: tuple[OpenTerm, ...] = ()
    owner: str = ""
    records: tuple[bytes, ...] = ()

    def outcome(self, address: Address) -> Outcome | None:
        """The outcome for *address*; None if it has to be evaluated."""
        packed = address.packed
        return (self.four if len(packed) == 4 else self.six)[int.from_bytes(packed, "big")]

    def authorised(self, family: Literal[4, 6]) -> tuple[Range, ...]:
        """The addresses that pass."""
        return self._map(family).ranges(SpfResult.PASS, BITS[family])

    def open(self, family: Literal[4, 6]) -> tuple[Range, ...]:
        """The addresses that have to be evaluated."""
        return self._map(family).ranges(None, BITS[family])

    def _map(self, family: Literal[4, 6]) -> RangeMap:
        return self.four if family == 4 else self.six


@dataclass(frozen=True, slots=True)
class PoolComparison:
    """How an SPF record and the addresses of pools differ, for one address family.

    Attributes:
        unused: authorised, and in no pool.
        unauthorised: in a pool, and not passing.
        open: in a pool, and to be evaluated address by address.
    """

    unused: tuple[Range, ...]
    unauthorised: tuple[Range, ...]
    open: tuple[Range, ...]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The number of addresses in each."""
        return size(self.unused), size(self.unauthorised), size(self.open)


def compare_with_pools(compiled: CompiledSpf, family: Literal[4, 6], pools: Iterable[Range]) -> PoolComparison:
    """Compare what a record authorises with the addresses of all pools. Ranges are compared, never listed."""
    known = union(pools)
    authorised, undecided = compiled.authorised(family), compiled.open(family)
    outside = difference(known, authorised)
    unauthorised = difference(outside, undecided)
    return PoolComparison(difference(authorised, known), unauthorised, difference(outside, unauthorised))
