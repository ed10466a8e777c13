"""Names of any octets, through the whole service: what they do to metrics, JSON, pages and logs, which is nothing."""

import json
import re
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.checks.names import DomainName
from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.servers.prometheus import promtool
from tests.integration.serving import configuration_text, hurried, serving

pytestmark = pytest.mark.integration

HOSTILE = {
    "quote": r"quote\"quote.example.org",
    "newline": r"new\010line.example.org",
    "nul": r"nul\000nul.example.org",
    "escape": r"esc\027[31m.example.org",
    "script": r"</script><script>alert\(1\)</script>.example.org",
    "not UTF-8": r"\255\254\253.example.org",
    "dot in a label": r"dot\.dot.example.org",
    "bad xn--": r"xn--\195\188.example.org",
    "backslash": r"back\\slash.example.org",
    "braces": r"a}b{c,d=e.example.org",
    "carriage return and tab": r"a\013b\009c.example.org",
    "only a blank": r"\032.example.org",
}
HOSTS = dict(enumerate(HOSTILE.values(), start=1))
PLAIN = range(101, 104)
SECONDS = 0.5
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
FORMATS = {"text": (text_families, {}), "openmetrics": (openmetrics_families, OPENMETRICS)}
NAMED = "maildns_ptr_info"


def records(names):
    """Write a world in which each host of *names* has that name, which leads nowhere, and the plain ones are right."""
    return [
        ". SOA ns. host. 1 3600 900 604800 1",
        *[f"{host}.2.0.192.in-addr.arpa. PTR {name}." for host, name in names.items()],
        *[f"{host}.2.0.192.in-addr.arpa. PTR mail{host}.example.org." for host in PLAIN],
        *[f"mail{host}.example.org. A 192.0.2.{host}" for host in PLAIN],
    ]


@asynccontextmanager
async def watching(world):
    """Run the exporter on a world, and wait until every address was sampled."""
    entries = [{"ip": f"192.0.2.{host}"} for host in (*HOSTS, *PLAIN)]
    async with DemoServer(world) as server:
        text = configuration_text(server.address, entries, profile="default")
        async with serving(lambda: hurried(text, SECONDS)) as exporter:
            count = len(entries)
            await exporter.wait_for(lambda s: len(s.get("maildns_fcrdns_match", {})) == count, "every verdict")
            yield exporter


def facts(text, parse):
    """Every series about an address, without its moments, by address."""
    found = {}
    for family in parse(text):
        for sample in family.samples:
            if "ip" in sample.labels and not sample.name.endswith("_timestamp_seconds"):
                rest = frozenset(sample.labels.items())
                found.setdefault(sample.labels["ip"], {})[sample.name, rest] = sample.value
    return found


@pytest.mark.parametrize("kind", FORMATS)
async def test_the_exposition_holds_hostile_names_and_is_unharmed(kind):
    """Each name arrives escaped, as it can be read back; everything about other addresses is as it is without them."""
    parse, headers = FORMATS[kind]
    async with watching(World(records(HOSTS))) as exporter:
        _, hostile = await exporter.ask("/metrics", headers)
    async with watching(World(records(dict.fromkeys(HOSTS, "harmless.example.org")))) as exporter:
        _, harmless = await exporter.ask("/metrics", headers)

    found, wanted = facts(hostile, parse), facts(harmless, parse)
    for host, name in HOSTS.items():
        (shown,) = [dict(labels)["ptr"] for family, labels in found[f"192.0.2.{host}"] if family == NAMED]
        assert shown == DomainName(name) == name
    for host in PLAIN:
        assert found[f"192.0.2.{host}"] == wanted[f"192.0.2.{host}"]
    assert {ip: len(series) for ip, series in found.items()} == {ip: len(series) for ip, series in wanted.items()}
    assert hostile.isascii()
    assert len(hostile.splitlines()) == hostile.count("\n")


async def test_promtool_likes_hostile_names():
    """Prometheus' own parser reads the exposition, and finds nothing to complain about."""
    async with watching(World(records(HOSTS))) as exporter:
        _, exposition = await exporter.ask("/metrics")

    checked = promtool("check", "metrics", stdin=exposition)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


async def test_json_and_pages_hold_hostile_names():
    """JSON is printable and gives each name back; no page has a name as anything but text."""
    async with watching(World(records(HOSTS))) as exporter:
        for host, name in HOSTS.items():
            _, text = await exporter.ask(f"/api/v1/addresses/192.0.2.{host}")
            (document,) = json.loads(text)["data"]
            assert document["iprev"]["ptr_names"] == [name]
            assert re.fullmatch(r"[\x20-\x7e]+\n", text)
            status, page = await exporter.ask(f"/addresses/192.0.2.{host}")
            assert status == 200
            assert not re.search(r"[^\n\x20-\x7e\xa0-\uffff]", page)
            assert "<script>alert" not in page


LOGGING = """
import asyncio, sys
from exporter.cli.serve import configure_logging
from exporter.demo.world import World
from tests.integration import test_bad_input as these

async def main():
    world = World(these.records(dict.fromkeys(these.HOSTS, "harmless.example.org")))
    world.add([f"harmless.example.org. A 192.0.2.{host}" for host in these.HOSTS])
    async with these.watching(world) as exporter:
        world.apply(these.records(these.HOSTS))
        await exporter.wait_for(
            lambda s: sum(s["maildns_result_changes_total"].values()) >= len(these.HOSTS), "the changes"
        )

configure_logging("info", sys.argv[1])
asyncio.run(main())
"""


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_logs_hold_hostile_names(style):
    """A change that names each of them is one line of printable characters, that can be read back where it is JSON."""
    ended = subprocess.run(
        [sys.executable, "-c", LOGGING, style],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=600,
        check=False,
    )
    lines = ended.stderr.decode("ascii").removesuffix("\n").split("\n")
    assert ended.returncode == 0, lines
    assert all(line.isprintable() for line in lines)
    changed = [line for line in lines if "changed" in line]
    assert len(changed) == len(HOSTS)
    if style == "json":
        sentences = [json.loads(line)["sentence"] for line in changed]
        assert all(any(name in sentence for sentence in sentences) for name in HOSTS.values())
