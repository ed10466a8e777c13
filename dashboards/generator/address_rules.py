"""Rules about outbound addresses: confirmation, HELO names, unanswered questions, receivers, SPF and block lists.

1. `maildns_address_problem` decides about each address. It follows what the pool expects, so nothing fires for a
   difference that is by design. It keeps its value while the DNS does not answer, so no outage starts or ends an alert.
   For a pool that shows no addresses, the counts of the checks that it expects decide.
2. An alert about a pool replaces those about its prefixes, and an alert about a prefix those about its addresses: the
   narrower alert excludes the wider one (`unless`).
3. If the cause has an alert of its own, only that alert fires. A domain whose SPF record fails as a whole replaces the
   alerts about the addresses that send for it.
"""

from dataclasses import dataclass

from dashboards.generator.exporter_rules import OVERFLOWS, RESOLVER_HEALTHY
from dashboards.generator.pool_rules import BEYOND, POOL_SIZE, POOLS, THRESHOLD, about_pool
from dashboards.generator.promql import by_prefix
from dashboards.generator.rules import (
    ADDRESS_DASHBOARD,
    ADDRESS_PAGE,
    EXPORTER_DASHBOARD,
    EXPORTER_PAGE,
    POOL_DASHBOARD,
    POOL_PAGE,
    REASONS,
    Alert,
    Group,
    Recording,
    indented,
    sentence,
)

_MANY_MIN = 3
_MANY_ANYHOW = 50
_PREFIX_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem, with one alert for an address and another for a pool in which many addresses have it.

    *checks* is a pattern of its checks. Problems of the kind *cause* explain it.
    """

    name: str
    checks: str
    cause: "Kind | None" = None

    @property
    def count(self) -> str:
        """Name of the recording that counts the affected addresses of a pool."""
        return f"job_pool:maildns_{self.name}_problem:count"

    @property
    def many(self) -> str:
        """Name of the same recording, restricted to pools with many affected addresses."""
        return f"job_pool:maildns_{self.name}_problem:many"

    def recordings(self, affected: str) -> list[Recording]:
        """Both recordings; *affected* counts the addresses by job and pool."""
        return [
            Recording(self.count, affected, f"Addresses of a pool with a problem of the kind {self.name}."),
            Recording(
                self.many,
                "(\n"
                f"  {self.count} >= {_MANY_MIN}\n"
                "  and (\n"
                f"    {self.count} >= {_MANY_ANYHOW}\n"
                "    or\n"
                f"    {self.count} / {POOL_SIZE} >= {THRESHOLD}\n"
                "  )\n"
                '  and on (job, pool) maildns_pool_info{alert="addresses"}\n'
                ")\n"
                "or\n"
                "max by (job, pool) (\n"
                f'  {BEYOND} and on (job, pool, check) maildns_pool_check_expected{{check=~"{self.checks}"}}\n'
                ")" + (f"\nunless on (job, pool) {self.cause.many}" if self.cause else ""),
                f"The same, only for pools with many: {_MANY_MIN} or more and the threshold of the pool, or "
                f"{_MANY_ANYHOW} of a large pool; where none is about single addresses, those beyond the threshold.",
            ),
        ]


FCRDNS = Kind("fcrdns", "fcrdns")
HELO = Kind("helo", "helo-.+", FCRDNS)
SPF = Kind("spf", "spf-.+")
DNSBL = Kind("dnsbl", "dnsbl")

HELO_CHECKS = ("helo-syntax", "helo-resolves", "helo-address-match", "helo-aligned", "helo-ptr-match")
"""Causes before consequences (a name that does not resolve cannot match): the alert names the first that fails."""
ADDRESS_CHECKS = ("fcrdns", *HELO_CHECKS, "spf-mailfrom", "spf-helo", "dnsbl")
"""Every check of an address; each has alerts here. Causes come before consequences."""


def failing(checks: str) -> str:
    """Addresses of a pool that fail the worst of its expected *checks* (a label matcher), from the pool's counts."""
    return (
        "max by (job, pool) (\n"
        "  sum by (job, pool, check) (\n"
        f'    maildns_pool_results{{{checks}, result="fail"}} > 0\n'
        "    and on (job, instance, pool, check) (maildns_pool_check_expected == 1)\n"
        "  )\n"
        ")"
    )


def or_counted(shown: str, counted: str) -> str:
    """*shown* counts addresses that have series; *counted* stands in for pools that show none.

    Those are pools with `series: none`, and healthy ones with `series: failing`.
    """
    return f"{shown}\nor (\n{indented(counted)}\n  unless on (job, pool) maildns_last_sample_timestamp_seconds\n)"


