"""What the collectors show of resolvers, samples and domains."""

from dataclasses import replace

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.config.load import parse
from exporter.dns.resolvers import Resolvers
from exporter.dns.settings import ResolverSettings
from exporter.dns.statistics import IGNORED_REASONS
from exporter.inventory.build import build
from exporter.metrics.collectors import DnsCollector, DomainsCollector, ReloadStatus, RuntimeCollector, SampleCollector
from exporter.metrics.families import CATALOGUE
from exporter.state.board import Board
from exporter.state.domain import DomainBoard
from exporter.state.spf_coverage import SpfCoverageCache
from tests.domains import DOMAIN, EVERYTHING, SETTINGS, SILENT, SOUND, ZONE, sample, without
from tests.factories import World

SENDERS = "pools: [{name: corporate, mail_from_domains: example.org, addresses: [{network: 192.0.2.24/30}]}]"
PREFIXES = """
pools:
  - name: a
    series: %s
    expect: [fcrdns]
    addresses: [{network: 192.0.2.0/28, helo: mail.example.org}, {network: 198.51.100.0/30}]
"""
ALERTS = """
pools:
  - {name: a, team: mail, labels: {service: news, cost_centre: "4711"}, addresses: [{ip: 192.0.2.1}]}
  - {name: b, alert: false, severity: warning, alert_threshold: 2%, addresses: [{ip: 192.0.2.2}]}
"""
THREE_WITHOUT_PTR = World.parse(
    "\n".join(
        f"{fourth}.2.0.192.in-addr.arpa PTR m{fourth}.example.org\nm{fourth}.example.org A 192.0.2.{fourth}"
        for fourth in range(3, 16)
    )
)


def samples(collector):
    """The value of every sample, by the family without `maildns_` and the label values."""
    return {
        (one.name.removeprefix("maildns_"), *one.labels.values()): one.value
        for metric in collector.collect()
        for one in metric.samples
    }


def test_ignored_packets_and_overflows_are_shown_from_the_start():
    """Each resolver has every reason as 0 before a packet is ignored, and counts afterwards."""
    resolvers = Resolvers([ResolverSettings(name="a"), ResolverSettings(name="b")])
    before = samples(DnsCollector(lambda: resolvers))
    resolvers["b"].statistics.ignored["case"] += 3
    resolvers["b"].statistics.overflowed += 2
    after = samples(DnsCollector(lambda: resolvers))

    names = [("dns_ignored_packets_total", name, reason) for name in "ab" for reason in IGNORED_REASONS]
    names += [("dns_overflowed_questions_total", name) for name in "ab"]
    assert [before[name] for name in names] == [0] * len(names)
    assert {name: value for name, value in after.items() if value != before[name]} == {
        ("dns_ignored_packets_total", "b", "case"): 3,
        ("dns_overflowed_questions_total", "b"): 2,
    }


def test_what_alerts_about_a_pool_carry_is_shown():
    """As labels, with those of the configuration; what is not configured has no label."""
    board = Board()
    board.publish(build(parse(ALERTS, "test")))

    found = {metric.name: metric.samples for metric in SampleCollector(board).collect()}

    assert [one.labels for one in found["maildns_pool_info"]] == [
        {
            "pool": "a",
            "alert": "addresses",
            "severity": "critical",
            "team": "mail",
            "service": "news",
            "cost_centre": "4711",
        },
        {"pool": "b", "alert": "none", "severity": "warning"},
    ]
    assert [one.value for one in found["maildns_pool_alert_threshold_ratio"]] == [0.1, 0.02]


def test_the_urls_for_links_are_shown_if_they_are_known():
    """Without a slash at the end, so that a path can follow; nothing without both URLs."""
    status = ReloadStatus()
    urls = ("https://mail.example.org/maildns/", None)

    assert [key for key in samples(RuntimeCollector(status, lambda: 0.0)) if key[0] == "web_info"] == []
    shown = samples(RuntimeCollector(status, lambda: 0.0, urls))
    assert shown["web_info", "https://mail.example.org/maildns", ""] == 1


def test_a_failing_prefix_is_compared_with_all_its_addresses_in_the_pool():
    """Even if few of its addresses have series of their own."""
    for series in ("all", "failing", "none"):
        board = Board()
        board.publish(build(parse(PREFIXES % series, "test")))
        state = board.pools["a"]
        for index in range(16):
            state.record(index, *run_check(report(state[index].target), THREE_WITHOUT_PTR), 1.0)
        shown = {key: value for key, value in samples(SampleCollector(board)).items() if "prefix" in key[0]}

        assert shown == {
            ("pool_failing_prefix_addresses", "a", "192.0.2.0/24"): 3,
            ("pool_failing_prefix_sampled_addresses", "a", "192.0.2.0/24"): 16,
        }


