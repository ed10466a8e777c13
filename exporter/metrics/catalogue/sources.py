"""The families about what feeds pools: files and SPF records."""

from exporter.metrics.catalogue.family import Family

SOURCE_LABELS = ("pool", "source")

SOURCE_ADDRESSES = Family(
    "maildns_pool_source_addresses", "gauge", SOURCE_LABELS, "Addresses that the pool has from its files, or from SPF."
)
SOURCE_CONFLICTS = Family(
    "maildns_pool_source_conflicting_addresses",
    "gauge",
    SOURCE_LABELS,
    "Addresses that the source names, but that belong to another pool.",
)
SOURCE_ADDED = Family(
    "maildns_pool_source_added_addresses_total",
    "counter",
    SOURCE_LABELS,
    "Addresses that changes of the source added; those of its first reading are not counted.",
)
SOURCE_REMOVED = Family(
    "maildns_pool_source_removed_addresses_total",
    "counter",
    SOURCE_LABELS,
    "Addresses that changes of the source removed.",
)
SOURCE_SUCCESS = Family(
    "maildns_pool_source_last_refresh_success",
    "gauge",
    SOURCE_LABELS,
    "1 if the source could be used when it was last read, 0 if it could not and its previous addresses are kept.",
)
SOURCE_SUCCESS_TIMESTAMP = Family(
    "maildns_pool_source_last_refresh_success_timestamp_seconds",
    "gauge",
    SOURCE_LABELS,
    "When the source was last read and could be used, as Unix time; absent before that.",
)
SOURCE_PROBLEM = Family(
    "maildns_pool_source_problem",
    "gauge",
    ("pool", "source", "reason"),
    "1 while something is wrong with the source, with the reason; absent otherwise.",
)
