"""What an SPF record says of every address at once: one list of ranges, looked up by bisection.

The rule of this file: nothing here asks; `exporter.checks.spf.compile` makes it, once, from the records.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from exporter.checks.addresses import Address
from exporter.checks.spf.ranges import Range, union
from exporter.checks.spf.results import Outcome, SpfResult

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
