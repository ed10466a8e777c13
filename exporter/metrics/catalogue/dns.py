"""The families about asking the DNS: queries, cache, servers, canaries."""

from exporter.metrics.catalogue.family import POOL_LABELS, Family

DNS_QUERIES = Family(
    "maildns_dns_queries_total",
    "counter",
    ("resolver", "qtype", "outcome"),
    "Queries sent to the servers of the resolver, retries included, by outcome.",
)
DNS_QUERY_DURATION = Family(
    "maildns_dns_query_duration_seconds",
    "histogram",
    ("resolver", "qtype", "outcome"),
    "How long queries to the servers of the resolver took.",
)
DNS_CACHE_HITS = Family(
    "maildns_dns_cache_hits_total",
    "counter",
    ("resolver", "qtype", "outcome"),
    "Questions that were answered from the cache, by outcome.",
)
DNS_IGNORED_PACKETS = Family(
    "maildns_dns_ignored_packets_total",
    "counter",
    ("resolver", "reason"),
    "UDP packets that were not the reply to a query. They change no answer: the exporter goes on waiting for the "
    "right one.",
)
DNS_OVERFLOWED_QUESTIONS = Family(
    "maildns_dns_overflowed_questions_total",
    "counter",
    ("resolver",),
    "Questions that were never sent, because the queue of the resolver was full or too slow.",
)
RESOLVER_UP = Family(
    "maildns_resolver_up",
    "gauge",
    ("resolver", "server"),
    "1 if the server answers, 0 if it was silent the last few times that it was asked.",
)
CANARY_OK = Family(
    "maildns_canary_ok",
    "gauge",
    ("resolver", "server"),
    "1 if the server answers the canary's questions as it should; 0 if not, and no verdict rests on what it says.",
)
RESOLVER_DISAGREEMENT = Family(
    "maildns_resolver_disagreement",
    "gauge",
    POOL_LABELS,
    "Addresses and HELO names of the pool that resolvers disagree about: in the latest sample, one saw a failure "
    "where another saw none. At most 10000 over all pools.",
)
DOMAIN_RESOLVER_DISAGREEMENT = Family(
    "maildns_domain_resolver_disagreement",
    "gauge",
    ("domain",),
    "1 while resolvers disagree about the domain: in the latest sample, one saw a failure where another saw none; "
    "else 0.",
)
RESOLVER_DISAGREEMENTS = Family(
    "maildns_resolver_disagreements_total",
    "counter",
    ("resolver", "other"),
    "Samples in which one of the two resolvers saw a failure where the other saw none; the same name twice for two "
    "servers of one resolver.",
)
