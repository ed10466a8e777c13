"""No address waits for longer than an interval, be it after the first round, a reload or a restart."""

import asyncio
import itertools

import pytest

from exporter.sampling.sampler import Sampler
from exporter.state.board import Board
from exporter.state.storage.key_values import KeyValueTable
from exporter.state.storage.writer import load_round, put_cursor, put_round
from tests.fakes import FakeResolver, run
from tests.unit.sampling.test_sampled_rounds import build, configuration, everything, parse, reversed_addresses

HOUR = 3600.0
SMALL = "pools: [{name: big, interval: 1h, addresses: [{network: 192.0.2.0/25}]}]"
DRAWN = configuration("10.0.0.0/18")
SLACK_SECONDS = 60.0  # a draw, of which a round has 64


class TimedResolver(FakeResolver):
    """Records when each address was asked about, or, with three *labels*, each prefix.

    *seconds* is the time that a first round of *count* of them takes: they are asked about one after the other.
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
    """A process: a sampler whose rounds are due when APScheduler would say so, with what the one before left."""

    def __init__(self, board, resolver):
        self.sampler = Sampler(board, lambda: resolver, on_change=lambda _pool, _change: None, due=self.due)
        self.sampler.resume()
        self.sampler.follow()
        self.board = board
        self.timer = None

    def due(self, pool, seconds):
        """Let a round be due in so many seconds, and each interval from then on."""
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

    async def last(self, seconds):
        """Go on for so long, and be killed."""
        if self.timer is None:
            self.tick()
        await asyncio.sleep(seconds)
        self.timer.cancel()
        self.sampler.stop()


def lived(text, octets, lives, down, resolver=None):
    """When each subject was asked about, over some lives of these lengths, in seconds, and some time between them."""
    resolver = resolver or TimedResolver(octets)

    async def main():
        board = Board()
        board.publish(build(parse(text, "test")))
        for seconds in lives:
            life = Life(board, resolver)
            await life.last(seconds)
            board = _restarted(board, text)
            await asyncio.sleep(down)

    run(main())
    return resolver.times


def _restarted(before, text):
    """The board of the next process: what the storage keeps of the one before."""
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


def gaps(moments):
    """How long each subject waited, each time."""
    return [later - before for times in moments.values() for before, later in itertools.pairwise(times)]


BOTH = pytest.mark.parametrize(("text", "octets", "count"), [(SMALL, 4, 128), (DRAWN, 3, 64)], ids=["all", "drawn"])


@BOTH
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.85])
def test_the_second_sample_comes_within_an_interval_of_the_first(text, octets, count, share):
    """However long a share of the interval the hurried first round takes, and all later ones are an interval apart."""
    moments = lived(text, octets, [5 * HOUR], 0.0, TimedResolver(octets, share * HOUR, count))

    assert len(moments) == count
    assert max(gaps(moments)) <= HOUR + SLACK_SECONDS
    assert {len(times) for times in moments.values()} <= {5, 6}
    steady = [gap for times in moments.values() for gap in gaps({"": times[1:]})]
    assert min(steady) >= HOUR - SLACK_SECONDS


@BOTH
def test_the_second_round_is_no_burst(text, octets, count):
    """The hurry of the first round does not come again: from then on the DNS has the same to do at any time."""
    moments = lived(text, octets, [4 * HOUR], 0.0)

    began = min(min(times) for times in moments.values())
    later = sorted(at - began for times in moments.values() for at in times[1:])
    spacing = 0.9 * HOUR / count
    assert later[0] >= 0.1 * HOUR
    assert max(sum(begin <= at < begin + 10 * spacing for at in later) for begin in later) <= 12


def test_a_pool_too_big_for_its_interval_goes_round_without_a_pause():
    """Where even in a hurry a round takes longer than the interval, no address waits for longer than a round."""
    moments = lived(SMALL, 4, [12 * HOUR], 0.0, TimedResolver(4, 1.4 * HOUR, 128))

    assert max(gaps(moments)) <= 1.4 * HOUR + 2 * SLACK_SECONDS


def test_what_fails_besides_moves_no_prefix():
    """Failures that are looked at in each round come and go: the draws keep their moments."""
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
    well = {prefix: times for prefix, times in resolver.times.items() if int(prefix.split(".")[2]) >= 12}
    assert len(well) == 52
    assert max(gaps(well)) <= HOUR + SLACK_SECONDS


@pytest.mark.parametrize("down", [0.0, 900.0])
@pytest.mark.parametrize("stops_at", [600.0, 1800.0, 3200.0, 3500.0])
@BOTH
def test_no_gap_is_longer_than_an_interval(text, octets, count, stops_at, down):
    """Besides the time that nothing ran; wherever in its round it was stopped, and twice in a row."""
    moments = lived(text, octets, [2 * HOUR + stops_at, HOUR / 3, 5 * HOUR], down)

    assert len(moments) == count
    assert max(gaps(moments)) <= HOUR + 2 * (down + SLACK_SECONDS)
    assert min(len(times) for times in moments.values()) >= 7


def test_it_is_no_burst():
    """The round after a restart is spread like any other: an address every so often, from the first moment on."""
    moments = lived(SMALL, 4, [3 * HOUR + 1800.0, 2 * HOUR], 5.0)

    restarted = 3 * HOUR + 1800.0 + 5.0
    began = min(min(times) for times in moments.values())
    after = sorted(at - began for times in moments.values() for at in times if at - began >= restarted - 1.0)
    spacing = 0.9 * HOUR / 128
    assert max(sum(begin <= at < begin + 10 * spacing for at in after) for begin in after) <= 12
    assert after[0] - restarted <= 1.0


def test_a_pool_that_changed_goes_on_in_the_new_order():
    """A reload stops a round too: all rounds after it begin where that was, not only the next one."""
    resolver = TimedResolver(4)

    async def main():
        board = Board()
        board.publish(build(parse(SMALL, "test")))
        life = Life(board, resolver)
        life.tick()
        await asyncio.sleep(160 * 60)
        life.use(SMALL.replace("1h,", "1h, helo_names: [mail.example.org],"))
        await life.last(3 * HOUR)

    run(main())
    assert max(gaps(resolver.times)) <= HOUR + SLACK_SECONDS


@pytest.mark.parametrize("every", [20.0, 400.0, 2000.0, 3500.0])
def test_addresses_that_come_keep_none_waiting(every):
    """However often some come, all new ones are sampled at once, and nobody waits: neither they nor the old ones."""
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
        await life.last(3 * HOUR)

    run(main())
    assert len(resolver.times) == 64 + 16
    assert max(gaps(resolver.times)) <= HOUR + SLACK_SECONDS


def test_addresses_that_came_while_nothing_ran_keep_the_others_in_their_turn():
    """After a restart with a configuration that grew, those that are known go on where they were."""
    resolver = TimedResolver(4)

    async def main():
        board = Board()
        board.publish(build(parse(SMALL, "test")))
        await Life(board, resolver).last(2.6 * HOUR)
        more = SMALL.replace("/25}", "/25}, {network: 198.51.100.0/28}")
        await Life(_restarted(board, more), resolver).last(3 * HOUR)

    run(main())
    assert len(resolver.times) == 128 + 16
    assert max(gaps(resolver.times)) <= HOUR + SLACK_SECONDS
