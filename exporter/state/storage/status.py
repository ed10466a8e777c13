"""The status of the storage, for metrics, pages and logs."""

from dataclasses import dataclass, field
from enum import StrEnum

from exporter.errors import ExporterError


class StorageErrorReason(StrEnum):
    """Why the storage cannot be used; label values."""

    FULL = "full"
    """No space is left, or the quota is used up."""
    READ_ONLY = "read-only"
    """The file or its folder is not writable."""
    BROKEN = "broken"
    """The file was not a valid database any more. It was moved aside."""
    LOCKED = "locked"
    """Another exporter uses the file."""
    FOREIGN = "foreign"
    """A newer version, or another program, wrote the file."""
    OTHER = "other"
    """Anything else: see the log."""


class StorageError(ExporterError):
    """The storage cannot be used now."""

    def __init__(self, reason: StorageErrorReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(slots=True)
class StorageStatus:
    """The status of one database file. The thread that saves writes it, others read single values.

    Attributes:
        path: The file.
        is_ok: Whether the latest attempt to save succeeded; None before the first one.
        message: What is wrong, for people; "" if nothing is.
        size_bytes: The size of the file and its log.
        committed_at: The Unix time of the latest commit, 0.0 for never.
        restored: How many addresses were restored.
        unreadable: How many rows could not be read.
        lost_changes: How many changes were dropped before they could be written.
        errors: The number of failed attempts, by reason.
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
