"""What fires about SPF and block lists: the rules of `dashboards.generator.address_rules` hold here too."""

from dashboards.generator.address_rules import FCRDNS, KEEPS_FIRING, Kind
from dashboards.generator.rules import Alert, Group

SPF = Kind("spf")
DNSBL = Kind("dnsbl")

AUTHENTICATION_CHECKS = ("spf-mailfrom", "spf-helo", "dnsbl")
"""Every check that has alerts here; of the first two, the first one that fails is told."""


def _count(check: str) -> str:
    return f"count by (job, pool) (\n  max by (job, pool, ip) (maildns_address_problem{{{check}}})\n)"


_SPF_PROBLEMS = "\nor on (job, pool, ip)\n".join(
    f'max by (job, pool, ip, check, reason) (maildns_address_problem{{check="{check}"}})'
    for check in AUTHENTICATION_CHECKS[:2]
)

RECORDINGS = [*SPF.recordings(_count('check=~"spf-.+"')), *DNSBL.recordings(_count('check="dnsbl"'))]

ALERTS = [
    Alert(
        "MailDnsPoolSpfNotPassing",
        SPF.many,
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "critical",
        "SPF does not authorise many addresses of a pool.",
        "{{ $value }} addresses of pool {{ $labels.pool }} are not authorised by the SPF record of a domain that they "
        "send for, or of their HELO name. Receivers refuse or distrust such mail, and DMARC fails where DKIM does not "
        "help. So many at once have one cause: the record, or one that it includes, was changed.",
        "One record stands for a whole pool.",
    ),
    Alert(
        "MailDnsSpfNotPassing",
        f"(\n{_SPF_PROBLEMS}\n)\nunless on (job, pool) {SPF.many}",
        ">",
        0,
        "30m",
        KEEPS_FIRING,
        "warning",
        "SPF does not authorise an outbound address.",
        "{{ $labels.ip }} of pool {{ $labels.pool }} fails {{ $labels.check }}, which the pool expects: "
        "{{ $labels.reason }}. Receivers refuse or distrust its mail. 'maildns-exporter check {{ $labels.ip }}' prints "
        "the record to publish, and the zone it belongs in.",
        "Most often an address that is new, and that nobody added to the record.",
    ),
    Alert(
        "MailDnsPoolListed",
        DNSBL.many,
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "critical",
        "Block lists have many addresses of a pool.",
        "{{ $value }} addresses of pool {{ $labels.pool }} are on a block list. Receivers that use it refuse their "
        "mail. Lists take in whole networks when they hold their owner responsible: ask the list what it wants.",
        "A list that takes in everything, or refuses to answer, is no listing: that is checked before.",
    ),
    Alert(
        "MailDnsListed",
        'max by (job, pool, ip) (maildns_address_problem{check="dnsbl"})\n'
        f"unless on (job, pool) {DNSBL.many}\n"
        f"unless on (job, pool) {FCRDNS.many}",
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "warning",
        "A block list has an outbound address.",
        "{{ $labels.ip }} of pool {{ $labels.pool }} is on a block list. Receivers that use it refuse its mail. "
        "maildns_dnsbl_listed says which list it is: find what got the address there, end it, then ask for removal.",
        "A single address is mostly a customer's or a hacked account's doing.",
    ),
    Alert(
        "MailDnsBlockListUnusable",
        "min by (job, instance, dnsbl) (maildns_dnsbl_usable)\n"
        "unless on (job, instance) (job_instance_resolver:maildns_resolver_well:max < 1)",
        "<",
        1,
        "6h",
        KEEPS_FIRING,
        "info",
        "A block list cannot be believed: nothing is known of what it says.",
        "For six hours the list {{ $labels.dnsbl }} has failed its test points, refused to answer, or been silent, as "
        "{{ $labels.instance }} asks it. Listings there would go unnoticed. Most lists refuse those who ask through "
        "public resolvers, or too often: use a resolver of your own, or take the list out of dnsbls.",
        "What cannot be believed is no listing, and no news either.",
    ),
]

GROUP = Group("maildns-authentication", "30s", RECORDINGS, ALERTS)
