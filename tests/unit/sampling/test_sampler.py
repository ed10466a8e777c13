"""The sampler runs the rounds of every pool, and records a new failure only after a confirmation."""

import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from exporter.checks.answers import Answer, Status
from exporter.checks.result import CheckName, Result
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.sampling.sampler import Sampler
from exporter.state.board import Board
from tests.factories import World
from tests.fakes import FakeResolver, run, silent

RIGHT = World.parse(
    """
    10.2.0.192.in-addr.arpa PTR mail.example.org
    11.2.0.192.in-addr.arpa PTR mail.example.org
    mail.example.org A 192.0.2.10
    mail.example.org A 192.0.2.11
    """
)
BROKEN = World.parse("mail.example.org A 192.0.2.10\nmail.example.org A 192.0.2.11")


def malformed(_question):
    """An answer that no resolver gives, so that the check of an address raises."""
    return Answer(Status.ANSWER, (object(),))


CONFIGURATION = """
pools:
  - name: corporate
    interval: 60s
    addresses:
      - {ip: 192.0.2.10, helo: mail.example.org}
      - {ip: 192.0.2.11, helo: mail.example.org}
"""


class Watched:
    """A sampler over one configuration, with a board and a record of changes."""

    def __init__(self, resolver, text=CONFIGURATION):
        self.resolver, self.changes = resolver, []
        self.board = Board()
        self.board.publish(build(parse(text, "test")))
        self.sampler = Sampler(
            self.board, lambda: self.resolver, on_change=lambda pool, change: self.changes.append(change)
        )
        self.sampler.follow()

    def use(self, text):
        """Reload."""
        self.board.publish(build(parse(text, "test")))
        return self.sampler.follow()

    async def round(self):
        """Run one round of the pool to its end."""
        pool = self.pool
        rounds = pool.counters.rounds
        self.sampler.tick("corporate")
        while self.pool.counters.rounds == rounds:
            await asyncio.sleep(0.1)

    @property
    def pool(self):
        return self.board.pools["corporate"]

    @property
    def fcrdns(self):
        """The latest results of the pool, without "not-sampled" where every address was."""
        results = {str(result): count for (check, result), count in self.pool.results().items() if check == "fcrdns"}
        return {result: count for result, count in results.items() if count or result != "not-sampled"}

    @property
    def known(self):
        """The last conclusive verdict of each address."""
        return [state.iprev.verdict.value if state.iprev else None for state in self.pool.sampled()]


def test_the_first_round_begins_at_once_and_the_next_is_spread():
    """Unknown addresses are sampled at the permitted rate; known ones are spread over the interval."""

    async def main():
        watched = Watched(FakeResolver(RIGHT))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await watched.round()
        first = loop.time() - began
        began = loop.time()
        await watched.round()
        return first, loop.time() - began, watched.fcrdns

    first, second, results = run(main())

    assert first < 1.0
    assert 30.0 < second < 60.0
    assert results == {"pass": 2, "fail": 0, "unknown": 0}


def test_a_failure_is_recorded_after_a_confirmation():
    """As one change of each address."""

    async def main():
        watched = Watched(FakeResolver(RIGHT))
        await watched.round()
        watched.resolver.world = BROKEN
        await watched.round()
        return watched

    watched = run(main())

    assert watched.resolver.confirmed
    assert watched.known == ["permerror", "permerror"]
    assert [c.after.result for c in watched.changes if c.after.check is CheckName.FCRDNS] == [Result.FAIL, Result.FAIL]


@pytest.mark.parametrize("second", [RIGHT, silent], ids=["passes-then", "goes-unanswered-then"])
def test_a_failure_that_is_not_confirmed_changes_nothing(second):
    """One failed sample between good ones is no change."""

    async def main():
        watched = Watched(FakeResolver(RIGHT))
        await watched.round()
        watched.resolver.world, watched.resolver.confirming = BROKEN, second
        await watched.round()
        return watched

    watched = run(main())

    assert watched.known == ["pass", "pass"]
    assert watched.changes == []


