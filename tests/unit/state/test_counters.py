"""The counters of a pool, and the sums of its rounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.result import CheckName, Result
from exporter.state.counters import PoolCounters, SampleState, zeros
from tests.examples import examples
from tests.factories import address

FCRDNS, SYNTAX = CheckName.FCRDNS, CheckName.HELO_SYNTAX


def test_every_pair_starts_at_0():
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


def test_a_reload_lowers_no_count():
    """Old counts stay, even of a check that the pool does not have any more; new ones start at 0."""
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


FCRDNS, SYNTAX, DNSBL = CheckName.FCRDNS, CheckName.HELO_SYNTAX, CheckName.DNSBL
NOTHING = {FCRDNS: (0, 0), SYNTAX: (0, 0)}

draws = st.fixed_dictionaries({}, optional={check: st.sampled_from(Result) for check in (FCRDNS, SYNTAX, DNSBL)})


@examples(40)
@given(st.lists(draws, max_size=20))
def test_a_round_sums_what_the_dns_answered(drawn):
    """They count the conclusive results and the failures of each check of the pool, and no other check.

    A check most of whose results are unknown keeps the sums that it had.
    """
    state = SampleState([FCRDNS, SYNTAX])
    state.begin()
    for results in drawn:
        state.note(results)
    assert state.latest == NOTHING
    state.end()

    for check in (FCRDNS, SYNTAX):
        results = [one[check] for one in drawn if check in one]
        known = len(results) - results.count(Result.UNKNOWN)
        is_known = known >= results.count(Result.UNKNOWN)
        assert state.latest[check] == ((known, results.count(Result.FAIL)) if is_known else (0, 0))
    assert list(state.latest) == [FCRDNS, SYNTAX]


def test_each_round_has_its_own_sums():
    """They contain nothing of the round before, nor of one that was interrupted."""
    state = SampleState([FCRDNS])
    for result in (Result.FAIL, Result.PASS):
        state.begin()
        state.note({FCRDNS: Result.FAIL})
        state.begin()
        state.note({FCRDNS: result})
        state.end()

    assert state.latest == {FCRDNS: (1, 0)}
    assert state.round_number == 2


def test_a_round_that_never_began_keeps_the_sums_before():
    """Its end is counted, but a draw outside of a round is not."""
    state = SampleState([FCRDNS], round_number=5)
    state.begin()
    state.note({FCRDNS: Result.FAIL})
    state.end()
    state.note({FCRDNS: Result.FAIL})
    state.end()

    assert (state.latest, state.round_number) == ({FCRDNS: (1, 1)}, 7)


@pytest.mark.parametrize("key", [0, 7])
def test_a_stored_key_is_used_again(key):
    """0 is a valid key. Without a key, each pool gets a random one of 63 bits, which fits into the storage."""
    assert SampleState([FCRDNS], key=key).key == key
    fresh = {SampleState([FCRDNS]).key for _ in range(20)}
    assert len(fresh) == 20
    assert all(0 <= one < 2**63 for one in fresh)


def test_a_reload_goes_on_where_it_stopped():
    """Key, round and cursor are kept, and so are the sums of checks that both have; the others start at 0."""
    old = SampleState([FCRDNS, DNSBL], key=9, round_number=4)
    old.begin()
    old.note({FCRDNS: Result.FAIL, DNSBL: Result.PASS})
    old.end()
    old.cursor = address("192.0.2.7")
    new = SampleState([FCRDNS, SYNTAX])

    new.copy_from(old)

    assert (new.key, new.round_number, new.cursor) == (9, 5, address("192.0.2.7"))
    assert new.latest == {FCRDNS: (1, 1), SYNTAX: (0, 0)}
