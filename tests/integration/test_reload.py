"""Reload, end to end: the file changes in every way while Prometheus scrapes, and no scrape sees anything but a whole.

The configuration is a real file, read by the real loader; only intervals are shorter than an
operator may write.
"""

import asyncio
import itertools
import os
import signal
from contextlib import asynccontextmanager

import pytest
import yaml
from structlog.testing import capture_logs

from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.servers.process import DEADLINE_SECONDS
from tests.integration.serving import hurried, serving

pytestmark = pytest.mark.integration

ROOT = [". SOA ns. host. 1 3600 900 604800 1", ". NS ns."]
HOSTS = range(1, 41)
RECORDS = [
    *ROOT,
    *[f"{host}.2.0.192.in-addr.arpa. PTR mail{host}.example.org." for host in HOSTS],
    *[f"mail{host}.example.org. A 192.0.2.{host}" for host in HOSTS],
]
SECONDS = 1.0
SUCCESSFUL = "maildns_config_last_reload_successful"
BAD = "pools: [{name: kept, interval: 3, addresses: [{ip: 192.0.2.1, helo: ''}]}]\nresolver: []\n"
PROBLEMS = [
    "test.yml:1:32: pools[0].interval: 3 has no unit: write 3s for 3 seconds, or 3m for 3 minutes",
    "test.yml:1:69: pools[0].addresses[0].helo: is empty: give a value",
    "test.yml:2:1: resolver: is not a known key; did you mean `resolvers`?",
]


def text(*servers, **pools):
    """Write a configuration: pools by name, each the last octets of its addresses."""
    resolver = {"name": "test", "servers": list(servers), "timeout": "5s", "max_queries_per_second": 2000}
    entries = [{"ip": f"192.0.2.{host}", "helo": f"mail{host}.example.org"} for host in HOSTS]
    listed = [{"name": name, "addresses": [entries[host - 1] for host in hosts]} for name, hosts in pools.items()]
    return yaml.safe_dump({"resolvers": [resolver], "pools": listed})


@asynccontextmanager
async def reloadable(path, **options):
    """Run the exporter on the file *path*."""
    load = lambda: hurried(path.read_text(), SECONDS)  # noqa: E731
    async with serving(load, enable_lifecycle=True, **options) as exporter:
        yield exporter


async def reload(exporter):
    """Reload as an operator does: status and body."""
    return await exporter.ask("/-/reload", method="POST")


def addresses(series):
    """Pool and address of each address that is shown."""
    shown = series.get("maildns_fcrdns_match", {})
    return {(dict(labels)["pool"], dict(labels)["ip"]) for labels in shown}


def wanted(**pools):
    """What `addresses` gives for these pools."""
    return {(pool, f"192.0.2.{host}") for pool, hosts in pools.items() for host in hosts}


def samples(series, pool):
    """How many samples of a pool's addresses were taken."""
    counted = series["maildns_samples_total"].items()
    return sum(value for labels, value in counted if {("pool", pool), ("check", "fcrdns")} <= labels)


def rounds(series):
    """How many rounds of the pool that is kept have ended."""
    return value(series, "maildns_pool_rounds_total", pool="kept")


def value(series, name, **labels):
    """The value of one series."""
    return series[name][frozenset(labels.items())]


async def test_a_bad_file_leaves_the_old_configuration_in_use(tmp_path):
    """The answer and the log have every problem, the metric says 0, nothing else changes; a good file fixes it."""
    path = tmp_path / "maildns.yml"
    async with DemoServer(World(RECORDS)) as dns:
        path.write_text(text(dns.address, kept=[1, 2, 3]))
        async with reloadable(path) as exporter:
            before = await exporter.wait_for(lambda s: len(addresses(s)) == 3, "three verdicts")
            effective = await exporter.ask("/config")
            path.write_text(BAD)
            with capture_logs() as logged:
                status, body = await reload(exporter)
            during = await exporter.wait_for(lambda s: samples(s, "kept") > samples(before, "kept"), "more samples")

            assert (status, body.splitlines()) == (500, ["the old configuration stays in use:", *PROBLEMS])
            warnings = [one["problems"] for one in logged if "problems" in one]
            assert {one["log_level"] for one in logged if "problems" in one} == {"warning"}
            assert warnings == [PROBLEMS]
            assert (value(before, SUCCESSFUL), value(during, SUCCESSFUL)) == (1, 0)
            assert addresses(during) == addresses(before)
            assert await exporter.ask("/config") == effective
            assert await exporter.ask("/-/ready") == (200, "ready\n")

            path.write_text(text(dns.address, kept=[1, 2]))
            assert await reload(exporter) == (200, "reloaded\n")
            after = await exporter.series()
            assert value(after, SUCCESSFUL) == 1
            assert addresses(after) == wanted(kept=[1, 2])
            moment = "maildns_config_last_reload_success_timestamp_seconds"
            assert value(before, moment) == value(during, moment) < value(after, moment)


