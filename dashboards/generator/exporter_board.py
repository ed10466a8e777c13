"""The Exporter dashboard: is the exporter itself healthy, and can what it shows be believed?

The rule of this file: each panel answers one way in which the exporter can go blind, late or wrong.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from dashboards.generator import board
from dashboards.generator.panels import COUNT, AnyPanel, lines, number, override, prose, rows, timeline
from dashboards.generator.queries import VARIABLES, increase, rate, select
from dashboards.generator.style import BAD, GOOD, NOTICE, UNKNOWN, WELL, YES_NO, steps
from dashboards.generator.trust_panels import disagreements, storage
from exporter.metrics import catalogue

NOTHING = "No exporter is scraped, or it has only just begun."
NOT_ASKED = "No server was asked yet."

_AGE = f"time() - {select(catalogue.POOL_OLDEST_SAMPLE)}"
_DURATION_BUCKETS = f"sum by (le) ({rate(catalogue.DNS_QUERY_DURATION, suffix='_bucket')})"


def summary() -> Sequence[AnyPanel]:
    """Well or not, in six words and numbers."""
    return [
        number(
            "Canary",
            "Whether every server answers the canary's questions as it should. A server that does not is not believed.",
            f"min({select(catalogue.CANARY_OK)})",
            unit=units.NoUnit,
            colours=steps(UNKNOWN),
            states=WELL,
            empty="No canary was asked yet.",
        ),
        number(
            "Servers that answer",
            "The share of DNS servers that answered when they were last asked.",
            f"avg({select(catalogue.RESOLVER_UP)})",
            unit=units.PercentUnit,
            colours=steps(BAD, (0.01, NOTICE), (1, GOOD)),
            empty=NOT_ASKED,
        ),
        number(
            "Configuration",
            "Whether the configuration was good when it was last read. If not, the one before it is in use.",
            f"min({select(catalogue.RELOAD_SUCCESSFUL)})",
            unit=units.NoUnit,
            colours=steps(UNKNOWN),
            states=((0, "bad, old one in use", BAD), (1, "good", GOOD)),
            empty=NOTHING,
        ),
        number(
            "Sampling lag",
            "How late the next sample of any pool is. Alerts fire from five minutes on.",
            f"max({select(catalogue.SAMPLING_LAG)})",
            unit=units.Seconds,
            colours=steps(GOOD, (30, NOTICE), (300, BAD)),
            empty=NOTHING,
        ),
        number(
            "Oldest sample",
            "The age of the sample of the address that was not sampled for the longest.",
            f"max({_AGE})",
            unit=units.Seconds,
            colours=steps("#4A4A4A"),
            empty="Not every address was sampled once yet.",
        ),
        number(
            "Event loop lag",
            "The longest that the event loop was held in the last 15 seconds. Above a second, scrapes and time-outs "
            "suffer: give it more CPU, or less to do.",
            f"max({select(catalogue.EVENT_LOOP_LAG)})",
            unit=units.Seconds,
            colours=steps(GOOD, (0.25, NOTICE), (1, BAD)),
            empty=NOTHING,
        ),
    ]


def servers() -> Sequence[AnyPanel]:
    """The DNS servers that it asks."""
    return [
        timeline(
            "Canaries",
            "Each server over time: whether it answers the canary's questions as it should. A server that answers "
            "everything, or nothing, fails: no verdict rests on it, and none flips.",
            {"{{resolver}} {{server}}": f"min by (resolver, server) ({select(catalogue.CANARY_OK)})"},
            states=WELL,
            empty="No canary was asked yet.",
            span=12,
            height=7,
        ),
        timeline(
            "Servers",
            "Each server over time: whether it answers at all.",
            {"{{resolver}} {{server}}": f"min by (resolver, server) ({select(catalogue.RESOLVER_UP)})"},
            states=YES_NO,
            empty=NOT_ASKED,
            span=12,
            height=7,
        ),
        lines(
            "Queries by outcome",
            "Queries sent to the servers, retries included, by what became of them. NXDOMAIN and NODATA are answers.",
            {"{{outcome}}": f"sum by (outcome) ({rate(catalogue.DNS_QUERIES)})"},
            unit=units.RequestsPerSecond,
            stacked=True,
            empty=NOT_ASKED,
        ),
        lines(
            "How long queries take",
            "Quantiles over all servers. A median that rises is a slow resolver; a tail near the time-out "
            "is packet loss.",
            {
                "median": f"histogram_quantile(0.5, {_DURATION_BUCKETS})",
                "95 %": f"histogram_quantile(0.95, {_DURATION_BUCKETS})",
                "99 %": f"histogram_quantile(0.99, {_DURATION_BUCKETS})",
            },
            unit=units.Seconds,
            colours={"median": GOOD, "95 %": NOTICE, "99 %": BAD},
            empty=NOT_ASKED,
        ),
        lines(
            "Queries by type",
            "Queries sent, by the type that they asked for.",
            {"{{qtype}}": f"sum by (qtype) ({rate(catalogue.DNS_QUERIES)})"},
            unit=units.RequestsPerSecond,
            empty=NOT_ASKED,
        ),
        lines(
            "Answered by the cache",
            "The share of questions that needed no query, because the same one was asked within the interval.",
            {
                "from the cache": f"sum({rate(catalogue.DNS_CACHE_HITS)})"
                f" / (sum({rate(catalogue.DNS_CACHE_HITS)}) + sum({rate(catalogue.DNS_QUERIES)}))"
            },
            unit=units.PercentUnit,
            limit=1,
            empty="No question was asked in this time; or the cache is off.",
        ),
        lines(
            "Packets that were ignored",
            "Packets that came and were no reply to what was asked, for each query, by what was wrong with them. They "
            "change no answer. A late reply is one (unknown-id), but at most one for a query: above 1 somebody else "
            "sends them.",
            {
                "{{reason}}": f"sum by (reason) ({rate(catalogue.DNS_IGNORED_PACKETS)})"
                f" / on () group_left () sum({rate(catalogue.DNS_QUERIES)})"
            },
            unit=units.Short,
            stacked=True,
            least=1,
            empty=NOT_ASKED,
        ),
        lines(
            "Questions that overflowed",
            "Questions that were never sent, because the resolver's queue was full, or they would have waited too "
            "long: more is asked than it may be asked, or than it answers in time. None, while all is well.",
            {"{{resolver}}": f"sum by (resolver) ({rate(catalogue.DNS_OVERFLOWED_QUESTIONS)})"},
            unit=units.RequestsPerSecond,
            least=1,
            empty=NOTHING,
        ),
    ]


def sampling() -> Sequence[AnyPanel]:
    """Whether it keeps up."""
    return [
        lines(
            "Samples by result",
            "What the samples came to, over all pools and checks.",
            {"{{result}}": f"sum by (result) ({rate(catalogue.SAMPLES)})"},
            unit=units.Short,
            colours={"pass": GOOD, "fail": BAD, "unknown": UNKNOWN},
            stacked=True,
            empty=NOTHING,
        ),
        lines(
            "Sampling lag",
            "How late the next sample of each pool is. 0 while it keeps up.",
            {"{{pool}}": f"max by (pool) ({select(catalogue.SAMPLING_LAG)})"},
            unit=units.Seconds,
            empty=NOTHING,
        ),
        lines(
            "Age of the oldest sample",
            "By pool. It should rise to the interval at most, and fall again.",
            {"{{pool}}": f"max by (pool) ({_AGE})"},
            unit=units.Seconds,
            empty="Not every address was sampled once yet.",
        ),
        lines(
            "How long rounds take",
            "By pool. A round is spread over nine tenths of the interval; the first one is as quick as it can be.",
            {"{{pool}}": f"max by (pool) ({select(catalogue.POOL_ROUND_DURATION)})"},
            unit=units.Seconds,
            empty="No round has ended yet.",
        ),
        lines(
            "Rounds that ended",
            "By pool. None for longer than an interval means that sampling is stuck.",
            {"{{pool}}": f"sum by (pool) ({increase(catalogue.POOL_ROUNDS)})"},
            unit=COUNT,
            bars=True,
            empty="No round has ended yet.",
        ),
        lines(
            "Results that changed",
            "By pool: conclusive results that changed. A zone that flaps shows here.",
            {"{{pool}}": f"sum by (pool) ({increase(catalogue.POOL_CHANGES)})"},
            unit=COUNT,
            bars=True,
            empty=NOTHING,
        ),
    ]


def process() -> Sequence[AnyPanel]:
    """The process, its configuration and its output."""
    return [
        lines(
            "Event loop lag",
            "The longest that the event loop was held in the 15 seconds before each scrape.",
            {"{{instance}}": f"max by (instance) ({select(catalogue.EVENT_LOOP_LAG)})"},
            unit=units.Seconds,
            empty=NOTHING,
            span=8,
        ),
        lines(
            "Addresses left out",
            "Failing addresses for which a scrape had no room: a large pool shows at most 1,000. Counts stay complete.",
            {"{{pool}}": f"sum by (pool) ({increase(catalogue.SERIES_DROPPED)})"},
            unit=COUNT,
            empty=NOTHING,
            span=8,
        ),
        lines(
            "How long a scrape takes",
            "As Prometheus sees it.",
            {
                "{{instance}}": f"max by (instance) (scrape_duration_seconds{{{VARIABLES}}}"
                f" and on (job, instance) {select(catalogue.BUILD_INFO)})"
            },
            unit=units.Seconds,
            empty=NOTHING,
            span=8,
        ),
        rows(
            "Versions",
            "What runs, and since when its configuration is in use.",
            {
                "A": f"max by (instance, version, python) ({select(catalogue.BUILD_INFO)})",
                "B": f"max by (instance) ({select(catalogue.RELOAD_SUCCESS_TIMESTAMP)}) * 1000",
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
            empty=NOTHING,
            span=24,
            height=5,
        ),
    ]


HOW_TO_READ = """
- **Canaries** are questions with known answers. A server that fails them is not believed, whatever it says: verdicts \
that would rest on it turn *unknown*, gauges keep their values, and only *MailDnsResolverFailing* fires.
- **Lag** is how late the next sample is, **age** how old the oldest is. Lag without load is a slow resolver; look at \
the latency beside it. Age without lag is a long interval.
- **Retries count** among the queries. Many time-outs with few unknown samples are packet loss that retries make up for.
- Blue is well, vermilion broken, grey unknown; orange is worth a look.
"""


def exporter() -> str:
    """The dashboard's JSON."""
    page = board.board(
        board.EXPORTER_UID,
        "Is the exporter itself healthy? Canaries, resolvers, lag, rounds, queries and what they cost.",
    ).with_variable(board.pools())
    board.add_row(page, "Is the exporter healthy?", summary())
    board.add_row(page, "DNS servers", servers())
    board.add_row(page, "Sampling", sampling())
    board.add_row(page, "Do resolvers agree?", disagreements())
    board.add_row(page, "Memory", storage())
    board.add_row(page, "Process", process())
    board.add_row(page, "How to read this", [prose("How to read this", HOW_TO_READ)])
    return board.finished(page)
