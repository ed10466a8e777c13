"""Rounds: what those find that draw addresses, and that no address waits longer than an interval."""

import asyncio
import itertools
import re

import pytest

from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Status
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.inventory.draws import SEARCH
from exporter.sampling.sampler import Sampler
from exporter.state.board import Board
from exporter.state.pool import WorstPrefixes
from exporter.state.storage.key_values import KeyValueTable
from exporter.state.storage.writer import load_round, put_cursor, put_round
from exporter.views.pools import next_sample
from tests.fakes import FakeResolver, run

FCRDNS = CheckName.FCRDNS
CONFIGURATION = """
resolvers: [{name: local, servers: [127.0.0.1], max_queries_per_second: %s}]
pools: [{name: big, interval: 1h, sample: %s, addresses: [%s]}]
"""


def configuration(*networks, sample="{per_prefix: 1}", rate="500"):
    return CONFIGURATION % (rate, sample, ", ".join(f"{{network: {network}}}" for network in networks))


HOUR = 3600.0
SMALL = "pools: [{name: big, interval: 1h, addresses: [{network: 192.0.2.0/25}]}]"
DRAWN = configuration("10.0.0.0/18")
SLACK_SECONDS = 60.0  # the time of a draw, of which a round has 64


def everything(is_broken, *, is_silent=lambda _address: False):
    """A DNS in which every IPv4 address is forward-confirmed, unless *is_broken* or *is_silent* is true for it."""

    def answer(question):
        numbers = re.findall(r"\d+", question.name)
        if question.rdtype != "PTR":
            return Answer(Status.ANSWER, (Address.parse(".".join(numbers)),))
        if is_silent(_address(question)):
            return Answer(Status.TIMEOUT)
        if is_broken(_address(question)):
            return Answer(Status.NXDOMAIN)
        return Answer(Status.ANSWER, (DomainName(f"m-{'-'.join(reversed(numbers))}.example.org"),))

    return answer


def _address(question):
    return ".".join(reversed(re.findall(r"\d+", question.name)))


def reversed_addresses(resolver):
    """The addresses whose PTR records were asked for, in order."""
    return [_address(question) for question in resolver.asked if question.rdtype == "PTR"]


class Watched:
    """A sampler over one pool."""

    def __init__(self, world, text):
        resolver = self.resolver = FakeResolver(world, max_in_flight=100)
        self.board = Board()
        self.sampler = Sampler(self.board, lambda: resolver, on_change=lambda _pool, _change: None)
        self.use(text)

    def use(self, text):
        self.board.publish(build(parse(text, "test")))
        self.sampler.follow()

    @property
    def pool(self):
        return self.board.pools["big"]

    async def rounds(self, count=1):
        """Run some rounds. Returns the addresses that were asked about in the last one."""
        for _ in range(count):
            before = self.pool.counters.rounds
            self.resolver.asked.clear()
            self.sampler.tick("big")
            while self.pool.counters.rounds == before:
                await asyncio.sleep(1)
        return reversed_addresses(self.resolver)

    @property
    def worst(self):
        return {text: (failing, sampled) for text, failing, sampled in WorstPrefixes(self.pool)()}


def test_a_prefix_that_is_wholly_broken_is_found_in_the_first_round():
    """One address of each /24 is sampled; where it fails, eight more are, which do not count."""

    async def main():
        watched = Watched(everything(lambda address: address.startswith("10.0.7.")), configuration("10.0.0.0/20"))
        asked = await watched.rounds()
        return asked, watched.worst, watched.pool.sample_sums()[FCRDNS]

    asked, worst, sums = run(main())

    prefixes = [address.rpartition(".")[0] for address in asked]
    assert {f"10.0.{third}" for third in range(16)} == set(prefixes)
    assert worst == {"10.0.7.0/24": (1 + SEARCH, 1 + SEARCH)}
    assert prefixes.count("10.0.7") == 2 * (1 + SEARCH)  # each of them was confirmed
    assert len(prefixes) == 15 + 2 * (1 + SEARCH)
    assert sums == (16, 1)


