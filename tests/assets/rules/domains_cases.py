"""Failures of domains, and the alerts that must fire."""

import pytest

from tests.assets.rule_cases import WHO, Firing
from tests.assets.rule_fleet import FLEET, about, domain_broken, domain_gone, domain_problem, domain_silent, outage

DOMAINS = [
    pytest.param(
        FLEET | domain_problem("spf", "spf-lookup-limit", 10, 60),
        {24: [], 26: [domain_broken("MailDnsDomainSpfInvalid", "spf-lookup-limit")], 90: []},
        id="an SPF record with too many lookups fires after 15 minutes, and ends after the fix",
    ),
    pytest.param(
        FLEET
        | domain_problem("spf", "spf-none", 10, 60)
        | domain_problem("dkim", "dkim-missing", 10, 60, selector="s1")
        | domain_problem("dkim", "dkim-missing", 10, 60, selector="s2")
        | domain_problem("dmarc", "dmarc-missing", 10, 60)
        | domain_problem("mx", "mx-missing", 10, 60),
        {24: [], 26: [domain_gone(4)], 59: [domain_gone(4)], 90: []},
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
            ]
        },
        id="two things that are gone are two",
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
        FLEET | domain_problem("mx", "mx-unresolvable", 10, 90) | domain_problem("mta-sts", "mta-sts-no-host", 10, 90),
        {
            69: [],
            71: [
                domain_broken("MailDnsDomainBroken", "mx-unresolvable", check="mx"),
                domain_broken("MailDnsDomainBroken", "mta-sts-no-host", check="mta-sts"),
            ],
            120: [],
        },
        id="what else is expected of a domain is a ticket each",
    ),
    pytest.param(
        FLEET | domain_silent(10, 395),
        {
            384: [],
            386: [Firing("MailDnsDomainUnanswered", {"job": WHO["job"], "domain": "example.org"}, "6h 17m 0s")],
            419: [],
        },
        id="silent servers of a domain fire after six hours",
    ),
    pytest.param(
        FLEET | domain_silent(10, 400) | outage(10, 390),
        {389: [about("MailDnsResolverFailing", resolver="local")]},
        id="no alert about a domain while our own resolver is silent",
    ),
]
