"""Jobs at their intervals, even if the wall clock is stepped; and rounds that start each item once, on time."""

import asyncio
import datetime as dt
import itertools
import time

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sampling.schedule import Interleaved, Round, Schedule, Steady
from tests.fakes import run

START = dt.datetime(2026, 3, 29, 0, 30, tzinfo=dt.UTC)  # an hour before summer time begins in Europe


def ticks(intervals, *, seconds, steps=(), start=START):
    """Run a schedule for *seconds*; *steps* are (after seconds, by seconds) of the wall clock. Returns (when, pool)."""
    heard = []
    with time_machine.travel(start, tick=False) as wall:

        async def main():
            loop = asyncio.get_running_loop()
            began = loop.time()
            schedule = Schedule(lambda name: heard.append((round(loop.time() - began), name)))
            schedule.start()
            schedule.follow(intervals)
            for after, by in steps:
                loop.call_at(began + after, wall.shift, by)
            await asyncio.sleep(seconds)
            schedule.stop()

        run(main(), on_pass=wall.shift)
    return heard


def test_a_pool_is_due_at_once_and_then_at_its_interval():
    """Two pools, each at its own interval."""
    heard = ticks({"fast": 60, "slow": 300}, seconds=601)

    assert [when for when, name in heard if name == "fast"] == [*range(0, 601, 60)]
    assert [when for when, name in heard if name == "slow"] == [0, 300, 600]


@pytest.mark.parametrize(
    "by",
    [
        pytest.param(-60, id="a-minute-back"),
        pytest.param(-86400, id="a-day-back"),
        pytest.param(90, id="a-bit-ahead"),
        pytest.param(30 * 86400, id="a-month-ahead"),
        pytest.param(3600, id="an-hour-ahead"),
        pytest.param(-3600, id="an-hour-back"),
    ],
)
def test_a_step_of_the_wall_clock_makes_no_burst_and_no_gap(by):
    """Rounds begin about one interval apart after any step."""
    heard = [when for when, _ in ticks({"pool": 60}, seconds=1200, steps=[(130, by)])]

    gaps = [later - earlier for earlier, later in itertools.pairwise(heard)]
    assert max(gaps) <= 62, heard
    assert len(heard) <= 1200 / 60 + 2, heard
    assert sum(gap < 58 for gap in gaps) <= 1, heard


def test_many_steps_in_a_row_are_no_burst_either():
    """A clock that is stepped back and forth every few seconds does not make rounds more frequent."""
    heard = ticks({"pool": 60}, seconds=1200, steps=[(at, 400 if at % 20 else -400) for at in range(100, 500, 10)])

    assert 18 <= len(heard) <= 1200 / 60 + 12


def test_a_machine_that_slept_makes_up_for_one_round():
    """After an hour in which nothing ran, each pool is due once, not sixty times."""
    with time_machine.travel(START, tick=False) as wall:
        heard = []

        async def main():
            loop = asyncio.get_running_loop()
            schedule = Schedule(lambda name: heard.append(round(loop.time())))
            schedule.start()
            schedule.follow({"pool": 60})
            await asyncio.sleep(90)
            loop.pass_time(3600)
            await asyncio.sleep(80)
            schedule.stop()

        run(main(), on_pass=wall.shift)

    assert len(heard) == 2 + 1 + 1


def test_pools_are_added_and_removed():
    """A removed pool is not called again; a new or changed one is called at once; the others keep their times."""
    heard = []
    with time_machine.travel(START, tick=False) as wall:

        async def main():
            loop = asyncio.get_running_loop()
            began = loop.time()
            schedule = Schedule(lambda name: heard.append((round(loop.time() - began), name)))
            schedule.start()
            schedule.follow({"gone": 60, "stays": 60, "slower": 60})
            await asyncio.sleep(90)
            schedule.follow({"stays": 60, "slower": 120, "new": 60}, changed=frozenset({"new"}))
            await asyncio.sleep(100)
            schedule.stop()

        run(main(), on_pass=wall.shift)

    def of(pool):
        return [when for when, name in heard if name == pool]

    assert of("gone") == [0, 60]
    assert of("stays") == [0, 60, 120, 180]
    assert of("slower") == [0, 60, 90]
    assert of("new") == [90, 150]


