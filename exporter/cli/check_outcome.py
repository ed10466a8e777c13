"""What an examination comes to, and several of them together."""

from collections.abc import Iterable
from enum import IntEnum

from exporter.checks.verdicts import Result


class Overall(IntEnum):
    """What one examination, or all of them, come to; the value is the exit code."""

    PASS = 0
    """Every expected check passes."""
    FINDING = 1
    """An expected check fails."""
    INCONCLUSIVE = 4
    """None is known to fail, but not all are known to pass."""

    @classmethod
    def of(cls, results: Iterable[Result]) -> "Overall":
        """What the *results* of expected checks come to."""
        seen = set(results)
        if Result.FAIL in seen:
            return cls.FINDING
        return cls.INCONCLUSIVE if Result.UNKNOWN in seen else cls.PASS


def worst(outcomes: Iterable[Overall]) -> Overall:
    """What several come to: a finding outweighs what is not known."""
    seen = set(outcomes)
    return next((one for one in (Overall.FINDING, Overall.INCONCLUSIVE) if one in seen), Overall.PASS)
