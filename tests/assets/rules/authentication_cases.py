"""Failures of SPF and listings on block lists, and the alerts that must fire."""

import pytest

from tests.assets.rule_cases import Firing, always, between, problems, series
from tests.assets.rule_fleet import (
    FLEET,
    IPS,
    NO_SERIES,
    SHARED,
    about,
    counted,
    domain_broken,
    domain_problem,
    helo_broken,
    listed,
    not_authorised,
    spf_failing,
)

AUTHENTICATION = [
    pytest.param(
        NO_SERIES | counted("spf-mailfrom", 300, 10, 60) | counted("dnsbl", 200, 10, 60),
        {
            50: [Firing("MailDnsPoolSpfNotPassing", SHARED, "300"), Firing("MailDnsPoolListed", SHARED, "200")],
            90: [],
        },
        id="a pool without series fires for SPF and for block lists",
    ),
    pytest.param(
        FLEET
        | problems("corporate", IPS[:1], 10, 80, check="spf-helo", reason="spf-fail")
        | problems("corporate", IPS[:1], 10, 80, check="spf-mailfrom", reason="spf-softfail"),
        {14: [], 16: [spf_failing(IPS[0], "spf-mailfrom", "spf-softfail")], 100: []},
        id="an address that SPF does not authorise fires once after five minutes, and ends after the fix",
    ),
    pytest.param(
        FLEET | problems("corporate", IPS, 10, 60, check="spf-helo", reason="spf-none"),
        {10: [], 50: [Firing("MailDnsPoolSpfNotPassing", SHARED, "10")], 90: []},
        id="an SPF record that leaves out a whole pool is one alert",
    ),
    pytest.param(
        FLEET | not_authorised(IPS, "example.org", 10, 60) | domain_problem("spf", "spf-syntax", 10, 60),
        {55: [domain_broken("MailDnsDomainSpfInvalid", "spf-syntax")], 90: []},
        id="a domain whose record fails is one alert, and none about the pool that sends for it",
    ),
    pytest.param(
        FLEET | not_authorised(IPS[:1], "example.org", 10, 60) | domain_problem("spf", "spf-syntax", 10, 60),
        {55: [domain_broken("MailDnsDomainSpfInvalid", "spf-syntax")], 90: []},
        id="nor about a single address",
    ),
    pytest.param(
        FLEET
        | not_authorised(IPS[:1], "example.org", 10, 60)
        | not_authorised(IPS[:1], "example.net", 10, 60)
        | not_authorised(IPS[1:2], "mail.example.net", 10, 60, identity="helo")
        | domain_problem("spf", "spf-syntax", 10, 60),
        {
            55: [
                domain_broken("MailDnsDomainSpfInvalid", "spf-syntax"),
                spf_failing(IPS[0], "spf-mailfrom", "spf-softfail", "example.net"),
                spf_failing(IPS[0], "spf-mailfrom", "spf-softfail", "example.org"),
                spf_failing(IPS[1], "spf-helo", "spf-softfail", "mail.example.net"),
            ]
        },
        id="but alerts about other domains' records still fire",
    ),
    pytest.param(
        NO_SERIES
        | counted("spf-mailfrom", 300, 10, 60)
        | series("maildns_domain_spf_unauthorised_addresses", always(300), pool="corporate", domain="example.org")
        | domain_problem("spf", "spf-syntax", 10, 60),
        {55: [domain_broken("MailDnsDomainSpfInvalid", "spf-syntax")], 90: []},
        id="a domain whose record fails is one alert, and none about a pool without series",
    ),
    pytest.param(
        FLEET
        | problems("corporate", IPS[:1], 10, 80, check="spf-helo", reason="spf-none")
        | problems("corporate", IPS[:1], 10, 80, check="helo-resolves", reason="helo-nxdomain"),
        {60: [helo_broken(IPS[0], "helo-resolves", "helo-nxdomain")]},
        id="a HELO name that does not exist fires, but not its missing SPF record",
    ),
    pytest.param(
        FLEET | problems("corporate", IPS[:2], 10, 60, check="dnsbl", reason="dnsbl-listed"),
        {14: [], 16: [listed(IPS[0]), listed(IPS[1])], 90: []},
        id="a listed address fires after five minutes, and resolves when it is off the list",
    ),
    pytest.param(
        FLEET | problems("corporate", IPS, 10, 60, check="dnsbl", reason="dnsbl-listed"),
        {10: [], 50: [Firing("MailDnsPoolListed", SHARED, "10")], 90: []},
        id="a listed network is one alert",
    ),
    pytest.param(
        FLEET | series("maildns_dnsbl_usable", between(10, 400, 0, 1), dnsbl="bl.example.org", family="ipv4"),
        {369: [], 371: [about("MailDnsBlockListUnusable", dnsbl="bl.example.org")], 418: []},
        id="a block list that refuses to answer for six hours is worth knowing",
    ),
]
