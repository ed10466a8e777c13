"""The rules for Prometheus: written by the generator, lint-free, and each alert fires, stays silent and resolves."""

import pytest

from tests.assets.rule_cases import (
    ALERTS,
    MINUTES,
    RULES,
    WHO,
    Firing,
    always,
    between,
    pool,
    problems,
    series,
    unit_test,
    watcher,
    write_tests,
)
from tests.assets.rule_fleet import (
    FLEET,
    IPS,
    MIXED,
    NO_SERIES,
    OVER_IPV6,
    SECOND,
    SECOND_SERVER,
    SHARED,
    WIDE,
    WIDE_FLEET,
    about,
    domain_broken,
    domain_problem,
    domain_silent,
    helo_broken,
    listed,
    lost,
    outage,
    pool_lost,
    refused,
    spf_failing,
    unanswered,
)
from tests.integration.servers.prometheus import promtool


@pytest.mark.parametrize(
    ("scraped", "expected"),
    [
        pytest.param(FLEET, {5: [], 60: []}, id="a healthy fleet is silent"),
        pytest.param(
            FLEET | problems("corporate", IPS[:1], 10, 40),
            {24: [], 26: [lost(IPS[0], "192.0.2.0/24")], 50: [lost(IPS[0], "192.0.2.0/24")], 60: []},
            id="an address that is not forward-confirmed fires after 15 minutes, and resolves after the mend",
        ),
        pytest.param(
            FLEET | problems("corporate", IPS[:1], 10, 20),
            {26: [], 60: []},
            id="what is mended within 15 minutes pages nobody",
        ),
        pytest.param(
            MIXED | problems("corporate", OVER_IPV6, 10, 40),
            {
                30: [
                    lost("2001:db8::10", "2001:db8::/64"),
                    lost("2001:db8::11", "2001:db8::/64"),
                    lost("2001:db8:0:1::1", "2001:db8:0:1::/64"),
                    lost("2001:db8:1::5", "2001:db8:1::/64"),
                ]
            },
            id="IPv6 addresses have the /64 for a prefix, however they are abbreviated",
        ),
        pytest.param(
            FLEET | problems("corporate", IPS[:4], 10, 40),
            {14: [], 16: [pool_lost(4)], 30: [pool_lost(4)], 60: []},
            id="many addresses of a pool are one alert about the pool, and none about them",
        ),
        pytest.param(
            WIDE_FLEET | problems("corporate", WIDE[:60], 10, 40),
            {16: [pool_lost(60)], 30: [pool_lost(60)], 60: []},
            id="sixty addresses in twelve prefixes are one alert about the pool",
        ),
        pytest.param(
            {**watcher(), **pool("corporate", WIDE, size=100_000)} | problems("corporate", WIDE[:60], 10, 40),
            {30: [pool_lost(60)]},
            id="fifty are many, however large the pool is",
        ),
        pytest.param(
            WIDE_FLEET | problems("corporate", WIDE[:5], 10, 40),
            {
                19: [],
                30: [Firing("MailDnsPrefixForwardConfirmationLost", {**SHARED, "prefix": "198.51.0.0/24"}, "5")],
                60: [],
            },
            id="a whole prefix is one alert about the prefix, and none about its addresses",
        ),
        pytest.param(
            WIDE_FLEET | problems("corporate", WIDE[:3], 10, 40),
            {30: [lost(ip, "198.51.0.0/24") for ip in WIDE[:3]], 60: []},
            id="three of five addresses of a prefix are still three addresses",
        ),
        pytest.param(
            NO_SERIES
            | series("maildns_pool_results", between(10, 40, 200, 0), pool="corporate", check="fcrdns", result="fail"),
            {14: [], 30: [pool_lost(200)], 60: []},
            id="a pool without series of its addresses fires by its counts",
        ),
        pytest.param(
            FLEET | problems("corporate", IPS[:1], 10, 80, check="helo-resolves", reason="helo-nxdomain"),
            {
                39: [],
                41: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")],
                90: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")],
                100: [],
            },
            id="a HELO name that does not resolve fires after 30 minutes, and resolves after the mend",
        ),
        pytest.param(
            FLEET
            | problems("corporate", IPS[:1], 10, 80, check="helo-address-match", reason="helo-nxdomain")
            | problems("corporate", IPS[:1], 10, 80, check="helo-ptr-match", reason="helo-not-ptr")
            | problems("corporate", IPS[:1], 10, 80, check="helo-resolves", reason="helo-nxdomain"),
            {60: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")]},
            id="of several failed HELO checks the cause is told, once",
        ),
        pytest.param(
            FLEET
            | problems("corporate", IPS[:1], 10, 80)
            | problems("corporate", IPS[:1], 10, 80, check="helo-ptr-match", reason="ptr-nxdomain"),
            {60: [lost(IPS[0], "192.0.2.0/24")]},
            id="a HELO name is not told of where the address itself is not confirmed",
        ),
        pytest.param(
            FLEET | problems("corporate", IPS, 10, 40, check="helo-resolves", reason="helo-nxdomain"),
            {24: [], 36: [Firing("MailDnsPoolHeloBroken", SHARED, "10")], 70: []},
            id="the HELO name of a whole pool is one alert",
        ),
        pytest.param(
            FLEET
            | problems("corporate", IPS[:1], 10, 80, check="spf-helo", reason="spf-fail")
            | problems("corporate", IPS[:1], 10, 80, check="spf-mailfrom", reason="spf-softfail"),
            {39: [], 41: [spf_failing(IPS[0], "spf-mailfrom", "spf-softfail")], 100: []},
            id="an address that SPF does not authorise fires once after 30 minutes, and resolves after the mend",
        ),
        pytest.param(
            FLEET | problems("corporate", IPS, 10, 60, check="spf-helo", reason="spf-none"),
            {24: [], 50: [Firing("MailDnsPoolSpfNotPassing", SHARED, "10")], 90: []},
            id="an SPF record that leaves out a whole pool is one alert",
        ),
        pytest.param(
            FLEET | problems("corporate", IPS[:2], 10, 60, check="dnsbl", reason="dnsbl-listed"),
            {24: [], 26: [listed(IPS[0]), listed(IPS[1])], 90: []},
            id="a listed address fires after 15 minutes, and resolves when it is off the list",
        ),
        pytest.param(
            FLEET | problems("corporate", IPS, 10, 60, check="dnsbl", reason="dnsbl-listed"),
            {24: [], 50: [Firing("MailDnsPoolListed", SHARED, "10")], 90: []},
            id="a listed network is one alert",
        ),
        pytest.param(
            FLEET | series("maildns_dnsbl_usable", between(10, 400, 0, 1), dnsbl="bl.example.org", family="ipv4"),
            {369: [], 371: [about("MailDnsBlockListUnusable", dnsbl="bl.example.org")]},
            id="a block list that refuses to answer for six hours is worth knowing",
        ),
        pytest.param(
            FLEET | domain_problem("spf", "spf-lookup-limit", 10, 60),
            {24: [], 26: [domain_broken("MailDnsDomainSpfInvalid", "spf-lookup-limit")], 90: []},
            id="an SPF record with too many lookups fires after 15 minutes, and resolves after the mend",
        ),
        pytest.param(
            FLEET | domain_problem("dkim", "dkim-missing", 10, 60, selector="s1"),
            {24: [], 26: [domain_broken("MailDnsDkimKeyGone", "dkim-missing", selector="s1")], 90: []},
            id="a DKIM key that is gone fires after 15 minutes, with its selector",
        ),
        pytest.param(
            FLEET | domain_problem("dmarc", "dmarc-syntax", 10, 90),
            {69: [], 71: [domain_broken("MailDnsDmarcInvalid", "dmarc-syntax")], 120: []},
            id="a DMARC record that cannot be read fires after an hour",
        ),
        pytest.param(
            FLEET
            | domain_problem("mx", "mx-unresolvable", 10, 90)
            | domain_problem("mta-sts", "mta-sts-no-host", 10, 90),
            {
                71: [
                    domain_broken("MailDnsDomainBroken", "mx-unresolvable", check="mx"),
                    domain_broken("MailDnsDomainBroken", "mta-sts-no-host", check="mta-sts"),
                ],
                120: [],
            },
            id="what else is expected of a domain is a ticket each",
        ),
        pytest.param(
            FLEET | domain_silent(10, 400),
            {
                384: [],
                386: [Firing("MailDnsDomainUnanswered", {"job": WHO["job"], "domain": "example.org"}, "6h 17m 0s")],
            },
            id="silent servers of a domain are told of after six hours",
        ),
        pytest.param(
            FLEET | domain_silent(10, 400) | outage(10, 390),
            {389: [about("MailDnsResolverFailing", resolver="local")]},
            id="a domain is not told of where our own resolver is silent",
        ),
        pytest.param(
            FLEET | unanswered(3, 10, 90),
            {69: [], 71: [Firing("MailDnsUnanswered", SHARED, "3")], 106: []},
            id="silent servers of a zone are told of after an hour, without blaming the addresses",
        ),
        pytest.param(
            {**watcher(), **pool("corporate", IPS, size=1000)} | unanswered(3, 10, 120, of=1000),
            {100: []},
            id="a few silences in a thousand addresses are the Internet",
        ),
        pytest.param(
            FLEET | refused("refuse", 2, 10, 80),
            {69: [], 71: [Firing("MailDnsReceiversRefuse", SHARED, "2")], 96: []},
            id="receivers that refuse addresses without a problem",
        ),
        pytest.param(
            FLEET | refused("refuse", 1, 10, 90) | problems("corporate", IPS[:1], 10, 90),
            {80: [lost(IPS[0], "192.0.2.0/24")]},
            id="receivers are not told of where the address has an alert of its own",
        ),
        pytest.param(FLEET | refused("by-design", 9, 10, 90), {80: []}, id="what is refused by design pages nobody"),
        pytest.param(
            FLEET | outage(10, 80),
            {
                14: [],
                16: [about("MailDnsResolverFailing", resolver="local")],
                79: [about("MailDnsResolverFailing", resolver="local")],
                86: [],
                100: [],
            },
            id="a resolver outage is one alert, for the resolver, and nothing fires when it is over",
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
            series("up", always(1), job="node", instance="node:9100"),
            {4: [], 6: [Firing("MailDnsExporterDown")]},
            id="no exporter at all",
        ),
        pytest.param(
            FLEET | series("maildns_pool_oldest_sample_timestamp_seconds", f"0+60x30 1800x{MINUTES}", pool="corporate"),
            {60: [], 80: [about("MailDnsVerdictsStale", "50m 0s", pool="corporate")]},
            id="verdicts older than three intervals",
        ),
        pytest.param(
            FLEET
            | series("maildns_pool_oldest_sample_timestamp_seconds", always(60), pool="corporate")
            | series("maildns_pool_interval_seconds", always(3600), pool="corporate"),
            {140: []},
            id="what is sampled every hour may be three hours old",
        ),
        pytest.param(
            FLEET | series("maildns_resolver_disagreement", f"0x9 2x{MINUTES}", pool="corporate"),
            {369: [], 371: [about("MailDnsResolversDisagree", "2", pool="corporate")]},
            id="resolvers that disagree for six hours",
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
            id="a bad configuration is told of until it is mended",
        ),
        pytest.param(
            FLEET | series("maildns_series_dropped_total", f"0x30 0+100x30 3000x{MINUTES}", pool="corporate"),
            {30: [], 60: [about("MailDnsSeriesDropped", "1500", pool="corporate")], 95: []},
            id="more failing addresses than are shown",
        ),
    ],
)
def test_alerts(scraped, expected, tmp_path):
    """At each minute exactly the expected alerts fire, with their labels and texts, of all that there are."""
    outcome = promtool("test", "rules", write_tests(tmp_path, [unit_test(scraped, expected)]))

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_every_alert_is_seen_to_fire():
    """No alert is left out of the table above."""
    (table,) = [mark for mark in test_alerts.pytestmark if mark.name == "parametrize"]
    fired = {one.name for case in table.args[1] for firing in case.values[1].values() for one in firing}

    assert fired == set(ALERTS)


def test_the_rules_are_lint_free():
    """Promtool finds nothing to say about them."""
    outcome = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
