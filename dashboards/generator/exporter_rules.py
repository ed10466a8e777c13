"""Rules about the exporter itself: does it run, and can its results be trusted?

If no server of a resolver can be trusted, only that alert fires. Lag, old results and missing answers are consequences,
and their alerts exclude it (`unless`). No mail is lost while nobody watches, so this is a ticket, and a page only if it
lasts.
"""

from dashboards.generator.rules import EXPORTER_DASHBOARD, EXPORTER_PAGE, Alert, Group, Recording

RESOLVER_HEALTHY = "job_instance_resolver:maildns_resolver_well:max"
OVERFLOWS = "job_instance_resolver:maildns_dns_overflowed_questions:ratio_rate6h"
UNLESS_BLIND = f"unless on (job, instance) ({RESOLVER_HEALTHY} < 1)"
_SERVER_HEALTHY = "(maildns_resolver_up * maildns_canary_ok or maildns_resolver_up)"
_IGNORED = "sum by (job, instance, resolver) (rate(maildns_dns_ignored_packets_total[10m]))"
_QUERIES = "sum by (job, instance, resolver) (rate(maildns_dns_queries_total[{}]))"
_OVERFLOWED = "sum by (job, instance, resolver) (rate(maildns_dns_overflowed_questions_total[{}]))"
_KNOWN = "job_instance:maildns_exporter:known"
_TARGETS = "up and on (job, instance) "
_GONE = "0 * max by (job) (present_over_time(maildns_build_info[7d])) unless on (job) up"
_LAG = "max by (job, instance, pool) (maildns_sampling_lag_seconds)"
_LAG_SECONDS = 300
_AGE = "max by (job, instance, pool) (time() - maildns_pool_oldest_sample_timestamp_seconds)"

_RECORDINGS = [
    Recording(
        _KNOWN,
        "max by (job, instance) (present_over_time(maildns_build_info[1d]))\n"
        f"or\n({_KNOWN} and on (job, instance) max by (job, instance) (up))",
        "Targets that were an exporter once: remembered for as long as Prometheus has the target.",
    ),
    Recording(
        RESOLVER_HEALTHY,
        f"max by (job, instance, resolver) {_SERVER_HEALTHY}",
        "1 while at least one server of a resolver answers and passes its canary.",
    ),
    Recording(
        OVERFLOWS,
        f"{_OVERFLOWED.format('6h')} / ({_OVERFLOWED.format('6h')} + {_QUERIES.format('6h')} > 0)",
        "The share of questions that were never sent, over as long a time as their results may stay.",
    ),
]

