"""`/probe`: sampling while the scraper waits."""

import asyncio
import re

import pytest

from tests.integration.servers.prometheus import Prometheus, promtool
from tests.integration.web.demo import SILENCE_SECONDS, SILENT_IP, WorldClock, fallen_silent, watched_demo

pytestmark = [pytest.mark.integration]


async def test_a_probe_sees_what_is_now_and_leaves_the_board_alone():
    """A record that has just been lost is missing in the probe, confirmed; the background has not seen it yet."""
    clock = WorldClock()
    async with watched_demo(clock, interval="1h") as exporter:
        clock.age = 100
        _, probed = await exporter.ask("/probe?target=192.0.2.20")
        _, scraped = await exporter.ask("/metrics")
        _, changes = await exporter.ask("/api/v1/changes")

    assert 'maildns_fcrdns_match{ip="192.0.2.20",pool="corporate"} 0.0' in probed
    assert "maildns_probe_success 1.0" in probed
    assert 'maildns_fcrdns_match{ip="192.0.2.20",pool="corporate"} 1.0' in scraped
    assert "maildns_probe" not in scraped
    assert changes == '{"data":[],"next":null}\n'
    checked = promtool("check", "metrics", stdin=probed)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


async def test_an_answer_is_there_before_the_scraper_gives_up():
    """Where the DNS is silent a probe ends within the header's time, before the DNS is given up; it is inconclusive."""
    async with fallen_silent() as (exporter, _):
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": "1"}
        async with asyncio.timeout(SILENCE_SECONDS):
            status, probed = await exporter.ask(f"/probe?target={SILENT_IP}", headers)
            _, text = await exporter.ask(f"/probe?target={SILENT_IP}&debug=true", headers)

    assert status == 200
    assert f'maildns_fcrdns_conclusive{{ip="{SILENT_IP}",pool="test"}} 0.0' in probed
    assert "maildns_probe_success 0.0" in probed
    assert re.match(rf"# {re.escape(SILENT_IP)} of the pool test, sampled in \S+ s of 0.5 s\n", text)


async def test_a_probe_can_ask_for_another_configured_helo_name():
    """One of the address, or of its pool."""
    async with watched_demo() as exporter:
        helo = "na01-bn1-obe.outbound.protection.outlook.com"
        _, probed = await exporter.ask(f"/probe?target=157.56.110.65&helo={helo}")

    assert f'maildns_helo_ptr_match{{helo="{helo}",ip="157.56.110.65",pool="microsoft-365"}} 0.0' in probed


async def test_debugging_shows_the_evidence_in_printable_ascii():
    """Questions, answers, servers, findings; nothing that acts on a terminal."""
    async with watched_demo() as exporter:
        _, text = await exporter.ask("/probe?target=203.0.113.132&debug=true")

    assert r"132.113.0.203.in-addr.arpa PTR: \027[31mred\027[0m.vps.example.net from 127.0.0.1:" in text
    assert "# fcrdns: fail (ptr-syntax)" in text
    assert all(character == "\n" or " " <= character <= "~" for character in text)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("target=", {}),
        ("target=8.8.8.8", {}),
        ("target=mail1.example.org", {}),
        ("target=192.0.2.10&target=192.0.2.11", {}),
        ("target=192.0.2.10&helo=evil.example.org", {}),
        ("target=192.0.2.10&debug=1", {}),
        ("target=192.0.2.10%00", {}),
        ("target=192.0.2.10", {"X-Prometheus-Scrape-Timeout-Seconds": "NaN"}),
        ("target=192.0.2.10", {"X-Prometheus-Scrape-Timeout-Seconds": "-1"}),
        ("target=192.0.2.10", {"X-Prometheus-Scrape-Timeout-Seconds": "inf"}),
        ("target=192.0.2.10", {"X-Prometheus-Scrape-Timeout-Seconds": "soon"}),
    ],
)
async def test_what_is_not_configured_is_not_probed(query, headers):
    """400, and not one question to the DNS."""
    async with fallen_silent() as (exporter, dns):  # where nothing else is asked
        status, _ = await exporter.ask(f"/probe?{query}", headers)
        queries = dns.dropped

    assert (status, queries) == (400, 0)


async def test_prometheus_probes_as_the_documentation_says():
    """Targets become parameters; the series carry the address as their instance."""
    relabel = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
    ]
    async with watched_demo() as exporter:
        relabel.append({"target_label": "__address__", "replacement": exporter.address})
        scrape = {"metrics_path": "/probe", "relabel_configs": relabel}
        with Prometheus(["192.0.2.10", "198.51.100.1"], scrape=scrape, interval="3s") as prometheus:
            found = await prometheus.wait_for("maildns_fcrdns_match", lambda samples: len(samples) == 2)

    assert {one.labels["instance"]: one.value for one in found} == {"192.0.2.10": 1, "198.51.100.1": 0}
