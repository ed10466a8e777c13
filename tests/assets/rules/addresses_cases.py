"""Failures of addresses and their HELO names, and the alerts that must fire."""

import pytest

from tests.assets.rule_cases import Firing, pool, problems, watcher
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
        {24: [], 26: [lost(IPS[0], "192.0.2.0/24")], 50: [lost(IPS[0], "192.0.2.0/24")], 60: []},
        id="an address that is not forward-confirmed fires after 15 minutes, and ends after the fix",
    ),
    pytest.param(
        FLEET | problems("corporate", IPS[:1], 10, 20),
        {26: [], 60: []},
        id="what is fixed within 15 minutes pages nobody",
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
        {14: [], 30: [pool_lost(200)], 60: []},
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
            39: [],
            41: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")],
            90: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")],
            100: [],
        },
        id="a HELO name that does not resolve fires after 30 minutes, and ends after the fix",
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
        {24: [], 36: [Firing("MailDnsPoolHeloBroken", SHARED, "10")], 70: []},
        id="the HELO name of a whole pool is one alert",
    ),
    pytest.param(
        FLEET | unanswered(3, 10, 90),
        {69: [], 71: [Firing("MailDnsUnanswered", SHARED, "3")], 106: []},
        id="silent servers of a zone fire after an hour, without alerts about the addresses",
    ),
    pytest.param(
        watcher() | fresh(0.0),
        {minute: [] for minute in (20, 60, 90, 360, 720, 1280, 1290, 1440)},
        id="a fresh pool of which 1,792 addresses are drawn a round is silent for a day: what is not sampled is not "
        "unanswered",
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
