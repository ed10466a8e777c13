"""Settings of a resolver have working defaults and refuse impossible values; servers are parsed into one form."""

import re

import dns.flags
import pytest

from exporter.checks.answers import Status
from exporter.dns.resolver import Resolver
from exporter.dns.settings import CanarySettings, Endpoint, ResolverSettings, parse_endpoint, system_servers
from tests.factories import question
from tests.unit.dns.nameserver import name_server, records, settings


def test_the_systems_servers_are_read_in_order(tmp_path):
    """Each nameserver counts once, in order; comments, options and invalid lines are skipped."""
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# nameserver 192.0.2.1\nsearch example.org\nnameserver 192.0.2.53 # ours\nnameserver\n"
        "nameserver 2001:db8::53\nnameserver dns.example.org\nnameserver 192.0.2.53\noptions edns0\nnameserver ::x\n"
    )

    assert system_servers(path) == (parse_endpoint("192.0.2.53"), parse_endpoint("[2001:db8::53]:53"))


@pytest.mark.parametrize("text", [None, "", "search example.org\n"])
def test_without_a_server_the_local_host_is_asked(tmp_path, text):
    """A missing file, or one without a server, means 127.0.0.1, as in libc."""
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)

    assert system_servers(path) == (parse_endpoint("127.0.0.1:53"),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"servers": ()},
        {"timeout_seconds": 0},
        {"timeout_seconds": float("inf")},
        {"timeout_seconds": float("nan")},
        {"attempts": 0},
        {"max_queries_per_second": 0},
        {"max_in_flight": 0},
        {"cache_entries": -1},
        {"max_queued": -1},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    """A resolver needs servers, time and room."""
    with pytest.raises(ValueError, match="system"):
        ResolverSettings(**wrong)


def test_a_canary_without_an_interval_is_refused():
    """The canary's interval must be above 0."""
    with pytest.raises(ValueError, match="interval"):
        CanarySettings(interval_seconds=0)


@pytest.mark.parametrize("desired", [True, False])
async def test_recursion_is_desired_unless_the_servers_are_authoritative(desired):
    """The RD bit follows the settings, and an answer without recursion counts too."""
    async with name_server(lambda query, _: records(query, "mail.example.org. 60 IN A 192.0.2.1")) as server:
        resolver = Resolver(settings(server, recursion_desired=desired))
        await resolver.start()
        answer = await resolver.resolve(question("mail.example.org", "A"))
        await resolver.close()

    assert answer.status is Status.ANSWER
    assert [bool(query.flags & dns.flags.RD) for _, query in server.queries] == [desired]


@pytest.mark.parametrize(
    ("text", "endpoint", "canonical"),
    [
        ("192.0.2.53", Endpoint("udp", "192.0.2.53", 53), "192.0.2.53:53"),
        ("192.0.2.53:5353", Endpoint("udp", "192.0.2.53", 5353), "192.0.2.53:5353"),
        ("Dns.Example.org.", Endpoint("udp", "dns.example.org", 53), "dns.example.org:53"),
        ("[2001:DB8::0:53]:54", Endpoint("udp", "2001:db8::53", 54), "[2001:db8::53]:54"),
        ("[2001:db8::53]", Endpoint("udp", "2001:db8::53", 53), "[2001:db8::53]:53"),
        ("2001:db8::53", Endpoint("udp", "2001:db8::53", 53), "[2001:db8::53]:53"),
        ("fe80::1%eth0", Endpoint("udp", "fe80::1%eth0", 53), "[fe80::1%eth0]:53"),
        (
            "tls://dns.example.org",
            Endpoint("tls", "dns.example.org", 853, server_name="dns.example.org"),
            "tls://dns.example.org:853",
        ),
        (
            "TLS://192.0.2.53:853#Dns.example.org",
            Endpoint("tls", "192.0.2.53", 853, server_name="dns.example.org"),
            "tls://192.0.2.53:853#dns.example.org",
        ),
        (
            "https://dns.example.org",
            Endpoint("https", "dns.example.org", 443, "/dns-query", "dns.example.org"),
            "https://dns.example.org/dns-query",
        ),
        (
            "https://[2001:db8::53]:8443/dns?key=1",
            Endpoint("https", "2001:db8::53", 8443, "/dns?key=1", "2001:db8::53"),
            "https://[2001:db8::53]:8443/dns?key=1",
        ),
    ],
)
def test_an_endpoint_is_read_and_written(text, endpoint, canonical):
    """Each way to write a server gives the same endpoint as its canonical text."""
    parsed = parse_endpoint(text)

    assert parsed == endpoint
    assert str(parsed) == canonical
    assert parse_endpoint(canonical) == endpoint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a DNS server: write a server as host, host:port"),
        ("192.0.2.53 ", "is not a DNS server"),
        ("192.0.2.53\x00", "is not a DNS server"),
        ("dns.exämple.org", "is not a DNS server"),
        ("192.0.2.53:", "has no port between 1 and 65535 after the colon: leave it out for 53"),
        ("192.0.2.53:0", "has no port between 1 and 65535"),
        ("192.0.2.53:65536", "has no port between 1 and 65535"),
        ("192.0.2.53:+5", "has no port between 1 and 65535"),
        ("192.0.2.256", "does not have a valid IPv4 address"),
        ("192.0.2.053", "does not have a valid IPv4 address"),
        ("[192.0.2.53]:53", "does not have a valid IPv6 address"),
        ("[2001:db8::53", "write an IPv6 address as"),
        ("[2001:db8::53]53", "write an IPv6 address as"),
        ("udp://192.0.2.53", "has an unknown scheme"),
        ("http://192.0.2.53/dns-query", "has an unknown scheme"),
        ("a..b", "does not have a valid host"),
        ("-a.example", "does not have a valid host"),
        (":53", "does not have a valid host"),
        ("tls://", "does not have a valid host"),
        ("tls://192.0.2.53#", "needs the name of the certificate after the #"),
        ("https://", "does not have a valid host"),
        ("https://[::1", "is not a URL"),
        ("https://dns.example.org/dns-query{?dns}", "is a URI template"),
        ("https://dns.example.org/#x", "has a fragment"),
        ("https://me:secret@dns.example.org/", "has a user name"),
    ],
)
def test_mistakes_in_an_endpoint(text, message):
    """Each mistake is a `ValueError` that says how to write it."""
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse_endpoint(text)

    assert "secret" not in str(caught.value)


def test_an_address_needs_no_resolving():
    """Only host names have to be resolved."""
    assert parse_endpoint("192.0.2.53").is_address
    assert parse_endpoint("[2001:db8::53]:53").is_address
    assert not parse_endpoint("tls://dns.example.org").is_address
