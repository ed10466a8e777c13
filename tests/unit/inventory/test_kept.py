"""Expansions come back from their texts, and nothing else does."""

import json

from hypothesis import given
from hypothesis import strategies as st

from exporter.inventory.expansion import Expansion, Kept, Trouble, from_text, to_text
from exporter.inventory.ranges import AddressRange, AddressRanges

FOUND = Kept(
    Expansion(
        AddressRanges([AddressRange(4, 0xC0000200, 0xC000020F), AddressRange(6, 1, 1)]),
        ((1 << 64, (1 << 65) - 1),),
        (Trouble.NOT_ENUMERABLE,),
        ("exists:%{i}.example.org",),
    ),
    1_700_000_000.25,
)


def test_an_expansion_comes_back():
    """All of it but the TTL, which is over."""
    assert from_text("example.org", to_text("example.org", FOUND)) == FOUND


def test_that_of_another_record_does_not():
    """The configuration may have changed between two processes."""
    assert from_text("example.net", to_text("example.org", FOUND)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["0x1", "-0x1"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json.loads(to_text("example.org", FOUND)))), json_values)
def test_a_damaged_text_comes_to_nothing_or_to_an_expansion(key, value):
    """Never to an error, whatever a key says."""
    written = json.loads(to_text("example.org", FOUND)) | {key: value}
    found = from_text("example.org", json.dumps(written))
    assert found is None or found.expansion.is_sound


@given(st.text())
def test_other_texts_come_to_nothing(text):
    """Nor do they raise anything."""
    assert from_text("example.org", text) is None
