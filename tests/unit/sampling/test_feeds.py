"""Pools are fed from files and SPF records, and nothing that goes wrong there takes an address away."""

import asyncio

import pytest

from exporter.checks.answers import Status
from exporter.config.load import parse
from exporter.inventory.expansion import Trouble
from exporter.inventory.shard import Shard
from exporter.inventory.sources import Origin
from exporter.metrics.collectors import SourceCollector
from exporter.sampling.sources import LEAST_SECONDS, RETRY_SECONDS, Feeds
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
    """Give *resolver* another zone, and another one for confirmations."""
    resolver.world = World.parse(zone)
    resolver.confirming = None if confirming is None else World.parse(confirming)


def answering(zone=RECORD):
    """A resolver that answers at once."""
    return FakeResolver(World.parse(zone), delay_seconds=0)


class Fed:
    """Feeds over a configuration, and the pools that came of it, each time that they changed."""

    def __init__(self, resolver=None, shard=None, notes=None):
        self.resolver = resolver or answering()
        self.seen = []
        self.key_values = notes or KeyValueTable()
        self.feeds = Feeds(lambda: self.resolver, self._changed, self.key_values, shard or Shard(), poll_seconds=5)

    def _changed(self):
        self.seen.append([pool.size for pool in self.feeds.inventory().pools])

    async def use(self, text, directory=None):
        await self.feeds.follow(parse(text, "m.yml", directory))
        return [pool.size for pool in self.feeds.inventory().pools]

    @property
    def status(self):
        return self.feeds.statuses()[SPF]


def run(main):
    """Run a scenario with feeds that stop at its end."""

    async def whole():
        fed = Fed()
        try:
            return await main(fed)
        finally:
            await fed.feeds.stop()

    return fakes.run(whole())


def test_the_first_expansion_is_waited_for_and_then_watched():
    """The pool is empty until then; a record that grows is taken over at the next refresh, ten minutes later."""

    async def main(fed):
        assert await fed.use(TEXT) == [0]
        assert fed.feeds.waiting == ("big",)
        fed.feeds.start()
        await asyncio.sleep(1)
        assert (fed.seen, fed.feeds.waiting) == ([[24]], ())
        publish(fed.resolver, MORE)
        await asyncio.sleep(LEAST_SECONDS - 10)
        assert len(fed.seen) == 1
        await asyncio.sleep(20)
        assert fed.seen == [[24], [32]]
        assert (fed.status.added, fed.status.removed, fed.status.addresses.size) == (8, 0, 32)
        assert not fed.resolver.confirmed

    run(main)


def test_what_shrinks_is_asked_twice():
    """Past the cache: what only one of two expansions lacks stays, what both lack goes."""

    async def main(fed):
        await fed.use(TEXT)
        fed.feeds.start()
        await asyncio.sleep(1)
        publish(fed.resolver, LESS, confirming=RECORD)
        await asyncio.sleep(LEAST_SECONDS)
        assert (fed.seen, len(fed.resolver.confirmed)) == ([[24]], 1)
        publish(fed.resolver, LESS)
        await asyncio.sleep(LEAST_SECONDS)
        assert fed.seen == [[24], [16]]
        assert (fed.status.added, fed.status.removed) == (0, 8)

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
    """It is told of, tried again every minute, and over when the record is back."""

    async def main(fed):
        await fed.use(TEXT)
        fed.feeds.start()
        await asyncio.sleep(1)
        publish(fed.resolver, zone)
        await asyncio.sleep(LEAST_SECONDS)
        assert (fed.seen, fed.status.troubles, fed.status.succeeded) == ([[24]], (trouble,), False)
        publish(fed.resolver, RECORD)
        await asyncio.sleep(RETRY_SECONDS + 1)
        assert (fed.seen, fed.status.troubles, fed.status.succeeded) == ([[24]], (), True)

    run(main)


def test_an_expansion_by_servers_that_lie_is_not_taken_over():
    """Who fails the canary after that may have begun to lie."""

    async def main(fed):
        await fed.use(TEXT)
        fed.feeds.start()
        await asyncio.sleep(1)
        fed.resolver.failures = [Status.CANARY]
        publish(fed.resolver, MORE)
        await asyncio.sleep(LEAST_SECONDS)
        assert (fed.seen, fed.status.troubles) == ([[24]], (Trouble.UNANSWERED,))

    run(main)


