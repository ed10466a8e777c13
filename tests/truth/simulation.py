"""Watches a world whose faults are known, hidden in noise, and compares what is reported: ``python -m tests.truth``.

Everything that decides is the exporter's own, from APScheduler's ticks over rounds, opinions and
resolvers' choice to what is held. Only the network and the time are simulated, so that a seed gives one outcome.
"""

import asyncio
import datetime as dt
import random
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import structlog
import time_machine

from exporter.checks.check import run_check
from exporter.checks.report import report
from exporter.checks.result import CheckName, Result
from exporter.config.load import parse
from exporter.dns.resolvers import Resolvers
from exporter.inventory.build import build
from exporter.sampling.sampler import Sampler
from exporter.sampling.schedule import Schedule
from exporter.state.address import Change
from exporter.state.board import Board
from exporter.state.disputes import Disputes
from exporter.state.pool import FAILING
from tests.fakes import run
from tests.truth.faults import KINDS, Fault, Published, scatter
from tests.truth.resolvers import network

INTERVAL_SECONDS = 300.0
_POOL = "simulated"
_START = dt.datetime(2026, 3, 28, 22, 0, tzinfo=dt.UTC)  # summer time begins in it
_LAG_SECONDS = 60.0
"""How long after its end a fault may still be seen: caches, and a sample that was under way."""


@dataclass(frozen=True)
class Plan:
    """What is simulated: the liar is the server at this place, which is asked first if that is 0; None for none.

    *silences* are from when to when a server, by its place, answers nothing, in intervals. A fault that lasts for
    *patience* intervals has to be told within as many.
    """

    addresses: int = 10_000
    faults: int = 200
    intervals: int = 24
    apart: bool = True
    liar: int | None = 0
    seed: int = 1
    silences: tuple[tuple[int, float, float], ...] = ()
    patience: int = 2


@dataclass
class Outcome:
    """What came of it. *complaints* is empty if every promise held; delays are in intervals."""

    plan: Plan
    complaints: list[str] = field(default_factory=list)
    due: int = 0
    reported: dict[int, float] = field(default_factory=dict)
    recovered: list[float] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    queries: int = 0
    lies: int = 0
    disputes: int = 0
    unknown: list[int] = field(default_factory=list)
    """Of how many addresses the latest sample was left open, at the end of each interval."""

    @property
    def delays(self) -> list[float]:
        """How long each reported fault took, sorted."""
        return sorted(self.reported.values()) or [0.0]

    def lines(self) -> list[str]:
        """The figures, for people."""
        plan, delays = self.plan, self.delays
        sources = "three resolvers" if plan.apart else "three servers of one resolver"
        false = sum(complaint.startswith("false") for complaint in self.complaints)
        return [
            f"{plan.addresses} addresses, {plan.intervals} intervals, seed {plan.seed}, {sources}, liar: {plan.liar}",
            f"  faults: {plan.faults} of {len(KINDS)} kinds, {self.due} of them for {plan.patience} intervals or more",
            f"  reported: {len(delays)}; within {median(delays):.2f} intervals (median), {delays[-1]:.2f} (all)",
            f"  recoveries told: {len(self.recovered)}, within {max(self.recovered, default=0.0):.2f} intervals",
            f"  samples {self.samples}, queries {self.queries}, lies told {self.lies}, disagreements {self.disputes}",
            f"  missed or late: {len(self.complaints) - false}, false: {false}",
        ]


