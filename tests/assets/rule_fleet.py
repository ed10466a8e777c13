"""The fleet on which the rules are tested, what can break in it, and the alerts that must fire.

A failure is a set of series, as the exporter would show them; no rule is used to build it.
"""

from collections.abc import Iterable

from tests.assets.rule_cases import (
    MINUTES,
    SUBJECTS,
    WHO,
    Firing,
    Series,
    always,
    between,
    info,
    pool,
    problems,
    series,
    watcher,
)

IPS = [f"192.0.2.{number}" for number in range(1, 11)]
"""A small pool, all in one /24."""

WIDE = [f"198.51.{third}.{fourth}" for third in range(20) for fourth in range(1, 6)]
"""A pool of 100 over twenty prefixes."""

SHARED = {"job": "maildns", "pool": "corporate"}
SERVER = {"resolver": "local", "server": "127.0.0.1:53"}

FLEET = {**watcher(), **pool("corporate", IPS)}
WIDE_FLEET = {**watcher(), **pool("corporate", WIDE)}


def lost(ip: str, prefix: str, reason: str = "ptr-nxdomain") -> Firing:
    """The alert about one address."""
    about = {"check": "fcrdns", "reason": reason, "subject": SUBJECTS["fcrdns"]}
    labels = {**SHARED, "ip": ip, "prefix": prefix, **about}
    return Firing("MailDnsForwardConfirmationLost", labels)


def helo_broken(ip: str, check: str, reason: str) -> Firing:
    """The alert about the HELO name of one address."""
    about = {"check": check, "reason": reason, "subject": SUBJECTS["helo"]}
    return Firing("MailDnsHeloBroken", {**SHARED, "ip": ip, **about})


def spf_failing(ip: str, check: str, reason: str, subject: str = SUBJECTS["spf"]) -> Firing:
    """The alert about SPF of one address."""
    return Firing("MailDnsSpfNotPassing", {**SHARED, "ip": ip, "check": check, "reason": reason, "subject": subject})


def listed(ip: str) -> Firing:
    """The alert about one address on a block list."""
    return Firing("MailDnsListed", {**SHARED, "ip": ip, "subject": SUBJECTS["dnsbl"]})


def domain_broken(name: str, reason: str, **labels: str) -> Firing:
    """An alert about a domain."""
    return Firing(name, {"job": WHO["job"], "domain": "example.org", "reason": reason, **labels})


def domain_problem(check: str, reason: str, begins: int, ends: int, selector: str = "") -> Series:
    """Series of a domain that fails an expected check."""
    return series(
        "maildns_domain_problem",
        between(begins, ends, 1),
        domain="example.org",
        check=check,
        reason=reason,
        selector=selector,
    )


def not_authorised(ips: Iterable[str], domain: str, begins: int, ends: int, identity: str = "mailfrom") -> Series:
    """Series of addresses that SPF does not authorise for a domain, although their pool expects it."""
    found = problems("corporate", ips, begins, ends, check=f"spf-{identity}", reason="spf-softfail", subject=domain)
    for ip in ips:
        labels = {"pool": "corporate", "ip": ip, "identity": identity, "domain": domain}
        found |= series("maildns_spf_pass", between(begins, ends, 0, 1), **labels)
    return found


def worst_prefix(prefix: str, failing: int, of: int, begins: int, ends: int) -> Series:
    """Series of a prefix in which *failing* addresses fail, of *of*."""
    labels = {"pool": "corporate", "prefix": prefix}
    return {
        **series("maildns_pool_failing_prefix_addresses", between(begins, ends, failing), **labels),
        **series("maildns_pool_failing_prefix_sampled_addresses", between(begins, ends, of), **labels),
    }


def counted(check: str, failing: int, begins: int, ends: int) -> Series:
    """Series of a pool in which addresses fail a check, without series of the addresses."""
    return series(
        "maildns_pool_results", between(begins, ends, failing, 0), pool="corporate", check=check, result="fail"
    )