# Forward confirmation: a pool, a prefix, an address.

_PREFIX_FAILING = "job_pool_prefix:maildns_fcrdns_problem:count"
_PREFIX_SIZE = "job_pool_prefix:maildns_pool_addresses:sum"
_PREFIX_LOST = "job_pool_prefix:maildns_fcrdns_problem:most"
_LOST = 'max by (job, pool, ip) (maildns_address_problem{check="fcrdns"})'
_LOST_WITH_REASON = 'max by (job, pool, ip, check, reason, subject) (maildns_address_problem{check="fcrdns"})'
_WAITS = "1m"
"""`for` of an alert that pages: a sample and its confirmation came before it."""
_KNOWN = "max by (job, pool, ip) (maildns_fcrdns_match)"

_FCRDNS_RECORDINGS = [
    *FCRDNS.recordings(or_counted(f"count by (job, pool) ({_LOST})", failing('check="fcrdns"'))),
    Recording(
        _PREFIX_FAILING,
        or_counted(
            f"count by (job, pool, prefix) (\n{indented(by_prefix(_LOST))}\n)",
            "sum by (job, pool, prefix) (maildns_pool_failing_prefix_addresses)\n"
            f"<= on (job, pool) group_left () {FCRDNS.count}",
        ),
        "Addresses of a prefix (/24 or /64) that are not forward-confirmed; if none is shown, those that fail.",
    ),
    Recording(
        _PREFIX_SIZE,
        "sum by (job, pool, prefix) (maildns_pool_failing_prefix_sampled_addresses)\n"
        "or (\n"
        f"  count by (job, pool, prefix) (\n{indented(by_prefix(_KNOWN), 4)}\n  )\n"
        f"  and on (job, pool) (count by (job, pool) ({_KNOWN}) == {POOL_SIZE})\n"
        ")",
        "Addresses that the pool has in a prefix, shown or not; if the pool is not swept, those that were sampled.",
    ),
    Recording(
        _PREFIX_LOST,
        f"{_PREFIX_FAILING} >= {_MANY_MIN}\nand\n{_PREFIX_FAILING} / {_PREFIX_SIZE} >= {_PREFIX_SHARE}",
        f"The same, only where {_PREFIX_SHARE:.0%} of the prefix fails.",
    ),
]

_FCRDNS_ALERTS = [
    Alert(
        name="MailDnsPoolForwardConfirmationLost",
        query=about_pool(FCRDNS.many),
        pending=_WAITS,
        severity="critical",
        is_capped=True,
        page=POOL_PAGE,
        dashboard=POOL_DASHBOARD,
        summary="Many addresses of a pool are not forward-confirmed.",
        description="{{ $value }} addresses of pool {{ $labels.pool }} are not forward-confirmed (FCrDNS): their PTR "
        "names are missing or do not resolve back to them. Receivers such as Gmail refuse their mail. So many failures "
        "at once usually have one cause: check the reverse zone, then the zone of the PTR names.",
        comment="The pool broke, not each address: a zone, a delegation, a change of provider.",
    ),
    Alert(
        name="MailDnsPrefixForwardConfirmationLost",
        query=about_pool(f"{_PREFIX_LOST}\nunless on (job, pool) {FCRDNS.many}", "addresses", "prefixes"),
        pending=_WAITS,
        severity="critical",
        is_capped=True,
        page=POOL_PAGE,
        dashboard=POOL_DASHBOARD,
        summary="A whole network of a pool is not forward-confirmed.",
        description="{{ $value }} addresses of pool {{ $labels.pool }} in {{ $labels.prefix }} are not "
        "forward-confirmed (FCrDNS), nearly all that it has there. Receivers refuse their mail. One reverse zone "
        "usually covers such a network: check its delegation and its servers first.",
        comment="Reverse zones are cut at prefixes: if most of a prefix fails, its zone fails.",
    ),
    Alert(
        name="MailDnsForwardConfirmationLost",
        query=about_pool(
            f"{by_prefix(_LOST_WITH_REASON)}\n"
            f"unless on (job, pool) {FCRDNS.many}\n"
            f"unless on (job, pool, prefix) {_PREFIX_LOST}",
            "addresses",
        ),
        pending=_WAITS,
        severity="critical",
        is_capped=True,
        page=ADDRESS_PAGE,
        dashboard=ADDRESS_DASHBOARD,
        summary="An outbound address is not forward-confirmed.",
        description="{{ $labels.ip }}{{ with $labels.subject }} ({{ . }}){{ end }} of pool {{ $labels.pool }} is not "
        "forward-confirmed (FCrDNS): "
        f"{sentence(REASONS['fcrdns'])}. Receivers such as Gmail refuse its mail until a PTR name resolves back to "
        "it. Run "
        "'maildns-exporter check {{ $labels.ip }}': it prints the record to publish and the zone for it.",
        comment="One address: its PTR record, or the address record of its PTR name.",
    ),
]

