"""The true share of failing addresses is inside the 95% interval of the estimate as often as it should be."""

from math import sqrt
from random import Random

import pytest

from exporter.checks.result import CheckName, Result
from exporter.inventory.draws import Draws, Plan
from exporter.inventory.prefixes import Prefixes
from exporter.inventory.ranges import AddressRange, AddressRanges
from exporter.state.counters import SampleState

Z = 1.959964
FCRDNS = CheckName.FCRDNS


def wilson(failures: int, sample: int, size: int) -> tuple[float, float]:
    """The 95% interval with finite population correction, as in the recording rules."""
    share, spread = failures / sample, Z * Z * (size - sample) / ((size - 1) * sample)
    middle, half = share + spread / 2, sqrt(spread * share * (1 - share) + spread * spread / 4)
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)


def world(seed: int, populations: list[int]) -> tuple[AddressRanges, bytearray]:
    """A pool with so many addresses in each /24. One in a hundred is broken, and three whole prefixes."""
    random = Random(seed)
    source = AddressRanges(
        AddressRange(4, number << 8, (number << 8) + size - 1) for number, size in enumerate(populations)
    )
    broken = bytearray(random.random() < 0.01 for _ in range(source.size))
    prefixes = Prefixes(source, {4: 24, 6: 64})
    for number in random.sample(range(len(prefixes)), 3):
        start, end = prefixes[number]
        broken[start:end] = b"\x01" * (end - start)
    return source, broken


def sampled(source: AddressRanges, broken: bytearray, seed: int) -> tuple[int, int, set[str]]:
    """The sums of one round, and the prefixes in which a draw failed."""
    prefixes = Prefixes(source, {4: 24, 6: 64})
    state = SampleState([FCRDNS], key=seed)
    draw = Draws(prefixes, Plan(1, 24, 64, prefixes.depth), state.key, state.round_number)
    state.begin()
    failing = set()
    for number in range(draw.drawn):
        position, counts = draw.at(number)
        if counts:
            state.note({FCRDNS: Result.FAIL if broken[position] else Result.PASS})
        if broken[position]:
            failing.add(prefixes.text(position))
    state.end()
    return *state.latest[FCRDNS], failing


def _covered(populations: list[int]) -> int:
    covered = 0
    for seed in range(100):
        source, broken = world(seed, populations)
        sample, failures, failing = sampled(source, broken, seed)
        lower, upper = wilson(failures, sample, source.size)
        covered += lower <= sum(broken) / source.size <= upper
        prefixes = Prefixes(source, {4: 24, 6: 64})
        whole = {prefixes.text(start) for start, end in prefixes if all(broken[start:end]) and end - start > 4}
        assert whole <= failing
    return covered


@pytest.mark.slow
def test_the_truth_is_inside_the_interval():
    """In at least 93 of 100 rounds over worlds of full /24s; and every /24 that is wholly broken is found."""
    assert _covered([256] * 256) >= 93


@pytest.mark.slow
def test_small_prefixes_do_not_bias_the_estimate():
    """Each address counts as much as any other, even if some prefixes are small and others large."""
    assert _covered([256] * 64 + [8] * 100 + [64] * 128) >= 93
