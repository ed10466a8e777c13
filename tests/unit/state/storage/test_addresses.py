"""What is known of addresses and HELO names comes back from text as it was."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.check import run_check
from exporter.checks.helo_name import helo_name
from exporter.checks.receivers import Receiver
from exporter.checks.report import report
from exporter.state.address import AddressState
from exporter.state.helo import HeloState
from exporter.state.storage.codec import address_state, address_text, helo_state, helo_text
from tests.strategies import HELOS, OURS, outages, targets, worlds

NOW = 1000.0


@st.composite
def histories(draw):
    """An address after a few samples, each in a world of its own, some with outages."""
    state = AddressState(draw(targets))
    policies = draw(st.sampled_from([(), tuple(Receiver)]))
    for at in range(draw(st.integers(1, 3))):
        world = draw(worlds())
        judged, evidence = run_check(report(state.target, policies=policies), world)
        if draw(st.booleans()):
            lost = draw(outages(list(evidence)))
            judged, evidence = run_check(report(state.target, policies=policies), world.without_answers_to(lost))
        state, _ = state.observe(judged, evidence, float(at + 1))
    return state


@given(histories())
def test_an_address_comes_back_as_it_was(state):
    """All but the evidence, and the predictions that rest on it."""
    known = replace(state, evidence={}, latest=state.latest._replace(receivers=()))
    receivers = tuple(tuple(verdict for verdict in row if verdict.is_conclusive) for row in state.receivers)

    again = address_state(address_text(state), state.target.address, state.sampled_at, NOW)

    assert again == replace(known, receivers=receivers)
    assert again.predicted() is None


@given(histories())
def test_no_time_is_in_the_future(state):
    """A clock that was set back while the exporter was down makes no sample of tomorrow."""
    again = address_state(address_text(state), state.target.address, 900.0, 0.5)

    moments = [again.sampled_at, again.concluded_at, again.changed_at, *again.renamed_at]
    assert max(moments) <= 0.5


@given(worlds(), st.sampled_from(HELOS), st.data())
def test_a_helo_name_comes_back_as_it_was(world, helo, data):
    """Its numbers, its addresses, its findings, through an outage too."""
    state = HeloState(helo)
    judged, evidence = run_check(helo_name(helo, OURS.__contains__), world)
    state = state.observe(judged, 1.0)
    if evidence:
        lost = data.draw(outages(list(evidence)))
        state = state.observe(run_check(helo_name(helo, OURS.__contains__), world.without_answers_to(lost))[0], 2.0)

    assert helo_state(helo_text(state), helo, state.sampled_at, NOW) == state


@given(histories(), st.data())
def test_damaged_text_is_refused_or_read(state, data):
    """Whatever an octet becomes, it is a `ValueError` or a state: never anything else."""
    text = address_text(state)
    place = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:place] + data.draw(st.characters(max_codepoint=127)) + text[place + 1 :]
    try:
        address_state(damaged, state.target.address, 1.0, NOW)
    except ValueError:
        return


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "[1,2,3,4,5,6,7,8,9]", "[[],[],[0],null,null,0,0,[],[]]", "[" * 5000]
)
def test_what_nobody_wrote_is_refused(text):
    """Nothing but a `ValueError`."""
    with pytest.raises(ValueError, match="not what was written"):
        address_state(text, OURS[0], 1.0, NOW)
