"""Rules about domains: SPF, DKIM, DMARC, and the other records that are expected of a domain.

`maildns_domain_problem` decides. It follows what is expected of the domain, and keeps its value while the DNS does not
answer, so no outage starts or ends an alert. If all records of a domain are gone, one alert replaces those about each.
"""

from dashboards.generator.exporter_rules import RESOLVER_HEALTHY
from dashboards.generator.rules import DOMAIN_PAGE, REASONS, Alert, Group, Recording, sentence

DOMAIN_CHECKS = ("spf", "dkim", "dmarc", "mx", "mta-sts", "tls-rpt")
"""Every check of a domain; each has an alert here."""
_OTHERS = "|".join(DOMAIN_CHECKS[3:])
_GONE = "job_domain:maildns_domain_problem:gone"
_GONE_MIN = 3
_DASHBOARD = "/d/maildns-domains?var-domain={{ $labels.domain }}"
_WAITS = "1m"
"""`for` of an alert that pages: a sample and its confirmation came before it."""
_POLICY = "job_domain:maildns_domain_dmarc_policy_info:strength"
_SUBDOMAIN_POLICY = "job_domain:maildns_domain_dmarc_policy_info:subdomain_strength"
_MISSING = 'reason=~"spf-none|dkim-missing|dmarc-missing|mx-missing"'


def _problem(check: str, labels: str = "") -> str:
    return f"max by (job, domain, {labels}reason) (maildns_domain_problem{{{check}}})\nunless on (job, domain) {_GONE}"


def _strength(label: str) -> str:
    """2 for reject, 1 for quarantine, 0 for none; with t=y one less."""
    info = "maildns_domain_dmarc_policy_info"
    return (
        "max by (job, domain) (\n"
        f'  {info}{{{label}="reject", testing!="true"}} * 2\n'
        f'  or {info}{{{label}="reject", testing="true"}}\n'
        f'  or {info}{{{label}="quarantine", testing!="true"}}\n'
        f'  or {info}{{{label}="quarantine", testing="true"}} * 0\n'
        f'  or {info}{{{label}="none"}} * 0\n'
        ")"
    )


def _weakened(strength: str) -> str:
    return f"max_over_time({strength}[1d]) - {strength} > 0"


