"""Lengths of time, as an operator writes them: ``30s``, ``5m``, ``1h30m``.

The rule of this file: a number without its unit is no duration, since nobody can tell seconds from minutes by looking.
"""

import re
from dataclasses import dataclass

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_WRITTEN = re.compile("".join(f"(?:(?P<{unit}>[0-9]{{1,9}}){unit}(?![a-z]))?" for unit in _UNITS))


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in whole milliseconds; as text it is what `parse` reads."""

    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read whole numbers with the units d, h, m, s and ms, largest first, each at most once.

        Raises `ValueError` with what would be right.
        """
        if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
            raise ValueError(f"{text} has no unit: write {text}s for seconds, or {text}m for minutes")
        written = _WRITTEN.fullmatch(text)
        if not text or written is None:
            raise ValueError(f"{text!r} is not a duration: write whole numbers with units, like 500ms, 30s, 5m, 1h30m")
        return cls(sum(int(written[unit] or 0) * size for unit, size in _UNITS.items()))

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        rest, text = self.milliseconds, ""
        for unit, size in _UNITS.items():
            count, rest = divmod(rest, size)
            text += f"{count}{unit}" if count else ""
        return text or "0s"