def test_the_first_sample_of_an_address_comes_when_it_is_announced():
    """An address that was not drawn yet is sampled at the end of the announced number of rounds, not before."""

    async def main():
        watched = Watched(everything(lambda _address: False), configuration("10.0.0.0/20"))
        await watched.rounds()
        waits = {index: next_sample(watched.pool, index) for index in range(0, 4096, 5)}
        for number in range(1, 5):
            await watched.rounds()
            for index, wait in waits.items():
                if not watched.pool.is_sampled(index):
                    assert wait.rounds > number
                elif wait.rounds < 256:  # the present round was not its second
                    assert wait.rounds <= number
        return waits

    waits = run(main())

    assert max(wait.rounds for wait in waits.values()) > 250
    assert {wait.seconds / wait.rounds for wait in waits.values()} == {HOUR}


def test_known_failures_are_sampled_in_every_round():
    """A fix is seen in the next round, not after 256; and a known prefix is not searched again."""

    async def main():
        broken = {"10.0.7."}
        watched = Watched(everything(lambda address: address.startswith(tuple(broken))), configuration("10.0.0.0/20"))
        await watched.rounds()
        second = await watched.rounds()
        known = watched.worst
        broken.clear()
        await watched.rounds()
        return second, known, watched.worst

    second, known, fixed = run(main())

    assert len(set(second)) == 15 + 1 + SEARCH  # the next draw is one of the addresses that the search sampled
    assert known == {"10.0.7.0/24": (1 + SEARCH, 1 + SEARCH)}
    assert fixed == {}


def test_every_address_is_drawn():
    """After enough rounds all addresses were sampled, and each broken one is known."""

    async def main():
        watched = Watched(
            everything(lambda address: address in {"10.0.0.3", "10.0.1.200"}),
            configuration("10.0.0.0/25", "10.0.1.128/25", sample="{per_prefix: 16}"),
        )
        await watched.rounds(8)
        return [state.sampled_at > 0 for state in watched.pool.sampled()], watched.worst

    sampled, worst = run(main())

    assert len(sampled) == 256
    assert worst == {"10.0.0.0/24": (1, 128), "10.0.1.0/24": (1, 128)}


def test_unanswered_samples_do_not_count():
    """An outage of a quarter of the prefixes makes the sample smaller, not better or worse."""

    async def main():
        watched = Watched(
            everything(
                lambda address: address.startswith("10.0.3."),
                is_silent=lambda address: int(address.split(".")[2]) % 4 == 0,
            ),
            configuration("10.0.0.0/20"),
        )
        await watched.rounds()
        return watched.pool.sample_sums()[FCRDNS]

    assert run(main()) == (12, 1)


def test_a_pool_that_fits_into_its_interval_is_sampled_as_a_whole():
    """By default, every address is sampled as long as the rounds fit into the budget."""

    async def main(text):
        watched = Watched(everything(lambda address: address.endswith(".9")), text)
        asked = await watched.rounds()
        return len(set(asked)), watched.pool.sample_sums()[FCRDNS]

    fits = configuration("10.0.0.0/22", sample="auto")
    assert run(main(fits)) == (1024, (1024, 4))
    too_slow = configuration("10.0.0.0/22", sample="auto", rate="0.5")
    asked, sums = run(main(too_slow))
    assert (asked, sums[0]) == (4, 4)
    forced = configuration("10.0.0.0/22", sample="false", rate="0.5")
    assert run(main(forced)) == (1024, (1024, 4))


