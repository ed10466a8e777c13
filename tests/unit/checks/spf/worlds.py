"""Worlds of SPF records: those of big senders in shape, and drawn ones in which everything has a chance to happen."""

from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.answers import MailExchange, Question, Record, Text
from exporter.checks.names import DomainName
from exporter.checks.spf.results import LIMITS, Limits
from tests.factories import World

REAL = World.parse(
    """
    ; what a Microsoft 365 tenant publishes, and where it leads
    tenant.example TXT v=spf1 include:spf.protection.outlook.example include:_spf.crm.example ip4:192.0.2.0/28 mx -all
    tenant.example MX 10 tenant.mail.protection.outlook.example
    tenant.mail.protection.outlook.example A 104.47.1.36
    tenant.mail.protection.outlook.example A 104.47.2.36
    spf.protection.outlook.example TXT v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 ip4:52.100.0.0/15 ip4:52.102.0.0/16 \
ip4:52.103.0.0/17 ip4:104.47.0.0/17 ip6:2a01:111:f400::/48 ip6:2a01:111:f403::/49 ip6:2a01:111:f403:8000::/51 \
ip6:2a01:111:f403:c000::/51 ip6:2a01:111:f403:f000::/52 -all
    _spf.crm.example TXT v=spf1 exists:%{i}._spf.mta.crm.example -all
    192.0.2.200._spf.mta.crm.example A 127.0.0.2

    ; what a Google Workspace tenant publishes
    workspace.example TXT v=spf1 include:_spf.google.example ~all
    _spf.google.example TXT v=spf1 include:_netblocks.google.example include:_netblocks2.google.example \
include:_netblocks3.google.example ~all
    _netblocks.google.example TXT v=spf1 ip4:35.190.247.0/24 ip4:64.233.160.0/19 ip4:66.102.0.0/20 ip4:66.249.80.0/20 \
ip4:72.14.192.0/18 ip4:74.125.0.0/16 ip4:108.177.8.0/21 ip4:173.194.0.0/16 ip4:209.85.128.0/17 ip4:216.58.192.0/19 \
ip4:216.239.32.0/19 ~all
    _netblocks2.google.example TXT v=spf1 ip6:2001:4860:4000::/36 ip6:2404:6800:4000::/36 ip6:2607:f8b0:4000::/36 \
ip6:2800:3f0:4000::/36 ip6:2a00:1450:4000::/36 ip6:2c0f:fb50:4000::/36 ~all
    _netblocks3.google.example TXT v=spf1 ip4:172.217.0.0/19 ip4:172.217.32.0/20 ip4:172.253.56.0/21 \
ip4:108.177.96.0/19 ip4:35.191.0.0/16 ip4:130.211.0.0/22 ~all

    ; a company with its own servers, exceptions, and a redirect
    corp.example TXT v=spf1 -ip4:198.51.100.66 ip4:198.51.100.0/24 a:out.corp.example/28//64 mx/30 \
?ip4:203.0.113.0/25 -include:blocked.corp.example redirect=_spf.%{d}
    corp.example MX 10 mx1.corp.example
    corp.example MX 20 mx2.corp.example
    corp.example MX 30 mx6.corp.example
    mx1.corp.example A 203.0.113.17
    mx2.corp.example A 203.0.113.130
    mx6.corp.example AAAA 2001:db8:66::25
    out.corp.example A 192.0.2.40
    out.corp.example AAAA 2001:db8:1::1
    blocked.corp.example TXT v=spf1 ip4:203.0.113.192/27 ip6:2001:db8:bad::/48 -all
    _spf.corp.example TXT v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 ~all
    """.replace("\\\n", "")
)
REAL_DOMAINS = ("tenant.example", "workspace.example", "corp.example", "spf.protection.outlook.example")