# HELO names.

_HELO_PROBLEMS = "\nor on (job, pool, ip)\n".join(
    f'max by (job, pool, ip, check, reason, subject) (maildns_address_problem{{check="{check}"}})'
    for check in HELO_CHECKS
)
_HELO_NAMES_GONE = (
    "max by (job, pool, helo) (maildns_helo_resolves == bool 0)\n"
    'unless on (job, pool) (maildns_pool_check_expected{check="helo-resolves"} == 0)\n'
    'unless on (job, pool, helo) label_replace(maildns_address_problem, "helo", "$1", "subject", "(.*)")\n'
    f"unless on (job, pool) {HELO.many}\n"
    f"unless on (job, pool) {FCRDNS.many}"
)
_HELO_COUNTED = failing('check=~"helo-.+"')
_HELO_RECORDINGS = HELO.recordings(
    or_counted(
        "count by (job, pool) (\n"
        '  max by (job, pool, ip) (maildns_address_problem{check=~"helo-.+"})\n'
        '  unless on (job, pool, ip) maildns_address_problem{check="fcrdns"}\n'
        ")",
        f"({_HELO_COUNTED} - ({FCRDNS.count} or {POOL_SIZE} * 0)) > 0",
    )
)

_HELO_ALERTS = [
    Alert(
        name="MailDnsPoolHeloBroken",
        query=about_pool(HELO.many),
        severity="warning",
        is_capped=True,
        page=POOL_PAGE,
        dashboard=POOL_DASHBOARD,
        summary="The HELO names of many addresses of a pool are broken.",
        description="{{ $value }} addresses of pool {{ $labels.pool }} are forward-confirmed, but their HELO names "
        "fail a check that the pool expects. Strict receivers refuse or defer their mail. If the addresses share a "
        "HELO name, check its A and AAAA records first.",
        comment="A whole pool often uses one HELO name.",
    ),
    Alert(
        name="MailDnsHeloBroken",
        query=about_pool(
            f"(\n{_HELO_PROBLEMS}\n)\n"
            'unless on (job, pool, ip) maildns_address_problem{check="fcrdns"}\n'
            f"unless on (job, pool) {HELO.many}",
            "addresses",
        ),
        severity="warning",
        is_capped=True,
        page=ADDRESS_PAGE,
        dashboard=ADDRESS_DASHBOARD,
        summary="The HELO name of an outbound address is broken.",
        description="{{ $labels.ip }} of pool {{ $labels.pool }} is forward-confirmed, but its HELO name "
        "{{ $labels.subject }} fails {{ $labels.check }}, which the pool expects: "
        f"{sentence(REASONS['helo'])}. Strict receivers refuse or defer its mail. Run 'maildns-exporter check "
        "{{ $labels.ip }} --helo {{ $labels.subject }}': it prints what to publish, or which name to configure.",
        comment="About the name in HELO, not the PTR name; it fires only if the PTR name is right.",
    ),
    Alert(
        name="MailDnsHeloNameGone",
        query=about_pool(_HELO_NAMES_GONE),
        severity="warning",
        is_capped=True,
        page=POOL_PAGE,
        dashboard=POOL_DASHBOARD,
        summary="A HELO name of a pool no longer resolves.",
        description="The HELO name {{ $labels.helo }} of pool {{ $labels.pool }} has no A or AAAA record. Receivers "
        "that resolve it refuse or defer the mail of every server that says it. Publish its addresses, or remove the "
        "name from helo_names if no server says it any more.",
        comment="For the names in helo_names, which no address fails for.",
    ),
]

# Unanswered questions, and what receivers do.

