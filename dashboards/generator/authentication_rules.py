"""What fires about SPF and block lists: the rules of `dashboards.generator.address_rules` hold here too.

And one more: where a cause has an alert of its own, that alone fires. A domain whose record fails as a whole speaks for
the addresses that send for it, a HELO name that is none for the SPF record that it cannot have.
"""

from dashboards.generator.address_rules import FCRDNS, KEEPS_FIRING, Kind, failing, or_counted
from dashboards.generator.rules import Alert, Group, indented

SPF = Kind("spf")
DNSBL = Kind("dnsbl")

AUTHENTICATION_CHECKS = ("spf-mailfrom", "spf-helo", "dnsbl")
"""Every check that has alerts here; of the first two, the first one that fails is told."""


_BROKEN_DOMAIN = 'maildns_domain_problem{check="spf"}'
_SPF_COUNTED = failing('check=~"spf-.+"')


def _own(check: str, *told_elsewhere: str) -> str:
    """The problems with *check* that have no other cause: the domain's record as a whole, or one *told_elsewhere*."""
    fails = f'maildns_spf_pass{{identity="{check.removeprefix("spf-")}"}} == 0'
    causes = [
        (
            f"({fails} and on (job, domain) {_BROKEN_DOMAIN})\n"
            f"unless on (job, pool, ip) ({fails} unless on (job, domain) {_BROKEN_DOMAIN})"
        ),
        *told_elsewhere,
    ]
    unless = "\n".join(f"  unless on (job, pool, ip) (\n{indented(cause, 4)}\n  )" for cause in causes)
    return f'max by (job, pool, ip, check, reason) (\n  maildns_address_problem{{check="{check}"}}\n{unless}\n)'


_NO_SUCH_NAME = (
    'maildns_address_problem{check="spf-helo", reason="spf-none"}\n'
    'and on (job, pool, ip) maildns_address_problem{check=~"helo-syntax|helo-resolves"}'
)
_SPF_PROBLEMS = f"{_own('spf-mailfrom')}\nor on (job, pool, ip)\n{_own('spf-helo', _NO_SUCH_NAME)}"

RECORDINGS = [
    *SPF.recordings(
        or_counted(
            f"count by (job, pool) (\n{indented(_SPF_PROBLEMS)}\n)",
            f"{_SPF_COUNTED}\n"
            f"unless on (job, pool) (maildns_domain_spf_unauthorised_addresses and on (job, domain) {_BROKEN_DOMAIN})",
        )
    ),
    *DNSBL.recordings(
        or_counted(
            'count by (job, pool) (max by (job, pool, ip) (maildns_address_problem{check="dnsbl"}))',
            failing('check="dnsbl"'),
        )
    ),
]

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
        "help. So many at once usually have one cause: the record, or one that it includes, was changed.",
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
        "Many addresses of a pool are on block lists.",
        "{{ $value }} addresses of pool {{ $labels.pool }} are on a block list. Receivers that use it refuse their "
        "mail. Lists include whole networks when they hold the owner responsible: ask the list what it requires.",
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
        "An outbound address is on a block list.",
        "{{ $labels.ip }} of pool {{ $labels.pool }} is on a block list. Receivers that use it refuse its mail. "
        "maildns_dnsbl_listed says which list it is: find out what got the address there, stop it, then ask for "
        "removal.",
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
        "A block list cannot be trusted: whether it lists our addresses is unknown.",
        "For six hours the list {{ $labels.dnsbl }} has failed its test points, refused to answer, or been silent, as "
        "{{ $labels.instance }} asks it. Listings there would go unnoticed. Most lists refuse those who ask through "
        "public resolvers, or too often: use a resolver of your own, or take the list out of dnsbls.",
        "What cannot be believed is no listing, and no news either.",
    ),
]

GROUP = Group("maildns-authentication", "30s", RECORDINGS, ALERTS)
