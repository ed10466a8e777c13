"""Every error that the exporter raises on purpose.

    ExporterError
    ├── ConfigError        the configuration is invalid; has a `Problem` for each mistake (exit 2)
    └── CannotRunError     the configuration is valid, but a port is in use, a file is missing, ... (exit 3)

The DNS never causes an error: see `exporter.checks.answers.Answer`.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ExporterError(Exception):
    """Base of the errors that the exporter raises on purpose. The text says what, where, and what would be right."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a configuration file.

    Attributes:
        file: The path of the file.
        line: Counts from 1; 0 means the file as a whole.
        column: Counts from 1.
        path: The key with all keys above it, like ``pools[0].addresses[3].ip``.
        what: What is wrong, and what would be right.
    """

    file: str
    line: int
    column: int
    path: str
    what: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.path}: {self.what}" if self.path else f"{where}: {self.what}"


class ConfigError(ExporterError):
    """The configuration is invalid. Lists every problem, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class CannotRunError(ExporterError):
    """The configuration is valid, but something that it needs is missing: a port, a file, a privilege."""
