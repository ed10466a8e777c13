"""Strategies for valid configurations."""

import json
from typing import Any

from hypothesis import strategies as st

from exporter.checks.receivers import Receiver
from exporter.checks.result import ADDRESS_CHECKS, DOMAIN_CHECKS
from exporter.config.model import BUILT_IN

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
suffixes = st.sampled_from(["example.com", "mail.example.org", "xn--bcher-kva.example", "no.example"])
helo_names = st.sampled_from(
    ["mail.example.com", "MX.example.com", "no", "[192.0.2.1]", "a..b", "010", "1:30", "x{{y}}", "~", "#", "'", '"\\']
)
templates = st.sampled_from(["mta{octet4}.example.com", "{ip_hex}", "{octet1}:{octet2}"]) | helo_names
templates6 = st.sampled_from(["mta{group8}.example.com", "{ip_dashed}"]) | helo_names
checks = st.lists(st.sampled_from([check.value for check in ADDRESS_CHECKS]), unique=True)
expects = checks | st.lists(st.sampled_from([check.value for check in ADDRESS_CHECKS]), unique=True, min_size=2).map(
    lambda some: {"add": some[:1], "remove": some[1:]}
)


def some_of(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A mapping with the required keys and any of the optional ones."""
    return st.fixed_dictionaries(required, optional=optional)


def distinct(items: st.SearchStrategy[str], maximum: int = 3) -> st.SearchStrategy[Any]:
    """One text, or a list of texts that differ in more than case."""
    return items | st.lists(items, min_size=1, max_size=maximum, unique_by=str.lower)


canaries = st.just(False) | some_of(  # a value of the file
    {"must_resolve": st.lists(st.sampled_from([". NS", "example.com", "example.com MX"]), min_size=1, unique=True)},
    must_not_exist_under=st.sampled_from(["invalid", "test.example.com", False]),
    interval=st.sampled_from(["1s", "90s", "1h"]),
)
resolvers = some_of(
    {"name": names},
    servers=st.lists(
        st.sampled_from(["127.0.0.1", "[2001:db8::53]:5353", "tls://dns.example:853", "https://dns.example/q?a=b"]),
        min_size=1,
        unique=True,
    ),
    timeout=st.sampled_from(["10ms", "1500ms", "1m"]),
    attempts=st.integers(1, 10),
    max_queries_per_second=st.sampled_from([0.1, 0.5, 500, 1000000, "unlimited"]),
    max_in_flight=st.integers(1, 10_000),
    max_queued=st.integers(0, 1_000_000),
    max_queue_time=st.sampled_from(["0s", "10m"]),
    cache_entries=st.integers(0, 10_000_000),
    random_case=st.booleans(),
    cookies=st.booleans(),
    edns=st.booleans(),
    ca_file=st.sampled_from(["ca.pem", "/etc/no", "a b: c", "ü"]),
    canary=canaries,
)


storages = some_of(
    {"path": st.sampled_from(["maildns.db", "data/state.db", "/var/lib/no", "a b: c", "ü"])},
    retention=st.sampled_from(["1h", "90d", "1d12h"]),
    max_changes=st.integers(100, 10_000_000),
)
receivers = st.lists(st.sampled_from([receiver.value for receiver in Receiver]), max_size=4, unique=True)


def entries(pool: int) -> st.SearchStrategy[Any]:
    """Addresses of the pool with this number: in a /16 and a /96 of its own, so that pools do not overlap."""
    ipv4 = some_of(
        {"ip": st.integers(0, 65534).map(lambda n: f"10.{pool}.{n >> 8}.{n & 255}")}, helo=distinct(templates)
    )
    ipv6 = some_of(
        {"ip": st.integers(1, 65535).map(lambda n: f"2001:db8:{pool + 1:x}::{n:x}")}, helo=distinct(templates6)
    )
    network = some_of(
        {"network": st.integers(22, 32).map(lambda length: f"10.{pool}.0.0/{length}")}, helo=distinct(templates)
    )
    network6 = some_of(
        {"network": st.integers(118, 128).map(lambda length: f"2001:db8:{pool + 1:x}::/{length}")},
        helo=distinct(templates6),
    )
    both = some_of({"ip": st.just([f"10.{pool}.255.255", f"2001:db8:{pool + 1:x}:1::"])}, helo=distinct(helo_names))
    return st.lists(
        ipv4 | ipv6 | network | network6 | both,
        min_size=1,
        max_size=6,
        unique_by=lambda one: str(one.get("ip") or one["network"]),
    )


def pools(number: int, profiles: list[str]) -> st.SearchStrategy[Any]:
    """The pool with this number."""
    return some_of(
        {"name": st.just(f"pool-{number}"), "addresses": entries(number)},
        profile=st.sampled_from(profiles),
        interval=st.sampled_from(["10s", "90s", "1d", "1h30m"]),
        expect=expects,
        aligned_suffix=suffixes,
        series=st.sampled_from(["all", "failing", "none", "auto"]),
        ptr_info=st.booleans(),
        receivers=receivers,
        helo_names=distinct(helo_names, 5),
        addresses_file=distinct(st.sampled_from(["targets/*.yml", "/etc/no", "a b: c", "ü"])),
        spf=suffixes | st.just("_spf.example.com"),
        unlisted_samples=st.sampled_from([0, 1, 256]),
        sample=st.sampled_from(["auto", False])
        | some_of(
            {},
            per_prefix=st.integers(1, 256),
            ipv4_prefix=st.integers(16, 32),
            ipv6_prefix=st.integers(32, 128),
        ),
        mail_from_domains=distinct(suffixes),
        helo_spf_required=st.booleans(),
        alert=st.sampled_from([False, "share", "prefixes", "addresses", "auto"]),
        alert_threshold=st.sampled_from([1, 0.5, 0.0001, "2%", "0.25%", "100%"]),
        severity=st.sampled_from(["critical", "warning", "info"]),
        team=st.sampled_from(["mail", "no", "a: b", "ü", "010"]),
        labels=st.dictionaries(st.sampled_from(["service", "no", "env_2"]), st.sampled_from(["x", "~", "a: b", "1e3"])),
    )


dnsbls = st.sampled_from(["bl.example.net", "zen.example.org", "no.example.com", "1e3.example"]).flatmap(
    lambda zone: (
        st.just(zone)
        | some_of(
            {"zone": st.just(zone)},
            interval=st.sampled_from(["1m", "7d", "2h"]),
            max_queries_per_second=st.sampled_from([0.1, 50, "unlimited"]),
            families=st.sampled_from(["ipv4", ["ipv6"], ["ipv6", "ipv4"]]),
            codes=st.dictionaries(
                st.sampled_from(["127.0.0.2", "127.1.2.3"]), st.sampled_from(["SBL", "no", "a: b", "~"])
            ),
        )
    )
)

domain_checks = st.lists(st.sampled_from([check.value for check in DOMAIN_CHECKS]), unique=True)
domains = some_of(
    {"name": st.sampled_from(["example.com", "mail.example.org", "xn--bcher-kva.example", "no.example", "1.example"])},
    dkim_selectors=distinct(st.sampled_from(["s1", "20260101", "no", "1e3", "a.b", "_x", "K2"])),
    interval=st.sampled_from(["10s", "90s", "1d"]),
    expect=domain_checks | domain_checks.map(lambda some: {"add": some[:1], "remove": some[1:]}),
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """The text of a valid configuration."""
    document: dict[str, Any] = {}
    if draw(st.booleans()):
        document["resolvers"] = draw(st.lists(resolvers, min_size=1, max_size=3, unique_by=lambda one: one["name"]))
    known = list(BUILT_IN)
    if draw(st.booleans()):
        document["profiles"] = []
        for name in draw(st.lists(names.filter(lambda name: name not in BUILT_IN), max_size=3, unique=True)):
            keys = some_of(
                {"name": st.just(name)},
                based_on=st.sampled_from(known),
                expect=expects,
                aligned_suffix=suffixes,
                helo_spf_required=st.booleans(),
            )
            document["profiles"].append(draw(keys))
            known.append(name)
    if draw(st.booleans()):
        document["receivers"] = draw(receivers)
    document["domains"] = draw(st.lists(domains, max_size=3, unique_by=lambda one: one["name"]))
    zone_of = lambda one: one if isinstance(one, str) else one["zone"]  # noqa: E731
    document["dnsbls"] = draw(st.lists(dnsbls, max_size=3, unique_by=zone_of))
    minimum = 0 if document["domains"] else 1
    several = [draw(pools(number, known)) for number in range(draw(st.integers(minimum, 3)))]
    if several:
        document["pools"] = several
        zones = [zone_of(one) for one in document["dnsbls"]]
        if draw(st.booleans()):
            several[0]["dnsbls"] = zones[: draw(st.integers(0, len(zones)))]
    if draw(st.booleans()):
        document["storage"] = draw(storages)
    return json.dumps(document)
