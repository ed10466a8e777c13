"""The sums of a round: what counts, from when on they are shown, and what a reload leaves of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.result import CheckName, Result
from exporter.state.counters import SampleState
from tests.examples import examples
from tests.factories import address

FCRDNS, SYNTAX, DNSBL = CheckName.FCRDNS, CheckName.HELO_SYNTAX, CheckName.DNSBL
NOTHING = {FCRDNS: (0, 0), SYNTAX: (0, 0)}

draws = st.fixed_dictionaries({}, optional={check: st.sampled_from(Result) for check in (FCRDNS, SYNTAX, DNSBL)})


@examples(40)
@given(st.lists(draws, max_size=20))
def test_a_round_sums_what_the_dns_answered(drawn):
    """By check: addresses with a conclusive result, and how many fail; nothing of checks that the pool lacks."""
    state = SampleState([FCRDNS, SYNTAX])
    state.begin()
    for results in drawn:
        state.note(results)
    assert state.latest == NOTHING
    state.end()

    for check in (FCRDNS, SYNTAX):
        results = [one[check] for one in drawn if check in one and one[check] is not Result.UNKNOWN]
        assert state.latest[check] == (len(results), results.count(Result.FAIL))
    assert list(state.latest) == [FCRDNS, SYNTAX]


def test_a_round_begins_anew():
    """Sums of the round before, and of one that was broken off, are in no other."""
    state = SampleState([FCRDNS])
    for result in (Result.FAIL, Result.PASS):
        state.begin()
        state.note({FCRDNS: Result.FAIL})
        state.begin()
        state.note({FCRDNS: result})
        state.end()

    assert state.latest == {FCRDNS: (1, 0)}
    assert state.round_number == 2


def test_a_round_that_never_began_shows_nothing_new():
    """Its end is a turn all the same, and a draw outside of a round counts for none."""
    state = SampleState([FCRDNS], round_number=5)
    state.begin()
    state.note({FCRDNS: Result.FAIL})
    state.end()
    state.note({FCRDNS: Result.FAIL})
    state.end()

    assert (state.latest, state.round_number) == ({FCRDNS: (1, 1)}, 7)


@pytest.mark.parametrize("key", [0, 7])
def test_whoever_stored_a_key_gets_the_same_order(key):
    """0 is a key like any; without one, two pools have different orders, of 63 bits, which the storage can hold."""
    assert SampleState([FCRDNS], key=key).key == key
    fresh = {SampleState([FCRDNS]).key for _ in range(20)}
    assert len(fresh) == 20
    assert all(0 <= one < 2**63 for one in fresh)


def test_a_reload_goes_on_where_it_stopped():
    """Key, turn and place are the old ones; sums of checks that both have are shown, others stand at 0."""
    old = SampleState([FCRDNS, DNSBL], key=9, round_number=4)
    old.begin()
    old.note({FCRDNS: Result.FAIL, DNSBL: Result.PASS})
    old.end()
    old.cursor = address("192.0.2.7")
    new = SampleState([FCRDNS, SYNTAX])

    new.copy_from(old)

    assert (new.key, new.round_number, new.cursor) == (9, 5, address("192.0.2.7"))
    assert new.latest == {FCRDNS: (1, 1), SYNTAX: (0, 0)}
