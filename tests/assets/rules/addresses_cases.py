"""Failures of addresses and their HELO names, and the alerts that must fire."""

import pytest

from tests.assets.rule_cases import Firing, always, between, pool, problems, series, watched_by, watcher, web_info
from tests.assets.rule_fleet import (
    FLEET,
    IPS,
    MIXED,
    NO_SERIES,
    OVER_IPV6,
    SHARED,
    SHOWS_FAILING,
    WIDE,
    WIDE_FLEET,
    broken,
    counted,
    fresh,
    helo_broken,
    lost,
    not_expected,
    pool_lost,
    prefix_lost,
    refused,
    unanswered,
    worst_prefix,
)

ADDRESSES = [
    pytest.param(FLEET, {5: [], 60: []}, id="a healthy fleet is silent"),
    pytest.param(
        FLEET | problems("corporate", IPS[:1], 10, 40),
        {10: [], 11: [lost(IPS[0], "192.0.2.0/24")], 41: [lost(IPS[0], "192.0.2.0/24")], 44: []},
        id="an address that is not forward-confirmed fires after a minute, and ends two minutes after the fix",
    ),
    pytest.param(
        FLEET | problems("corporate", IPS[:1], 10, 11),
        {10: [], 11: [], 20: []},
        id="what is fixed within a minute pages nobody",
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
        {10: [], 11: [pool_lost(4)], 30: [pool_lost(4)], 60: []},
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
            10: [],
            30: [prefix_lost("198.51.0.0/24", 5)],
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
        SHOWS_FAILING | broken(WIDE[:3], 10, 40) | worst_prefix("198.51.0.0/24", 3, 256, 10, 40),
        {30: [lost(ip, "198.51.0.0/24") for ip in WIDE[:3]], 60: []},
        id="where only failing addresses are shown, a prefix is measured against what the pool has of it",
    ),
    pytest.param(
        SHOWS_FAILING | broken(WIDE[:5], 10, 40) | worst_prefix("198.51.0.0/24", 5, 6, 10, 40),
        {30: [prefix_lost("198.51.0.0/24", 5)], 60: []},
        id="where only failing addresses are shown, a whole prefix is one alert",
    ),
    pytest.param(
        SHOWS_FAILING | broken(WIDE[:5], 10, 40),
        {30: [lost(ip, "198.51.0.0/24") for ip in WIDE[:5]]},
        id="a prefix of unknown size is not reported as lost",
    ),
    pytest.param(
        NO_SERIES | counted("fcrdns", 5, 10, 40) | worst_prefix("198.51.0.0/24", 5, 5, 10, 40),
        {30: [prefix_lost("198.51.0.0/24", 5)], 60: []},
        id="where no address is shown, a whole prefix is one alert",
    ),
    pytest.param(
        NO_SERIES | counted("helo-resolves", 5, 10, 40) | worst_prefix("198.51.0.0/24", 5, 5, 10, 40),
        {30: []},
        id="where no address is shown, a prefix that fails something else is not reported as unconfirmed",
    ),
    pytest.param(
        NO_SERIES | counted("fcrdns", 200, 10, 40),
        {10: [], 30: [pool_lost(200)], 60: []},
        id="a pool without series of its addresses fires by its counts",
    ),
    pytest.param(
        NO_SERIES | counted("fcrdns", 200, 10, 90) | unanswered(300, 10, 90, of=1000) | not_expected("fcrdns"),
        {30: [], 80: []},
        id="what a pool does not expect pages nobody, shown or not",
    ),
    pytest.param(
        NO_SERIES | counted("helo-resolves", 200, 10, 60) | counted("fcrdns", 5, 10, 60),
        {50: [Firing("MailDnsPoolHeloBroken", SHARED, "195")], 90: []},
        id="a pool without series with broken HELO names fires, without those that may be unconfirmed",
    ),
    pytest.param(
        FLEET | problems("corporate", IPS[:1], 10, 80, check="helo-resolves", reason="helo-nxdomain"),
        {
            14: [],
            16: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")],
            81: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")],
            90: [],
        },
        id="a HELO name that does not resolve fires after five minutes, and ends after the fix",
    ),
    pytest.param(
        FLEET
        | problems("corporate", IPS[:1], 10, 80, check="helo-address-match", reason="helo-nxdomain")
        | problems("corporate", IPS[:1], 10, 80, check="helo-ptr-match", reason="helo-not-ptr")
        | problems("corporate", IPS[:1], 10, 80, check="helo-resolves", reason="helo-nxdomain"),
        {60: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")]},
        id="of several failed HELO checks one alert names the cause",
    ),
    pytest.param(
        FLEET
        | problems("corporate", IPS[:1], 10, 80)
        | problems("corporate", IPS[:1], 10, 80, check="helo-ptr-match", reason="ptr-nxdomain"),
        {60: [lost(IPS[0], "192.0.2.0/24")]},
        id="no alert about a HELO name if the address is not confirmed",
    ),
    pytest.param(
        FLEET | problems("corporate", IPS, 10, 40, check="helo-resolves", reason="helo-nxdomain"),
        {14: [], 36: [Firing("MailDnsPoolHeloBroken", SHARED, "10")], 70: []},
        id="the HELO name of a whole pool is one alert",
    ),
    pytest.param(
        FLEET | unanswered(3, 10, 90),
        {69: [], 71: [Firing("MailDnsUnanswered", SHARED, "3")], 106: []},
        id="silent servers of a zone fire after an hour, without alerts about the addresses",
    ),
    pytest.param(
        watcher() | fresh(0.01),
        {minute: [] for minute in (6, 21, 60, 90, 360, 720, 1280, 1290, 1440)},
        id="a fresh pool of which 1,792 addresses are drawn a round is silent for a day, though one in a hundred fails",
    ),
    pytest.param(
        watcher() | fresh(0.01, "prefixes"),
        {minute: [] for minute in (6, 21, 90, 360)},
        id="and if its prefixes are watched as well",
    ),
    pytest.param(
        watcher() | fresh(0.05, severity="warning", team="mail", service="newsletters"),
        {
            19: [],
            30: [
                Firing(
                    "MailDnsPoolForwardConfirmationLost",
                    {
                        "job": "maildns",
                        "pool": "microsoft-365",
                        "severity": "warning",
                        "team": "mail",
                        "service": "newsletters",
                    },
                    "23040",
                )
            ],
        },
        id="one in twenty fires after a quarter of an hour, as severe and for the team as configured",
    ),
    pytest.param(
        watcher() | fresh(0.05, "none"), {30: [], 100: []}, id="a pool with alert: false pages nobody, whatever fails"
    ),
    pytest.param(
        watched_by("share", 0.2, FLEET)
        | problems("corporate", IPS[:3], 10, 40)
        | series("maildns_pool_sample_addresses", always(10), pool="corporate", check="fcrdns")
        | series("maildns_pool_sample_failures", between(10, 40, 3, 0), pool="corporate", check="fcrdns"),
        {10: [], 12: [pool_lost(3)], 30: [pool_lost(3)], 60: []},
        id="where every address is known, the share is, too: it needs no quarter of an hour",
    ),
    pytest.param(
        watched_by("share", 0.2, FLEET)
        | problems("corporate", IPS[:2], 10, 40)
        | problems("corporate", IPS[:2], 10, 40, check="dnsbl", reason="dnsbl-listed")
        | series("maildns_pool_sample_addresses", always(10), pool="corporate", check="fcrdns")
        | series("maildns_pool_sample_failures", between(10, 40, 2, 0), pool="corporate", check="fcrdns"),
        {30: []},
        id="no single address of a pool that is watched by its share",
    ),
    pytest.param(
        FLEET
        | web_info("https://mail.example.org/maildns", "https://grafana.example.org")
        | problems("corporate", IPS[:1], 10, 40),
        {20: [lost(IPS[0], "192.0.2.0/24")], 60: []},
        id="an alert links to the page and the dashboard of the address",
    ),
    pytest.param(
        FLEET
        | series("maildns_helo_resolves", between(10, 40, 0, 1), pool="corporate", helo="old.example.org")
        | series("maildns_helo_resolves", between(10, 40, 0, 1), pool="corporate", helo="mail.example.org")
        | problems("corporate", IPS[:1], 10, 40, check="helo-resolves", reason="helo-nxdomain"),
        {
            14: [],
            30: [
                Firing("MailDnsHeloNameGone", {**SHARED, "helo": "old.example.org"}),
                helo_broken(IPS[0], "helo-resolves", "helo-nxdomain"),
            ],
            60: [],
        },
        id="a name in helo_names that no longer resolves fires, but not one that an address fires for",
    ),
    pytest.param(
        FLEET
        | series("maildns_helo_resolves", between(10, 40, 0, 1), pool="corporate", helo="old.example.org")
        | not_expected("helo-resolves"),
        {30: []},
        id="nor where names need not resolve",
    ),
    pytest.param(
        {**watcher(), **pool("corporate", IPS, size=1000)} | unanswered(3, 10, 120, of=1000),
        {100: []},
        id="a few unanswered questions in a thousand addresses are normal",
    ),
    pytest.param(
        FLEET | refused("refuse", 2, 10, 80),
        {69: [], 71: [Firing("MailDnsReceiversRefuse", SHARED, "2")], 96: []},
        id="receivers that refuse addresses without a problem",
    ),
    pytest.param(
        FLEET | refused("refuse", 1, 10, 90) | problems("corporate", IPS[:1], 10, 90),
        {80: [lost(IPS[0], "192.0.2.0/24")]},
        id="no alert about receivers if the address has an alert of its own",
    ),
    pytest.param(FLEET | refused("by-design", 9, 10, 90), {80: []}, id="what is refused by design pages nobody"),
]
