"""Pools load addresses from files and SPF records, and keep them if a source fails."""

import asyncio

import pytest

from exporter.checks.answers import Status
from exporter.config.load import parse
from exporter.inventory.expansion import Trouble
from exporter.inventory.sources import Origin
from exporter.metrics.collectors import SourceCollector
from exporter.sampling.sources import MIN_SECONDS, RETRY_SECONDS, PoolSources
from exporter.state.storage.key_values import KeyValueTable
from tests import fakes
from tests.factories import World
from tests.fakes import FakeResolver

RECORD = 'spf.example.com TXT "v=spf1 ip4:192.0.2.0/28 ip4:198.51.100.0/29 -all"'
LESS = 'spf.example.com TXT "v=spf1 ip4:192.0.2.0/28 -all"'
MORE = 'spf.example.com TXT "v=spf1 ip4:192.0.2.0/28 ip4:198.51.100.0/28 -all"'
TEXT = "pools: [{name: big, spf: spf.example.com}]"
SPF = ("big", Origin.SPF)


def publish(resolver, zone, confirming=None):
    """Give *resolver* another zone, and a zone for confirmations."""
    resolver.world = World.parse(zone)
    resolver.confirming = None if confirming is None else World.parse(confirming)


def answering(zone=RECORD):
    """A resolver that answers at once."""
    return FakeResolver(World.parse(zone), delay_seconds=0)


class Loaded:
    """The sources of a configuration, and the sizes of its pools after each change."""

    def __init__(self, resolver=None, key_values=None):
        self.resolver = resolver or answering()
        self.seen = []
        self.key_values = key_values or KeyValueTable()
        self.sources = PoolSources(lambda: self.resolver, self._changed, self.key_values)

    def _changed(self):
        self.seen.append([pool.size for pool in self.sources.inventory().pools])

    async def use(self, text, directory=None):
        await self.sources.follow(parse(text, "m.yml", directory))
        return [pool.size for pool in self.sources.inventory().pools]

    @property
    def status(self):
        return self.sources.statuses()[SPF]


def run(main):
    """Run a scenario with sources that stop at its end."""

    async def whole():
        loaded = Loaded()
        try:
            return await main(loaded)
        finally:
            await loaded.sources.stop()

    return fakes.run(whole())


def test_the_first_expansion_is_waited_for_and_then_watched():
    """The pool is empty until then; added addresses appear at the next refresh, ten minutes later."""

    async def main(loaded):
        assert await loaded.use(TEXT) == [0]
        assert loaded.sources.waiting == ("big",)
        loaded.sources.start()
        await asyncio.sleep(1)
        assert (loaded.seen, loaded.sources.waiting) == ([[24]], ())
        publish(loaded.resolver, MORE)
        await asyncio.sleep(MIN_SECONDS - 10)
        assert len(loaded.seen) == 1
        await asyncio.sleep(20)
        assert loaded.seen == [[24], [32]]
        assert (loaded.status.added, loaded.status.removed, loaded.status.addresses.size) == (8, 0, 32)
        assert not loaded.resolver.confirmed

    run(main)


def test_an_expansion_that_shrinks_is_confirmed():
    """Without the cache: an address that only one of two expansions lacks stays, one that both lack is removed."""

    async def main(loaded):
        await loaded.use(TEXT)
        loaded.sources.start()
        await asyncio.sleep(1)
        publish(loaded.resolver, LESS, confirming=RECORD)
        await asyncio.sleep(MIN_SECONDS)
        assert (loaded.seen, len(loaded.resolver.confirmed)) == ([[24]], 1)
        publish(loaded.resolver, LESS)
        await asyncio.sleep(MIN_SECONDS)
        assert loaded.seen == [[24], [16]]
        assert (loaded.status.added, loaded.status.removed) == (0, 8)

    run(main)


@pytest.mark.parametrize(
    ("zone", "trouble"),
    [
        pytest.param("spf.example.com TXT !servfail", Trouble.UNANSWERED, id="outage"),
        pytest.param("", Trouble.NO_RECORD, id="gone"),
        pytest.param('spf.example.com TXT "v=spf1 ip5:1 -all"', Trouble.PERMERROR, id="broken"),
        pytest.param('spf.example.com TXT "v=spf1 -all"', Trouble.NO_ADDRESSES, id="empty"),
        pytest.param('spf.example.com TXT "v=spf1 +all"', Trouble.TOO_MANY_ADDRESSES, id="everybody"),
    ],
)
def test_a_failed_refresh_keeps_the_last_expansion(zone, trouble):
    """The failure is reported, and the record is read again every minute."""

    async def main(loaded):
        await loaded.use(TEXT)
        loaded.sources.start()
        await asyncio.sleep(1)
        publish(loaded.resolver, zone)
        await asyncio.sleep(MIN_SECONDS)
        assert (loaded.seen, loaded.status.troubles, loaded.status.succeeded) == ([[24]], (trouble,), False)
        publish(loaded.resolver, RECORD)
        await asyncio.sleep(RETRY_SECONDS + 1)
        assert (loaded.seen, loaded.status.troubles, loaded.status.succeeded) == ([[24]], (), True)

    run(main)


def test_an_expansion_by_lying_servers_is_not_used():
    """Servers that fail their canary afterwards may have begun to lie."""

    async def main(loaded):
        await loaded.use(TEXT)
        loaded.sources.start()
        await asyncio.sleep(1)
        loaded.resolver.failures = [Status.CANARY]
        publish(loaded.resolver, MORE)
        await asyncio.sleep(MIN_SECONDS)
        assert (loaded.seen, loaded.status.troubles) == ([[24]], (Trouble.UNANSWERED,))

    run(main)