def test_a_pool_that_is_made_due_at_another_time_continues_from_there():
    """Sooner or later than scheduled; a removed pool stays away."""
    heard = []
    with time_machine.travel(START, tick=False) as wall:

        async def main():
            loop = asyncio.get_running_loop()
            began = loop.time()
            schedule = Schedule(lambda name: heard.append((round(loop.time() - began), name)))
            schedule.start()
            schedule.follow({"sooner": 60, "later": 60, "others": 60})
            await asyncio.sleep(20)
            schedule.due_in("sooner", 6.0)
            schedule.due_in("later", 50.0)
            schedule.due_in("gone", 1.0)
            await asyncio.sleep(190)
            schedule.stop()

        run(main(), on_pass=wall.shift)

    assert [when for when, name in heard if name == "sooner"] == [0, 26, 86, 146, 206]
    assert [when for when, name in heard if name == "later"] == [0, 70, 130, 190]
    assert [when for when, name in heard if name == "others"] == [0, 60, 120, 180]
    assert len(heard) == 13


def test_the_lag_of_the_loop_is_shown_for_fifteen_heartbeats():
    """After the loop was blocked for two seconds."""
    with time_machine.travel(START, tick=False) as wall:
        seen = []

        async def main():
            schedule = Schedule(lambda _: None)
            schedule.start()
            await asyncio.sleep(5.5)
            asyncio.get_running_loop().pass_time(2.0)
            for _ in range(3):
                await asyncio.sleep(8)
                seen.append(schedule.loop_lag_seconds)
            schedule.stop()

        run(main(), on_pass=wall.shift)

    assert seen == [pytest.approx(1.5), 0.0, 0.0]


@pytest.mark.parametrize("iterations", range(6))
def test_stopping_a_schedule_is_no_error(caplog, iterations):
    """In any iteration of the loop: a pool that is just due is called or not, and nothing is logged."""
    heard = []

    async def main():
        schedule = Schedule(heard.append)
        schedule.start()
        schedule.follow({"pool": 60})
        for _ in range(iterations):
            await asyncio.sleep(0)
        schedule.stop()
        await asyncio.sleep(1)

    with time_machine.travel(START, tick=False) as wall:
        run(main(), on_pass=wall.shift)

    assert heard in ([], ["pool"])
    assert not [one for one in caplog.records if one.levelname in {"WARNING", "ERROR"}]


@pytest.mark.parametrize("blocked_seconds", [2, 45])
def test_a_late_round_is_begun(blocked_seconds):
    """By default, APScheduler would skip a round that is late by more than a second, as after a blocked loop."""
    with time_machine.travel(START, tick=False) as wall:
        heard = []

        async def main():
            loop = asyncio.get_running_loop()
            began = loop.time()
            schedule = Schedule(lambda name: heard.append(round(loop.time() - began)))
            schedule.start()
            schedule.follow({"pool": 60})
            await asyncio.sleep(59)
            loop.pass_time(1 + blocked_seconds)
            await asyncio.sleep(100)
            schedule.stop()

        run(main(), on_pass=wall.shift)

    assert heard[:2] == [0, 60 + blocked_seconds]
    assert len(heard) <= 4  # then at its old times again


@pytest.mark.parametrize("late", [0, 1, 9.999, 10, 25, 30 * 86400, 10 * 365 * 86400.5])
def test_missed_times_are_skipped(late):
    """The next time is the first one of the same series that is in the future."""
    now = START + dt.timedelta(seconds=late)

    following = Steady(10).get_next_fire_time(START, now)

    assert now < following <= now + dt.timedelta(seconds=10)
    assert (following - START) % dt.timedelta(seconds=10) == dt.timedelta()


def test_a_tick_that_raises_does_not_stop_later_ones():
    """Neither its own nor those of other pools."""
    with time_machine.travel(START, tick=False) as wall:
        heard = []

        def tick(name):
            heard.append(name)
            if name == "broken":
                raise RuntimeError("a defect")

        async def main():
            schedule = Schedule(tick)
            schedule.start()
            schedule.follow({"broken": 60, "well": 60})
            await asyncio.sleep(185)
            schedule.stop()

        run(main(), on_pass=wall.shift)

    assert (heard.count("broken"), heard.count("well")) == (4, 4)


