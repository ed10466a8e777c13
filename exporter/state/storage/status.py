"""How the storage is: what metrics, pages and logs say of it.

The rule of this file: the thread that saves writes it, everybody else reads single values, which are never half
written.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from exporter.errors import ExporterError


class StorageErrorReason(StrEnum):
    """Why the storage cannot be used; label values."""

    FULL = "full"
    """There is no room left."""
    READ_ONLY = "read-only"
    """The file or its folder may not be written."""
    BROKEN = "broken"
    """The file was no database any more; it was moved aside."""
    LOCKED = "locked"
    """Another exporter uses it."""
    FOREIGN = "foreign"
    """It is of a newer version, or of another program."""
    OTHER = "other"
    """The system says something else: the log has it."""


class StorageError(ExporterError):
    """The storage cannot be used now."""

    def __init__(self, reason: StorageErrorReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(slots=True)
class StorageStatus:
    """*is_ok* is None until the storage was tried. *what* says what is wrong, for people; "" while nothing is.

    *octets* is the size of the file with its log, *committed_at* the Unix time of the latest commit, *lost_changes*
    counts those that were pushed out of the journal before they could be written.
    """

    path: str
    is_ok: bool | None = None
    message: str = ""
    size_bytes: int = 0
    committed_at: float = 0.0
    restored: int = 0
    unreadable: int = 0
    lost_changes: int = 0
    errors: dict[StorageErrorReason, int] = field(default_factory=lambda: dict.fromkeys(StorageErrorReason, 0))