def source(family: str, values: str, /, **labels: str) -> Series:
    """One series about the SPF record that the pool is read from."""
    return series(f"maildns_pool_source_{family}", values, pool="corporate", source="spf", **labels)


def source_failing(reason: str, begins: int, ends: int) -> Series:
    """Series of a problem with this record."""
    return source("problem", between(begins, ends, 1), reason=reason)


def source_alert(name: str, value: str = "1", **labels: str) -> Firing:
    """An alert about this record."""
    return about(name, value, pool="corporate", source="spf", **labels)


def replies(ignored: int, asked: int, overflowed: int = 0, begins: int = 10, ends: int = 60) -> Series:
    """Per-minute counts of ignored packets, queries and overflowed questions of a resolver.

    Before and after that time it gets as many queries, and all is well.
    """
    found: Series = {}
    for name, count, usual in (
        ("ignored_packets", ignored, 0),
        ("queries", asked, asked),
        ("overflowed_questions", overflowed, 0),
    ):
        last = begins * usual + (ends - begins) * count
        values = f"0+{usual}x{begins - 1} {begins * usual}+{count}x{ends - begins - 1} {last}+{usual}x{MINUTES - ends}"
        found |= series(f"maildns_dns_{name}_total", values, resolver="local")
    return found


def domain_silent(begins: int, ends: int) -> Series:
    """Series of a domain for which the DNS does not answer."""
    return series("maildns_domain_conclusive", between(begins, ends, 0, 1), domain="example.org")


def pool_lost(value: int) -> Firing:
    """The alert about a pool."""
    return Firing("MailDnsPoolForwardConfirmationLost", SHARED, str(value))


def prefix_lost(prefix: str, value: int) -> Firing:
    """The alert about a prefix."""
    return Firing("MailDnsPrefixForwardConfirmationLost", {**SHARED, "prefix": prefix}, str(value))


def domain_gone(value: int) -> Firing:
    """The alert about a domain whose records are all gone."""
    return Firing("MailDnsDomainGone", {"job": WHO["job"], "domain": "example.org"}, str(value))


def broken(ips: Iterable[str], begins: int, ends: int) -> Series:
    """Series of unconfirmed addresses in a pool that shows only failing addresses."""
    found: Series = {}
    for ip in ips:
        labels = {"pool": "corporate", "ip": ip}
        shown = between(begins, ends, 1)
        found |= series(
            "maildns_address_problem",
            shown,
            check="fcrdns",
            reason="ptr-nxdomain",
            subject=SUBJECTS["fcrdns"],
            **labels,
        )
        found |= series("maildns_fcrdns_match", between(begins, ends, 0), **labels)
        found |= series("maildns_last_sample_timestamp_seconds", shown, **labels)
    return found


def not_expected(check: str) -> Series:
    """Series of a pool that does not expect a check to pass."""
    return series("maildns_pool_check_expected", always(0), pool="corporate", check=check)


def about(name: str, value: str = "0", **labels: str) -> Firing:
    """An alert about the exporter at `WHO`."""
    return Firing(name, {**WHO, **labels}, value)


def unanswered(count: int, begins: int, ends: int, of: int = len(IPS)) -> Series:
    """Series of a pool of *of* addresses: the DNS does not answer for *count* of them."""
    labels = {"pool": "corporate", "check": "fcrdns"}
    return {
        **series("maildns_pool_results", between(begins, ends, of - count, of), result="pass", **labels),
        **series("maildns_pool_results", between(begins, ends, count, 0), result="unknown", **labels),
    }


def outage(begins: int, ends: int) -> Series:
    """The only resolver is dead: nothing is conclusive until each was sampled again, values stay, sampling lags."""
    found = {
        **unanswered(len(IPS), begins, ends + 10),
        **series("maildns_resolver_up", between(begins, ends, 0, 1), **SERVER),
        **series("maildns_canary_ok", between(begins, ends, 0, 1), **SERVER),
        **series("maildns_sampling_lag_seconds", between(begins, ends, 900, 0), pool="corporate"),
        **series(
            "maildns_pool_oldest_sample_timestamp_seconds",
            f"0+60x{begins - 1} {begins * 60}x{ends - begins - 1} {ends * 60}+60x{MINUTES - ends}",
            pool="corporate",
        ),
    }
    for ip in IPS:
        found |= series("maildns_fcrdns_conclusive", between(begins, ends, 0, 1), pool="corporate", ip=ip)
    return found


