"""How often the true share of bad addresses is inside the interval that a sampled round gives: in 95 of 100 rounds.

All is real but the DNS. The sampler draws from the world of the pool benchmark and counts, with
another key each time; Prometheus' own code works out the interval, by the rules as they are installed. What is asked
is answered from what the world says of each address, for a hundred rounds over Knot would take as many times as long.
"""

import asyncio
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple

import structlog
import yaml

from dashboards.generator.outputs import FOLDER
from dashboards.generator.pool_rules import LOWER, UPPER
from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.checks.names import DomainName
from exporter.checks.result import CheckName
from exporter.config.load import parse
from exporter.inventory.build import build
from exporter.inventory.pool import Pool
from exporter.sampling.sampler import Sampler
from exporter.state.board import Board
from exporter.state.pool import FAILING
from tests.benchmarks import pool_world as world
from tests.fakes import run
from tests.integration.servers.prometheus import promtool

SEEDS = 100
LEAST = 93
"""In so many of 100 rounds the truth has to be inside, at least: fewer would be an accident of one in three hundred."""

_CHECK = CheckName.FCRDNS
_RULES = FOLDER / "prometheus" / "maildns.rules.yml"
_GONE = Answer(Status.NXDOMAIN)


class Round(NamedTuple):
    """What one sampled round counted, and how many of the prefixes that are wholly broken it came upon."""

    sampled: int
    failed: int
    prefixes: int


class Truth:
    """Answers what the world says; there is nobody else who could be asked."""

    deadline_seconds = 5.0
    max_in_flight = 256

    def ask(self, question: Question, on_answer: OnAnswer, **_how: object) -> None:
        on_answer(question, self._ptr(question) if question.rdtype == "PTR" else self._forward(question))

    def _ptr(self, question: Question) -> Answer:
        address = IPv4Address(".".join(reversed(question.name.split(".")[:4])))
        if world.reason(address) == "ptr-nxdomain":
            return _GONE
        return Answer(Status.ANSWER, (DomainName(world.name(address)),))

    def _forward(self, question: Question) -> Answer:
        address = IPv4Address(int(question.name.partition(".")[0].removeprefix("mail-")[9:], 16))
        why = world.reason(address)
        if why == "forward-nxdomain":
            return _GONE
        shown = world.STRANGER if why == "forward-mismatch" else str(address)
        return Answer(Status.ANSWER, (Address.parse(shown),))

    def source_at(self, _number: int) -> None:
        return None

    def another(self, _heard: object) -> None:
        return None

    def sources(self, _servers: object) -> frozenset[object]:
        return frozenset()

    def verify(self, _servers: object, verified: Callable[[None], None]) -> None:
        verified(None)


def pool_of(networks: Sequence[IPv4Network]) -> Pool:
    """The pool of the benchmark, of which a round samples one address of each /24."""
    entries = [{"network": str(network)} for network in networks]
    pool = {"name": "microsoft-365", "interval": "1h", "sample": {"per_prefix": 1}, "addresses": entries}
    (made,) = build(parse(yaml.safe_dump({"pools": [pool]}), "world"))
    return made


async def _sampled(pool: Pool, seed: int) -> Round:
    board = Board()
    board.publish((pool,))
    state = board.pools[pool.name]
    state.sample.key = seed
    sampler = Sampler(board, lambda: Truth(), on_change=lambda _pool, _change: None)
    sampler.follow()
    sampler.tick(pool.name)
    while not state.counters.rounds:
        await asyncio.sleep(1)
    sampled, failed = state.sample_sums()[_CHECK]
    prefixes = pool.prefixes
    named = [state.healths.count(FAILING, *prefixes.of(first)) > 0 for first in _firsts(pool)]
    return Round(sampled, failed, sum(named))


def _firsts(pool: Pool) -> list[int]:
    """Where the prefixes that are wholly broken begin in *pool*."""
    places = [pool.index(Address.parse(str(network.network_address))) for network in world.BROKEN_PREFIXES]
    return [place for place in places if place is not None]


def inside(rounds: Sequence[Round], size: int, truth: float) -> int:
    """In how many of *rounds* over *size* addresses the interval has *truth*, by Prometheus and the rules in force.

    Each round is a pool of its own in one test for promtool, whose question nothing answers as it is expected to: so
    it prints what it got.
    """
    series = []
    for number, one in enumerate(rounds):
        values = {"maildns_pool_addresses": size}
        values |= {"maildns_pool_sample_addresses": one.sampled, "maildns_pool_sample_failures": one.failed}
        for family, value in values.items():
            check = "" if family == "maildns_pool_addresses" else f', check="{_CHECK}"'
            labels = f'{{job="maildns", instance="exporter", pool="seed-{number}"{check}}}'
            series.append({"series": family + labels, "values": f"{value}x5"})
    ask = {"expr": f"count({LOWER} <= {truth!r} and {UPPER} >= {truth!r}) or vector(0)", "eval_time": "4m"}
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [{**ask, "exp_samples": []}]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "claim.yml"
        file.write_text(yaml.safe_dump({"rule_files": [str(_RULES)], "evaluation_interval": "1m", "tests": [test]}))
        told = promtool("test", "rules", file)
    got = re.search(r"got: *\{\} ([0-9.E+-]+)", told.stdout + told.stderr)
    if got is None:
        raise RuntimeError(f"promtool counted nothing: {told.stdout}{told.stderr}")
    return round(float(got[1]))


def claim(seeds: int = SEEDS, networks: Sequence[IPv4Network] = world.NETWORKS) -> tuple[list[Round], float, int]:
    """Sample the world in *seeds* ways: the rounds, the true share, and in how many rounds it was inside."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    pool = pool_of(networks)
    truth = sum(world.reason(address) is not None for address in world.addresses(tuple(networks))) / pool.size
    rounds = [run(_sampled(pool, seed)) for seed in range(seeds)]
    return rounds, truth, inside(rounds, pool.size, truth)


def show_claim(seeds: int = SEEDS) -> bool:
    """Print it; False if the interval promises too much, or a round passed a wholly broken prefix by."""
    rounds, truth, known = claim(seeds)
    drawn = [one.sampled for one in rounds]
    shares = [one.failed / one.sampled for one in rounds]
    named = sum(one.prefixes == len(world.BROKEN_PREFIXES) for one in rounds)
    print(
        f"\nSampled {seeds} times, {min(drawn):,} to {max(drawn):,} addresses a round: from {min(shares):.2%} to ",
        end="",
    )
    print(
        f"{max(shares):.2%} of them fail, of all {truth:.2%}. The truth was inside the 95% interval in {known} of ",
        end="",
    )
    print(f"{seeds}; all {len(world.BROKEN_PREFIXES)} wholly broken prefixes were named in {named}.")
    return known >= LEAST * seeds // 100 and named == seeds


if __name__ == "__main__":
    sys.exit(not show_claim())
