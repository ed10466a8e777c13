"""Rounds go on where they were stopped: no address waits for longer than an interval because of a restart."""

import asyncio
import itertools

import pytest

from exporter.sampling.sampler import Sampler
from exporter.state.board import Board
from exporter.state.storage.notes import Notes
from exporter.state.storage.positions import go_on, note_position, note_reached
from tests import clock
from tests.unit.sampling.test_sampled_rounds import Asker as DrawnAsker
from tests.unit.sampling.test_sampled_rounds import build, configuration, parse

HOUR = 3600.0
SMALL = "pools: [{name: big, interval: 1h, addresses: [{network: 192.0.2.0/25}]}]"
DRAWN = configuration("10.0.0.0/18")
SLACK_SECONDS = 60.0  # a draw, of which a round has 64


class Asker(DrawnAsker):
    """Notes when each address was asked about, or, with *prefix_octets*, each prefix."""

    def __init__(self, octets):
        super().__init__(lambda _address: False)
        self.octets = octets
        self.moments = {}

    def ask(self, question, on_answer, **how):
        """Answer, and note the time."""
        super().ask(question, on_answer, **how)
        if question.rdtype == "PTR":
            subject = self.asked[-1].split(".")[: self.octets]
            self.moments.setdefault(".".join(subject), []).append(asyncio.get_running_loop().time())


class Life:
    """A process: a sampler whose rounds are due when APScheduler would say so, with what the one before left."""

    def __init__(self, board, asker):
        self.sampler = Sampler(board, lambda: asker, on_change=lambda _pool, _change: None)
        self.sampler.resume()
        self.sampler.follow()

    async def last(self, seconds):
        """Go on for so long, and be killed."""
        for _ in range(int(seconds // HOUR)):
            self.sampler.tick("big")
            await asyncio.sleep(HOUR)
        self.sampler.tick("big")
        await asyncio.sleep(seconds % HOUR)
        self.sampler.stop()


def lived(text, octets, lives, down):
    """When each subject was asked about, over some lives of these lengths, in seconds, and some time between them."""
    asker = Asker(octets)

    async def main():
        board = Board()
        board.adopt(build(parse(text, "test")))
        for seconds in lives:
            life = Life(board, asker)
            await life.last(seconds)
            board = _restarted(board, text)
            await asyncio.sleep(down)

    clock.run(main())
    return asker.moments


def _restarted(before, text):
    """The board of the next process: what the storage keeps of the one before."""
    notes, after = Notes(), Board()
    after.adopt(build(parse(text, "test")))
    old, new = before.pools["big"], after.pools["big"]
    note_position(notes, old)
    note_reached(notes, old)
    for index in range(old.pool.size):
        if old.sampled_at(index):
            new.restore(index, old[index])
    go_on(notes, new)
    return after


def gaps(moments):
    """How long each subject waited, but for the first time, when all of them come at once and then are spread."""
    return [later - before for times in moments.values() for before, later in itertools.pairwise(times[1:])]


@pytest.mark.parametrize("down", [0.0, 900.0])
@pytest.mark.parametrize("stops_at", [600.0, 1800.0, 3200.0, 3500.0])
@pytest.mark.parametrize(("text", "octets", "count"), [(SMALL, 4, 128), (DRAWN, 3, 64)], ids=["all", "drawn"])
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
    asker = Asker(4)

    async def main():
        board = Board()
        board.adopt(build(parse(SMALL, "test")))
        life = Life(board, asker)
        for minutes in (60, 60, 40, 60, 60, 60):
            life.sampler.tick("big")
            await asyncio.sleep(minutes * 60)
            if minutes == 40:
                board.adopt(build(parse(SMALL.replace("1h,", "1h, helo_names: [mail.example.org],"), "test")))
                life.sampler.follow()
        life.sampler.stop()

    clock.run(main())
    assert max(gaps(asker.moments)) <= HOUR + SLACK_SECONDS
