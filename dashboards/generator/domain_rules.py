"""What fires about domains: their SPF record, DKIM keys, DMARC record, and whatever else is expected of them.

The rule of this file: only `maildns_domain_problem` makes an alert about what a domain publishes. It follows what is
expected of the domain, and is held while the DNS does not answer, so no outage can set an alert off, or end it.
A domain of which everything is gone is one alert, and none about each of the things that are gone.
"""

from dashboards.generator.address_rules import KEEPS_FIRING
from dashboards.generator.rules import Alert, Group, Recording

DOMAIN_CHECKS = ("spf", "dkim", "dmarc", "mx", "mta-sts", "tls-rpt")
"""Every check of a domain that has alerts here."""

_OTHERS = "|".join(DOMAIN_CHECKS[3:])


GONE = "job_domain:maildns_domain_problem:gone"
_GONE_AT_LEAST = 3
_MISSING = 'reason=~"spf-none|dkim-missing|dmarc-missing|mx-missing"'


def _problem(check: str, labels: str = "") -> str:
    return f"max by (job, domain, {labels}reason) (maildns_domain_problem{{{check}}})\nunless on (job, domain) {GONE}"


RECORDINGS = [
    Recording(
        GONE,
        f"count by (job, domain) (max by (job, domain, check) (maildns_domain_problem{{{_MISSING}}}))"
        f" >= {_GONE_AT_LEAST}",
        f"Domains of which SPF, DKIM, DMARC and MX records are gone, {_GONE_AT_LEAST} of the four at least.",
    ),
]

ALERTS = [
    Alert(
        "MailDnsDomainGone",
        GONE,
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "critical",
        "Everything that a domain published for its mail is gone.",
        "{{ $value }} of SPF, DKIM, DMARC and MX records of {{ $labels.domain }} are gone at once: receivers refuse "
        "its mail, and mail to it comes back. So much at once usually has one cause: the registration ended, the "
        "delegation "
        "was changed, or the zone was replaced.",
        "A zone that is lost is one cause, not four.",
    ),
    Alert(
        "MailDnsDomainSpfInvalid",
        _problem('check="spf"'),
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "critical",
        "The SPF record of a domain cannot be used.",
        "The SPF record of {{ $labels.domain }} fails: {{ $labels.reason }}. Receivers answer permerror, or none, to "
        "all mail of the domain, wherever it comes from; where DKIM does not help, DMARC fails. The status page says "
        "which term it is, in whose record, and what to publish.",
        "Not about one address: with a record that cannot be evaluated, nobody is authorised.",
    ),
    Alert(
        "MailDnsDkimKeyGone",
        _problem('check="dkim"', "selector, "),
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "critical",
        "A DKIM key is missing or unusable.",
        "The DKIM key of selector {{ $labels.selector }} of {{ $labels.domain }} fails: {{ $labels.reason }}. Every "
        "signature made with it fails, and DMARC with it where SPF does not pass. Publish the key again at "
        "{{ $labels.selector }}._domainkey.{{ $labels.domain }}, or sign with another selector.",
        "A selector that is configured is one that is signed with.",
    ),
    Alert(
        "MailDnsDmarcInvalid",
        _problem('check="dmarc"'),
        ">",
        0,
        "1h",
        KEEPS_FIRING,
        "warning",
        "The DMARC record of a domain is missing or cannot be used.",
        "No DMARC policy applies to {{ $labels.domain }}, or its reports go nowhere: {{ $labels.reason }}. Receivers "
        "that ask bulk senders for one, such as Gmail and Yahoo, refuse mail, and anybody may use the domain. "
        "The record belongs at _dmarc.{{ $labels.domain }}, or at the organizational domain.",
        "Without a policy mail is delivered as before, in most places.",
    ),
    Alert(
        "MailDnsDomainBroken",
        _problem(f'check=~"{_OTHERS}"', "check, "),
        ">",
        0,
        "1h",
        KEEPS_FIRING,
        "warning",
        "A domain does not publish what is expected of it.",
        "{{ $labels.domain }} fails {{ $labels.check }}, which is expected of it: {{ $labels.reason }}. The status "
        "page says what is wrong, and what to publish in which zone.",
        "Mail to the domain, and reports about it, not mail from it: so it can wait for the morning.",
    ),
    Alert(
        "MailDnsDomainUnanswered",
        "max by (job, domain) (\n"
        "  time() - maildns_domain_last_conclusive_sample_timestamp_seconds\n"
        "  unless on (job, instance) (avg_over_time(job_instance_resolver:maildns_resolver_well:max[6h]) < 0.98)\n"
        ")",
        ">",
        21600,
        "15m",
        KEEPS_FIRING,
        "warning",
        "The DNS does not answer for a domain, though our resolvers are healthy.",
        "For {{ $value | humanizeDuration }} the DNS has not answered all that is asked of {{ $labels.domain }}, while "
        "our resolvers answer: the servers of its zone, or of one that its records lead to, are at fault. What is "
        "shown of it is as old as that, and receivers defer its mail.",
        "Silent for six hours after our own resolver was unwell, as MailDnsUnanswered is.",
    ),
]

GROUP = Group("maildns-domains", "30s", RECORDINGS, ALERTS)