MICROSOFT = 458_752
"""The addresses of a pool whose rounds of five minutes draw one of each of 1,792 prefixes."""


def fresh(share: float, alert: str = "share", **labels: str) -> Series:
    """Series of a pool of that size since its first minute: *share* of it fails, the sweep takes 21 hours."""
    carried = info("microsoft-365", alert, 0.01, **labels)
    sampled, drawn, labels = 358, 1_792, {"pool": "microsoft-365"}
    ends = MICROSOFT // sampled
    found = {
        **carried,
        **series("maildns_pool_addresses", always(MICROSOFT), **labels),
        **series("maildns_pool_check_expected", always(1), check="fcrdns", **labels),
        **series("maildns_pool_interval_seconds", always(300 * 256), **labels),
        **series("maildns_sampling_lag_seconds", always(0), **labels),
        **series("maildns_series_dropped_total", always(0), **labels),
        **series("maildns_pool_sample_addresses", f"0x4 {drawn}x{MINUTES}", check="fcrdns", **labels),
        **series("maildns_pool_sample_failures", f"0x4 {drawn * share:.0f}x{MINUTES}", check="fcrdns", **labels),
    }
    for result, first, step in (
        ("pass", 0, sampled * (1 - share)),
        ("fail", 0, sampled * share),
        ("unknown", 0, 0),
        ("not-sampled", MICROSOFT, -sampled),
    ):
        last = first + step * ends
        values = f"{first}{step:+g}x{ends - 1} {last:g}x{MINUTES - ends}"
        found |= series("maildns_pool_results", values, check="fcrdns", result=result, **labels)
        policies = {"pass": "accept", "fail": "refuse"}
        found |= series(
            "maildns_pool_receiver_results", values, receiver="gmail", result=policies.get(result, result), **labels
        )
    for number in range(40 if share else 0):
        shown = {"ip": f"40.92.{number}.7", **labels}
        prefix = {"prefix": f"40.92.{number}.0/24", **labels}
        found |= {
            **series("maildns_address_problem", always(1), check="fcrdns", reason="ptr-nxdomain", **shown),
            **series("maildns_fcrdns_match", always(0), **shown),
            **series("maildns_last_sample_timestamp_seconds", f"0+300x{MINUTES}", **shown),
            **series("maildns_pool_failing_prefix_addresses", always(1), **prefix),
            **series("maildns_pool_failing_prefix_sampled_addresses", f"9+0.2x{MINUTES}", **prefix),
        }
    return found


def refused(result: str, count: int, begins: int, ends: int) -> Series:
    """Series of a receiver that refuses *count* addresses."""
    labels = {"pool": "corporate", "receiver": "gmail"}
    return {
        **series("maildns_pool_receiver_results", between(begins, ends, count, 0), result=result, **labels),
        **series(
            "maildns_pool_receiver_results",
            between(begins, ends, len(IPS) - count, len(IPS)),
            result="accept",
            **labels,
        ),
    }


SECOND = {"resolver": "local", "server": "127.0.0.2:53"}
SECOND_SERVER = {
    **series("maildns_resolver_up", always(1), **SECOND),
    **series("maildns_canary_ok", between(10, 60, 0, 1), **SECOND),
}
NO_SERIES = {**watcher(), **pool("corporate", (), size=1000)}
SHOWS_FAILING = {**watcher(), **pool("corporate", (), size=100_000)}
OVER_IPV6 = ["2001:db8::10", "2001:db8::11", "2001:db8:0:1::1", "2001:db8:1::5"]
MIXED = {**watcher(), **pool("corporate", [*WIDE, *OVER_IPV6])}
