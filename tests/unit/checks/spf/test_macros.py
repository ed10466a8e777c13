"""Macros of SPF: what section 7 of RFC 7208 shows, and names that get too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.spf.macros import dotted, expand, name_of, parse_macros
from tests.factories import address

VALUES = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": dotted(address("192.0.2.3")),
    "v": "in-addr",
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%%%_%-", "% %20"),
        ("%{S}", "strong-bad%40email.example.com"),
    ],
)
def test_the_examples_of_the_rfc(text, expanded):
    """Section 7.4, and the escapes of section 7.2."""
    assert expand(parse_macros(text), VALUES) == expanded


@pytest.mark.parametrize(
    "text", ["%", "%{", "%{}", "%{z}", "%{d0}", "%{d2x}", "%(d)", "%{c}", "%{r}", "%{t}", "a b", "\x7f"]
)
def test_rubbish_is_no_macro_string(text):
    """Neither is what only an explanation may have."""
    assert parse_macros(text) is None


def test_an_explanation_may_have_more():
    """Spaces, and the macros c, r and t (section 7.2)."""
    assert parse_macros("by %{c} at %{t}", explaining=True) is not None


@given(st.lists(st.text("ab", min_size=1, max_size=70), min_size=1, max_size=60))
def test_labels_are_dropped_from_the_left(labels):
    """A name over 253 characters loses labels until it fits (section 7.3); one that the DNS cannot hold is None."""
    kept = list(labels)
    while len(".".join(kept)) > 253:
        kept.pop(0)
    fits = kept and all(len(label) < 64 for label in kept)

    assert name_of(".".join(labels) + ".") == (".".join(kept) if fits else None)


def test_what_the_dns_cannot_hold():
    """Empty labels and nothing at all are no names; a backslash is one like any other character."""
    assert [name_of(text) for text in ("", ".", "a..b", ".a", "x" * 300)] == [None] * 5
    assert name_of("a\\.b") == "a\\\\.b"
