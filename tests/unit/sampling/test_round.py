"""A round starts each item once, on time, within its limits; time is the loop's."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sampling.schedule import Round
from tests.fakes import run


class Job:
    """An item of a round that takes *seconds*, or for ever."""

    def __init__(self, log, index, seconds, finished):
        self.log, self.index, self.seconds, self.finished = log, index, seconds, finished
        self.timer = None

    def start(self):
        loop = asyncio.get_running_loop()
        self.log.started.append((self.index, loop.time() - self.log.began))
        self.log.open += 1
        self.log.most_open = max(self.log.most_open, self.log.open)
        if self.seconds == 0:
            self.end()
        elif self.seconds is not None:
            self.timer = loop.call_later(self.seconds, self.end)

    def end(self):
        self.log.open -= 1
        self.finished()

    def give_up(self):
        self.log.given_up.append(self.index)
        if self.timer:
            self.timer.cancel()
        self.end()

    def drop(self):
        self.log.dropped.append(self.index)
        if self.timer:
            self.timer.cancel()


class Log:
    def __init__(self):
        self.started, self.given_up, self.dropped = [], [], []
        self.open = self.most_open = 0
        self.began = 0.0
        self.ended_after = None


async def ride(order, *, seconds, span, limit, at_once=(), deadline=10.0, kind=Job):
    """Run one round to its end; *seconds* says how long each item takes (None: for ever)."""
    log, over = Log(), asyncio.Event()
    loop = asyncio.get_running_loop()
    log.began = loop.time()

    def ended(_round):
        log.ended_after = loop.time() - log.began
        over.set()

    running = Round(
        order,
        lambda index, finished: kind(log, index, seconds(index), finished),
        ended,
        at_once=at_once,
        span_seconds=span,
        limit=limit,
        deadline_seconds=deadline,
    )
    running.begin()
    await over.wait()
    return log


@settings(deadline=None)
@given(
    takes=st.lists(st.sampled_from([0, 0.001, 0.5, 3.0, None]), max_size=150),
    ordered=st.integers(0, 150),
    span=st.sampled_from([0.0, 1.0, 270.0]),
    limit=st.integers(1, 40),
)
def test_every_item_is_started_once_in_order_within_the_limit(takes, ordered, span, limit):
    """Nothing is lost, repeated, or started beyond the limit, whatever hangs; what hangs is given up."""
    order, at_once = range(len(takes))[:ordered], range(len(takes))[ordered:]
    log = run(ride(order, at_once=at_once, seconds=takes.__getitem__, span=span, limit=limit))

    started = [index for index, _ in log.started]
    assert [index for index in started if index in order] == [*order]
    assert [index for index in started if index in at_once] == [*at_once]
    assert log.most_open <= limit
    assert log.given_up == [index for index in started if takes[index] is None]
    assert log.open == 0


def test_a_round_is_spread_evenly_over_its_span():
    """Ten addresses in 270 s: one each 27 s, never a burst."""
    log = run(ride(range(10), seconds=lambda _: 0.01, span=270.0, limit=100))

    for index, began in log.started:
        assert abs(began - 27.0 * index) < 0.02


def test_what_is_new_comes_at_once_and_the_rest_is_spread():
    """After a reload the unknown addresses are sampled first, at the permitted rate; the known ones in their time."""
    log = run(ride(range(5, 10), seconds=lambda _: 0.01, at_once=range(5), span=100.0, limit=100))

    moments = dict(log.started)
    assert all(moments[index] < 0.01 for index in range(5))
    assert [round(moments[index]) for index in range(5, 10)] == [0, 20, 40, 60, 80]


@pytest.mark.parametrize("limit", [1, 3])
def test_what_comes_at_once_keeps_nothing_of_the_order_waiting(limit):
    """However long the new ones take, the known ones keep their pace, and wait for one sample at most."""
    log = run(ride(range(10), seconds=lambda _: 1.0, at_once=range(10, 310), span=270.0, limit=limit, deadline=60.0))

    moments = dict(log.started)
    assert all(0.0 <= moments[index] - 27.0 * index <= 1.1 for index in range(10))
    assert max(moments[index] for index in range(10, 310)) <= 310 / limit + 2


@pytest.mark.parametrize(
    ("order", "at_once", "reached"),
    [(range(10), range(10, 12), 5), ((), range(10, 20), 10), (range(1), range(10, 12), None)],
    ids=["the-order", "where-there-is-none", "all"],
)
def test_it_is_known_how_far_a_round_has_come(order, at_once, reached):
    """The first item of the order that is not over counts, whatever is still to come at once."""

    async def half():
        running = Round(
            order,
            lambda index, finished: Job(Log(), index, None if index >= 10 else 0.0, finished),
            lambda _: None,
            at_once=at_once,
            span_seconds=100.0,
            limit=3,
            deadline_seconds=1000.0,
        )
        running.begin()
        await asyncio.sleep(45.0)
        found = running.reached
        running.cancel()
        return found

    assert run(half()) == reached


def test_a_hung_item_holds_up_nobody_and_ends_at_its_deadline():
    """With room for two, one that never answers leaves the other place to the rest."""
    log = run(ride(range(20), seconds=lambda i: None if i == 0 else 0.1, span=0, limit=2, deadline=5))

    assert log.given_up == [0]
    assert max(began for _, began in log.started) < 2.5
    assert 5.0 <= log.ended_after < 5.1


def test_a_stalled_loop_makes_no_burst_beyond_the_limit():
    """What became due while the loop was held is started in order, a limit's worth at a time."""

    async def stalled():
        asyncio.get_running_loop().call_later(1.0, asyncio.get_running_loop().pass_time, 600.0)
        return await ride(range(100), seconds=lambda _: 0.5, span=270.0, limit=7)

    log = run(stalled())

    assert [index for index, _ in log.started] == list(range(100))
    assert log.most_open == 7


