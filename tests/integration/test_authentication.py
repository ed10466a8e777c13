"""SPF records that are bad input, and block lists in trouble, through the whole service, from Knot to `/metrics`."""

import pytest
import yaml

from tests.integration.servers.knot import Knot
from tests.integration.serving import configuration_text, hurried, serving
from tests.yaml_files import read_yaml

pytestmark = pytest.mark.integration

LONG = ["ip4:198.51.100.1/32"] * 3000
"""Terms of a record of 60 kB."""


def txt(text):
    """The strings of a TXT record, 255 octets each at most."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255))


SPF = {
    "right": ["v=spf1 ip4:192.0.2.0/24 -all"],
    "sixty-kilobytes": [f"v=spf1 {' '.join(LONG)} ip4:192.0.2.0/24 -all"],
    "two-records": ["v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 -all"],
    "endless": ["v=spf1 include:endless.example.org -all"],
    "octets": [r"v=spf1 ip4:192.0.2.0/24 \195\188 -all"],
    "rubbish": ["v=spf1 exists:%{l}.%{x}.example.org -all"],
    "nothing": [],
}
REASONS = {
    "two-records": "spf-several-records",
    "endless": "spf-lookup-limit",
    "octets": "spf-syntax",
    "rubbish": "spf-syntax",
}
HOSTS = {name: f"192.0.2.{number}" for number, name in enumerate(SPF, start=1)}
LISTED = HOSTS["right"]

ZONE = [
    *[f"{name} A {ip}" for name, ip in HOSTS.items()],
    *[f"{name} TXT {txt(text)}" for name, texts in SPF.items() for text in texts],
    r'split TXT "v=spf1 ip4:192.0" ".2.0/24 -" "all"',
    "2.0.0.127.good A 127.0.0.2",
    f"{'.'.join(reversed(LISTED.split('.')))}.good A 127.0.0.4",
    "2.0.0.127.blocked A 127.255.255.254",
    f"{'.'.join(reversed(LISTED.split('.')))}.blocked A 127.255.255.254",
    "*.everything A 127.0.0.2",
    "*.rewritten A 192.0.2.80",
]
LISTS = {"good": 1.0, "blocked": 0.0, "everything": 0.0, "rewritten": 0.0, "gone": 0.0}
REVERSE = [f"{ip.rpartition('.')[2]} PTR {name}.example.org." for name, ip in HOSTS.items()]


def load(port):
    """A pool that says the names in HELO, sends for a domain whose record is split, and is looked up in every list."""
    text = configuration_text(
        f"127.0.0.1:{port}",
        [{"ip": ip, "helo": f"{name}.example.org"} for name, ip in HOSTS.items()],
        mail_from_domains=["split.example.org"],
    )
    document = read_yaml(text)
    document["dnsbls"] = [
        {"zone": f"{name}.example.org", "interval": "1m", "max_queries_per_second": "unlimited"} for name in LISTS
    ]
    return hurried(yaml.safe_dump(document), 2)


def shown(series):
    """What the exposition says of SPF and lists."""
    usable = {
        dict(labels)["dnsbl"].split(".")[0]: value for labels, value in series.get("maildns_dnsbl_usable", {}).items()
    }
    listed = {
        (dict(labels)["dnsbl"].split(".")[0], dict(labels)["ip"])
        for labels, value in series.get("maildns_dnsbl_listed", {}).items()
        if value == 1
    }
    problems = {
        (dict(labels)["ip"], dict(labels)["check"], dict(labels)["reason"])
        for labels in series.get("maildns_address_problem", {})
    }
    return usable, listed, problems


def passes(series):
    """Whether SPF passes, by identity and address."""
    return {
        (dict(labels)["identity"], dict(labels)["ip"]): value
        for labels, value in series.get("maildns_spf_pass", {}).items()
    }


def senders(series):
    """The addresses that the domain which the pool sends for authorises."""
    return {ip for (identity, ip), value in passes(series).items() if identity == "mailfrom" and value == 1}


def differences(series, expected):
    """What the exposition says, where that is not what is expected, or not all of it yet."""
    is_right = "maildns_dnsbl_usable" in series and shown(series) == expected and senders(series) == set(HOSTS.values())
    return [] if is_right else [shown(series), senders(series)]


async def test_bad_records_have_their_findings_and_bad_lists_have_none():
    """A record in several strings, or of 60 kB, is read; what RFC 7208 refuses is named; one listing counts."""
    expected = (
        LISTS,
        {("good", LISTED)},
        {(HOSTS[name], "spf-helo", reason) for name, reason in REASONS.items()} | {(LISTED, "dnsbl", "dnsbl-listed")},
    )
    with Knot({"example.org": ZONE, "2.0.192.in-addr.arpa": REVERSE}) as knot:
        async with serving(lambda: load(knot.port)) as exporter:
            series = await exporter.wait_for_no(lambda s: differences(s, expected))

    helo = passes(series)
    assert helo["helo", HOSTS["right"]] == helo["helo", HOSTS["sixty-kilobytes"]] == 1
    assert ("helo", HOSTS["nothing"]) not in helo