_UNANSWERED_ALERTS = [
    Alert(
        name="MailDnsUnanswered",
        query=about_pool(
            "sum by (job, pool) (\n"
            '  maildns_pool_results{check="fcrdns", result="unknown"}\n'
            "  and on (job, instance, pool, check) (maildns_pool_check_expected == 1)\n"
            f"  unless on (job, instance) (avg_over_time({RESOLVER_HEALTHY}[6h]) < 0.98)\n"
            f"  unless on (job, instance) ({OVERFLOWS} > 0.02)\n"
            ")\n"
            "and on (job, pool)\n"
            "(\n"
            '  sum by (job, pool) (maildns_pool_results{check="fcrdns", result="unknown"})\n'
            f"  / on (job, pool) {POOL_SIZE} > 0.01\n"
            ")"
        ),
        pending="1h",
        keep_firing="15m",
        severity="warning",
        is_capped=True,
        page=POOL_PAGE,
        dashboard=POOL_DASHBOARD,
        summary="The DNS does not answer for addresses of a pool, though our resolvers are healthy.",
        description="For an hour the DNS has not answered whether {{ $value }} addresses of pool {{ $labels.pool }} "
        "are forward-confirmed. Our resolvers answer, so the servers of the addresses' zones fail, and receivers "
        "defer the mail (450). Check the delegation, the servers and the DNSSEC of the reverse zone.",
        comment="Neither the address nor our resolver fails. Silent for six hours after our own resolver failed for "
        "seven minutes (2% of that time), or 2% of the questions overflowed: results from that time stay until each "
        "address was sampled again.",
    ),
]

_FAILING = failing('check=~".+"')
_SHOWN_FAILING = "count by (job, pool) (max by (job, pool, ip) (maildns_address_problem))"  # at most 1,000 of a pool
_REFUSED = "job_pool:maildns_pool_receiver_results:unexplained"
_PROBLEMS = "job_pool:maildns_address_problem:count"
_RECEIVER_RECORDINGS = [
    Recording(
        _PROBLEMS,
        f"({_FAILING} > {_SHOWN_FAILING})\nor {_SHOWN_FAILING}\nor {FCRDNS.count}\nor {_FAILING}\nor {POOL_SIZE} * 0",
        "Addresses of a pool that fail any check that the pool expects.",
    ),
    Recording(
        _REFUSED,
        "max by (job, pool) (\n"
        '  sum by (job, pool, receiver) (maildns_pool_receiver_results{result="refuse"})\n'
        f"  - on (job, pool) group_left () {_PROBLEMS}\n"
        ") > 0",
        "Addresses of a pool that a receiver refuses although they have no problem.",
    ),
]

_RECEIVER_ALERTS = [
    Alert(
        name="MailDnsReceiversRefuse",
        query=about_pool(
            "(\n"
            f'  {_REFUSED} and on (job, pool) maildns_pool_info{{alert="addresses"}}\n'
            "  or\n"
            f"  {_REFUSED} and {_REFUSED} / {POOL_SIZE} > {THRESHOLD}\n"
            ")\n"
            f"unless on (job, pool) {FCRDNS.many}\n"
            f"unless on (job, pool) {HELO.many}"
        ),
        pending="1h",
        keep_firing="15m",
        severity="warning",
        is_capped=True,
        page=POOL_PAGE,
        dashboard=POOL_DASHBOARD,
        summary="Receivers would refuse mail from addresses that pass every check that their pool expects.",
        description="A common kind of receiver would refuse connections from addresses of pool {{ $labels.pool }}: at "
        "least {{ $value }} more than have a problem, and not by design of the pool's profile. Usually an address has "
        "several PTR names and only some resolve back; a receiver that looks at the first one accepts and refuses by "
        "turns. The dashboard Fleet names the receivers, the status page the addresses and the reasons.",
        comment="Addresses with a problem do not count: they have an alert of their own.",
    ),
]

ADDRESSES = Group(
    "maildns-addresses",
    [*POOLS, *_FCRDNS_RECORDINGS, *_HELO_RECORDINGS, *_RECEIVER_RECORDINGS],
    [*_FCRDNS_ALERTS, *_HELO_ALERTS, *_UNANSWERED_ALERTS, *_RECEIVER_ALERTS],
)

# SPF and block lists.

_BROKEN_DOMAIN = 'maildns_domain_problem{check="spf"}'
_SPF_COUNTED = failing('check=~"spf-.+"')


def _own(check: str, *causes: str) -> str:
    """The problems with *check* that no other alert covers.

    Left out are problems for which the domain's record fails as a whole, and those that one of *causes* explains.
    """
    fails = f'maildns_spf_pass{{identity="{check.removeprefix("spf-")}"}} == 0'
    broken_domain = (
        f"({fails} and on (job, domain) {_BROKEN_DOMAIN})\n"
        f"unless on (job, pool, ip) ({fails} unless on (job, domain) {_BROKEN_DOMAIN})"
    )
    unless = "\n".join(
        f"  unless on (job, pool, ip) (\n{indented(cause, 4)}\n  )" for cause in (broken_domain, *causes)
    )
    return (
        f'max by (job, pool, ip, check, reason, subject) (\n  maildns_address_problem{{check="{check}"}}\n{unless}\n)'
    )