@pytest.mark.slow
def test_a_pool_that_changes_during_its_round_continues_where_it_stopped():
    """Each address is sampled even if the pool changes often."""

    async def main(sample):
        text = configuration("10.0.0.0/20", sample=sample)
        watched = Watched(everything(lambda _address: False), text)
        await watched.rounds()
        watched.resolver.asked.clear()
        for _ in range(3):  # each time a third of the way through
            watched.sampler.tick("big")
            await asyncio.sleep(0.9 * 3600 / 3 + 20)
            text = text.replace("interval: 1h", "interval: 60m") if "1h" in text else text
            watched.use(text.replace("]}]", f", {{ip: 192.0.2.{len(watched.resolver.asked) % 200}}}]}}]"))
        return {address.rpartition(".")[0] for address in reversed_addresses(watched.resolver)}

    everywhere = {f"10.0.{third}" for third in range(16)}
    assert run(main("{per_prefix: 1}")) >= everywhere
    assert run(main("false")) >= everywhere


def test_a_round_that_goes_mostly_unanswered_changes_no_share():
    """The sums of the round before stay; a round that is mostly answered replaces them."""

    async def main():
        silent = set()
        watched = Watched(
            everything(lambda address: address.startswith("10.0.7."), is_silent=lambda _address: bool(silent)),
            configuration("10.0.0.0/20"),
        )
        await watched.rounds()
        silent.add("all")
        await watched.rounds()
        during = watched.pool.sample_sums()[FCRDNS]
        silent.clear()
        await watched.rounds()
        return during, watched.pool.sample_sums()[FCRDNS]

    assert run(main()) == ((16, 1), (16, 1))


def test_sums_of_an_unfinished_first_round_are_not_shown():
    """They would not represent the whole pool."""

    async def main():
        watched = Watched(everything(lambda _address: True), configuration("10.0.0.0/20"))
        watched.sampler.tick("big")
        await asyncio.sleep(0.015)
        return watched.pool.sample_sums()[FCRDNS]

    assert run(main()) == (0, 0)


class TimedResolver(FakeResolver):
    """Records when each address was asked about, or with three *labels* each prefix.

    A first round of *count* of them takes *seconds*, one after the other.
    """

    def __init__(self, labels, seconds=0.0, count=1, is_broken=lambda _address: False):
        super().__init__(everything(is_broken), delay_seconds=seconds / count / 2, max_in_flight=1 if seconds else 100)
        self.labels = labels
        self.times = {}

    def ask(self, question, on_answer, **how):
        super().ask(question, on_answer, **how)
        if question.rdtype == "PTR":
            subject = reversed_addresses(self)[-1].split(".")[: self.labels]
            self.times.setdefault(".".join(subject), []).append(asyncio.get_running_loop().time())


class Life:
    """A process with a sampler whose rounds are due as APScheduler would have it, and the state of the one before."""

    def __init__(self, board, resolver):
        self.sampler = Sampler(board, lambda: resolver, on_change=lambda _pool, _change: None, due=self.due)
        self.sampler.resume()
        self.sampler.follow()
        self.board = board
        self.timer = None

    def due(self, pool, seconds):
        """Make a round due in so many seconds, and each interval from then on."""
        assert pool == "big"
        if self.timer is not None:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(seconds, self.tick)

    def tick(self):
        """A round is due."""
        self.due("big", HOUR)
        self.sampler.tick("big")

    def use(self, text):
        """Reload."""
        self.board.publish(build(parse(text, "test")))
        self.sampler.follow()
        self.tick()

    async def live(self, seconds):
        """Run for so many seconds, then end without notice."""
        if self.timer is None:
            self.tick()
        await asyncio.sleep(seconds)
        self.timer.cancel()
        self.sampler.stop()


def lived(text, labels, lives, down, resolver=None):
    """When each subject was asked about, in lives of so many seconds with *down* seconds between them."""
    resolver = resolver or TimedResolver(labels)

    async def main():
        board = Board()
        board.publish(build(parse(text, "test")))
        for seconds in lives:
            life = Life(board, resolver)
            await life.live(seconds)
            board = _restarted(board, text)
            await asyncio.sleep(down)

    run(main())
    return resolver.times