def exposed(*worlds, settings=SETTINGS):
    """The series after a sample in each of these worlds: value by family and label values."""
    domains, board = DomainBoard(), Board()
    domains.publish([settings])
    board.publish(build(parse(SENDERS, "test")))
    for second, world in enumerate(worlds, start=1):
        domains.record(DOMAIN, *sample(world, settings), float(second))
    collector = DomainsCollector(domains, board, SpfCoverageCache())
    return {(name.removeprefix("domain_"), *labels): value for (name, *labels), value in samples(collector).items()}


def test_a_sound_domain():
    """Every family of a domain without problems, with its values."""
    shown = exposed(SOUND)

    assert shown["healthy", "example.org"] == 1
    assert shown["conclusive", "example.org"] == 1
    assert shown["spf_valid", "example.org"] == 1
    assert shown["spf_lookups", "example.org"] == 2
    assert shown["spf_void_lookups", "example.org"] == 1  # for senders with IPv6: the MX has no AAAA record
    assert shown["spf_authorised_addresses", "example.org", "4"] == 17
    assert shown["spf_authorised_addresses", "example.org", "6"] == 2**64
    assert shown["spf_unused_addresses", "example.org", "4"] == 16
    assert shown["spf_unauthorised_addresses", "example.org", "corporate"] == 3
    assert shown["spf_open_addresses", "example.org", "corporate"] == 0
    assert shown["spf_unconfirmed_addresses", "example.org", "corporate"] == 0
    assert shown["dkim_key_valid", "example.org", "s1"] == 1
    assert shown["dkim_key_bits", "example.org", "s2"] == 256
    assert shown["dkim_key_info", "example.org", "s2", "ed25519"] == 1
    assert shown["dmarc_valid", "example.org"] == 1
    assert shown["dmarc_policy_info", "example.org", "reject", "reject", "false"] == 1
    assert [shown[f"{name}_valid", "example.org"] for name in ("mx", "mta_sts", "tls_rpt")] == [1, 1, 1]
    assert shown["last_sample_timestamp_seconds", "example.org"] == 1.0
    assert shown["samples_total", "example.org"] == 1
    assert not [name for name, *_ in shown if name in {"problem", "hint", "last_change_timestamp_seconds"}]


def test_what_is_wrong_has_its_reason_and_its_selector():
    """A problem for each reason of an expected check; 0 for each failing check, expected or not; and hints."""
    weak = World.parse(ZONE.replace("p=reject", "p=none"))
    shown = exposed(SOUND, without("example.org TXT", "s2._domainkey", "_smtp"), weak)

    assert shown["hint", "example.org", "dmarc", "dmarc-monitoring", ""] == 1
    assert shown["result_changes_total", "example.org", "spf", "fail"] == 1
    assert shown["result_changes_total", "example.org", "spf", "pass"] == 1
    broken = exposed(without("example.org TXT", "s2._domainkey", "_smtp"))
    assert {key[1:] for key in broken if key[0] == "problem"} == {
        ("example.org", "spf", "spf-none", ""),
        ("example.org", "dkim", "dkim-missing", "s2"),
    }
    assert broken["tls_rpt_valid", "example.org"] == 0
    assert broken["dkim_key_valid", "example.org", "s2"] == 0
    assert ("dkim_key_bits", "example.org", "s2") not in broken


def test_an_outage_moves_no_value():
    """Only the families about the outage itself change; nothing is shown before the first conclusive result."""
    own = ("conclusive", "last_sample_timestamp_seconds", "samples_total")
    before = {key: value for key, value in exposed(SOUND).items() if key[0] not in own}
    after = exposed(SOUND, SILENT)

    assert {key: value for key, value in after.items() if key[0] not in own} == before
    assert after["conclusive", "example.org"] == 0
    assert {key[0] for key in exposed(SILENT)} == {*own, "result_changes_total"}
    assert {key[0] for key in exposed()} == {"samples_total", "result_changes_total"}


def test_every_family_about_domains_is_shown():
    """No family is declared but never filled."""
    worlds = [SOUND, without("example.org TXT"), World.parse(ZONE.replace("p=reject", "p=none"))]
    names = {key[0] for world in worlds for key in exposed(SOUND, world, settings=replace(SETTINGS, expect=EVERYTHING))}

    declared = {one.name.removeprefix("maildns_domain_") for one in CATALOGUE if one.name.startswith("maildns_domain_")}
    assert names == declared - {"resolver_disagreement"}  # shown by `DisagreementCollector`