def test_a_cancelled_round_drops_what_is_under_way_and_says_nothing_more():
    """After cancel no item starts, none is recorded, and the end is not announced."""

    async def cancelled():
        log = Log()
        running = Round(
            range(2, 10),
            lambda index, finished: Job(log, index, None, finished),
            lambda _: log.started.append("ended"),
            at_once=range(2),
            span_seconds=10.0,
            limit=5,
            deadline_seconds=60.0,
        )
        running.begin()
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.sleep(100.0)
        return log

    log = run(cancelled())

    assert sorted(log.dropped) == [0, 1, 2]
    assert len(log.started) == 3


class Broken(Job):
    """An item that raises whatever is wanted of it, and ends like any other."""

    def start(self):
        super().start()
        raise OSError("cannot start")

    def give_up(self):
        super().give_up()
        raise OSError("cannot give up")


def test_an_item_that_raises_keeps_no_round_from_its_end():
    """Each of them is started once and over once, and what they raised is told to the loop."""
    told = []

    async def broken():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))
        seconds = {0: 0, 1: None, 2: 0.5}
        return await ride(
            range(15, 30), at_once=range(15), seconds=lambda i: seconds[i % 3], span=9.0, limit=2, kind=Broken
        )

    log = run(broken())

    assert sorted(index for index, _ in log.started) == list(range(30))
    assert log.open == 0
    assert told.count("cannot start") == 30
    assert told.count("cannot give up") == len(log.given_up) == 10


def test_an_empty_round_ends():
    """A pool without addresses has rounds too."""
    assert run(ride((), seconds=lambda _: 0, span=10.0, limit=1)).started == []


def test_lag_is_how_late_the_next_item_is():
    """While one hung item takes the only place, the lag grows; a round that keeps up has none."""

    async def lagging():
        log = Log()
        running = Round(
            range(10),
            lambda index, finished: Job(log, index, None if index == 2 else 0.01, finished),
            lambda _: None,
            span_seconds=10.0,
            limit=1,
            deadline_seconds=60.0,
        )
        running.begin()
        lags = []
        for _ in range(3):
            await asyncio.sleep(2.5)
            lags.append(running.lag_seconds())
        running.cancel()
        return lags

    lags = run(lagging())

    assert lags[0] == 0.0
    assert 1.9 < lags[1] < 2.1
    assert 4.4 < lags[2] < 4.6