DOMAINS = ("a.test.example", "b.test.example", "c.test.example", "d.test.example")
HOSTS = ("mx1.test.example", "mx2.test.example", "mx3.test.example", "gone.test.example", "a.test.example")
V4 = ("192.0.2.1", "192.0.2.2", "192.0.2.77", "192.0.3.1", "10.0.0.1", "0.0.0.0", "255.255.255.255")
V6 = ("2001:db8::1", "2001:db8::2", "2001:db8:1::1", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")

_qualifiers = st.sampled_from(["", "", "", "+", "-", "~", "?"])
_prefixes = st.sampled_from(["", "", "/32", "/31", "/24", "/16", "/0", "//64", "//0", "/24//48"])
_targets = st.sampled_from([*DOMAINS, *HOSTS]).map(lambda name: f":{name}") | st.sampled_from(["", "", ":x.%{d}"])


def _network(text: str) -> st.SearchStrategy[str]:
    kind, prefixes = (
        ("ip6", ["", "/128", "/64", "/32", "/0"]) if ":" in text else ("ip4", ["", "/31", "/24", "/8", "/0"])
    )
    return st.sampled_from(prefixes).map(lambda prefix: f"{kind}:{text}{prefix}")


_enumerable = st.one_of(
    st.sampled_from([*V4, *V6]).flatmap(_network),
    st.sampled_from([*V4, *V6]).flatmap(_network),
    st.builds("{}{}{}".format, st.sampled_from(["a", "mx"]), _targets, _prefixes),
    st.just("mx") | st.sampled_from(DOMAINS).map("mx:{}".format),
    st.sampled_from(DOMAINS).map("include:{}".format),
    st.sampled_from(["all", "include:gone.test.example", "exists:mx1.test.example", "exists:gone.test.example"]),
)
_open = st.sampled_from(["ptr", "ptr:test.example", "exists:%{ir}.test.example", "a:%{i}.test.example", "a:%{p}"])
_modifiers = st.sampled_from([*[f"redirect={name}" for name in DOMAINS], "exp=a.test.example", "unknown=x"])
_rubbish = st.sampled_from(["moo", "ip4:1.2.3", "a:%", "include:", "all:x", "redirect=", "ip6:::1/129", "%{d}", "\x80"])


@st.composite
def spf_worlds(draw: st.DrawFn, *, enumerable: bool = False, rubbish: bool = True) -> World:
    """Draw a DNS in which `DOMAINS` have SPF records, and `HOSTS` addresses; `DOMAINS[0]` is the one to judge."""
    records: dict[Question, frozenset[Record]] = {}
    mechanisms = _enumerable if enumerable else st.one_of(_enumerable, _enumerable, _open)
    for domain in DOMAINS:
        count = draw(st.sampled_from([0, 1, 1, 1, 1, 1, 1, 1, 2] if domain != DOMAINS[0] else [1]))
        texts = {Text(b"something else entirely")}
        for _ in range(count):
            terms = [draw(_qualifiers) + draw(mechanisms) for _ in range(draw(st.integers(0, 6)))]
            if draw(st.integers(0, 2)) == 0:
                terms.insert(draw(st.integers(0, len(terms))), draw(_modifiers))
            if rubbish and draw(st.integers(0, 9)) == 0:
                terms.insert(draw(st.integers(0, len(terms))), draw(_rubbish))
            texts.add(Text(" ".join(["v=spf1", *terms]).encode()))
        records[Question(DomainName(domain), "TXT")] = frozenset(texts)
    for host in (*HOSTS, "x.a.test.example"):
        if host != "gone.test.example":
            v4 = draw(st.sets(st.sampled_from(V4), max_size=2))
            v6 = draw(st.sets(st.sampled_from(V6), max_size=1))
            _put(records, host, "A", {Address.parse(text) for text in v4})
            _put(records, host, "AAAA", {Address.parse(text) for text in v6})
    for domain in DOMAINS:
        exchanges = draw(st.permutations([".", *HOSTS]))[: draw(st.integers(0, 5))]
        _put(records, domain, "MX", {MailExchange(at, DomainName(host)) for at, host in enumerate(exchanges)})
    for text in (*V4, *V6):
        address = Address.parse(text)
        _put(
            records,
            address.reverse_name,
            "PTR",
            set(map(DomainName, draw(st.sets(st.sampled_from(HOSTS), max_size=2)))),
        )
    return World(records)


def _put(records: dict[Question, frozenset[Record]], owner: str, rdtype: str, rdata: set) -> None:
    if rdata:
        records[Question(DomainName(owner), rdtype)] = frozenset(rdata)  # type: ignore[arg-type]


spf_limits = st.just(LIMITS) | st.builds(Limits, st.integers(0, 5), st.integers(0, 2), st.integers(0, 4))
"""Those of the RFC, or tighter ones, which are reached more often."""

spf_clients = st.sampled_from([*V4, *V6, "192.0.2.3", "2001:db8::3"]).map(Address.parse)
