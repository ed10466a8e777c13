"""What fires about outbound addresses: one block of recordings and alerts for each kind of problem.

The rules of this file:

1. Only `maildns_address_problem` makes an alert about an address. It follows what the pool expects, so nothing fires
   for what is by design; and it is held while the DNS does not answer, so no outage can set an alert off, or end it.
   A pool that shows no address at all has its counts, of the checks that it expects.
2. One alert about a pool replaces those about its prefixes, one about a prefix those about its addresses. The
   narrower one says so in its expression (`unless`), and waits longer.
"""

from dataclasses import dataclass

from dashboards.generator.promql import by_prefix
from dashboards.generator.rules import Alert, Group, Recording, indented
from dashboards.generator.watcher_rules import OVERFLOWS

POOL_SIZE = "job_pool:maildns_pool_addresses:sum"
MANY_AT_LEAST = 3
MANY_SHARE = 0.1
MANY_ANYHOW = 50
PREFIX_SHARE = 0.8

KEEPS_FIRING = "15m"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem that is alerted on for an address, and for a pool when many of its addresses have it."""

    name: str

    @property
    def count(self) -> str:
        """The recording of how many addresses of a pool have it."""
        return f"job_pool:maildns_{self.name}_problem:count"

    @property
    def many(self) -> str:
        """The recording of the same, only for pools in which they are many."""
        return f"job_pool:maildns_{self.name}_problem:many"

    def recordings(self, affected: str) -> list[Recording]:
        """Both recordings, where *affected* counts the addresses by job and pool."""
        return [
            Recording(self.count, affected, f"How many addresses of a pool have a problem of the kind {self.name}."),
            Recording(
                self.many,
                f"{self.count} >= {MANY_AT_LEAST}\n"
                "and (\n"
                f"  {self.count} >= {MANY_ANYHOW}\n"
                "  or\n"
                f"  {self.count} / {POOL_SIZE} >= {MANY_SHARE}\n"
                ")",
                f"The same where they are many: {MANY_SHARE:.0%} of the pool, or {MANY_ANYHOW} of a large one.",
            ),
        ]


WITHOUT_ADDRESSES = "unless on (job, pool) maildns_last_sample_timestamp_seconds"
"""Only pools of which no address is shown: all of `series: none`, and those of `series: failing` that are well."""


def failing(checks: str) -> str:
    """How many addresses of a pool fail the worst of *checks*, a matcher, of those that it expects: by its counts."""
    return (
        "max by (job, pool) (\n"
        "  sum by (job, pool, check) (\n"
        f'    maildns_pool_results{{{checks}, result="fail"}} > 0\n'
        "    and on (job, instance, pool, check) (maildns_pool_check_expected == 1)\n"
        "  )\n"
        ")"
    )


def or_counted(shown: str, counted: str) -> str:
    """*shown*, a count of addresses that are shown; of pools that show none, *counted*."""
    return f"{shown}\nor (\n{indented(counted)}\n  {WITHOUT_ADDRESSES}\n)"


FCRDNS = Kind("fcrdns")
HELO = Kind("helo")

PREFIX_FAILING = "job_pool_prefix:maildns_fcrdns_problem:count"
PREFIX_SIZE = "job_pool_prefix:maildns_pool_addresses:sum"
PREFIX_LOST = "job_pool_prefix:maildns_fcrdns_problem:most"

HELO_CHECKS = ("helo-syntax", "helo-resolves", "helo-address-match", "helo-aligned", "helo-ptr-match")
"""From cause to consequence: a name that does not resolve cannot match either, and the first one that fails is told."""

ADDRESS_CHECKS = ("fcrdns", *HELO_CHECKS)
"""Every check that has alerts here."""

_LOST = 'max by (job, pool, ip) (maildns_address_problem{check="fcrdns"})'
_KNOWN = "max by (job, pool, ip) (maildns_fcrdns_match)"
_LOST_WITH_REASON = 'max by (job, pool, ip, check, reason) (maildns_address_problem{check="fcrdns"})'

FCRDNS_RECORDINGS = [
    Recording(POOL_SIZE, "sum by (job, pool) (maildns_pool_addresses)", "The size of a pool, over all shards."),
    *FCRDNS.recordings(or_counted(f"count by (job, pool) ({_LOST})", failing('check="fcrdns"'))),
    Recording(
        PREFIX_FAILING,
        or_counted(
            f"count by (job, pool, prefix) (\n{indented(by_prefix(_LOST))}\n)",
            "sum by (job, pool, prefix) (maildns_pool_failing_prefix_addresses)\n"
            f"<= on (job, pool) group_left () {FCRDNS.count}",
        ),
        "How many addresses of a prefix (/24 or /64) are not forward-confirmed; where none is shown, how many fail.",
    ),
    Recording(
        PREFIX_SIZE,
        "sum by (job, pool, prefix) (maildns_pool_failing_prefix_sampled_addresses)\n"
        "or (\n"
        f"  count by (job, pool, prefix) (\n{indented(by_prefix(_KNOWN), 4)}\n  )\n"
        f"  and on (job, pool) (count by (job, pool) ({_KNOWN}) == {POOL_SIZE})\n"
        ")",
        "How many addresses the pool has of a prefix, shown or not; where rounds draw, how many were sampled.",
    ),
    Recording(
        PREFIX_LOST,
        f"{PREFIX_FAILING} >= {MANY_AT_LEAST}\nand\n{PREFIX_FAILING} / {PREFIX_SIZE} >= {PREFIX_SHARE}",
        f"The same where it is the prefix that broke: {PREFIX_SHARE:.0%} of it.",
    ),
]

FCRDNS_ALERTS = [
    Alert(
        "MailDnsPoolForwardConfirmationLost",
        FCRDNS.many,
        ">",
        0,
        "5m",
        KEEPS_FIRING,
        "critical",
        "Many addresses of a pool are not forward-confirmed.",
        "{{ $value }} addresses of pool {{ $labels.pool }} are not forward-confirmed (FCrDNS): their PTR names are "
        "missing, or do not resolve back to them. Receivers such as Gmail refuse mail from them. So many at once "
        "usually have one cause: look at the zone with their PTR records, and at the one with the names they point to.",
        "The pool broke, not its addresses one by one: a zone, a delegation, a change of provider.",
    ),
    Alert(
        "MailDnsPrefixForwardConfirmationLost",
        f"{PREFIX_LOST}\nunless on (job, pool) {FCRDNS.many}",
        ">",
        0,
        "10m",
        KEEPS_FIRING,
        "critical",
        "A whole network of a pool is not forward-confirmed.",
        "{{ $value }} addresses in {{ $labels.prefix }} of pool {{ $labels.pool }} are not forward-confirmed (FCrDNS), "
        "nearly all that the pool has there. A reverse zone usually covers one such network: look at its "
        "delegation and its servers first.",
        "Reverse zones are cut at prefixes; when most of one fails, its zone does.",
    ),
    Alert(
        "MailDnsForwardConfirmationLost",
        f"{by_prefix(_LOST_WITH_REASON)}\n"
        f"unless on (job, pool) {FCRDNS.many}\n"
        f"unless on (job, pool, prefix) {PREFIX_LOST}",
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "critical",
        "An outbound address is not forward-confirmed.",
        "{{ $labels.ip }} of pool {{ $labels.pool }} is not forward-confirmed (FCrDNS): {{ $labels.reason }}. It needs "
        "a PTR name that resolves back to it. Receivers such as Gmail refuse mail from it until then. "
        "'maildns-exporter check {{ $labels.ip }}' prints the record to publish, and the zone it belongs in.",
        "One address: its PTR record, or the record that its PTR name should have.",
    ),
]

_HELO_PROBLEMS = "\nor on (job, pool, ip)\n".join(
    f'max by (job, pool, ip, check, reason) (maildns_address_problem{{check="{check}"}})' for check in HELO_CHECKS
)

_HELO_COUNTED = failing('check=~"helo-.+"')

HELO_RECORDINGS = HELO.recordings(
    or_counted(
        "count by (job, pool) (\n"
        '  max by (job, pool, ip) (maildns_address_problem{check=~"helo-.+"})\n'
        '  unless on (job, pool, ip) maildns_address_problem{check="fcrdns"}\n'
        ")",
        f"({_HELO_COUNTED} - ({FCRDNS.count} or {POOL_SIZE} * 0)) > 0",
    )
)

HELO_ALERTS = [
    Alert(
        "MailDnsPoolHeloBroken",
        HELO.many,
        ">",
        0,
        "15m",
        KEEPS_FIRING,
        "warning",
        "The HELO names of many addresses of a pool are broken.",
        "{{ $value }} addresses of pool {{ $labels.pool }} are forward-confirmed, but their HELO name does not pass "
        "what the pool expects of it. Where they share a HELO name, look at that name's A and AAAA records first.",
        "One HELO name often stands for a whole pool.",
    ),
    Alert(
        "MailDnsHeloBroken",
        f"(\n{_HELO_PROBLEMS}\n)\n"
        'unless on (job, pool, ip) maildns_address_problem{check="fcrdns"}\n'
        f"unless on (job, pool) {HELO.many}",
        ">",
        0,
        "30m",
        KEEPS_FIRING,
        "warning",
        "The HELO name of an outbound address is broken.",
        "{{ $labels.ip }} of pool {{ $labels.pool }} is forward-confirmed, but one of its HELO names fails "
        "{{ $labels.check }}, which the pool expects: {{ $labels.reason }}. Strict receivers refuse or defer its mail. "
        "'maildns-exporter check {{ $labels.ip }} --helo NAME' prints what to publish, or which name to configure.",
        "The name that the server says, not the name that the DNS gives it; told only where the latter is right.",
    ),
]

UNANSWERED_ALERTS = [
    Alert(
        "MailDnsUnanswered",
        "sum by (job, pool) (\n"
        '  maildns_pool_results{check="fcrdns", result="unknown"}\n'
        "  and on (job, instance, pool, check) (maildns_pool_check_expected == 1)\n"
        "  unless on (job, instance) (avg_over_time(job_instance_resolver:maildns_resolver_well:max[6h]) < 0.98)\n"
        f"  unless on (job, instance) ({OVERFLOWS} > 0.02)\n"
        ")\n"
        "and on (job, pool)\n"
        "(\n"
        '  sum by (job, pool) (maildns_pool_results{check="fcrdns", result="unknown"})\n'
        f"  / on (job, pool) {POOL_SIZE} > 0.01\n"
        ")",
        ">",
        0,
        "1h",
        KEEPS_FIRING,
        "warning",
        "The DNS does not answer for addresses of a pool, though our resolvers are healthy.",
        "For {{ $value }} addresses of pool {{ $labels.pool }} the DNS has not said for an hour whether they are "
        "forward-confirmed, while our resolvers answer. Then the servers of their zones are at fault, and receivers "
        "defer the mail (450): look at the delegation and the servers of the reverse zone, and its DNSSEC.",
        "Not a failure of the address, and not of ours. Silent for six hours after our own resolver was unwell for "
        "seven minutes (2% of them), or 2% of the questions overflowed, since results from that time stand until each "
        "address was sampled again.",
    ),
]

_PROBLEMS = "job_pool:maildns_address_problem:count"

RECEIVER_RECORDINGS = [
    Recording(
        _PROBLEMS,
        "count by (job, pool) (max by (job, pool, ip) (maildns_address_problem))\n"
        f"or {FCRDNS.count}\n"
        f"or {POOL_SIZE} * 0",
        "How many addresses of a pool fail anything that is expected of them.",
    ),
]

RECEIVER_ALERTS = [
    Alert(
        "MailDnsReceiversRefuse",
        "max by (job, pool) (\n"
        '  sum by (job, pool, receiver) (maildns_pool_receiver_results{result="refuse"})\n'
        f"  - on (job, pool) group_left () {_PROBLEMS}\n"
        ")\n"
        f"unless on (job, pool) {FCRDNS.many}\n"
        f"unless on (job, pool) {HELO.many}",
        ">",
        0,
        "1h",
        KEEPS_FIRING,
        "warning",
        "Receivers would refuse mail from addresses that pass all that is expected of them.",
        "A common kind of receiver would refuse connections from addresses of pool {{ $labels.pool }}, at least "
        "{{ $value }} more than have a problem, and not by design of its profile. Most often an address has several "
        "PTR names, and only some of them resolve back: receivers that look only at the first one accept at one time "
        "and refuse at another. "
        "The dashboard Fleet says which receivers, the status page which addresses and why.",
        "Not counted twice: where as many addresses have a problem as are refused, the problem's own alert says it.",
    ),
]

# A kind of problem that is new to the exporter gets its Kind, its recordings and its alerts here, and its line below.
GROUP = Group(
    "maildns-addresses",
    "30s",
    [*FCRDNS_RECORDINGS, *HELO_RECORDINGS, *RECEIVER_RECORDINGS],
    [*FCRDNS_ALERTS, *HELO_ALERTS, *UNANSWERED_ALERTS, *RECEIVER_ALERTS],
)
