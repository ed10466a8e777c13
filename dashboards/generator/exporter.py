"""The dashboard Exporter: is the exporter itself healthy, and can its results be trusted?"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import dashboard
from dashboards.generator.panels import COUNT, AnyPanel, markdown, override, stat, state_timeline, table, time_series
from dashboards.generator.promql import VARIABLES, increase, rate, select
from dashboards.generator.style import (
    BAD,
    GOOD,
    HEALTHY,
    NEUTRAL,
    NOTICE,
    RELOADED,
    SAVED,
    SERIES,
    UNKNOWN,
    YES_NO,
    steps,
)
from exporter.metrics import families

NOTHING = "No exporter is scraped, or it has just started."
NOT_ASKED = "No server was asked yet."
NO_CANARY = "No canary was asked yet."
NO_ROUND = "No round has ended yet."
NOT_ALL_SAMPLED = "Not every address was sampled yet."
NO_STORAGE = "No storage is configured: the exporter keeps its state in memory."

_AGE = f"time() - {select(families.POOL_OLDEST_SAMPLE)}"
_DURATION_BUCKETS = f"sum by (le) ({rate(families.DNS_QUERY_DURATION, suffix='_bucket')})"


def summary() -> Sequence[AnyPanel]:
    """Healthy or not, in six values."""
    return [
        stat(
            "DNS server canaries",
            "Whether every server answers its canaries correctly: questions with known answers. The exporter ignores "
            "a server that fails them.",
            f"min({select(families.CANARY_OK)})",
            unit=units.NoUnit,
            thresholds=steps(UNKNOWN),
            states=HEALTHY,
            no_value=NO_CANARY,
        ),
        stat(
            "DNS servers up now",
            "The share of DNS servers that answered their latest query.",
            f"avg({select(families.RESOLVER_UP)})",
            unit=units.PercentUnit,
            thresholds=steps(BAD, (0.01, NOTICE), (1, GOOD)),
            no_value=NOT_ASKED,
        ),
        stat(
            "Configuration",
            "Whether the latest reload succeeded. If not, the previous configuration is in use.",
            f"min({select(families.RELOAD_SUCCESSFUL)})",
            unit=units.NoUnit,
            thresholds=steps(UNKNOWN),
            states=RELOADED,
            no_value=NOTHING,
        ),
        stat(
            "Sampling lag",
            "How late the next sample of any pool is. An alert fires above five minutes.",
            f"max({select(families.SAMPLING_LAG)})",
            unit=units.Seconds,
            thresholds=steps(GOOD, (30, NOTICE), (300, BAD)),
            no_value=NOTHING,
        ),
        stat(
            "Oldest sample",
            "The age of the oldest latest sample of any address.",
            f"max({_AGE})",
            unit=units.Seconds,
            thresholds=steps(NEUTRAL),
            no_value=NOT_ALL_SAMPLED,
        ),
        stat(
            "Event loop lag",
            "The longest time that the event loop was blocked in the last 15 seconds. Above a second, scrapes and "
            "timeouts suffer: give the exporter more CPU, or less to do.",
            f"max({select(families.EVENT_LOOP_LAG)})",
            unit=units.Seconds,
            thresholds=steps(GOOD, (0.25, NOTICE), (1, BAD)),
            no_value=NOTHING,
        ),
    ]


def servers() -> Sequence[AnyPanel]:
    """The DNS servers that the exporter asks."""
    return [
        state_timeline(
            "DNS server canaries over time",
            "Whether each server answers its canaries correctly. A server that answers every question, or none, fails: "
            "no verdict uses it, so no verdict changes.",
            {"{{resolver}} {{server}}": f"min by (resolver, server) ({select(families.CANARY_OK)})"},
            states=HEALTHY,
            no_value=NO_CANARY,
            width=12,
            height=7,
        ),
        state_timeline(
            "DNS servers up",
            "Whether each server answers at all.",
            {"{{resolver}} {{server}}": f"min by (resolver, server) ({select(families.RESOLVER_UP)})"},
            states=YES_NO,
            no_value=NOT_ASKED,
            width=12,
            height=7,
        ),
        time_series(
            "DNS queries by outcome",
            "Queries to the servers, retries included. NXDOMAIN and NODATA are answers.",
            {"{{outcome}}": f"sum by (outcome) ({rate(families.DNS_QUERIES)})"},
            unit=units.RequestsPerSecond,
            stacked=True,
            no_value=NOT_ASKED,
        ),
        time_series(
            "DNS query duration",
            "Quantiles over all servers. A rising median means a slow resolver; a tail near the timeout means packet "
            "loss.",
            {
                "median": f"histogram_quantile(0.5, {_DURATION_BUCKETS})",
                "95 %": f"histogram_quantile(0.95, {_DURATION_BUCKETS})",
                "99 %": f"histogram_quantile(0.99, {_DURATION_BUCKETS})",
            },
            unit=units.Seconds,
            colours=dict(zip(("median", "95 %", "99 %"), SERIES, strict=False)),
            no_value=NOT_ASKED,
        ),
        time_series(
            "DNS queries by record type",
            "Queries to the servers by record type.",
            {"{{qtype}}": f"sum by (qtype) ({rate(families.DNS_QUERIES)})"},
            unit=units.RequestsPerSecond,
            no_value=NOT_ASKED,
        ),
        time_series(
            "DNS cache hit ratio",
            "The share of questions that needed no query because the same question was asked within the interval.",
            {
                "from the cache": f"sum({rate(families.DNS_CACHE_HITS)})"
                f" / (sum({rate(families.DNS_CACHE_HITS)}) + sum({rate(families.DNS_QUERIES)}))"
            },
            unit=units.PercentUnit,
            limit=1,
            no_value="No question was asked in this time, or the cache is off.",
        ),
        time_series(
            "Ignored DNS packets per query",
            "Packets per query that do not answer it, by what is wrong with them. They change no result. A late reply "
            "counts as unknown-id, at most once per query: above 1, somebody else sends them.",
            {
                "{{reason}}": f"sum by (reason) ({rate(families.DNS_IGNORED_PACKETS)})"
                f" / on () group_left () sum({rate(families.DNS_QUERIES)})"
            },
            unit=units.Short,
            stacked=True,
            soft_max=1,
            no_value=NOT_ASKED,
        ),
        time_series(
            "Dropped DNS questions (queue full)",
            "Questions that were never sent: the resolver's queue was full, or they would have waited too long. Zero "
            "when healthy.",
            {"{{resolver}}": f"sum by (resolver) ({rate(families.DNS_OVERFLOWED_QUESTIONS)})"},
            unit=units.RequestsPerSecond,
            soft_max=1,
            no_value=NOTHING,
        ),
    ]


def sampling() -> Sequence[AnyPanel]:
    """Whether sampling keeps up."""
    return [
        time_series(
            "Samples by result",
            "Results of samples, over all pools and checks.",
            {"{{result}}": f"sum by (result) ({rate(families.SAMPLES)})"},
            unit=units.Short,
            colours={"pass": GOOD, "fail": BAD, "unknown": UNKNOWN},
            stacked=True,
            no_value=NOTHING,
        ),
        time_series(
            "Sampling lag by pool",
            "How late the next sample of each pool is. 0 while sampling keeps up.",
            {"{{pool}}": f"max by (pool) ({select(families.SAMPLING_LAG)})"},
            unit=units.Seconds,
            line=300,
            no_value=NOTHING,
        ),
        time_series(
            "Age of the oldest sample by pool",
            "By pool. It should rise to the interval at most, then fall.",
            {"{{pool}}": f"max by (pool) ({_AGE})"},
            unit=units.Seconds,
            no_value=NOT_ALL_SAMPLED,
        ),
        time_series(
            "Duration of sampling rounds",
            "By pool. A round is spread over nine tenths of the interval; the first round is as fast as possible.",
            {"{{pool}}": f"max by (pool) ({select(families.POOL_ROUND_DURATION)})"},
            unit=units.Seconds,
            no_value=NO_ROUND,
        ),
        time_series(
            "Completed sampling rounds",
            "By pool. If none ends within an interval, sampling is stuck.",
            {"{{pool}}": f"sum by (pool) ({increase(families.POOL_ROUNDS)})"},
            unit=COUNT,
            bars=True,
            no_value=NO_ROUND,
        ),
        time_series(
            "Changed results",
            "Conclusive results that changed, by pool. A zone that flaps shows here.",
            {"{{pool}}": f"sum by (pool) ({increase(families.POOL_CHANGES)})"},
            unit=COUNT,
            bars=True,
            no_value=NOTHING,
        ),
    ]


def disagreements() -> Sequence[AnyPanel]:
    """Which resolvers contradict each other."""
    return [
        time_series(
            "Disputed results",
            "Addresses, HELO names and domains for which one resolver sees a failure and another does not. Without a "
            "third to decide, the last known result stays. Normal after a change, until caches expire.",
            {
                "{{pool}}": f"sum by (pool) ({select(families.RESOLVER_DISAGREEMENT)})",
                "domains": f"sum({select(families.DOMAIN_RESOLVER_DISAGREEMENT)})",
            },
            unit=COUNT,
            no_value="Nothing was sampled yet, or no exporter is scraped.",
        ),
        time_series(
            "Disagreements between resolvers",
            "Samples in which the first resolver saw a failure and the second did not. Twice the same name: two "
            "servers of one resolver.",
            {"{{resolver}} and {{other}}": f"sum by (resolver, other) ({increase(families.RESOLVER_DISAGREEMENTS)})"},
            unit=COUNT,
            bars=True,
            no_value="No sample was compared between two resolvers, or two servers of one.",
        ),
    ]


def storage() -> Sequence[AnyPanel]:
    """Whether the state would survive a restart."""
    return [
        state_timeline(
            "Storage over time",
            "Whether the exporter can save its state. Sampling continues while it cannot.",
            {"{{instance}}": f"min by (instance) ({select(families.STORAGE_OK)})"},
            states=SAVED,
            no_value=NO_STORAGE,
            width=8,
            height=7,
        ),
        time_series(
            "Time since the last write",
            "By exporter. A change is written within seconds; if nothing changes, nothing is written.",
            {"{{instance}}": f"time() - max by (instance) ({select(families.STORAGE_LAST_COMMIT)})"},
            unit=units.Seconds,
            no_value=NO_STORAGE,
            width=8,
            height=7,
        ),
        time_series(
            "Storage size",
            "With its write-ahead log.",
            {"{{instance}}": f"max by (instance) ({select(families.STORAGE_BYTES)})"},
            unit=units.BytesIEC,
            no_value=NO_STORAGE,
            width=8,
            height=7,
        ),
    ]


def process() -> Sequence[AnyPanel]:
    """The process, its configuration and its output."""
    return [
        time_series(
            "Event loop lag over time",
            "The longest time that the event loop was blocked in the 15 seconds before each scrape.",
            {"{{instance}}": f"max by (instance) ({select(families.EVENT_LOOP_LAG)})"},
            unit=units.Seconds,
            line=1,
            no_value=NOTHING,
            width=8,
        ),
        time_series(
            "Series left out of scrapes",
            "Failing addresses without series of their own: a large pool shows at most 1,000. Counts stay complete.",
            {"{{pool}}": f"sum by (pool) ({increase(families.SERIES_DROPPED)})"},
            unit=COUNT,
            no_value=NOTHING,
            width=8,
        ),
        time_series(
            "Scrape duration",
            "As Prometheus measures it.",
            {
                "{{instance}}": f"max by (instance) (scrape_duration_seconds{{{VARIABLES}}}"
                f" and on (job, instance) {select(families.BUILD_INFO)})"
            },
            unit=units.Seconds,
            no_value=NOTHING,
            width=8,
        ),
        table(
            "Versions and configuration",
            "The running versions, and since when each configuration is in use.",
            {
                "A": f"max by (instance, version, python) ({select(families.BUILD_INFO)})",
                "B": f"max by (instance) ({select(families.RELOAD_SUCCESS_TIMESTAMP)}) * 1000",
            },
            columns={
                "instance": "Exporter",
                "version": "Version",
                "python": "Python",
                "Value #B": "Configuration in use since",
            },
            styles={"Configuration in use since": [override("unit", "dateTimeAsLocal")]},
            sort="Exporter",
            ascending=True,
            no_value=NOTHING,
            width=24,
            height=5,
        ),
    ]


HOW_TO_READ = """
- **Canaries** are questions with known answers. The exporter ignores a server that fails them: verdicts that \
depend on it turn *unknown*, gauges keep their values, and only *MailDnsResolverFailing* fires.
- **Lag** is how late the next sample is; **age** is how old the oldest one is. Lag without load means a slow \
resolver: look at the query durations. Age without lag means a long interval.
- **Retries count** as queries. Many timeouts with few unknown samples mean packet loss that retries make up for.
- Blue is healthy, vermilion is broken, grey is unknown, orange is worth a look.
"""


def exporter() -> str:
    """The dashboard as JSON."""
    page = dashboard.new_dashboard(
        dashboard.EXPORTER_UID,
        "Is the exporter itself healthy? Canaries, resolvers, lag, rounds, queries and their cost.",
    ).with_variable(dashboard.pool_variable())
    dashboard.add_row(page, "Is the exporter healthy?", summary())
    asked, sampled = servers(), sampling()
    dashboard.add_row(page, "DNS servers", asked[:4])
    dashboard.add_row(page, "Sampling", sampled[:2])
    dashboard.add_collapsed(
        page,
        {
            "DNS queries in detail": asked[4:],
            "Sampling rounds": sampled[2:],
            "Disagreements between resolvers": disagreements(),
            "Storage": storage(),
            "Process": process(),
            "How to read this": [markdown("How to read this", HOW_TO_READ)],
        },
    )
    return dashboard.to_json(page)
