"""What the share of bad addresses is estimated from: one round's draws, every address as likely as any other.

The rule of this file: only draws count, and only what the DNS answered; what is sampled because something else failed
does not. A round's sums are shown when it has ended, so that no half of a pool stands for the whole.
"""

import secrets
from collections.abc import Iterable, Mapping

from exporter.checks.addresses import Address
from exporter.checks.verdicts import CheckName, Result

Sums = Mapping[CheckName, tuple[int, int]]
"""By check: addresses with a conclusive result, and how many of them fail."""


class SampleState:
    """Where a pool's sampling stands, and the sums of the latest round that ended.

    *key* chooses the order of draws, *turn* counts rounds, *reached* is the latest draw that was begun: whoever stores
    them goes on where it stopped.
    """

    __slots__ = ("_sums", "key", "latest", "reached", "turn")

    def __init__(self, checks: Iterable[CheckName], key: int | None = None, turn: int = 0) -> None:
        self.key = secrets.randbits(63) if key is None else key
        self.turn = turn
        self.reached: Address | None = None
        self.latest: Sums = dict.fromkeys(checks, (0, 0))
        self._sums: dict[CheckName, tuple[int, int]] = {}

    def begin(self) -> None:
        """Begin the sums of a round."""
        self._sums = dict.fromkeys(self.latest, (0, 0))

    def note(self, results: Mapping[CheckName, Result]) -> None:
        """Count a draw, by what each check came to."""
        for check, result in results.items():
            if result is not Result.UNKNOWN and check in self._sums:
                addresses, failures = self._sums[check]
                self._sums[check] = (addresses + 1, failures + (result is Result.FAIL))

    def end(self) -> None:
        """Show the sums of the round that ends, and go on to the next turn."""
        self.latest = self._sums or self.latest
        self._sums = {}
        self.turn += 1

    def inherit(self, old: "SampleState") -> None:
        """Go on where *old* stands; its sums are shown until the next round has ended."""
        self.key, self.turn, self.reached = old.key, old.turn, old.reached
        self.latest = {check: old.latest.get(check, sums) for check, sums in self.latest.items()}
