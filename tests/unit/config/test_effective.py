"""The effective configuration is complete, and loads as the same configuration."""

import json

from hypothesis import given

from exporter.config.effective import Effective, as_data, render
from exporter.config.load import parse
from exporter.config.model import DnsblEntry, DomainEntry, PoolEntry, ResolverEntry, StorageEntry
from tests.unit.config.strategies import documents

MINIMAL = "pools: [{name: a, addresses: [{ip: 192.0.2.1, helo: mail.example.com}]}]"
EFFECTIVE = """\
resolvers:
  - name: system
    timeout: 2s
    attempts: 3
    max_queries_per_second: 500
    max_in_flight: 256
    max_queued: 10000
    max_queue_time: 30s
    cache_entries: 100000
    random_case: true
    cookies: true
    edns: true
    canary: {must_resolve: [". NS"], must_not_exist_under: invalid, interval: 30s}
pools:
  - name: a
    profile: default
    interval: 5m
    expect: [fcrdns, helo-syntax, helo-resolves, helo-address-match, spf-helo, spf-mailfrom, dnsbl]
    helo_spf_required: false
    series: auto
    ptr_info: true
    receivers:
      - postfix-reject-unknown-client-hostname
      - postfix-reject-unknown-helo-hostname
      - exim-verify-reverse-host-lookup
      - exim-verify-helo
      - gmail
      - strict-helo-equals-ptr
    sample: auto
    unlisted_samples: 8
    alert: auto
    severity: critical
    addresses:
      - {ip: 192.0.2.1, helo: mail.example.com}
"""


def test_every_default_is_filled_in():
    """Missing keys appear with their defaults."""
    assert render(parse(MINIMAL, "m.yml")) == EFFECTIVE


def test_what_is_expected_of_a_domain_is_shown():
    """Defaults and changes are applied; a file may have only domains."""
    text = """
domains:
- {name: Example.COM}
- {name: example.org, dkim_selectors: S1, expect: {add: [tls-rpt], remove: [mx]}}
- {name: example.net, expect: []}
"""
    data = as_data(parse(text, "m.yml"))
    assert "pools" not in data
    assert data["domains"] == [
        {"name": "example.com", "dkim_selectors": [], "interval": "5m", "expect": ["spf", "dkim", "dmarc", "mx"]},
        {
            "name": "example.org",
            "dkim_selectors": ["s1"],
            "interval": "5m",
            "expect": ["spf", "dkim", "dmarc", "tls-rpt"],
        },
        {"name": "example.net", "dkim_selectors": [], "interval": "5m", "expect": []},
    ]


def test_a_profile_is_shown_with_its_final_checks():
    """Changes and inheritance are applied: the reader sees the checks themselves."""
    text = """
profiles: [{name: relays, based_on: microsoft-365, expect: {remove: [helo-aligned]}}]
pools: [{name: a, profile: relays, expect: {add: [helo-ptr-match]}, addresses: [{ip: 192.0.2.1}]}]
"""
    data = as_data(parse(text, "m.yml"))
    assert data["profiles"] == [
        {
            "name": "relays",
            "based_on": "microsoft-365",
            "expect": ["fcrdns", "helo-syntax", "helo-resolves", "spf-helo"],
            "aligned_suffix": "outbound.protection.outlook.com",
            "helo_spf_required": True,
        }
    ]
    (pool,) = data["pools"]
    assert pool["expect"] == ["fcrdns", "helo-syntax", "helo-resolves", "helo-ptr-match", "spf-helo"]
    assert pool["aligned_suffix"] == "outbound.protection.outlook.com"


def test_every_key_of_a_mapping_is_shown():
    """A new key of the model is not forgotten."""
    text = """
resolvers: [{name: r, servers: [127.0.0.1], ca_file: ca.pem}]
storage: {path: data/maildns.db}
domains: [{name: example.com, dkim_selectors: [s1]}]
dnsbls: [{zone: zen.example.org, codes: {127.0.0.2: SBL}}]
pools: [{name: a, aligned_suffix: example.com, helo_names: a.example.com, mail_from_domains: a.example.com,
  spf: a.example.com, addresses_file: a.yml, alert_threshold: 2%, team: mail, labels: {service: x},
  addresses: [{ip: 192.0.2.1}]}]
"""
    data = as_data(parse(text, "m.yml"))
    assert set(data["resolvers"][0]) == set(ResolverEntry.model_fields)
    assert set(data["storage"]) == set(StorageEntry.model_fields)
    assert set(data["pools"][0]) == set(PoolEntry.model_fields)
    assert set(data["domains"][0]) == set(DomainEntry.model_fields)
    assert set(data["dnsbls"][0]) == set(DnsblEntry.model_fields)


@given(documents())
def test_it_loads_back_to_the_same_configuration(text):
    """The text loads as an equal configuration, which renders as the same text."""
    configuration = parse(text, "m.yml")
    shown = render(configuration)
    again = parse(shown, "shown.yml")
    assert again == configuration
    assert again.resolver_settings() == configuration.resolver_settings()
    assert render(again) == shown


@given(documents())
def test_the_data_is_json(text):
    """It can be written as JSON without a converter."""
    data = as_data(parse(text, "m.yml"))
    assert json.loads(json.dumps(data)) == data


def test_the_text_of_the_latest_configuration_is_cached():
    """It is rendered once, and again for another configuration."""
    effective = Effective()
    one, other = (parse(f"pools: [{{name: {name}, addresses: [{{ip: 192.0.2.1}}]}}]", "test") for name in ("a", "b"))

    assert effective(one) is effective(one)
    assert (effective(one), effective(other)) == (render(one), render(other))
