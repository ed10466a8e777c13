"""Time that misbehaves, against a whole exporter in a process of its own: steps of the wall clock, a sleep, a stall.

Libfaketime steps the wall clock of the process and leaves the monotonic one alone, as a kernel
does. What is compared is how many rounds there were in how much monotonic time: a busy machine makes them fewer.
A step has happened when the exporter's own answers are dated by it: libfaketime looks at its file now and then only.
"""

import asyncio
import os
import signal
import sys
import time
import urllib.request
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.server import DemoServer
from exporter.demo.world import World
from tests.integration.servers.process import Server, wait_until
from tests.integration.servers.tools import library

pytestmark = pytest.mark.integration

SECONDS = 0.5
STEP_SECONDS = 60
DAY_SECONDS = 86400
ROOT = Path(__file__).parents[2]
HOSTS = range(1, 11)
RECORDS = [
    ". SOA ns. host. 1 3600 900 604800 1",
    ". NS ns.",
    *[f"{host}.2.0.192.in-addr.arpa. PTR mail{host}.example.org." for host in HOSTS],
    *[f"mail{host}.example.org. A 192.0.2.{host}" for host in HOSTS],
]
SAMPLED, CONCLUDED, CHANGED = (
    f"maildns_last_{what}timestamp_seconds" for what in ("sample_", "conclusive_sample_", "change_")
)


class Hurried(Server):
    """The exporter; *clock* is the file that says how its wall clock is wrong, None for a clock that is right."""

    def __init__(self, dns, clock=None):
        super().__init__()
        self._dns, self._clock = dns, clock
        self._faketime = None if clock is None else library("faketime/libfaketimeMT.so.1", "libfaketime")

    def command(self):
        """Write the configuration."""
        entries = [{"ip": f"192.0.2.{host}", "helo": f"mail{host}.example.org"} for host in HOSTS]
        resolver = {"name": "test", "servers": [self._dns], "timeout": "1s"}
        text = yaml.safe_dump({"resolvers": [resolver], "pools": [{"name": "test", "addresses": entries}]})
        (self.folder / "maildns.yml").write_text(text)
        environment = [f"PYTHONPATH={ROOT}"]
        if self._clock is not None:  # without a cache it would read the file each time, which keeps a loop busy
            environment += [f"LD_PRELOAD={self._faketime}", f"FAKETIME_TIMESTAMP_FILE={self._clock}"]
            environment += [
                "FAKETIME_CACHE_DURATION=1",
                "FAKETIME_DONT_FAKE_MONOTONIC=1",
                "FAKETIME_FORCE_MONOTONIC_FIX=0",
            ]
        program = [sys.executable, "-m", "tests.integration.hurried_exporter", str(self.folder / "maildns.yml")]
        return ["env", *environment, *program, str(self.port), str(SECONDS)]

    def answers(self):
        """Whether it can be scraped."""
        try:
            return bool(self.scrape())
        except OSError:
            return False

    def scrape(self):
        """Every series by name and address, pool or nothing."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=300) as response:
            text = response.read().decode()
        return {
            (sample.name, sample.labels.get("ip", "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @property
    def rounds(self):
        """How many rounds have ended. Who asks over and over leaves the exporter some of the processor."""
        time.sleep(0.1)
        return self.scrape().get(("maildns_pool_rounds_total", ""), 0)

    def is_off_by(self, seconds):
        """Whether its wall clock, with which it dates its answers, is so far ahead of the one here."""
        time.sleep(0.1)
        with urllib.request.urlopen(f"http://{self.address}/-/healthy", timeout=300) as response:
            helo = parsedate_to_datetime(response.headers["Date"]).timestamp()
        return abs(helo - time.time() - seconds) < STEP_SECONDS / 2


def check_pace(exporter, more, offset=0):
    """Wait for *more* rounds after its clock is off by *offset* seconds: there never were more than had time."""
    began, before = time.monotonic(), exporter.rounds
    wait_until(lambda: exporter.is_off_by(offset), f"a wall clock that is off by {offset} s")
    stepped = exporter.rounds
    wait_until(lambda: exporter.rounds >= stepped + more, f"{more} rounds")
    after = exporter.rounds
    assert after - before <= (time.monotonic() - began) / SECONDS + 2


def is_known(exporter):
    """Whether every address has had a sample that was answered, after two rounds or more."""
    series = exporter.scrape()
    rounds = series.get(("maildns_pool_rounds_total", ""), 0)
    return rounds >= 2 and all(series.get((CONCLUDED, f"192.0.2.{host}")) for host in HOSTS)


def check_order(series):
    """A change is never later than the conclusive sample that found it, which is never later than the latest one."""
    for host in HOSTS:
        ip = f"192.0.2.{host}"
        sampled, concluded = series[SAMPLED, ip], series[CONCLUDED, ip]
        assert series.get((CHANGED, ip), 0.0) <= concluded <= sampled


async def test_steps_of_the_wall_clock_make_no_burst_and_no_gap(tmp_path):
    """A month ahead, a minute back, and three months back without a resolver: the pace stays, and so does order."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    async with DemoServer(World(RECORDS)) as dns:
        with Hurried(dns.address, clock) as exporter:
            await asyncio.to_thread(wait_until, lambda: is_known(exporter), "verdicts on all")
            real = (await asyncio.to_thread(exporter.scrape))[SAMPLED, "192.0.2.1"]
            for offset in (30 * DAY_SECONDS, 30 * DAY_SECONDS - STEP_SECONDS):
                clock.write_text(f"+{offset}")
                await asyncio.to_thread(check_pace, exporter, 3, offset)
                series = await asyncio.to_thread(exporter.scrape)
                check_order(series)
                assert abs(series[SAMPLED, "192.0.2.1"] - real - offset) < 600
            dns.stop_answering()
            clock.write_text("-60d")
            await asyncio.to_thread(check_pace, exporter, 3, -60 * DAY_SECONDS)
            check_order(await asyncio.to_thread(exporter.scrape))


async def test_a_machine_that_slept_has_one_round_to_make_up_for():
    """Stopped for many intervals and woken again, it goes on at its pace and answers as before."""
    async with DemoServer(World(RECORDS)) as dns:
        with Hurried(dns.address) as exporter:
            await asyncio.to_thread(wait_until, lambda: is_known(exporter), "verdicts on all")
            began = time.monotonic()
            before = await asyncio.to_thread(exporter.scrape)
            os.kill(exporter.pid, signal.SIGSTOP)
            slept = time.monotonic()
            try:
                await asyncio.to_thread(wait_until, lambda: time.monotonic() > slept + 8 * SECONDS, "sleep")
            finally:
                continued = time.monotonic()
                os.kill(exporter.pid, signal.SIGCONT)
            woken = await asyncio.to_thread(exporter.scrape)
            awake_seconds = time.monotonic() - continued + slept - began
            await asyncio.to_thread(check_pace, exporter, 4)
            after = await asyncio.to_thread(exporter.scrape)

    rounds = ("maildns_pool_rounds_total", "")
    allowed = awake_seconds / SECONDS + 2  # its pace, what was under way, and what is made up for
    assert woken[rounds] - before[rounds] <= allowed
    assert {key: value for key, value in after.items() if "match" in key[0]} == {
        key: value for key, value in before.items() if "match" in key[0]
    }
    check_order(after)
