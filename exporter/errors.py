"""Every error that the exporter raises on purpose.

    ExporterError
    ├── ConfigError        the configuration cannot be used (exit 2)
    │   └── (carries one `Problem` for each thing that is wrong)
    └── CannotRunError     the configuration is right, the world is not: a port is taken, a file is missing (exit 3)

What the DNS says is never an error: it is an `exporter.checks.answers.Answer`.
A message says what, where, and what would be right.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ExporterError(Exception):
    """Base of all errors that the exporter raises on purpose; its text is fit to be shown to a person."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a configuration file, and where.

    *line* and *column* count from 1; 0 means the file as a whole. *path* is the key's way from the top
    (``pools[0].addresses[3].ip``); *what* says what is wrong and what would be right.
    """

    file: str
    line: int
    column: int
    path: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.what}" if self.path else f"{place}: {self.what}"


class ConfigError(ExporterError):
    """The configuration cannot be used. Lists every problem, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class CannotRunError(ExporterError):
    """The configuration is right, but what it asks for cannot be had: a port, a file, a privilege."""
