"""Rules about domains: SPF, DKIM, DMARC, and the other records that are expected of a domain.

`maildns_domain_problem` decides. It follows what is expected of the domain, and keeps its value while the DNS does not
answer, so no outage starts or ends an alert. If all records of a domain are gone, one alert replaces those about each.
"""

from dashboards.generator.exporter_rules import RESOLVER_HEALTHY
from dashboards.generator.rules import Alert, Group, Recording

DOMAIN_CHECKS = ("spf", "dkim", "dmarc", "mx", "mta-sts", "tls-rpt")
"""Every check of a domain; each has an alert here."""
_OTHERS = "|".join(DOMAIN_CHECKS[3:])
_GONE = "job_domain:maildns_domain_problem:gone"
_GONE_MIN = 3
_MISSING = 'reason=~"spf-none|dkim-missing|dmarc-missing|mx-missing"'


def _problem(check: str, labels: str = "") -> str:
    return f"max by (job, domain, {labels}reason) (maildns_domain_problem{{{check}}})\nunless on (job, domain) {_GONE}"


GROUP = Group(
    "maildns-domains",
    [
        Recording(
            _GONE,
            f"count by (job, domain) (max by (job, domain, check) (maildns_domain_problem{{{_MISSING}}}))"
            f" >= {_GONE_MIN}",
            f"Domains without at least {_GONE_MIN} of the four: SPF, DKIM, DMARC and MX records.",
        ),
    ],
    [
        Alert(
            name="MailDnsDomainGone",
            query=_GONE,
            severity="critical",
            summary="All mail records of a domain are gone.",
            description="{{ $value }} of the four kinds of mail records (SPF, DKIM, DMARC, MX) of {{ $labels.domain }} "
            "are gone. Receivers refuse its mail, and mail to it bounces. The usual cause is an expired registration, "
            "a changed delegation or a replaced zone: check them in this order.",
            comment="A lost zone is one cause, not four.",
        ),
        Alert(
            name="MailDnsDomainSpfInvalid",
            query=_problem('check="spf"'),
            severity="critical",
            summary="The SPF record of a domain cannot be used.",
            description="The SPF record of {{ $labels.domain }} fails: {{ $labels.reason }}. Receivers evaluate all "
            "mail of the domain to permerror or none, from every address; without a DKIM signature DMARC fails. The "
            "status page names the term, its record and what to publish.",
            comment="Not about one address: a record that cannot be evaluated authorises nobody.",
        ),
        Alert(
            name="MailDnsDkimKeyGone",
            query=_problem('check="dkim"', "selector, "),
            severity="critical",
            summary="A DKIM key is missing or unusable.",
            description="The DKIM key of selector {{ $labels.selector }} of {{ $labels.domain }} fails: "
            "{{ $labels.reason }}. Every signature with this key fails, and DMARC fails where SPF does not pass. "
            "Publish the key again at {{ $labels.selector }}._domainkey.{{ $labels.domain }}, or sign with another "
            "selector.",
            comment="A configured selector is one in use.",
        ),
        Alert(
            name="MailDnsDmarcInvalid",
            query=_problem('check="dmarc"'),
            pending="1h",
            severity="warning",
            summary="The DMARC record of a domain is missing or cannot be used.",
            description="{{ $labels.domain }} has no DMARC policy, or its reports go nowhere: {{ $labels.reason }}. "
            "Receivers that require a policy of bulk senders, such as Gmail and Yahoo, refuse its mail, and anybody "
            "can forge it. Publish the record at _dmarc.{{ $labels.domain }} or at the organizational domain.",
            comment="Most receivers still deliver mail without a policy.",
        ),
        Alert(
            name="MailDnsDomainBroken",
            query=_problem(f'check=~"{_OTHERS}"', "check, "),
            pending="1h",
            severity="warning",
            summary="A domain does not publish what is expected of it.",
            description="{{ $labels.domain }} fails {{ $labels.check }}, which is expected of it: "
            "{{ $labels.reason }}. Mail to the domain, or reports about it, may be lost. The status page says what is "
            "wrong and what to publish in which zone.",
            comment="About mail to the domain and reports, not mail from it: it can wait for the morning.",
        ),
        Alert(
            name="MailDnsDomainUnanswered",
            query="max by (job, domain) (\n"
            "  time() - maildns_domain_last_conclusive_sample_timestamp_seconds\n"
            f"  unless on (job, instance) (avg_over_time({RESOLVER_HEALTHY}[6h]) < 0.98)\n"
            ")",
            threshold=21600,
            severity="warning",
            summary="The DNS does not answer for a domain, though our resolvers are healthy.",
            description="For {{ $value | humanizeDuration }} the DNS has not answered all questions about "
            "{{ $labels.domain }}. Our resolvers answer, so the servers of its zone, or of a zone that its records "
            "point to, fail. The results shown are that old, and receivers defer its mail. Check these servers.",
            comment="Silent for six hours after our own resolver failed, like MailDnsUnanswered.",
        ),
    ],
)
