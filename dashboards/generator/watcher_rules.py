"""What fires about the exporter itself: is anybody watching, and can what is shown be believed?

The rule of this file: when no server of a resolver is to be trusted, that alone fires. Lag, age and missing answers
are its consequences, and say `unless` it.
"""

from dashboards.generator.rules import Alert, Group, Recording

WELL = "job_instance_resolver:maildns_resolver_well:max"
_SERVER_WELL = "(maildns_resolver_up * maildns_canary_ok or maildns_resolver_up)"
UNLESS_BLIND = f"unless on (job, instance) ({WELL} < 1)"
OVERFLOWS = "job_instance_resolver:maildns_dns_overflowed_questions:ratio_rate6h"
_IGNORED = "sum by (job, instance, resolver) (rate(maildns_dns_ignored_packets_total[10m]))"
_QUERIES = "sum by (job, instance, resolver) (rate(maildns_dns_queries_total[{}]))"
_OVERFLOWED = "sum by (job, instance, resolver) (rate(maildns_dns_overflowed_questions_total[{}]))"
_LATE = "max by (job, instance, pool) (maildns_sampling_lag_seconds)"
_LATE_SECONDS = 300
_AGE = "max by (job, instance, pool) (time() - maildns_pool_oldest_sample_timestamp_seconds)"

RECORDINGS = [
    Recording(
        WELL,
        f"max by (job, instance, resolver) {_SERVER_WELL}",
        "1 while at least one server of a resolver answers, and passes the canary.",
    ),
    Recording(
        OVERFLOWS,
        f"{_OVERFLOWED.format('6h')} / ({_OVERFLOWED.format('6h')} + {_QUERIES.format('6h')} > 0)",
        "The share of questions that were never sent, as long as the results of such a time may stand.",
    ),
]