async def test_sighup_reloads(tmp_path):
    """The signal does what the POST does, with a good file and with a bad one; the process lives on."""
    path = tmp_path / "maildns.yml"
    async with DemoServer(World(RECORDS)) as dns:
        path.write_text(text(dns.address, old=[1]))
        async with reloadable(path) as exporter:
            await exporter.wait_for(lambda s: addresses(s) == wanted(old=[1]), "the first verdict")
            path.write_text(text(dns.address, new=[2]))
            os.kill(os.getpid(), signal.SIGHUP)
            await exporter.wait_for(lambda s: addresses(s) == wanted(new=[2]), "the new pool, and the old one gone")
            path.write_text(BAD)
            os.kill(os.getpid(), signal.SIGHUP)
            series = await exporter.wait_for(lambda s: not value(s, SUCCESSFUL), "a failed reload")
            assert addresses(series) == wanted(new=[2])


async def test_no_reload_over_http_without_leave(tmp_path):
    """Without --web.enable-lifecycle a POST changes nothing and says what is missing."""
    path = tmp_path / "maildns.yml"
    async with DemoServer(World(RECORDS)) as dns:
        path.write_text(text(dns.address, old=[1]))
        async with serving(lambda: hurried(path.read_text(), SECONDS)) as exporter:
            path.write_text(text(dns.address, new=[2]))
            status, body = await reload(exporter)
            assert (status, "--web.enable-lifecycle" in body) == (403, True)
            assert ("pool", "old") in next(iter((await exporter.series())["maildns_pool_addresses"]))


async def test_new_resolvers_are_asked_from_the_reload_on(tmp_path):
    """After a reload only the new server is asked, and what was under way at the old one flips nothing."""
    path = tmp_path / "maildns.yml"
    async with DemoServer(World(RECORDS)) as old, DemoServer(World(RECORDS)) as new:
        path.write_text(text(old.address, kept=HOSTS))
        async with reloadable(path) as exporter:
            await exporter.wait_for(lambda s: len(addresses(s)) == len(HOSTS), "every verdict")
            path.write_text(text(new.address, kept=HOSTS))
            old.stop_answering()
            assert (await reload(exporter))[0] == 200
            before = await exporter.series()
            counted = sum(before["maildns_dns_queries_total"].values())
            after = await exporter.wait_for(
                lambda s: samples(s, "kept") > samples(before, "kept") + 2 * len(HOSTS), "two rounds more"
            )
            assert sum(after["maildns_dns_queries_total"].values()) > counted > 2 * len(HOSTS)
            up = {dict(labels)["server"]: up for labels, up in after["maildns_resolver_up"].items()}
            assert up == {new.address: 1}
            assert set(after["maildns_fcrdns_match"].values()) == {1}
            assert sum(after["maildns_result_changes_total"].values()) == 0


async def test_fifty_reloads_while_it_is_scraped(tmp_path):
    """Good, bad, bigger, smaller, renamed, other resolvers, over and over: every scrape is whole.

    No scrape fails or mixes two configurations; counts of the pool that stays never fall and its verdicts never
    waver; its rounds go on, though it is never left alone for as long as one takes.
    """
    path = tmp_path / "maildns.yml"
    few, many = [1, 2, 3], list(HOSTS)
    patience = asyncio.timeout(10 * DEADLINE_SECONDS)  # each of a hundred waits may take a while on a busy machine
    async with patience, DemoServer(World(RECORDS)) as one, DemoServer(World(RECORDS)) as two:
        steps = [
            (text(one.address, kept=few), [wanted(kept=few)]),
            (BAD, None),
            (text(one.address, kept=few, other=many[3:]), [wanted(kept=few, other=many[3:])]),
            (text(two.address, kept=few, other=[9]), [wanted(kept=few, other=[9])]),
            (text(two.address, kept=few, renamed=[9]), [wanted(kept=few, renamed=[9])]),
        ]
        path.write_text(steps[0][0])
        async with reloadable(path) as exporter:
            first = last = await exporter.wait_for(lambda s: addresses(s) == wanted(kept=few), "the first verdicts")
            allowed = wanted(kept=few)
            turns = itertools.takewhile(lambda turn: turn < 50 or rounds(last) < rounds(first) + 3, itertools.count())
            for turn in turns:
                content, shown = steps[turn % len(steps)]
                path.write_text(content)
                (status, body), during = await asyncio.gather(reload(exporter), exporter.series())
                assert (status, body) == (200, "reloaded\n") if shown else status == 500
                before, allowed = allowed, shown[0] if shown else allowed
                series = await exporter.series()
                assert value(series, SUCCESSFUL) == bool(shown)
                for scrape, fitting in ((during, (before, allowed)), (series, (allowed,))):
                    pools = {dict(labels)["pool"] for labels in scrape["maildns_pool_addresses"]}
                    assert any(addresses(scrape) <= fits and pools == {pool for pool, _ in fits} for fits in fitting)
                    assert wanted(kept=few) <= addresses(scrape)
                    assert samples(scrape, "kept") >= samples(last, "kept")
                    last = scrape
            assert sum(last["maildns_result_changes_total"].values()) == 0
