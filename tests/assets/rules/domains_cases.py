"""Failures of domains, and the alerts that must fire."""

import pytest

from tests.assets.rule_cases import MINUTES, WHO, Firing, Series, always, between, series
from tests.assets.rule_fleet import FLEET, about, domain_broken, domain_gone, domain_problem, domain_silent, outage


def domain(name: str, value: str = "1") -> Firing:
    """An alert about a domain, without a reason."""
    return Firing(name, {"job": WHO["job"], "domain": "example.org"}, value)


def policy(policy: str, subdomains: str, testing: str, begins: int, ends: int | str) -> Series:
    """Series of the domain's DMARC policy, or its values."""
    values = ends if isinstance(ends, str) else between(begins, ends, 1) if begins else f"1x{ends - 1} stale"
    labels = {"policy": policy, "subdomain_policy": subdomains, "testing": testing, "domain": "example.org"}
    return series("maildns_domain_dmarc_policy_info", values, **labels)


DOMAINS = [
    pytest.param(
        FLEET | domain_problem("spf", "spf-lookup-limit", 10, 60),
        {10: [], 12: [domain_broken("MailDnsDomainSpfInvalid", "spf-lookup-limit")], 90: []},
        id="an SPF record with too many lookups fires after a minute, and ends after the fix",
    ),
    pytest.param(
        FLEET
        | domain_problem("spf", "spf-none", 10, 60)
        | domain_problem("dkim", "dkim-missing", 10, 60, selector="s1")
        | domain_problem("dkim", "dkim-missing", 10, 60, selector="s2")
        | domain_problem("dmarc", "dmarc-missing", 10, 60)
        | domain_problem("mx", "mx-missing", 10, 60),
        {10: [], 12: [domain_gone(4)], 59: [domain_gone(4)], 90: []},
        id="a domain that is gone is one alert, and none about what is gone with it",
    ),
    pytest.param(
        FLEET
        | domain_problem("spf", "spf-none", 10, 60)
        | domain_problem("dkim", "dkim-missing", 10, 60, selector="s1")
        | domain_problem("dmarc", "dmarc-syntax", 10, 60),
        {
            50: [
                domain_broken("MailDnsDomainSpfInvalid", "spf-none"),
                domain_broken("MailDnsDkimKeyGone", "dkim-missing", selector="s1"),
                domain_broken("MailDnsDmarcInvalid", "dmarc-syntax"),
            ]
        },
        id="two things that are gone, and one that cannot be read, are three",
    ),
    pytest.param(
        FLEET | domain_problem("dkim", "dkim-missing", 10, 60, selector="s1"),
        {10: [], 12: [domain_broken("MailDnsDkimKeyGone", "dkim-missing", selector="s1")], 90: []},
        id="a DKIM key that is gone fires after a minute, with its selector",
    ),
    pytest.param(
        FLEET | domain_problem("dmarc", "dmarc-syntax", 10, 90),
        {14: [], 16: [domain_broken("MailDnsDmarcInvalid", "dmarc-syntax")], 120: []},
        id="a DMARC record that cannot be read fires after five minutes",
    ),
    pytest.param(
        FLEET | domain_problem("mx", "mx-unresolvable", 10, 90) | domain_problem("mta-sts", "mta-sts-no-host", 10, 90),
        {
            14: [],
            16: [
                domain_broken("MailDnsDomainBroken", "mx-unresolvable", check="mx"),
                domain_broken("MailDnsDomainBroken", "mta-sts-no-host", check="mta-sts"),
            ],
            120: [],
        },
        id="what else is expected of a domain is a ticket each",
    ),
    pytest.param(
        FLEET | domain_silent(10, 90),
        {39: [], 41: [domain("MailDnsDomainUnanswered")], 89: [domain("MailDnsDomainUnanswered")], 110: []},
        id="silent servers of a domain fire after half an hour",
    ),
    pytest.param(
        FLEET | domain_silent(10, 400) | outage(10, 390),
        {389: [about("MailDnsResolverFailing", resolver="local"), about("MailDnsUnwatched")]},
        id="no alert about a domain while our own resolver is silent",
    ),
    pytest.param(
        FLEET | series("maildns_domain_spf_lookups", between(10, 60, 9, 8), domain="example.org"),
        {14: [], 16: [domain("MailDnsSpfNearLimit", "9")], 70: []},
        id="an SPF record of nine lookups is a ticket before it breaks",
    ),
    pytest.param(
        FLEET
        | series("maildns_domain_spf_lookups", always(11), domain="example.org")
        | domain_problem("spf", "spf-lookup-limit", 10, 90),
        {60: [domain_broken("MailDnsDomainSpfInvalid", "spf-lookup-limit")]},
        id="and no ticket once it is broken",
    ),
    pytest.param(
        FLEET
        | policy("none", "none", "false", 10, 40)
        | policy("reject", "reject", "false", 0, f"1x9 stale _x29 1x{MINUTES}"),
        {14: [], 16: [domain("MailDnsDmarcWeakened", "2")], 60: []},
        id="a DMARC policy that went from reject to none is a ticket until it is back",
    ),
    pytest.param(
        FLEET | policy("reject", "reject", "false", 0, 10) | policy("reject", "reject", "true", 10, MINUTES),
        {9: [], 20: [domain("MailDnsDmarcWeakened")], 1440: [domain("MailDnsDmarcWeakened")], 1460: []},
        id="a policy with t=y is weaker, and after a day that is how it is",
    ),
    pytest.param(
        FLEET | policy("reject", "quarantine", "false", 0, 10) | policy("reject", "none", "false", 10, MINUTES),
        {20: [domain("MailDnsDmarcWeakened")]},
        id="so is one of subdomains",
    ),
    pytest.param(
        FLEET | policy("none", "none", "false", 0, 10) | policy("reject", "reject", "false", 10, MINUTES),
        {20: []},
        id="a stronger one is good news",
    ),
]
