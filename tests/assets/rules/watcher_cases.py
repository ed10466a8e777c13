"""Failures of the exporter and of the sources of its pools, and the alerts that must fire."""

import pytest

from tests.assets.rule_cases import MINUTES, Firing, always, between, problems, series
from tests.assets.rule_fleet import (
    FLEET,
    IPS,
    SECOND,
    SECOND_SERVER,
    about,
    outage,
    pool_lost,
    replies,
    source,
    source_alert,
    source_failing,
    unanswered,
)

WATCHER = [
    pytest.param(
        FLEET | outage(10, 80),
        {
            14: [],
            16: [about("MailDnsResolverFailing", resolver="local")],
            69: [about("MailDnsResolverFailing", resolver="local")],
            71: [about("MailDnsResolverFailing", resolver="local"), about("MailDnsUnwatched")],
            79: [about("MailDnsResolverFailing", resolver="local"), about("MailDnsUnwatched")],
            86: [],
            100: [],
        },
        id="a resolver outage is one ticket, for the resolver, a page after an hour, and nothing when it is over",
    ),
    pytest.param(
        FLEET | problems("corporate", IPS[:4], 10, MINUTES) | outage(30, 60),
        {
            29: [pool_lost(4)],
            59: [pool_lost(4), about("MailDnsResolverFailing", resolver="local")],
            70: [pool_lost(4)],
        },
        id="what was broken before an outage stays one alert about the pool throughout it",
    ),
    pytest.param(
        FLEET | SECOND_SERVER,
        {
            24: [],
            26: [about("MailDnsResolverServerFailing", **SECOND)],
            59: [about("MailDnsResolverServerFailing", **SECOND)],
            75: [],
        },
        id="one of two servers is a ticket",
    ),
    pytest.param(
        FLEET | series("up", between(10, 40, 0, 1)),
        {14: [], 16: [about("MailDnsExporterDown")], 39: [about("MailDnsExporterDown")], 50: []},
        id="an exporter that cannot be scraped",
    ),
    pytest.param(
        FLEET | source_failing("permerror", 10, 60) | source_failing("not-enumerable", 10, 60),
        {
            24: [],
            26: [source_alert("MailDnsPoolSourceFailing", reason="permerror")],
            59: [source_alert("MailDnsPoolSourceFailing", reason="permerror")],
            80: [],
        },
        id="a source that cannot be read is a ticket, with the cause",
    ),
    pytest.param(
        FLEET | source_failing("unanswered", 10, 60) | outage(10, 60),
        {40: [about("MailDnsResolverFailing", resolver="local")], 90: []},
        id="no alert about a source while our own resolver is silent",
    ),
    pytest.param(
        FLEET | source_failing("not-enumerable", 10, 90),
        {
            69: [],
            71: [source_alert("MailDnsPoolSourceIncomplete", reason="not-enumerable")],
            120: [],
        },
        id="a record that cannot be listed as a whole is worth knowing",
    ),
    pytest.param(
        FLEET
        | source("addresses", "100x59 60x361")
        | source("added_addresses_total", "0x420")
        | source("removed_addresses_total", "0x59 40x361"),
        {60: [], 63: [source_alert("MailDnsPoolSourceChanged", "40%")], 150: []},
        id="a pool that loses more than a quarter of its addresses is a ticket",
    ),
    pytest.param(
        FLEET
        | source("addresses", "100x59 104x361")
        | source("added_addresses_total", "0x59 14x361")
        | source("removed_addresses_total", "0x59 10x361"),
        {63: []},
        id="a pool may gain and lose some addresses",
    ),
    pytest.param(
        FLEET | replies(ignored=6000, asked=300),
        {
            14: [],
            25: [about("MailDnsForgedReplies", "20", resolver="local")],
            58: [about("MailDnsForgedReplies", "20", resolver="local")],
            90: [],
        },
        id="more wrong replies than queries are a flood",
    ),
    pytest.param(
        FLEET | replies(ignored=290, asked=300), {40: []}, id="a late reply for nearly each query is a slow server"
    ),
    pytest.param(
        FLEET
        | replies(ignored=0, asked=300, overflowed=60, ends=90)
        | unanswered(5, 10, 100)
        | series("maildns_sampling_lag_seconds", between(10, 90, 600, 0), pool="corporate"),
        {
            24: [],
            40: [about("MailDnsQuestionsOverflow", "1", resolver="local")],
            80: [about("MailDnsQuestionsOverflow", "1", resolver="local")],
            130: [],
        },
        id="questions that overflow are one alert, and none about zones or lag",
    ),
    pytest.param(
        FLEET | replies(ignored=0, asked=300, overflowed=60) | outage(10, 60),
        {40: [about("MailDnsResolverFailing", resolver="local")], 90: []},
        id="no alert about a full queue while its resolver is silent",
    ),
    pytest.param(
        series("up", always(1), job="node", instance="node:9100"),
        {6: [], 90: [], 1500: []},
        id="rules without an exporter are silent",
    ),
    pytest.param(
        series("up", f"1x9 0x2890 1x{MINUTES}") | series("maildns_build_info", "1x9 stale", version="1", python="3"),
        {
            14: [],
            16: [about("MailDnsExporterDown")],
            71: [about("MailDnsExporterDown"), about("MailDnsUnwatched")],
            1500: [about("MailDnsExporterDown"), about("MailDnsUnwatched")],
            2890: [about("MailDnsExporterDown"), about("MailDnsUnwatched")],
            2910: [],
        },
        id="an exporter that is dead for two days is down for two days, and a page after an hour",
    ),
    pytest.param(
        series("up", "1x9 stale") | series("maildns_build_info", "1x9 stale", version="1", python="3"),
        {
            14: [],
            20: [Firing("MailDnsExporterDown", {"job": "maildns"})],
            1500: [Firing("MailDnsExporterDown", {"job": "maildns"}), Firing("MailDnsUnwatched", {"job": "maildns"})],
        },
        id="an exporter that Prometheus has no target of any more is down, too",
    ),
    pytest.param(
        FLEET
        | series(
            "maildns_pool_oldest_sample_timestamp_seconds",
            f"0+60x30 1800x60 5520+60x{MINUTES}",
            pool="corporate",
        ),
        {60: [], 80: [about("MailDnsVerdictsStale", "50m 0s", pool="corporate")], 110: []},
        id="verdicts older than three intervals",
    ),
    pytest.param(
        FLEET
        | series("maildns_pool_oldest_sample_timestamp_seconds", f"0+60x30 1800x{MINUTES}", pool="corporate")
        | series("maildns_sampling_lag_seconds", between(30, MINUTES, 1200, 0), pool="corporate"),
        {80: [about("MailDnsSamplingLags", "20m 0s", pool="corporate")]},
        id="verdicts are old because sampling lags: one alert, about the lag",
    ),
    pytest.param(
        FLEET
        | series("maildns_pool_oldest_sample_timestamp_seconds", always(60), pool="corporate")
        | series("maildns_pool_interval_seconds", always(3600), pool="corporate"),
        {140: []},
        id="what is sampled every hour may be three hours old",
    ),
    pytest.param(
        FLEET | series("maildns_resolver_disagreement", between(10, 390, 2, 0), pool="corporate"),
        {369: [], 371: [about("MailDnsResolversDisagree", "2", pool="corporate")], 410: []},
        id="resolvers that disagree for six hours",
    ),
    pytest.param(
        FLEET | series("maildns_domain_resolver_disagreement", between(10, 390, 1, 0), domain="example.org"),
        {369: [], 371: [about("MailDnsDomainDisputed", "1", domain="example.org")], 410: []},
        id="resolvers that disagree about a domain for six hours",
    ),
    pytest.param(
        FLEET | series("maildns_resolver_disagreement", between(10, 140, 2, 0), pool="corporate"),
        {139: [], 150: []},
        id="resolvers that disagree until caches have expired",
    ),
    pytest.param(
        FLEET | series("maildns_storage_ok", between(10, 60, 0, 1)),
        {24: [], 26: [about("MailDnsStorageFailing")], 59: [about("MailDnsStorageFailing")], 80: []},
        id="a storage that cannot be written",
    ),
    pytest.param(
        FLEET | series("maildns_sampling_lag_seconds", between(10, 40, 600, 0), pool="corporate"),
        {
            24: [],
            26: [about("MailDnsSamplingLags", "10m 0s", pool="corporate")],
            60: [],
        },
        id="sampling that does not keep up",
    ),
    pytest.param(
        FLEET | series("maildns_config_last_reload_successful", between(10, 40, 0, 1)),
        {14: [], 16: [about("MailDnsReloadFailed")], 41: []},
        id="a bad configuration fires until it is fixed",
    ),
    pytest.param(
        FLEET | series("maildns_series_dropped_total", f"0x30 0+100x30 3000x{MINUTES}", pool="corporate"),
        {30: [], 60: [about("MailDnsSeriesDropped", "1500", pool="corporate")], 95: []},
        id="more failing addresses than are shown",
    ),
]