def _restarted(before, text):
    """The board of the next process, with what the storage keeps."""
    key_values, after = KeyValueTable(), Board()
    after.publish(build(parse(text, "test")))
    old, new = before.pools["big"], after.pools["big"]
    put_round(key_values, old)
    put_cursor(key_values, old)
    for index in range(old.pool.size):
        if old.sampled_at(index):
            new.restore(index, old[index])
    load_round(key_values, new)
    return after


def gaps(times):
    """How long each subject waited, each time."""
    return [later - before for each in times.values() for before, later in itertools.pairwise(each)]


BOTH = pytest.mark.parametrize(("text", "labels", "count"), [(SMALL, 4, 128), (DRAWN, 3, 64)], ids=["all", "drawn"])


@BOTH
@pytest.mark.parametrize("share", [0.0, 0.05, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.3, 0.85))])
def test_the_second_sample_comes_within_an_interval_of_the_first(text, labels, count, share):
    """The first round takes this *share* of the interval. Later samples are an interval apart."""
    times = lived(text, labels, [5 * HOUR], 0.0, TimedResolver(labels, share * HOUR, count))

    assert len(times) == count
    assert max(gaps(times)) <= HOUR + SLACK_SECONDS
    assert {len(each) for each in times.values()} <= {5, 6}
    steady = gaps({subject: each[1:] for subject, each in times.items()})
    assert min(steady) >= HOUR - SLACK_SECONDS


@BOTH
def test_the_second_round_is_no_burst(text, labels, count):
    """After the first round, queries are spread over the interval."""
    times = lived(text, labels, [4 * HOUR], 0.0)

    began = min(map(min, times.values()))
    later = sorted(at - began for each in times.values() for at in each[1:])
    spacing = 0.9 * HOUR / count
    assert later[0] >= 0.1 * HOUR
    assert max(sum(begin <= at < begin + 10 * spacing for at in later) for begin in later) <= 12


@pytest.mark.slow
def test_a_pool_too_large_for_its_interval_is_sampled_without_a_pause():
    """No address waits longer than a round takes."""
    times = lived(SMALL, 4, [12 * HOUR], 0.0, TimedResolver(4, 1.4 * HOUR, 128))

    assert max(gaps(times)) <= 1.4 * HOUR + 2 * SLACK_SECONDS


@pytest.mark.slow
def test_known_failures_do_not_shift_the_draws():
    """They are sampled in each round, and their number changes; draws keep their times."""
    broken = set()
    resolver = TimedResolver(3, is_broken=lambda address: address.rpartition(".")[0] in broken)
    second = lived(DRAWN, 3, [2.5 * HOUR], 0.0, resolver)
    assert len(second) == 64

    async def main():
        board = Board()
        board.publish(build(parse(DRAWN, "test")))
        resolver.times.clear()
        life = Life(board, resolver)
        life.tick()
        for failing in (3, 0, 12, 0):
            await asyncio.sleep(HOUR)
            broken.clear()
            broken.update(f"10.0.{third}" for third in range(failing))
        await asyncio.sleep(HOUR)
        life.timer.cancel()
        life.sampler.stop()

    run(main())
    well = {prefix: each for prefix, each in resolver.times.items() if int(prefix.split(".")[2]) >= 12}
    assert len(well) == 52
    assert max(gaps(well)) <= HOUR + SLACK_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("down", [0.0, 900.0])
@pytest.mark.parametrize("stops_at", [600.0, 1800.0, 3200.0, 3500.0])
@BOTH
def test_no_gap_is_longer_than_an_interval_plus_the_downtime(text, labels, count, stops_at, down):
    """After two restarts in a row, at any point of a round."""
    times = lived(text, labels, [2 * HOUR + stops_at, HOUR / 3, 5 * HOUR], down)

    assert len(times) == count
    assert max(gaps(times)) <= HOUR + 2 * (down + SLACK_SECONDS)
    assert min(map(len, times.values())) >= 7