GROUP = Group(
    "maildns-domains",
    [
        Recording(
            _GONE,
            f"count by (job, domain) (max by (job, domain, check) (maildns_domain_problem{{{_MISSING}}}))"
            f" >= {_GONE_MIN}",
            f"Domains without at least {_GONE_MIN} of the four: SPF, DKIM, DMARC and MX records.",
        ),
        Recording(_POLICY, _strength("policy"), "How strong the DMARC policy of a domain is, from 0 to 2."),
        Recording(_SUBDOMAIN_POLICY, _strength("subdomain_policy"), "The same, for its subdomains."),
    ],
    [
        Alert(
            name="MailDnsDomainGone",
            query=_GONE,
            pending=_WAITS,
            severity="critical",
            page=DOMAIN_PAGE,
            dashboard=_DASHBOARD,
            summary="All mail records of a domain are gone.",
            description="{{ $value }} of the four kinds of mail records (SPF, DKIM, DMARC, MX) of {{ $labels.domain }} "
            "are gone. Receivers refuse its mail, and mail to it bounces. The usual cause is an expired registration, "
            "a changed delegation or a replaced zone: check them in this order.",
            comment="A lost zone is one cause, not four.",
        ),
        Alert(
            name="MailDnsDomainSpfInvalid",
            query=_problem('check="spf"'),
            pending=_WAITS,
            severity="critical",
            page=DOMAIN_PAGE,
            dashboard=_DASHBOARD,
            summary="The SPF record of a domain cannot be used.",
            description=f"The SPF record of {{{{ $labels.domain }}}} fails: {sentence(REASONS['spf'])}. Receivers "
            "evaluate "
            "all mail of the domain to permerror or none, from every address; without a DKIM signature DMARC fails. "
            "The "
            "status page names the term, its record and what to publish.",
            comment="Not about one address: a record that cannot be evaluated authorises nobody.",
        ),
        Alert(
            name="MailDnsDkimKeyGone",
            query=_problem('check="dkim"', "selector, "),
            pending=_WAITS,
            severity="critical",
            page=DOMAIN_PAGE,
            dashboard=_DASHBOARD,
            summary="A DKIM key is missing or unusable.",
            description="The DKIM key of selector {{ $labels.selector }} of {{ $labels.domain }} fails: "
            f"{sentence(REASONS['dkim'])}. Every signature with this key fails, and DMARC fails where SPF does not "
            "pass. "
            "Publish the key again at {{ $labels.selector }}._domainkey.{{ $labels.domain }}, or sign with another "
            "selector.",
            comment="A configured selector is one in use.",
        ),
        Alert(
            name="MailDnsDmarcInvalid",
            query=_problem('check="dmarc"'),
            severity="warning",
            page=DOMAIN_PAGE,
            dashboard=_DASHBOARD,
            summary="The DMARC record of a domain is missing or cannot be used.",
            description="{{ $labels.domain }} has no DMARC policy, or its reports go nowhere: "
            f"{sentence(REASONS['dmarc'])}. Receivers that require a policy of bulk senders, such as Gmail and Yahoo, "
            "refuse its mail, and anybody "
            "can forge it. Publish the record at _dmarc.{{ $labels.domain }} or at the organizational domain.",
            comment="Most receivers still deliver mail without a policy.",
        ),
        Alert(
            name="MailDnsDomainBroken",
            query=_problem(f'check=~"{_OTHERS}"', "check, "),
            severity="warning",
            page=DOMAIN_PAGE,
            dashboard=_DASHBOARD,
            summary="A domain does not publish what is expected of it.",
            description="{{ $labels.domain }} fails {{ $labels.check }}, which is expected of it: "
            f"{sentence(REASONS['others'])}. Mail to the domain, or reports about it, may be lost. The status page "
            "says what is "
            "wrong and what to publish in which zone.",
            comment="About mail to the domain and reports, not mail from it: it can wait for the morning.",
        ),
        Alert(
            name="MailDnsDmarcWeakened",
            query=f"({_weakened(_POLICY)})\nor on (job, domain)\n({_weakened(_SUBDOMAIN_POLICY)})",
            severity="warning",
            page=DOMAIN_PAGE,
            dashboard=_DASHBOARD,
            summary="The DMARC policy of a domain is weaker than it was a day ago.",
            description="Within a day the DMARC policy of {{ $labels.domain }} or of its subdomains was weakened: p= "
            "or "
            "sp= went from reject or quarantine to something weaker, or t=y was added. Forged mail in its name is now "
            "delivered. If nobody here decided that, somebody else changed the record, or a provider did.",
            comment="It ends a day after the change, or when the policy is as strong again.",
        ),
        Alert(
            name="MailDnsSpfNearLimit",
            query="max by (job, domain) (maildns_domain_spf_lookups)\n"
            'unless on (job, domain) maildns_domain_problem{check="spf"}',
            threshold=8,
            severity="warning",
            page=DOMAIN_PAGE,
            dashboard=_DASHBOARD,
            summary="The SPF record of a domain needs 9 or 10 of the 10 lookups that are allowed.",
            description="The SPF record of {{ $labels.domain }} needs {{ $value }} lookups, and 10 are allowed. One "
            "more "
            "include, also in the record of a provider that it includes, and receivers evaluate all mail of the domain "
            "to permerror. Remove terms that nobody needs, or write addresses instead of a, mx and include.",
            comment="A record over the limit has MailDnsDomainSpfInvalid.",
        ),
        Alert(
            name="MailDnsDomainUnanswered",
            query="max by (job, domain) (\n"
            "  (maildns_domain_conclusive == bool 0)\n"
            f"  unless on (job, instance) (avg_over_time({RESOLVER_HEALTHY}[6h]) < 0.98)\n"
            ")",
            pending="30m",
            keep_firing="15m",
            severity="warning",
            page=DOMAIN_PAGE,
            dashboard=_DASHBOARD,
            summary="The DNS does not answer for a domain, though our resolvers are healthy.",
            description="For half an hour the DNS has not answered all questions about {{ $labels.domain }}. Our "
            "resolvers answer, so the servers of its zone, or of a zone that its records point to, fail. Receivers "
            "defer its mail. The results shown are from before, if there are any. Check these servers.",
            comment="Silent for six hours after our own resolver failed, like MailDnsUnanswered.",
        ),
    ],
)
