"""What is known of domains comes back from text as it was."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks.domain import DomainCheckName
from exporter.state.domain import DomainState
from exporter.state.storage.tables import MAX_BYTES, domain_state, domain_text
from tests.domains import EVERYTHING, SETTINGS, SILENT, SOUND, ZONE, sample, without
from tests.factories import World
from tests.strategies import outages

NOW = 1000.0
ALL = replace(SETTINGS, expect=EVERYTHING)
BEGINNINGS = tuple(sorted({line.split()[0] + " " + line.split()[1] for line in ZONE.split("\n") if line.strip()}))
HOSTILE = World.parse(
    ZONE.replace("p=reject", 'p=none; t=y; sp=zzz; x=\\"\x01')
    .replace("-all", "exists:%{ir}.example.net +all")
    .replace("k=ed25519", "k=rsa; t=y")
)
QUESTIONS = sorted(sample(SOUND)[1])


@st.composite
def histories(draw):
    """A domain after a few samples, each in a zone that lacks some of its lines or is strange, some with outages."""
    state = DomainState(ALL)
    for at in range(draw(st.integers(1, 2))):
        gone = draw(st.sets(st.sampled_from(BEGINNINGS), max_size=4))
        world = draw(st.sampled_from([SOUND, HOSTILE, SILENT, without(*gone)]))
        if draw(st.booleans()):
            world = world.without_answers_to(draw(outages(QUESTIONS)))
        state, _ = state.observe(*sample(world, ALL), float(at + 1))
    return state


@given(histories())
def test_a_domain_comes_back_as_it_was(state):
    """Reports, keys, ranges, hints, what is held, the evidence and all the times."""
    assert domain_state(domain_text(state), ALL, state.sampled_at, NOW) == state


@settings(max_examples=20)
@given(histories())
def test_no_time_is_in_the_future(state):
    """A clock that was set back while the exporter was down makes no sample of tomorrow."""
    again = domain_state(domain_text(state), ALL, 900.0, 0.5)

    moments = [again.sampled_at, again.concluded_at, again.changed_at]
    assert max([*moments, *[answer.asked_at for answer in again.evidence.values()]]) <= 0.5


@settings(max_examples=40)
@given(histories(), st.sets(st.sampled_from(["s1", "s2", "s3"])))
def test_what_is_no_longer_configured_is_left_out(state, selectors):
    """As on a reload: of selectors that went nothing is left, what is held of the others is there."""
    now = replace(ALL, selectors=tuple(sorted(selectors)))

    assert domain_state(domain_text(state), now, state.sampled_at, NOW) == state.reconfigure(now)


@settings(max_examples=60)
@given(histories(), st.data())
def test_damaged_text_is_refused_or_read(state, data):
    """Whatever an octet becomes, it is a `ValueError` or a state: never anything else."""
    text = domain_text(state)
    place = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:place] + data.draw(st.characters(max_codepoint=127)) + text[place + 1 :]
    try:
        domain_state(damaged, ALL, 1.0, NOW)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("room", "is_left"), [(MAX_BYTES, (True, True)), (25_000, (False, True)), (10_000, (False, False))]
)
def test_a_row_has_a_bound(monkeypatch, room, is_left):
    """A record without end costs the evidence first, then what is shown of it, and never what is held."""
    monkeypatch.setattr("exporter.state.storage.tables.MAX_BYTES", room)
    networks = " ".join(f"ip4:10.{one // 128}.{one % 128 * 2}.0/24" for one in range(500))
    zone = ZONE.replace("v=spf1 ip4:198.51.100.0/28 ip6:2001:db8::/64 -all", f"v=spf1 {networks} -all")
    state, _ = DomainState(ALL).observe(*sample(World.parse(zone), ALL), 1.0)

    text = domain_text(state)
    again = domain_state(text, ALL, 1.0, NOW)

    assert len(text) <= room
    assert (again.known, again.dkim, again.dmarc) == (state.known, state.dkim, state.dmarc)
    assert again.passes(DomainCheckName.SPF) is True
    assert (again.evidence == state.evidence, again.spf == state.spf) == is_left
    assert (again.latest == state.latest) is is_left[1]
    assert again.is_healthy is (True if is_left[1] else None)
