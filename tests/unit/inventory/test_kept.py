"""Expansions come back from their texts, and nothing else does."""

import json

from hypothesis import given
from hypothesis import strategies as st

from exporter.inventory.expansion import Expansion, SavedExpansion, Trouble, expansion_from_json, expansion_to_json
from exporter.inventory.ranges import AddressRange, AddressRanges

FOUND = SavedExpansion(
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
    assert expansion_from_json("example.org", expansion_to_json("example.org", FOUND)) == FOUND


def test_that_of_another_record_does_not():
    """The configuration may have changed between two processes."""
    assert expansion_from_json("example.net", expansion_to_json("example.org", FOUND)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["0x1", "-0x1"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json.loads(expansion_to_json("example.org", FOUND)))), json_values)
def test_a_damaged_text_comes_to_nothing_or_to_an_expansion(key, value):
    """Never to an error, whatever a key says."""
    written = json.loads(expansion_to_json("example.org", FOUND)) | {key: value}
    found = expansion_from_json("example.org", json.dumps(written))
    assert found is None or found.expansion.is_sound


@given(st.text())
def test_other_texts_come_to_nothing(text):
    """Nor do they raise anything."""
    assert expansion_from_json("example.org", text) is None