def test_stopping_cancels_no_task_that_a_tick_started():
    """The sampler ends those itself."""
    ended = []

    async def begun():
        await asyncio.sleep(5)
        ended.append("whole")

    with time_machine.travel(START, tick=False) as wall:
        tasks = []

        async def main():
            schedule = Schedule(lambda _: tasks.append(asyncio.get_running_loop().create_task(begun())))
            schedule.start()
            schedule.follow({"pool": 60})
            await asyncio.sleep(1)
            schedule.stop()
            await asyncio.gather(*tasks)

        run(main(), on_pass=wall.shift)

    assert ended == ["whole"]


def test_summer_time_makes_no_difference(monkeypatch):
    """In Berlin the local clock jumps twice a year: rounds stay an hour apart."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for start in (START, dt.datetime(2026, 10, 24, 22, 0, tzinfo=dt.UTC)):
            heard = ticks({"pool": 3600}, seconds=6 * 3600 + 1, start=start)
            assert [when for when, _ in heard] == [*range(0, 6 * 3600 + 1, 3600)]
    finally:
        monkeypatch.undo()
        time.tzset()


class Job:
    """An item of a round that takes *seconds*, or forever if that is None."""

    def __init__(self, log, index, seconds, finished):
        self.log, self.index, self.seconds, self.finished = log, index, seconds, finished
        self.timer = None

    def start(self):
        loop = asyncio.get_running_loop()
        self.log.started.append((self.index, loop.time() - self.log.began))
        self.log.open += 1
        self.log.max_open = max(self.log.max_open, self.log.open)
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
    """What happened in a round."""

    def __init__(self):
        self.started, self.given_up, self.dropped = [], [], []
        self.open = self.max_open = 0
        self.began = 0.0
        self.ended_after = None


async def run_round(order, *, seconds, spread, limit, at_once=(), deadline=10.0, kind=Job):
    """Run one round to its end; *seconds* says how long each item takes (None: forever)."""
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
        spread_seconds=spread,
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
    spread=st.sampled_from([0.0, 1.0, 270.0]),
    limit=st.integers(1, 40),
)
def test_every_item_is_started_once_in_order_within_the_limit(takes, ordered, spread, limit):
    """Nothing is lost, repeated, or started beyond the limit. Items that hang are given up."""
    order, at_once = range(len(takes))[:ordered], range(len(takes))[ordered:]
    log = run(run_round(order, at_once=at_once, seconds=takes.__getitem__, spread=spread, limit=limit))

    started = [index for index, _ in log.started]
    assert [index for index in started if index in order] == [*order]
    assert [index for index in started if index in at_once] == [*at_once]
    assert log.max_open <= limit
    assert log.given_up == [index for index in started if takes[index] is None]
    assert log.open == 0


def test_a_round_is_spread():
    """Ten addresses in 270 s: one every 27 s, never a burst."""
    log = run(run_round(range(10), seconds=lambda _: 0.01, spread=270.0, limit=100))

    for index, began in log.started:
        assert abs(began - 27.0 * index) < 0.02


def test_new_items_start_at_once_and_the_others_are_spread():
    """As after a reload with new addresses."""
    log = run(run_round(range(5, 10), seconds=lambda _: 0.01, at_once=range(5), spread=100.0, limit=100))

    times = dict(log.started)
    assert all(times[index] < 0.01 for index in range(5))
    assert [round(times[index]) for index in range(5, 10)] == [0, 20, 40, 60, 80]


@pytest.mark.parametrize("limit", [1, 3])
def test_items_at_once_do_not_delay_the_order(limit):
    """Items of the order wait for one sample at most, even if the new ones take long."""
    log = run(
        run_round(range(10), seconds=lambda _: 1.0, at_once=range(10, 310), spread=270.0, limit=limit, deadline=60.0)
    )

    times = dict(log.started)
    assert all(0.0 <= times[index] - 27.0 * index <= 1.1 for index in range(10))
    assert max(times[index] for index in range(10, 310)) <= 310 / limit + 2


@pytest.mark.parametrize(
    ("order", "at_once", "left"),
    [
        (range(10), range(10, 12), ([5, 6, 7, 8, 9], 0.5)),
        ((), range(10, 20), (list(range(10, 20)), 1.0)),
        (range(1), range(10, 12), ([], 0.0)),
    ],
    ids=["the-order", "where-there-is-none", "all"],
)
def test_what_a_round_left(order, at_once, left):
    """What has not ended of the order, whatever remains of the items at once."""

    async def half():
        running = Round(
            order,
            lambda index, finished: Job(Log(), index, None if index >= 10 else 0.0, finished),
            lambda _: None,
            at_once=at_once,
            spread_seconds=100.0,
            limit=3,
            deadline_seconds=1000.0,
        )
        running.begin()
        await asyncio.sleep(45.0)
        items, share = running.left()
        found = list(items)
        running.cancel()
        return found, share

    assert run(half()) == left


def test_a_hung_item_delays_no_other_and_ends_at_its_deadline():
    """With a limit of two, the others run one after the other."""
    log = run(run_round(range(20), seconds=lambda i: None if i == 0 else 0.1, spread=0, limit=2, deadline=5))

    assert log.given_up == [0]
    assert max(began for _, began in log.started) < 2.5
    assert 5.0 <= log.ended_after < 5.1


def test_a_stalled_loop_makes_no_burst_beyond_the_limit():
    """Items that became due while the loop was blocked are started in order, *limit* at a time."""

    async def stalled():
        asyncio.get_running_loop().call_later(1.0, asyncio.get_running_loop().pass_time, 600.0)
        return await run_round(range(100), seconds=lambda _: 0.5, spread=270.0, limit=7)

    log = run(stalled())

    assert [index for index, _ in log.started] == list(range(100))
    assert log.max_open == 7


def test_a_cancelled_round_drops_what_is_under_way():
    """After `cancel` no item starts, none ends, and *ended* is not called."""

    async def cancelled():
        log = Log()
        running = Round(
            range(2, 10),
            lambda index, finished: Job(log, index, None, finished),
            lambda _: log.started.append("ended"),
            at_once=range(2),
            spread_seconds=10.0,
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


class BrokenJob(Job):
    """An item that raises from every method, but ends like any other."""

    def start(self):
        super().start()
        raise OSError("cannot start")

    def give_up(self):
        super().give_up()
        raise OSError("cannot give up")


def test_a_round_with_items_that_raise_ends():
    """Each item starts once and ends once, and the loop gets the errors."""
    errors = []

    async def broken():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(str(context["exception"])))
        seconds = {0: 0, 1: None, 2: 0.5}
        return await run_round(
            range(15, 30), at_once=range(15), seconds=lambda i: seconds[i % 3], spread=9.0, limit=2, kind=BrokenJob
        )

    log = run(broken())

    assert sorted(index for index, _ in log.started) == list(range(30))
    assert log.open == 0
    assert errors.count("cannot start") == 30
    assert errors.count("cannot give up") == len(log.given_up) == 10


def test_an_empty_round_ends():
    """A pool without addresses has rounds too."""
    assert run(run_round((), seconds=lambda _: 0, spread=10.0, limit=1)).started == []


def test_lag_is_how_late_the_next_item_is():
    """It grows while a hung item uses up the limit of one, and is 0 while the round keeps up."""

    async def lagging():
        log = Log()
        running = Round(
            range(10),
            lambda index, finished: Job(log, index, None if index == 2 else 0.01, finished),
            lambda _: None,
            spread_seconds=10.0,
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


sizes = st.integers(0, 60)


@given(sizes, sizes)
def test_each_interleaved_item_comes_once_and_in_its_own_order(main, others):
    """Nothing is lost or doubled, even if one sequence is longer or empty."""
    mixed = [*Interleaved(range(main), range(-others, 0))]

    assert [item for item in mixed if item >= 0] == [*range(main)]
    assert [item for item in mixed if item < 0] == [*range(-others, 0)]


@given(st.integers(1, 60), sizes)
def test_a_main_item_stays_at_the_same_share_of_the_whole(main, others):
    """As if it were alone, or at most one index before."""
    order = Interleaved(range(main), range(-others, 0))

    for index, item in enumerate(order):
        if item >= 0:
            assert item / main - 1 / len(order) < index / len(order) <= item / main


@given(sizes, st.integers(1, 60))
def test_the_others_are_spread_too(main, others):
    """Each of them is in its own share of the whole."""
    order = Interleaved(range(main), range(-others, 0))

    for index, item in enumerate(order):
        if item < 0:
            number = item + others
            assert number / others - 1 / len(order) <= index / len(order) < (number + 1) / others


def test_interleaved_items_are_a_sequence():
    """Slices work; an index outside is an error."""
    order = Interleaved(range(10), range(-3, 0))

    assert [*order[4:9]] == [*order][4:9]
    assert len(order) == 13
    for index in (-1, 13):
        with pytest.raises(IndexError):
            order[index]
