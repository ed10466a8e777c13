"""The families about the file in which state outlives the process."""

from exporter.metrics.catalogue.family import Family

_ONLY = "Only where a storage is configured."

STORAGE_OK = Family(
    "maildns_storage_ok",
    "gauge",
    (),
    f"1 if state is being saved, 0 if it cannot be; sampling goes on regardless. {_ONLY}",
)
STORAGE_ERRORS = Family(
    "maildns_storage_errors_total", "counter", ("trouble",), f"Attempts to save that failed, by cause. {_ONLY}"
)
STORAGE_BYTES = Family(
    "maildns_storage_bytes", "gauge", (), f"Size of the file of the storage, its write-ahead log included. {_ONLY}"
)
STORAGE_LAST_COMMIT = Family(
    "maildns_storage_last_commit_timestamp_seconds",
    "gauge",
    (),
    f"When something was last written to the storage, as Unix time. {_ONLY}",
)
STORAGE_RESTORED = Family(
    "maildns_storage_restored_addresses",
    "gauge",
    (),
    f"Addresses whose state was restored at the start. {_ONLY}",
)
STORAGE_UNREADABLE = Family(
    "maildns_storage_unreadable_rows_total",
    "counter",
    (),
    f"Rows of the storage that were damaged, and left out when state was restored. {_ONLY}",
)
STORAGE_LOST_CHANGES = Family(
    "maildns_storage_lost_changes_total",
    "counter",
    (),
    f"Changes that were dropped from memory before they could be written. {_ONLY}",
)
