"""The families about domains: what they publish for their mail, and their SPF record beside the pools."""

from exporter.metrics.catalogue.family import HELD, Family

DOMAIN_LABELS = ("domain",)
SELECTOR_LABELS = ("domain", "selector")

_SAMPLED = "Sampled in the background, not by the scrape: see maildns_domain_last_sample_timestamp_seconds."

DOMAIN_HEALTHY = Family(
    "maildns_domain_healthy",
    "gauge",
    DOMAIN_LABELS,
    f"1 if every check that is expected of the domain passes, 0 if one fails. {HELD}",
)
DOMAIN_PROBLEM = Family(
    "maildns_domain_problem",
    "gauge",
    ("domain", "check", "reason", "selector"),
    "1 while an expected check of the domain fails for this reason; absent otherwise. The selector is that of a DKIM "
    "key, and empty for other checks.",
)
DOMAIN_HINT = Family(
    "maildns_domain_hint",
    "gauge",
    ("domain", "check", "reason", "selector"),
    "1 while something that works could be better, like a DKIM key of 1024 bits; absent otherwise.",
)
DOMAIN_CONCLUSIVE = Family(
    "maildns_domain_conclusive",
    "gauge",
    DOMAIN_LABELS,
    f"1 if the DNS answered everything that the latest sample of the domain asked. {_SAMPLED}",
)
DOMAIN_LAST_SAMPLE = Family(
    "maildns_domain_last_sample_timestamp_seconds",
    "gauge",
    DOMAIN_LABELS,
    "When the domain was last sampled, as Unix time.",
)
DOMAIN_LAST_CONCLUSIVE_SAMPLE = Family(
    "maildns_domain_last_conclusive_sample_timestamp_seconds",
    "gauge",
    DOMAIN_LABELS,
    "When the DNS last answered everything that a sample of the domain asked, as Unix time.",
)
DOMAIN_LAST_CHANGE = Family(
    "maildns_domain_last_change_timestamp_seconds",
    "gauge",
    DOMAIN_LABELS,
    "When a conclusive result of the domain last changed, as Unix time; absent before that.",
)
DOMAIN_SAMPLES = Family("maildns_domain_samples_total", "counter", DOMAIN_LABELS, "Samples of the domain.")
DOMAIN_CHANGES = Family(
    "maildns_domain_result_changes_total",
    "counter",
    ("domain", "check", "result"),
    "Conclusive results of the domain that changed, or whose reasons changed, by the new result.",
)

DOMAIN_SPF_VALID = Family(
    "maildns_domain_spf_valid",
    "gauge",
    DOMAIN_LABELS,
    "1 if the domain has one SPF record that can be read with all that it includes, within the limits of RFC 7208, "
    f"and does not let everybody pass. {HELD}",
)
DOMAIN_SPF_LOOKUPS = Family(
    "maildns_domain_spf_lookups",
    "gauge",
    DOMAIN_LABELS,
    f"Terms of the SPF record and its includes that ask the DNS, at most; 10 are allowed. {HELD}",
)
DOMAIN_SPF_VOID_LOOKUPS = Family(
    "maildns_domain_spf_void_lookups",
    "gauge",
    DOMAIN_LABELS,
    f"Terms of the SPF record and its includes whose lookups find nothing; 2 are allowed. {HELD}",
)
DOMAIN_SPF_AUTHORISED = Family(
    "maildns_domain_spf_authorised_addresses",
    "gauge",
    ("domain", "family"),
    "Addresses that pass the domain's SPF record, of IPv4 (4) and IPv6 (6); those that depend on more than the "
    "address (macros, ptr) are not counted.",
)
DOMAIN_SPF_UNUSED = Family(
    "maildns_domain_spf_unused_addresses",
    "gauge",
    ("domain", "family"),
    "Addresses that pass the domain's SPF record and are in no configured pool.",
)
DOMAIN_SPF_UNAUTHORISED = Family(
    "maildns_domain_spf_unauthorised_addresses",
    "gauge",
    ("domain", "pool"),
    "Addresses that do not pass the domain's SPF record, of a pool that sends for the domain (mail_from_domains).",
)
DOMAIN_SPF_OPEN = Family(
    "maildns_domain_spf_open_addresses",
    "gauge",
    ("domain", "pool"),
    "Addresses of a pool that sends for the domain for which only a full evaluation can tell whether they pass: the "
    "record has macros or ptr.",
)
DOMAIN_SPF_UNCONFIRMED = Family(
    "maildns_domain_spf_unconfirmed_addresses",
    "gauge",
    ("domain", "pool"),
    "Addresses of the pool that pass the domain's SPF record and are not forward-confirmed, by their last conclusive "
    "results; at most 10,000 are counted, among the first 20,000 of the pool that fail any check. "
    "The pool need not name the domain.",
)

DOMAIN_DKIM_KEY_VALID = Family(
    "maildns_domain_dkim_key_valid",
    "gauge",
    SELECTOR_LABELS,
    f"1 if the key of the selector is there, can be read, and is neither revoked nor too weak. {HELD}",
)
DOMAIN_DKIM_KEY_BITS = Family(
    "maildns_domain_dkim_key_bits",
    "gauge",
    SELECTOR_LABELS,
    f"Size of the selector's key; absent where there is none to be read. {HELD}",
)
DOMAIN_DKIM_KEY_INFO = Family(
    "maildns_domain_dkim_key_info",
    "gauge",
    ("domain", "selector", "key_type"),
    "1, with the type of the selector's key: rsa, or ed25519.",
)
DOMAIN_DMARC_VALID = Family(
    "maildns_domain_dmarc_valid",
    "gauge",
    DOMAIN_LABELS,
    "1 if a DMARC record applies to the domain, can be read, and its reports may go where it sends them (RFC 9989, "
    f"RFC 9990). {HELD}",
)
DOMAIN_DMARC_POLICY_INFO = Family(
    "maildns_domain_dmarc_policy_info",
    "gauge",
    ("domain", "policy", "subdomain_policy", "testing"),
    "1, with what the domain asks receivers to do with mail that fails DMARC, its own and that of its subdomains: "
    "none, quarantine or reject; testing is true where they are asked to apply the next weaker policy (t=y).",
)
DOMAIN_MX_VALID = Family(
    "maildns_domain_mx_valid", "gauge", DOMAIN_LABELS, f"1 if mail to the domain can be delivered. {HELD}"
)
DOMAIN_MTA_STS_VALID = Family(
    "maildns_domain_mta_sts_valid",
    "gauge",
    DOMAIN_LABELS,
    f"1 if the domain announces an MTA-STS policy, and the host that serves it resolves (RFC 8461). {HELD}",
)
DOMAIN_TLS_RPT_VALID = Family(
    "maildns_domain_tls_rpt_valid",
    "gauge",
    DOMAIN_LABELS,
    f"1 if the domain asks for TLS reports in a way that senders can read (RFC 8460). {HELD}",
)