def test_after_a_restart_the_pool_is_there_before_the_dns_answers():
    """Nobody waits for an expansion that is known; it is confirmed like any other before an address leaves it."""

    async def main(fed):
        await fed.use(TEXT)
        fed.feeds.start()
        await asyncio.sleep(1)
        succeeded_at = fed.status.succeeded_at
        again = Fed(answering("spf.example.com TXT !timeout"), notes=fed.key_values)
        assert await again.use(TEXT) == [24]
        assert (again.feeds.waiting, again.status.succeeded_at) == ((), succeeded_at)
        again.feeds.start()
        await asyncio.sleep(1)
        assert (again.seen, again.status.addresses.size, again.status.succeeded) == ([], 24, False)
        publish(again.resolver, LESS, confirming=RECORD)
        await asyncio.sleep(RETRY_SECONDS)
        assert (again.seen, len(again.resolver.confirmed), again.status.succeeded) == ([], 1, True)
        await again.feeds.stop()
        assert await Fed(notes=fed.key_values).use(TEXT.replace("spf.example.com", "other.example.com")) == [0]

    run(main)


def test_nobody_waits_for_a_record_that_does_not_exist_but_for_an_answer():
    """An outage at the start holds readiness back, a mistake does not."""

    async def main(fed):
        publish(fed.resolver, "spf.example.com TXT !timeout")
        await fed.use(TEXT)
        fed.feeds.start()
        await asyncio.sleep(1)
        assert fed.feeds.waiting == ("big",)
        publish(fed.resolver, "")
        await asyncio.sleep(RETRY_SECONDS)
        assert fed.feeds.waiting == ()

    run(main)


def test_files_are_looked_at_while_serving(tmp_path):
    """A file that is written, broken and removed: its addresses come, stay and go."""
    text = "pools: [{name: big, addresses: [{ip: 10.0.0.1}], addresses_file: 't/*.yml'}]"
    (tmp_path / "t").mkdir()
    file = tmp_path / "t" / "a.yml"

    async def until(condition):
        for _ in range(5_000):
            if condition():
                return
            await asyncio.sleep(1)
        raise TimeoutError

    async def main(fed):
        assert await fed.use(text, tmp_path) == [1]
        fed.feeds.start()
        file.write_text("[{network: 192.0.2.0/30}, {ip: 10.0.0.1}]")
        await until(lambda: fed.seen == [[5]])
        status = fed.feeds.statuses()["big", Origin.FILES]
        assert (status.addresses.size, status.conflicts, status.troubles) == (4, 0, ())
        file.write_text("[{network: 192.0.2.0}]")
        await until(lambda: fed.feeds.statuses()["big", Origin.FILES].troubles)
        assert (fed.seen, status.addresses.size) == ([[5]], 4)
        file.unlink()
        await until(lambda: fed.seen == [[5], [1]])

    run(main)


def test_a_reload_keeps_what_is_known():
    """The expansion stays where the record is the same one; another record is expanded anew."""

    async def main(fed):
        await fed.use(TEXT)
        fed.feeds.start()
        await asyncio.sleep(1)
        asked = len(fed.resolver.asked)
        assert await fed.use(TEXT.replace("}]", ", interval: 1h}]")) == [24]
        await asyncio.sleep(1)
        assert len(fed.resolver.asked) == asked
        assert await fed.use(TEXT.replace("spf.ex", "mail.ex")) == [0]
        await asyncio.sleep(1)
        assert fed.feeds.statuses()[SPF].troubles == (Trouble.NO_RECORD,)
        assert await fed.use("pools: [{name: big, addresses: [{ip: 10.0.0.1}]}]") == [1]
        assert fed.feeds.statuses() == {}

    run(main)


def test_a_scrape_shows_every_source():
    """Sizes, changes, success and what is wrong."""

    async def main(fed):
        publish(fed.resolver, 'spf.example.com TXT "v=spf1 ip4:192.0.2.0/28 exists:%{ir}.example.com -all"')
        await fed.use(TEXT)
        fed.feeds.start()
        await asyncio.sleep(1)
        metrics = SourceCollector(fed.feeds.statuses).collect()
        return {(sample.name, *sample.labels.values()): sample.value for metric in metrics for sample in metric.samples}

    shown = run(main)
    moment = shown.pop(("maildns_pool_source_last_refresh_success_timestamp_seconds", "big", "spf"))
    assert moment > 1e9
    assert shown == {
        ("maildns_pool_source_addresses", "big", "spf"): 16,
        ("maildns_pool_source_conflicting_addresses", "big", "spf"): 0,
        ("maildns_pool_source_added_addresses_total", "big", "spf"): 0,
        ("maildns_pool_source_removed_addresses_total", "big", "spf"): 0,
        ("maildns_pool_source_last_refresh_success", "big", "spf"): 1,
        ("maildns_pool_source_problem", "big", "spf", "not-enumerable"): 1,
    }


def test_answers_that_never_come_hold_nothing_up():
    """Whoever stops the feeds stops them, whatever they wait for."""

    async def main(fed):
        fed.resolver.ask = lambda *_, **__: None
        await fed.use(TEXT)
        fed.feeds.start()
        await asyncio.sleep(100)
        return fed.feeds.waiting

    assert run(main) == ("big",)
