"""What is counted of a pool: every known pair from the start, and nothing that goes back."""

from exporter.checks.result import CheckName, Result
from exporter.state.counters import PoolCounters, zeros

FCRDNS, SYNTAX = CheckName.FCRDNS, CheckName.HELO_SYNTAX


def test_every_pair_stands_at_0_from_the_start():
    """Samples have three results; a change is to one of the two conclusive ones."""
    counters = PoolCounters()
    counters.open(iter([FCRDNS, SYNTAX]))

    assert counters.samples == zeros([FCRDNS, SYNTAX], Result) == dict.fromkeys(counters.samples, 0)
    assert len(counters.samples) == 6
    assert list(counters.changes) == [
        (FCRDNS, Result.PASS),
        (FCRDNS, Result.FAIL),
        (SYNTAX, Result.PASS),
        (SYNTAX, Result.FAIL),
    ]
    assert counters.all_changes == 0


def test_a_reload_takes_no_count_back():
    """What was counted goes on, whether the check is still one of the pool's or not; new ones begin at 0."""
    counters = PoolCounters()
    counters.open([FCRDNS])
    counters.samples[FCRDNS, Result.PASS] = 3
    counters.changes[FCRDNS, Result.FAIL] = 2
    counters.open([SYNTAX])
    counters.changes[SYNTAX, Result.PASS] += 1

    assert counters.samples[FCRDNS, Result.PASS] == 3
    assert counters.samples[SYNTAX, Result.UNKNOWN] == 0
    assert counters.changes[FCRDNS, Result.FAIL] == 2
    assert counters.all_changes == 3