@pytest.mark.slow
def test_the_round_after_a_restart_is_no_burst():
    """It is spread like any other and begins at once."""
    times = lived(SMALL, 4, [3 * HOUR + 1800.0, 2 * HOUR], 5.0)

    restarted = 3 * HOUR + 1800.0 + 5.0
    began = min(map(min, times.values()))
    after = sorted(at - began for each in times.values() for at in each if at - began >= restarted - 1.0)
    spacing = 0.9 * HOUR / 128
    assert max(sum(begin <= at < begin + 10 * spacing for at in after) for begin in after) <= 12
    assert after[0] - restarted <= 1.0


@pytest.mark.slow
def test_all_rounds_after_a_reload_begin_where_the_round_was_stopped():
    """Not only the next one."""
    resolver = TimedResolver(4)

    async def main():
        board = Board()
        board.publish(build(parse(SMALL, "test")))
        life = Life(board, resolver)
        life.tick()
        await asyncio.sleep(160 * 60)
        life.use(SMALL.replace("1h,", "1h, helo_names: [mail.example.org],"))
        await life.live(3 * HOUR)

    run(main())
    assert max(gaps(resolver.times)) <= HOUR + SLACK_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("every", [20.0, 400.0, 2000.0, 3500.0])
def test_new_addresses_delay_no_others(every):
    """Even if some are added often: new ones are sampled at once, and known ones at their times."""
    resolver = TimedResolver(4, 900.0, 64)

    async def main():
        board = Board()
        board.publish(build(parse(SMALL.replace("/25", "/26"), "test")))
        life = Life(board, resolver)
        life.tick()
        await asyncio.sleep(1.7 * HOUR)
        for number in range(1, 17):
            more = ", ".join([f"{{ip: 198.51.100.{last}}}" for last in range(number)])
            life.use(SMALL.replace("/25}", f"/26}}, {more}"))
            await asyncio.sleep(every)
        await life.live(3 * HOUR)

    run(main())
    assert len(resolver.times) == 64 + 16
    assert max(gaps(resolver.times)) <= HOUR + SLACK_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("every", [400.0, 2000.0])
@pytest.mark.parametrize("sample", ["false", "{per_prefix: 1}"])
def test_a_pool_that_changes_more_often_than_its_interval_ends_its_rounds(every, sample):
    """Its HELO name is sampled in each, and its sums are shown."""
    resolver = TimedResolver(4, is_broken=lambda address: address.endswith(".9"))
    named = SMALL.replace("1h,", f"1h, sample: {sample}, helo_names: [mail.example.org],")
    times = []

    async def main():
        loop = asyncio.get_running_loop()
        board = Board()
        board.publish(build(parse(named, "test")))
        life = Life(board, resolver)
        life.tick()
        for number in range(int(6 * HOUR / every)):
            await asyncio.sleep(every)
            life.use(named.replace("/25}", f"/25}}, {{ip: 198.51.100.{number + 1}}}"))
            names = [question.name for question in resolver.asked]
            resolver.asked.clear()
            times.append((loop.time(), names.count("mail.example.org")))
        return board.pools["big"]

    state = run(main())
    assert state.counters.rounds >= 5
    sampled = [at for at, count in times if count]
    assert max(later - earlier for earlier, later in itertools.pairwise(sampled)) <= HOUR + every
    assert state.sample_sums()[FCRDNS][0] > 0


@pytest.mark.slow
def test_addresses_added_during_a_restart_delay_no_others():
    """Known addresses keep their times."""
    resolver = TimedResolver(4)

    async def main():
        board = Board()
        board.publish(build(parse(SMALL, "test")))
        await Life(board, resolver).live(2.6 * HOUR)
        more = SMALL.replace("/25}", "/25}, {network: 198.51.100.0/28}")
        await Life(_restarted(board, more), resolver).live(3 * HOUR)

    run(main())
    assert len(resolver.times) == 128 + 16
    assert max(gaps(resolver.times)) <= HOUR + SLACK_SECONDS
