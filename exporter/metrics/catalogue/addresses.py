"""The families about single addresses and HELO names."""

from exporter.metrics.catalogue.family import ADDRESS_LABELS, HELD, HELO_LABELS, PAIR_LABELS, SAMPLED, Family

FCRDNS_MATCH = Family(
    "maildns_fcrdns_match",
    "gauge",
    ADDRESS_LABELS,
    f"1 if the address is forward-confirmed (FCrDNS, iprev pass of RFC 8601), 0 if it is not. {HELD} {SAMPLED}",
)
FCRDNS_CONCLUSIVE = Family(
    "maildns_fcrdns_conclusive",
    "gauge",
    ADDRESS_LABELS,
    f"1 if the DNS answered the latest sample, 0 if it did not and older values stand. {SAMPLED}",
)
PTR_RECORDS = Family("maildns_ptr_records", "gauge", ADDRESS_LABELS, f"PTR names of the address. {HELD}")
PTR_CONFIRMED_RECORDS = Family(
    "maildns_ptr_confirmed_records",
    "gauge",
    ADDRESS_LABELS,
    f"PTR names of the address that resolve back to it, of the first 10 in alphabetical order. {HELD}",
)
PTR_INFO = Family(
    "maildns_ptr_info",
    "gauge",
    ("pool", "ip", "ptr"),
    "1, with one PTR name of the address: one that confirms it if there is one; 'flapping' if it keeps changing.",
)
HELO_ADDRESS_MATCH = Family(
    "maildns_helo_address_match",
    "gauge",
    PAIR_LABELS,
    f"1 if the HELO name resolves to the address, in the address's own family. {HELD}",
)
HELO_PTR_MATCH = Family(
    "maildns_helo_ptr_match", "gauge", PAIR_LABELS, f"1 if the HELO name is a PTR name of the address. {HELD}"
)
HELO_ALIGNED = Family(
    "maildns_helo_aligned",
    "gauge",
    PAIR_LABELS,
    f"1 if the HELO name and a PTR name of the address are both in the pool's aligned_suffix. {HELD}",
)
HELO_RESOLVES = Family(
    "maildns_helo_resolves", "gauge", HELO_LABELS, f"1 if the HELO name has an A or AAAA record. {HELD}"
)
HELO_ADDRESSES = Family(
    "maildns_helo_addresses", "gauge", HELO_LABELS, f"Addresses that the HELO name resolves to. {HELD}"
)
HELO_CONFIRMED_ADDRESSES = Family(
    "maildns_helo_confirmed_addresses",
    "gauge",
    HELO_LABELS,
    f"Addresses that the HELO name resolves to and that are forward-confirmed. {HELD}",
)
HELO_ADDRESSES_OUTSIDE_POOL = Family(
    "maildns_helo_addresses_outside_pool",
    "gauge",
    HELO_LABELS,
    f"Addresses that the HELO name resolves to and that are not in the pool. {HELD}",
)
HELO_POOL_ADDRESSES = Family(
    "maildns_helo_pool_addresses",
    "gauge",
    HELO_LABELS,
    f"Addresses of the pool that the HELO name resolves to. {HELD}",
)
RECEIVER_ACCEPTS = Family(
    "maildns_receiver_accepts",
    "gauge",
    ("pool", "ip", "helo", "receiver"),
    "Share of the connections that a receiver of this kind would accept, predicted from the DNS: 1, 0, or between "
    f"where it takes the first of several PTR names. {HELD}",
)
ADDRESS_HEALTHY = Family(
    "maildns_address_healthy",
    "gauge",
    ADDRESS_LABELS,
    f"1 if the address passes every check that its pool expects, 0 if it fails one. {HELD}",
)
ADDRESS_PROBLEM = Family(
    "maildns_address_problem",
    "gauge",
    ("pool", "ip", "check", "reason"),
    "1 while the address fails a check that its pool expects, with the reason; absent otherwise.",
)
LAST_SAMPLE = Family(
    "maildns_last_sample_timestamp_seconds", "gauge", ADDRESS_LABELS, "When the address was last sampled, as Unix time."
)
LAST_CONCLUSIVE_SAMPLE = Family(
    "maildns_last_conclusive_sample_timestamp_seconds",
    "gauge",
    ADDRESS_LABELS,
    "When the DNS last answered a sample of the address, as Unix time.",
)
LAST_CHANGE = Family(
    "maildns_last_change_timestamp_seconds",
    "gauge",
    ADDRESS_LABELS,
    "When a conclusive result of the address last changed, as Unix time; absent before the first change.",
)