class Simulation:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        rng = random.Random(plan.seed)
        faults = scatter(plan.addresses, plan.faults, plan.intervals, INTERVAL_SECONDS, rng)
        self._published = Published(plan.addresses, faults)
        self._numbers = {}
        self._board = Board()
        self._disputes = Disputes()
        silences = {place: (begin * INTERVAL_SECONDS, end * INTERVAL_SECONDS) for place, begin, end in plan.silences}
        settings, make = network(
            self._published, rng, lambda: self._now, apart=plan.apart, liar=plan.liar, seed=plan.seed, silences=silences
        )
        self._resolvers = Resolvers(settings, build=make)  # type: ignore[arg-type]  # it keeps the contract
        self.outcome = Outcome(plan)
        self._began = 0.0

    async def run(self) -> Outcome:
        """Watch from the beginning to the end."""
        plan = self._plan
        self._began = asyncio.get_running_loop().time()
        self._board.publish(await asyncio.to_thread(build, parse(_configuration(plan.addresses), "simulated")))
        state = self._board.pools[_POOL]
        self._numbers = {target.address: place for place, target in enumerate(state.pool.targets)}
        schedule = Schedule(lambda pool: sampler.tick(pool))
        sampler = Sampler(
            self._board,
            lambda: self._resolvers,
            on_change=self._changed,
            disputes=self._disputes,
            due=schedule.due_in,
        )
        sampler.follow()
        schedule.start()
        schedule.follow({_POOL: INTERVAL_SECONDS})
        for _ in range(plan.intervals):
            await asyncio.sleep(INTERVAL_SECONDS)
            self._look()
        schedule.stop()
        sampler.stop()
        self._judge()
        return self.outcome

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def _changed(self, _pool: str, change: Change) -> None:
        """A change was reported: find the fault that it tells of, or the one that ended."""
        assert change.address is not None
        if change.after.check is CheckName.HELO_PTR_MATCH:
            return  # its HELO name is not its PTR name, by design
        now, number = self._now, self._numbers[change.address]
        fault = self._published.faults.get(number)
        if change.after.result is Result.FAIL:
            if fault is None or not fault.begin <= now <= fault.end + _LAG_SECONDS or not self._is_of(fault, change):
                self._complain(f"false: {change.address} {change.after.check} {change.after.reason} at {now:.0f}")
            else:
                self.outcome.reported.setdefault(number, (now - fault.begin) / INTERVAL_SECONDS)
                self.outcome.kinds[fault.kind] += 1
        elif fault is not None and now >= fault.end:
            self.outcome.recovered.append((now - fault.end) / INTERVAL_SECONDS)

    def _is_of(self, fault: Fault, change: Change) -> bool:
        """Whether the check that is said to fail really does while the fault lasts."""
        target = self._board.pools[_POOL].pool.targets[fault.number]
        truth, _ = run_check(report(target), lambda question: self._published.answer(question, fault.begin))
        slot = (change.after.check, change.after.subject)
        return any((it.check, it.subject) == slot and it.result is Result.FAIL for it in truth.findings)

    def _look(self) -> None:
        """Whatever is held to fail must have a fault that lasts, or lasted until two intervals ago."""
        now = self._now
        self.outcome.unknown.append(self._board.pools[_POOL].results()[CheckName.FCRDNS, Result.UNKNOWN])
        healths = self._board.pools[_POOL].healths
        for number, known in enumerate(healths):
            if known == FAILING:
                fault = self._published.faults.get(number)
                if fault is None or not fault.begin <= now <= fault.end + 2 * INTERVAL_SECONDS:
                    self._complain(f"false: number {number} is held to fail at {now:.0f}")

    def _judge(self) -> None:
        outcome = self.outcome
        for number, fault in self._published.faults.items():
            if fault.end - fault.begin >= self._plan.patience * INTERVAL_SECONDS:
                outcome.due += 1
                delay = outcome.reported.get(number)
                if delay is None:
                    self._complain(f"missed: {fault}")
                elif delay > self._plan.patience:
                    self._complain(f"late: {delay:.3f} intervals, {fault}")
        state = self._board.pools[_POOL]
        outcome.samples = sum(state.counters.samples[check, result] for check, result in _fcrdns(state))
        outcome.queries = sum(each.asked for each in self._simulated)
        outcome.lies = sum(each.lied for each in self._simulated)
        outcome.disputes = sum(self._disputes.disagreements.values())

    @property
    def _simulated(self) -> list[Any]:
        return list(self._resolvers)

    def _complain(self, complaint: str) -> None:
        self.outcome.complaints.append(complaint)


def _fcrdns(state: Any) -> list[Any]:
    return [pair for pair in state.counters.samples if pair[0] == "fcrdns"]


def _configuration(size: int) -> str:
    """A pool of *size* addresses from 10.0.0.0 on, each with the HELO name that belongs to it."""
    helo = "helo-{octet1}-{octet2}-{octet3}-{octet4}.example.org"
    whole, rest = divmod(size, 256)
    lines = [f'      - {{network: 10.0.{block}.0/24, helo: "{helo}"}}' for block in range(whole)]
    lines += [
        f'      - {{ip: 10.0.{whole}.{last}, helo: "helo-10-0-{whole}-{last}.example.org"}}' for last in range(rest)
    ]
    settings = "    interval: 5m\n    receivers: []\n    series: none\n    addresses:\n"
    return f"pools:\n  - name: {_POOL}\n" + settings + "\n".join(lines) + "\n"


def simulate(plan: Plan) -> Outcome:
    """Run a plan to its end, in simulated time."""
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    try:
        with time_machine.travel(_START, tick=False) as wall:

            async def main() -> Outcome:
                return await Simulation(plan).run()

            return run(main(), on_pass=wall.shift)
    finally:
        structlog.reset_defaults()
