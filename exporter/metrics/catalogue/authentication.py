"""The families about what an address proves beside its names: SPF, and what block lists say."""

from exporter.metrics.catalogue.family import HELD, SAMPLED, Family

SPF_PASS = Family(
    "maildns_spf_pass",
    "gauge",
    ("pool", "ip", "identity", "domain"),
    "1 if SPF (RFC 7208) authorises the address: the result for this identity, helo or mailfrom, is pass. Nothing is "
    f"shown of a HELO name that has no SPF record and needs none. {HELD} {SAMPLED}",
)
DNSBL_LISTED = Family(
    "maildns_dnsbl_listed",
    "gauge",
    ("pool", "ip", "dnsbl"),
    "1 if the block list has the address, 0 if it does not. Lists are asked at a pace of their own; a list that fails "
    f"its test points or refuses to answer changes nothing. {HELD}",
)
DNSBL_USABLE = Family(
    "maildns_dnsbl_usable",
    "gauge",
    ("dnsbl", "family"),
    "1 if the block list passes its test points (RFC 5782 section 5) for addresses of the family, ipv4 or ipv6; 0 if "
    "it fails them, refuses to answer, or is silent, so that nothing it says is believed.",
)