def test_a_hung_lookup_ends_at_the_deadline():
    """The verdict is unknown, the round ends, and the next one works."""

    async def main():
        watched = Watched(FakeResolver(None))
        await watched.round()
        hung = watched.fcrdns
        watched.resolver = FakeResolver(RIGHT)
        await watched.round()
        return hung, watched.fcrdns

    hung, after = run(main())

    assert hung == {"pass": 0, "fail": 0, "unknown": 2}
    assert after == {"pass": 2, "fail": 0, "unknown": 0}


def test_rounds_of_a_pool_never_overlap():
    """Several ticks during a round cause one more round, after it has ended."""

    async def main():
        watched = Watched(FakeResolver(RIGHT, delay_seconds=3.0))
        await watched.round()
        for _ in range(5):
            watched.sampler.tick("corporate")
            await asyncio.sleep(0.1)
        while watched.pool.counters.rounds < 3:
            await asyncio.sleep(1)
        asked = len(watched.resolver.asked)
        await asyncio.sleep(600)
        return asked, len(watched.resolver.asked), watched.pool.counters.rounds

    asked, later, rounds = run(main())

    assert asked == later
    assert rounds == 3


def test_a_reload_keeps_known_addresses_and_drops_removed_ones():
    """An unchanged pool keeps its state; a changed one keeps its known addresses and samples new ones at once."""

    async def main():
        watched = Watched(FakeResolver(RIGHT))
        await watched.round()
        same = watched.pool
        assert watched.use(CONFIGURATION) == frozenset()
        assert watched.pool is same

        changed = CONFIGURATION.replace("192.0.2.11", "192.0.2.12")
        assert watched.use(changed) == {"corporate"}
        known = [str(state.target.address) for state in watched.pool.sampled()]
        results = watched.fcrdns
        before = watched.pool.counters.samples[CheckName.FCRDNS, Result.PASS]
        began = asyncio.get_running_loop().time()
        watched.sampler.tick("corporate")
        while "not-sampled" in watched.fcrdns:
            await asyncio.sleep(0.01)
        return known, results, before, asyncio.get_running_loop().time() - began

    known, results, before, seconds = run(main())

    assert known == ["192.0.2.10"]
    assert results == {"pass": 1, "fail": 0, "unknown": 0, "not-sampled": 1}
    assert before == 2
    assert seconds < 1.0


def test_a_removed_pool_is_not_sampled():
    """Its round is dropped, and nothing is recorded any more."""

    async def main():
        watched = Watched(FakeResolver(RIGHT, delay_seconds=5.0))
        watched.sampler.tick("corporate")
        await asyncio.sleep(1)
        old = watched.pool
        watched.use(CONFIGURATION.replace("corporate", "other"))
        await asyncio.sleep(100)
        watched.sampler.tick("corporate")
        return list(old.sampled()), dict(watched.board.pools)

    sampled, pools = run(main())

    assert sampled == []
    assert list(pools) == ["other"]


def test_a_check_that_raises_ends_only_its_own_sample():
    """A defect in a check is logged; the round continues and ends."""

    async def main():
        watched = Watched(FakeResolver(malformed))
        with capture_logs() as logged:
            await watched.round()
        return watched.pool.counters.rounds, [line for line in logged if line["event"] == "a check is broken"]

    rounds, errors = run(main())

    assert rounds == 1
    assert sorted(line["ip"] for line in errors) == ["192.0.2.10", "192.0.2.11"]


@pytest.mark.parametrize("where", ["on-change", "the-log-of-a-broken-check"])
def test_a_round_ends_if_the_log_cannot_be_written(monkeypatch, where):
    """Standard error may be closed, or a disk full. Results are recorded all the same."""

    def unwritable(*_args, **_kwargs):
        raise OSError("No space left on device")

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        watched = Watched(FakeResolver(RIGHT))
        await watched.round()
        if where == "on-change":
            watched.resolver.world = BROKEN
            watched.changes = type("Full", (), {"append": unwritable})()
        else:
            watched.resolver.world = malformed
            monkeypatch.setattr("exporter.sampling.subjects.log", type("Log", (), {"error": unwritable})())
        async with asyncio.timeout(1000):
            await watched.round()
        return watched

    watched = run(main())

    assert watched.pool.counters.rounds == 2
    assert watched.known == (["permerror"] * 2 if where == "on-change" else ["pass"] * 2)