_ALERTS = [
    Alert(
        name="MailDnsExporterDown",
        query=f"({_TARGETS}{_KNOWN})\nor\n({_GONE})",
        grafana_query=f"({_TARGETS}present_over_time(maildns_build_info[30d]))\nor\n({_GONE})",
        op="<",
        threshold=1,
        keep_firing="5m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        on_error="Error",
        summary="The exporter cannot be scraped: nobody watches the outbound addresses.",
        description="Prometheus cannot scrape {{ with $labels.instance }}{{ . }}{{ else }}any exporter of the job: it "
        "has no target{{ end }} (job {{ $labels.job }}). A PTR record that breaks now goes unnoticed. Check that the "
        "exporter runs, and read its log.",
        comment="The second part fires for a week after Prometheus lost all targets of a job that had an exporter. "
        "Without an exporter nothing fires.",
    ),
    Alert(
        name="MailDnsUnwatched",
        query=f"(({_TARGETS}{_KNOWN}) < 1)\nor\n({_GONE})\nor on (job, instance)\n"
        f"(max by (job, instance) ({RESOLVER_HEALTHY}) < 1)",
        grafana_query=f"(({_TARGETS}present_over_time(maildns_build_info[30d])) < 1)\nor\n({_GONE})\n"
        f"or on (job, instance)\n(max by (job, instance) ({RESOLVER_HEALTHY}) < 1)",
        op="<",
        threshold=1,
        pending="1h",
        keep_firing="5m",
        severity="critical",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        on_error="Error",
        summary="For an hour nobody has watched the outbound addresses.",
        description="For an hour {{ with $labels.instance }}{{ . }}{{ else }}the exporter{{ end }} (job "
        "{{ $labels.job }}) has been down, or none of its resolvers has answered. Whatever broke meanwhile went "
        "unnoticed. Start the exporter, or fix its resolvers.",
        comment="What MailDnsExporterDown and MailDnsResolverFailing become if nobody cares.",
    ),
    Alert(
        name="MailDnsResolverFailing",
        query=RESOLVER_HEALTHY,
        op="<",
        threshold=1,
        keep_firing="5m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="A resolver of the exporter fails: no verdict is reached.",
        description="No server of resolver {{ $labels.resolver }} of {{ $labels.instance }} answers its canaries "
        "correctly. All verdicts keep their last value, and a PTR record that breaks now goes unnoticed. The addresses "
        "are not at fault: fix the resolver.",
        comment="The only alert for an outage of our own: no alert about addresses fires because of it.",
    ),
    Alert(
        name="MailDnsResolverServerFailing",
        query=f"min by (job, instance, resolver, server) {_SERVER_HEALTHY}\n"
        f"unless on (job, instance, resolver) ({RESOLVER_HEALTHY} < 1)",
        op="<",
        threshold=1,
        keep_firing="10m",
        pending="15m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="One of the servers of a resolver fails.",
        description="Server {{ $labels.server }} of resolver {{ $labels.resolver }} of {{ $labels.instance }} is "
        "silent, or answers its canaries wrongly. Sampling continues with the other servers; if only one is left, no "
        "second server confirms its answers. Fix this server, or remove it.",
        comment="Not worth a page while another server answers.",
    ),
    Alert(
        name="MailDnsQuestionsOverflow",
        query=f"{_OVERFLOWED.format('10m')}\n{UNLESS_BLIND}",
        pending="15m",
        keep_firing="15m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="A resolver gets more questions than its limits allow, or than it answers in time.",
        description="{{ $labels.instance }} never sent {{ $value | humanize }} questions a second to resolver "
        "{{ $labels.resolver }}: the queue was full, or they would have waited too long. The verdicts that need them "
        "stay unknown. Lengthen the intervals of the pools, or raise max_queries_per_second and max_in_flight of the "
        "resolver if its servers can take it.",
        comment="A silent resolver fills the queue too: then MailDnsResolverFailing fires instead.",
    ),
    Alert(
        name="MailDnsForgedReplies",
        query=f"{_IGNORED} / ({_QUERIES.format('10m')} > 0)\nand on (job, instance, resolver) ({_IGNORED} > 1)",
        threshold=1,
        pending="5m",
        keep_firing="15m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="Somebody floods the exporter with replies to questions that it never asked.",
        description="For each query to resolver {{ $labels.resolver }}, {{ $labels.instance }} drops "
        "{{ $value | humanize }} packets that do not answer it: wrong ID, wrong question, no cookie. Only a forger "
        "sends more than one. No verdict uses them, but one may eventually guess right. Ask over tls:// or https://, "
        "or ask a resolver on the same host.",
        comment="Late replies are dropped too, but a query has at most one.",
    ),
    Alert(
        name="MailDnsResolversDisagree",
        query=f"sum by (job, instance, pool) (maildns_resolver_disagreement)\n{UNLESS_BLIND}",
        pending="6h",
        keep_firing="15m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="Resolvers disagree about addresses for longer than caches last.",
        description="For six hours the resolvers of {{ $labels.instance }} have disagreed about {{ $value }} addresses "
        "or HELO names of pool {{ $labels.pool }}: one sees a failure, another does not. Receivers get both answers "
        "too. A name server of the zone has an old copy, or answers some clients differently: "
        "'maildns-exporter check --trace' names it, and the page /exporter shows each resolver's result.",
        comment="After a change, caches differ until the TTL ends; six hours are longer than usual TTLs.",
    ),
    Alert(
        name="MailDnsDomainDisputed",
        query=f"max by (job, instance, domain) (maildns_domain_resolver_disagreement)\n{UNLESS_BLIND}",
        pending="6h",
        keep_firing="15m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="Resolvers disagree about a domain for longer than caches last.",
        description="For six hours the resolvers of {{ $labels.instance }} have disagreed about {{ $labels.domain }}: "
        "one sees a failure, another does not. Receivers get both answers too; the earlier verdict stays. A name "
        "server of the zone has an old copy, or answers some clients differently: the page /exporter shows each "
        "resolver's result.",
        comment="As MailDnsResolversDisagree, for a domain.",
    ),
    Alert(
        name="MailDnsStorageFailing",
        query="min by (job, instance) (maildns_storage_ok)",
        op="<",
        threshold=1,
        pending="15m",
        keep_firing="15m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="The exporter cannot save its state.",
        description="{{ $labels.instance }} cannot write its storage. Sampling and metrics continue, but a restart "
        "would begin with the last saved state and lose the changes since. The label reason of "
        "maildns_storage_errors_total says why; usually the disk is full.",
        comment="Without a storage in the configuration there is no series, and no alert.",
    ),
    Alert(
        name="MailDnsVerdictsStale",
        query=f"{_AGE}\n> (3 * max by (job, instance, pool) (maildns_pool_interval_seconds) + 900)\n{UNLESS_BLIND}\n"
        f"unless on (job, instance, pool) ({_LAG} > {_LAG_SECONDS})",
        pending="15m",
        keep_firing="15m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="Addresses have not been sampled for more than three times their interval.",
        description="{{ $labels.instance }} last sampled an address of pool {{ $labels.pool }} "
        "{{ $value | humanizeDuration }} ago, more than three intervals. What is shown of the pool is old. Read the "
        "exporter's log, and check that its process gets enough CPU time.",
        comment="Three intervals, and 15 minutes more after a start.",
    ),
    Alert(
        name="MailDnsSamplingLags",
        query=f"{_LAG}\n{UNLESS_BLIND}\nunless on (job, instance) ({_OVERFLOWED.format('10m')} > 0)",
        threshold=_LAG_SECONDS,
        pending="15m",
        keep_firing="15m",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="Sampling does not keep up with its interval.",
        description="The next sample of pool {{ $labels.pool }} on {{ $labels.instance }} is "
        "{{ $value | humanizeDuration }} late, so changes are noticed late. Lengthen the pool's interval, or raise "
        "max_in_flight or max_queries_per_second of its resolver.",
        comment="After 15 minutes of being five minutes late, sampling does not catch up by itself.",
    ),
    Alert(
        name="MailDnsReloadFailed",
        query="min by (job, instance) (maildns_config_last_reload_successful)",
        op="<",
        threshold=1,
        pending="5m",
        keep_firing="",
        severity="warning",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="The exporter's new configuration is bad; the old one stays in use.",
        description="{{ $labels.instance }} could not load its new configuration and keeps the old one. Added "
        "addresses are not watched. Run 'maildns-exporter check-config FILE': it prints every problem.",
        comment="There is no series while the exporter is down; MailDnsExporterDown fires then.",
    ),
    Alert(
        name="MailDnsSeriesDropped",
        query="sum by (job, instance, pool) (increase(maildns_series_dropped_total[15m]))",
        pending="15m",
        keep_firing="15m",
        severity="info",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="More addresses of a pool fail than are shown.",
        description="Pool {{ $labels.pool }} on {{ $labels.instance }} has more failing addresses than may have series "
        "of their own (1,000). The counts of the pool are complete; the list of its addresses is not.",
        comment="Only a hint: the counts stay right.",
    ),
]

GROUP = Group("maildns-watcher", _RECORDINGS, _ALERTS)
