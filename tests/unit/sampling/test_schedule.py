"""APScheduler says when a round is due; a wall clock that steps does not."""

import asyncio
import datetime as dt
import itertools
import sys
import time

import pytest
import time_machine

from exporter.sampling.schedule import Schedule, Steady
from tests.fakes import run

START = dt.datetime(2026, 3, 29, 0, 30, tzinfo=dt.UTC)  # an hour before summer time begins in Europe


def ticks(intervals, *, seconds, steps=()):
    """Run a schedule for *seconds*; *steps* are (after seconds, by seconds) of the wall clock. Gives (when, pool)."""
    heard = []
    with time_machine.travel(START, tick=False) as wall:

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
    """Two pools, each in its own time."""
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
    """Whatever the wall clock does, rounds come about one interval apart, one at a time."""
    heard = [when for when, _ in ticks({"pool": 60}, seconds=1200, steps=[(130, by)])]

    gaps = [later - earlier for earlier, later in itertools.pairwise(heard)]
    assert max(gaps) <= 62, heard
    assert len(heard) <= 1200 / 60 + 2, heard
    assert sum(gap < 58 for gap in gaps) <= 1, heard


def test_many_steps_in_a_row_are_no_burst_either():
    """A clock that is stepped to and fro every few seconds does not make rounds come faster."""
    heard = ticks({"pool": 60}, seconds=1200, steps=[(at, 400 if at % 20 else -400) for at in range(100, 500, 10)])

    assert 18 <= len(heard) <= 1200 / 60 + 12


def test_a_machine_that_slept_has_one_round_to_make_up_for():
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


def test_pools_come_and_go():
    """A pool that left is not called again; one that is new or changed is called at once; the others stay in step."""
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


def test_a_pool_that_is_due_at_another_time_is_in_step_with_that_from_then_on():
    """Sooner or later than the schedule has it, a step of the wall clock included; one that is gone stays away."""
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


def test_the_lag_of_the_loop_is_seen_and_forgotten():
    """A loop that was held for two seconds says so for fifteen heartbeats, and then no more."""
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


@pytest.mark.parametrize("turns", range(6))
def test_the_end_of_a_schedule_is_no_error(caplog, turns):
    """Ended in whichever turn of the loop, a pool that is just due is called or not, and nobody complains about it."""
    heard = []

    async def main():
        schedule = Schedule(heard.append)
        schedule.start()
        schedule.follow({"pool": 60})
        for _ in range(turns):
            await asyncio.sleep(0)
        schedule.stop()
        await asyncio.sleep(1)

    with time_machine.travel(START, tick=False) as wall:
        run(main(), on_pass=wall.shift)

    assert heard in ([], ["pool"])
    assert not [one for one in caplog.records if one.levelname in {"WARNING", "ERROR"}]


@pytest.mark.parametrize("held_seconds", [2, 45])
def test_a_round_that_is_late_is_begun_all_the_same(held_seconds):
    """APScheduler forgives a second, and skips what is later: not here. The loop was held, and the round comes then."""
    with time_machine.travel(START, tick=False) as wall:
        heard = []

        async def main():
            loop = asyncio.get_running_loop()
            began = loop.time()
            schedule = Schedule(lambda name: heard.append(round(loop.time() - began)))
            schedule.start()
            schedule.follow({"pool": 60})
            await asyncio.sleep(59)
            loop.pass_time(1 + held_seconds)
            await asyncio.sleep(100)
            schedule.stop()

        run(main(), on_pass=wall.shift)

    assert heard[:2] == [0, 60 + held_seconds]
    assert len(heard) <= 4  # and then in its old step again


@pytest.mark.parametrize("late", [0, 1, 9.999, 10, 25, 30 * 86400, 10 * 365 * 86400.5])
def test_what_was_missed_is_passed_over_in_one_step(late):
    """However long ago the last moment was, the next one is the first in step that is still to come."""
    now = START + dt.timedelta(seconds=late)

    following = Steady(10).get_next_fire_time(START, now)

    assert now < following <= now + dt.timedelta(seconds=10)
    assert (following - START) % dt.timedelta(seconds=10) == dt.timedelta()


def test_a_tick_that_raises_is_the_last_of_nothing():
    """A defect behind one tick costs neither the next one nor the other pools: no instance of it goes on for ever."""
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


def test_the_end_cancels_nothing_that_a_tick_began():
    """What a tick left on the loop is the sampler's to end: the scheduler takes no task down with it."""
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


def test_summer_time_begins_and_ends_unnoticed(monkeypatch):
    """A system in Berlin, whose local clock jumps twice a year: rounds stay an hour apart."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for start in (START, dt.datetime(2026, 10, 24, 22, 0, tzinfo=dt.UTC)):
            monkeypatch.setattr(sys.modules[__name__], "START", start)
            assert [when for when, _ in ticks({"pool": 3600}, seconds=6 * 3600 + 1)] == [*range(0, 6 * 3600 + 1, 3600)]
    finally:
        monkeypatch.undo()
        time.tzset()