_NO_SUCH_NAME = (
    'maildns_address_problem{check="spf-helo", reason="spf-none"}\n'
    'and on (job, pool, ip) maildns_address_problem{check=~"helo-syntax|helo-resolves"}'
)
_SPF_PROBLEMS = f"{_own('spf-mailfrom')}\nor on (job, pool, ip)\n{_own('spf-helo', _NO_SUCH_NAME)}"

_AUTHENTICATION_RECORDINGS = [
    *SPF.recordings(
        or_counted(
            f"count by (job, pool) (\n  max by (job, pool, ip) (\n{indented(_SPF_PROBLEMS, 4)}\n  )\n)",
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

_AUTHENTICATION_ALERTS = [
    Alert(
        name="MailDnsPoolSpfNotPassing",
        query=about_pool(SPF.many),
        pending=_WAITS,
        severity="critical",
        is_capped=True,
        page=POOL_PAGE,
        dashboard=POOL_DASHBOARD,
        summary="SPF does not authorise many addresses of a pool.",
        description="The SPF record of a domain that they send for, or of their HELO name, does not authorise "
        "{{ $value }} addresses of pool {{ $labels.pool }}. Receivers refuse or distrust their mail, and without a "
        "DKIM signature DMARC fails. So many failures at once usually have one cause: somebody changed the record, or "
        "one that it includes.",
        comment="One record covers a whole pool.",
    ),
    Alert(
        name="MailDnsSpfNotPassing",
        query=about_pool(f"(\n{_SPF_PROBLEMS}\n)\nunless on (job, pool) {SPF.many}", "addresses"),
        severity="warning",
        is_capped=True,
        page=ADDRESS_PAGE,
        dashboard=ADDRESS_DASHBOARD,
        summary="SPF does not authorise an outbound address.",
        description="{{ $labels.ip }} of pool {{ $labels.pool }} fails {{ $labels.check }} for {{ $labels.subject }}, "
        f"which the pool expects: {sentence(REASONS['spf'])}. Receivers refuse or distrust its mail. Run "
        "'maildns-exporter check {{ $labels.ip }}': "
        "it prints the record to publish and the zone for it.",
        comment="Usually a new address that nobody added to the record.",
    ),
    Alert(
        name="MailDnsPoolListed",
        query=about_pool(DNSBL.many),
        pending=_WAITS,
        severity="critical",
        is_capped=True,
        page=POOL_PAGE,
        dashboard=POOL_DASHBOARD,
        summary="Many addresses of a pool are on block lists.",
        description="{{ $value }} addresses of pool {{ $labels.pool }} are on a block list. Receivers that use the "
        "list refuse their mail. A list includes a whole network if it blames the owner: ask the list what it "
        "requires.",
        comment="A list that lists everything, or refuses to answer, counts as unusable and lists nothing here.",
    ),
    Alert(
        name="MailDnsListed",
        query=about_pool(
            'max by (job, pool, ip, subject) (maildns_address_problem{check="dnsbl"})\n'
            f"unless on (job, pool) {DNSBL.many}\n"
            f"unless on (job, pool) {FCRDNS.many}",
            "addresses",
        ),
        severity="warning",
        is_capped=True,
        page=ADDRESS_PAGE,
        dashboard=ADDRESS_DASHBOARD,
        summary="An outbound address is on a block list.",
        description="{{ $labels.ip }} of pool {{ $labels.pool }} is on the block list {{ $labels.subject }}. Receivers "
        "that use the list refuse its mail. Find the reason for the listing, stop it, then ask for "
        "removal.",
        comment="Usually one customer or one hacked account.",
    ),
    Alert(
        name="MailDnsBlockListUnusable",
        query="min by (job, instance, dnsbl) (maildns_dnsbl_usable)\n"
        f"unless on (job, instance) ({RESOLVER_HEALTHY} < 1)",
        op="<",
        threshold=1,
        pending="6h",
        keep_firing="15m",
        severity="info",
        page=EXPORTER_PAGE,
        dashboard=EXPORTER_DASHBOARD,
        summary="A block list cannot be trusted: whether it lists our addresses is unknown.",
        description="For six hours {{ $labels.dnsbl }} has failed its test points, refused to answer, or been silent "
        "when {{ $labels.instance }} asks. A listing there would go unnoticed. Most lists refuse public resolvers and "
        "clients that ask too often: use a resolver of your own, or remove the list from dnsbls.",
        comment="An unusable list lists nothing and clears nothing.",
    ),
]

AUTHENTICATION = Group("maildns-authentication", _AUTHENTICATION_RECORDINGS, _AUTHENTICATION_ALERTS)
