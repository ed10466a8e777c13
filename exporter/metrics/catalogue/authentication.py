"""The families about what an address proves beside its names: SPF, and what block lists say."""

from exporter.metrics.catalogue.family import HELD, SAMPLED, Family

SPF_PASS = Family(
    "maildns_spf_pass",
    "gauge",
    ("pool", "ip", "identity", "domain"),
    "1 if SPF (RFC 7208) authorises the address: the result for this identity, helo or mailfrom, is pass. Nothing is "
    f"shown of a HELO name that has no SPF record and needs none. {HELD} {SAMPLED}",
)