def test_cached_answers_cause_no_recursion():
    """A pool of thousands of addresses is sampled whose answers are all in the cache."""
    text = CONFIGURATION.replace("{ip: 192.0.2.10, helo: mail.example.org}", "{network: 10.0.0.0/20}")

    async def main():
        watched = Watched(FakeResolver(World(), delay_seconds=0), text)
        await watched.round()
        return watched.fcrdns

    assert run(main()) == {"pass": 0, "fail": 4096 + 1, "unknown": 0}


@pytest.mark.parametrize(
    ("failures", "after", "fcrdns"),
    [
        pytest.param([], ["permerror", "permerror"], {"pass": 0, "fail": 2, "unknown": 0}, id="canaries-pass"),
        pytest.param([Status.CANARY] * 6, ["pass", "pass"], {"pass": 0, "fail": 0, "unknown": 2}, id="canaries-fail"),
        pytest.param(
            [Status.CANARY, None] * 3,
            ["permerror", "permerror"],
            {"pass": 0, "fail": 2, "unknown": 0},
            id="canaries-fail-once",
        ),
    ],
)
def test_a_failure_is_recorded_only_if_its_servers_pass_their_canaries(failures, after, fcrdns):
    """If they fail, the sample starts again once; if they fail again, the result is unknown."""

    async def main():
        watched = Watched(FakeResolver(RIGHT))
        await watched.round()
        watched.resolver.world, watched.resolver.failures = BROKEN, list(failures)
        await watched.round()
        return watched.known, watched.fcrdns, watched.resolver.verified

    known, results, verified = run(main())
    assert (known, results) == (after, fcrdns)
    assert verified == [{FakeResolver.servers[0]}] * (6 if failures else 3)  # two addresses and the HELO name


def test_a_hung_canary_ends_at_the_deadline():
    """The verdict is unknown, and the round ends."""

    async def main():
        watched = Watched(FakeResolver(RIGHT))
        await watched.round()
        watched.resolver.world = BROKEN
        watched.resolver.verify = lambda servers, verified: None
        await watched.round()
        return watched.known, watched.fcrdns

    assert run(main()) == (["pass", "pass"], {"pass": 0, "fail": 0, "unknown": 2})


@pytest.mark.parametrize(
    ("world", "failures"),
    [
        pytest.param(RIGHT, [], id="no-change"),
        pytest.param(BROKEN, [], id="a-confirmed-failure"),
        pytest.param(BROKEN, [Status.CANARY] * 6, id="a-liar"),
        pytest.param(silent, [], id="no-answer"),
    ],
)
def test_a_sample_leaves_nothing_for_the_garbage_collector(world, failures):
    """Samples make no cycles in memory: to collect thousands a second would block the event loop."""

    async def main():
        watched = Watched(FakeResolver(RIGHT))
        await watched.round()
        watched.resolver.world, watched.resolver.failures = world, list(failures)
        gc.collect()
        gc.disable()
        try:
            await watched.round()
            await asyncio.sleep(0)
            return gc.collect()
        finally:
            gc.enable()

    assert run(main()) == 0


def test_a_changed_pool_is_not_sampled_while_its_state_is_copied():
    """Its round is dropped, and one that is due waits. Known results are kept."""

    async def main():
        watched = Watched(FakeResolver(RIGHT))
        await watched.round()
        watched.sampler.tick("corporate")
        await asyncio.sleep(0)
        await watched.sampler.publish(build(parse(CONFIGURATION.replace("60s", "90s"), "test")))
        await asyncio.sleep(10)  # questions that were under way are answered
        asked = len(watched.resolver.asked)
        watched.sampler.tick("corporate")
        await asyncio.sleep(60)
        meanwhile = len(watched.resolver.asked) - asked
        changed = watched.sampler.follow()
        known = watched.known
        await watched.round()
        return meanwhile, changed, known, watched.fcrdns

    assert run(main()) == (0, {"corporate"}, ["pass", "pass"], {"pass": 2, "fail": 0, "unknown": 0})