def test_after_a_restart_the_stored_expansion_is_used():
    """The pool does not wait for the DNS, and an address is removed only after a confirmation."""

    async def main(loaded):
        await loaded.use(TEXT)
        loaded.sources.start()
        await asyncio.sleep(1)
        succeeded_at = loaded.status.succeeded_at
        again = Loaded(answering("spf.example.com TXT !timeout"), key_values=loaded.key_values)
        assert await again.use(TEXT) == [24]
        assert (again.sources.waiting, again.status.succeeded_at) == ((), succeeded_at)
        again.sources.start()
        await asyncio.sleep(1)
        assert (again.seen, again.status.addresses.size, again.status.succeeded) == ([], 24, False)
        publish(again.resolver, LESS, confirming=RECORD)
        await asyncio.sleep(RETRY_SECONDS)
        assert (again.seen, len(again.resolver.confirmed), again.status.succeeded) == ([], 1, True)
        await again.sources.stop()
        assert await Loaded(key_values=loaded.key_values).use(TEXT.replace("spf.example.com", "other.example.com")) == [
            0
        ]

    run(main)


def test_a_pool_waits_for_an_answer_but_not_for_a_missing_record():
    """An outage at the start delays readiness, a missing record does not."""

    async def main(loaded):
        publish(loaded.resolver, "spf.example.com TXT !timeout")
        await loaded.use(TEXT)
        loaded.sources.start()
        await asyncio.sleep(1)
        assert loaded.sources.waiting == ("big",)
        publish(loaded.resolver, "")
        await asyncio.sleep(RETRY_SECONDS)
        assert loaded.sources.waiting == ()

    run(main)


def test_files_are_watched(tmp_path):
    """The addresses of a file are added when it is written, stay while it is broken, and go when it is removed."""
    text = "pools: [{name: big, addresses: [{ip: 10.0.0.1}], addresses_file: 't/*.yml'}]"
    (tmp_path / "t").mkdir()
    file = tmp_path / "t" / "a.yml"

    async def until(condition):
        for _ in range(5_000):
            if condition():
                return
            await asyncio.sleep(1)
        raise TimeoutError

    async def main(loaded):
        assert await loaded.use(text, tmp_path) == [1]
        loaded.sources.start()
        file.write_text("[{network: 192.0.2.0/30}, {ip: 10.0.0.1}]")
        await until(lambda: loaded.seen == [[5]])
        status = loaded.sources.statuses()["big", Origin.FILES]
        assert (status.addresses.size, status.conflicts, status.troubles) == (4, 0, ())
        file.write_text("[{network: 192.0.2.0}]")
        await until(lambda: loaded.sources.statuses()["big", Origin.FILES].troubles)
        assert (loaded.seen, status.addresses.size) == ([[5]], 4)
        file.unlink()
        await until(lambda: loaded.seen == [[5], [1]])

    run(main)


def test_a_reload_keeps_the_expansion_of_the_same_record():
    """Another record is expanded."""

    async def main(loaded):
        await loaded.use(TEXT)
        loaded.sources.start()
        await asyncio.sleep(1)
        asked = len(loaded.resolver.asked)
        assert await loaded.use(TEXT.replace("}]", ", interval: 1h}]")) == [24]
        await asyncio.sleep(1)
        assert len(loaded.resolver.asked) == asked
        assert await loaded.use(TEXT.replace("spf.ex", "mail.ex")) == [0]
        await asyncio.sleep(1)
        assert loaded.sources.statuses()[SPF].troubles == (Trouble.NO_RECORD,)
        assert await loaded.use("pools: [{name: big, addresses: [{ip: 10.0.0.1}]}]") == [1]
        assert loaded.sources.statuses() == {}

    run(main)


def test_a_scrape_shows_every_source():
    """Its size, changes, success and problems."""

    async def main(loaded):
        publish(loaded.resolver, 'spf.example.com TXT "v=spf1 ip4:192.0.2.0/28 exists:%{ir}.example.com -all"')
        await loaded.use(TEXT)
        loaded.sources.start()
        await asyncio.sleep(1)
        metrics = SourceCollector(loaded.sources.statuses).collect()
        return {(sample.name, *sample.labels.values()): sample.value for metric in metrics for sample in metric.samples}

    shown = run(main)
    succeeded_at = shown.pop(("maildns_pool_source_last_refresh_success_timestamp_seconds", "big", "spf"))
    assert succeeded_at > 1e9
    assert shown == {
        ("maildns_pool_source_addresses", "big", "spf"): 16,
        ("maildns_pool_source_conflicting_addresses", "big", "spf"): 0,
        ("maildns_pool_source_added_addresses_total", "big", "spf"): 0,
        ("maildns_pool_source_removed_addresses_total", "big", "spf"): 0,
        ("maildns_pool_source_last_refresh_success", "big", "spf"): 1,
        ("maildns_pool_source_problem", "big", "spf", "not-enumerable"): 1,
    }


def test_sources_can_be_stopped_while_they_wait_for_an_answer():
    """Even if it never comes."""

    async def main(loaded):
        loaded.resolver.ask = lambda *_, **__: None
        await loaded.use(TEXT)
        loaded.sources.start()
        await asyncio.sleep(100)
        return loaded.sources.waiting

    assert run(main) == ("big",)
