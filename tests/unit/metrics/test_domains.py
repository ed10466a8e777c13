"""What the exposition shows of domains."""

from dataclasses import replace

from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.metrics.collectors import DomainsCollector
from exporter.metrics.families import CATALOGUE
from exporter.state.board import Board
from exporter.state.domain import DomainBoard
from exporter.state.spf_coverage import SpfCoverageCache
from tests.domains import DOMAIN, EVERYTHING, SETTINGS, SILENT, SOUND, ZONE, sample, without
from tests.factories import World

POOLS = "pools: [{name: corporate, mail_from_domains: example.org, addresses: [{network: 192.0.2.24/30}]}]"


def exposed(*worlds, settings=SETTINGS):
    """The series after a sample in each of these worlds: value by family and label values."""
    domains, board = DomainBoard(), Board()
    domains.publish([settings])
    board.publish(build(parse(POOLS, "test")))
    for second, world in enumerate(worlds, start=1):
        domains.record(DOMAIN, *sample(world, settings), float(second))
    collector = DomainsCollector(domains, board, SpfCoverageCache())
    return {
        (one.name.removeprefix("maildns_domain_"), *one.labels.values()): one.value
        for metric in collector.collect()
        for one in metric.samples
    }


def test_a_sound_domain():
    """Every family of the chapter that has something to show, with its values."""
    shown = exposed(SOUND)

    assert shown["healthy", "example.org"] == 1
    assert shown["conclusive", "example.org"] == 1
    assert shown["spf_valid", "example.org"] == 1
    assert shown["spf_lookups", "example.org"] == 2
    assert shown["spf_void_lookups", "example.org"] == 0
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
    """A problem for each reason of an expected check; a gauge of 0 for each check, expected or not; hints beside."""
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
    """All but what tells of the outage itself is as it was; nothing is shown before anything is known."""
    own = ("conclusive", "last_sample_timestamp_seconds", "samples_total")
    before = {key: value for key, value in exposed(SOUND).items() if key[0] not in own}
    after = exposed(SOUND, SILENT)

    assert {key: value for key, value in after.items() if key[0] not in own} == before
    assert after["conclusive", "example.org"] == 0
    assert {key[0] for key in exposed(SILENT)} == {*own, "result_changes_total"}
    assert {key[0] for key in exposed()} == {"samples_total", "result_changes_total"}


def test_every_family_of_the_chapter_is_shown_by_somebody():
    """None is declared in vain."""
    worlds = [SOUND, without("example.org TXT"), World.parse(ZONE.replace("p=reject", "p=none"))]
    names = {key[0] for world in worlds for key in exposed(SOUND, world, settings=replace(SETTINGS, expect=EVERYTHING))}

    chapter = {one.name.removeprefix("maildns_domain_") for one in CATALOGUE if one.name.startswith("maildns_domain_")}
    assert names == chapter - {"resolver_disagreement"}  # which is shown with the other disagreements