ALERTS = [
    Alert(
        "MailDnsExporterDown",
        "(\n"
        "  up and on (job, instance) present_over_time(maildns_build_info[1d])\n"
        ")\n"
        "or\n"
        "(absent(present_over_time(maildns_build_info[1d])) - 1)",
        "<",
        1,
        "5m",
        "5m",
        "critical",
        "The exporter cannot be scraped: nobody watches the outbound addresses.",
        "Prometheus cannot scrape {{ $labels.instance }}, so a PTR record that breaks now would go unnoticed. Check "
        "whether the exporter runs, and read its log.",
        "The second part is for an exporter that Prometheus no longer knows of.",
        without_data="Alerting",
    ),
    Alert(
        "MailDnsResolverFailing",
        WELL,
        "<",
        1,
        "5m",
        "5m",
        "critical",
        "A resolver of the exporter fails: no verdict is reached.",
        "No server of resolver {{ $labels.resolver }} of {{ $labels.instance }} answers the canary's questions as it "
        "should. All verdicts stand as they were; a PTR record that breaks now would go unnoticed. The addresses are "
        "not at fault: fix the resolver.",
        "The one alert for an outage of our own. Nothing about addresses fires because of it.",
    ),
    Alert(
        "MailDnsResolverServerFailing",
        f"min by (job, instance, resolver, server) {_SERVER_WELL}\nunless on (job, instance, resolver) ({WELL} < 1)",
        "<",
        1,
        "15m",
        "10m",
        "warning",
        "One of the servers of a resolver fails.",
        "Server {{ $labels.server }} of resolver {{ $labels.resolver }} of {{ $labels.instance }} is silent, or "
        "answers the canary's questions wrongly. Sampling goes on with the others; where one is left, without a second "
        "opinion.",
        "Not worth getting up for while another server answers.",
    ),
    Alert(
        "MailDnsQuestionsOverflow",
        f"{_OVERFLOWED.format('10m')}\n{UNLESS_BLIND}",
        ">",
        0,
        "15m",
        "15m",
        "warning",
        "A resolver is asked more than its limits allow, or more than it answers in time.",
        "{{ $value | humanize }} questions a second of {{ $labels.instance }} were never sent to resolver "
        "{{ $labels.resolver }}: its queue was full, or they would have waited too long. The verdicts that needed them "
        "stay unknown. Lengthen the intervals of the pools, or raise max_queries_per_second and max_in_flight of the "
        "resolver, if its servers can take it.",
        "A silent resolver fills the queue too: then MailDnsResolverFailing says it.",
    ),
    Alert(
        "MailDnsForgedReplies",
        f"{_IGNORED} / ({_QUERIES.format('10m')} > 0)\nand on (job, instance, resolver) ({_IGNORED} > 1)",
        ">",
        1,
        "5m",
        "15m",
        "warning",
        "Somebody is flooding the exporter with replies to questions that it never asked.",
        "{{ $labels.instance }} throws away {{ $value | humanize }} packets for each query to resolver "
        "{{ $labels.resolver }}, since they are no replies to it: wrong ID, wrong question, no cookie. Nobody but a "
        "forger sends more than one. No verdict rests on them, but sooner or later one may be guessed right: ask over "
        "tls:// or https://, or a resolver on the same host.",
        "A late reply is thrown away too, but there is at most one of those for a query.",
    ),
    Alert(
        "MailDnsResolversDisagree",
        f"sum by (job, instance, pool) (maildns_resolver_disagreement)\n{UNLESS_BLIND}",
        ">",
        0,
        "6h",
        "15m",
        "warning",
        "Resolvers disagree about addresses for longer than caches last.",
        "For six hours the resolvers of {{ $labels.instance }} have disagreed about {{ $value }} addresses or HELO "
        "names of pool {{ $labels.pool }}: one sees a failure where another sees none. Receivers get both answers, "
        "too. A name server of the zone has an old copy, or answers some clients differently: 'maildns-exporter "
        "check --trace' names it, and the page /exporter says which resolver says what.",
        "A zone that changes is seen earlier by one cache than by another; six hours are longer than usual TTLs.",
    ),
    Alert(
        "MailDnsDomainDisputed",
        f"max by (job, instance, domain) (maildns_domain_resolver_disagreement)\n{UNLESS_BLIND}",
        ">",
        0,
        "6h",
        "15m",
        "warning",
        "Resolvers disagree about a domain for longer than caches last.",
        "For six hours the resolvers of {{ $labels.instance }} have disagreed about {{ $labels.domain }}: one sees a "
        "failure where another sees none, and receivers get both answers, too. The earlier verdict stands. A "
        "name server of the zone has an old copy, or answers some clients differently: the page /exporter says which "
        "resolver says what.",
        "The same of a domain: its records change as slowly.",
    ),
    Alert(
        "MailDnsStorageFailing",
        "min by (job, instance) (maildns_storage_ok)",
        "<",
        1,
        "15m",
        "15m",
        "warning",
        "The exporter cannot save its state.",
        "{{ $labels.instance }} cannot write its storage. Sampling and metrics go on without it, but a restart would "
        "begin with what was saved before, and changes are lost. maildns_storage_errors_total says by its label "
        "trouble what is wrong: most often the disk is full.",
        "Absent, and silent, where no storage is configured.",
    ),
    Alert(
        "MailDnsVerdictsStale",
        f"{_AGE}\n> (3 * max by (job, instance, pool) (maildns_pool_interval_seconds) + 900)\n{UNLESS_BLIND}\n"
        f"unless on (job, instance, pool) ({_LATE} > {_LATE_SECONDS})",
        ">",
        0,
        "15m",
        "15m",
        "warning",
        "Addresses have not been sampled for more than three times their interval.",
        "An address of pool {{ $labels.pool }} was last sampled {{ $value | humanizeDuration }} ago by "
        "{{ $labels.instance }}, more than three intervals. What is shown of the pool is old. Look at the exporter's "
        "log, and check whether its process gets enough CPU time.",
        "Three intervals, and a quarter of an hour for what is started or started again.",
    ),
    Alert(
        "MailDnsSamplingLags",
        f"{_LATE}\n{UNLESS_BLIND}\nunless on (job, instance) ({_OVERFLOWED.format('10m')} > 0)",
        ">",
        _LATE_SECONDS,
        "15m",
        "15m",
        "warning",
        "Sampling does not keep up with its interval.",
        "The next sample of pool {{ $labels.pool }} on {{ $labels.instance }} is {{ $value | humanizeDuration }} late. "
        "Lengthen the pool's interval, or raise max_in_flight or max_queries_per_second of its resolver.",
        "Five minutes late for a quarter of an hour: it will not catch up by itself.",
    ),
    Alert(
        "MailDnsReloadFailed",
        "min by (job, instance) (maildns_config_last_reload_successful)",
        "<",
        1,
        "5m",
        "",
        "warning",
        "The exporter's new configuration is bad; the old one stays in use.",
        "{{ $labels.instance }} could not use its configuration when it was last told to, and keeps using the previous "
        "one. Addresses that were added are not watched. 'maildns-exporter check-config FILE' prints every problem.",
        "Says nothing while the exporter is down: MailDnsExporterDown does.",
    ),
    Alert(
        "MailDnsSeriesDropped",
        "sum by (job, instance, pool) (increase(maildns_series_dropped_total[15m]))",
        ">",
        0,
        "15m",
        "15m",
        "info",
        "More addresses of a pool fail than are shown.",
        "Pool {{ $labels.pool }} on {{ $labels.instance }} has more failing addresses than may have series of their "
        "own (1,000). The counts of the pool are complete, the list of its addresses is not.",
        "The counts stay right, so it is no more than a hint.",
    ),
]

GROUP = Group("maildns-watcher", "30s", RECORDINGS, ALERTS)
