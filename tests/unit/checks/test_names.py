"""Domain names: canonical, and equal exactly when the DNS treats them as equal (RFC 4343)."""

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.names import DomainName
from tests.strategies import domain_names, label_lists


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("mail.example.org", "mail.example.org", id="plain"),
        pytest.param("Mail.EXAMPLE.org", "mail.example.org", id="case-is-folded"),
        pytest.param("mail.example.org.", "mail.example.org", id="the-trailing-dot-is-dropped"),
        pytest.param(".", ".", id="root"),
        pytest.param("org", "org", id="one-label"),
        pytest.param("_dmarc.example.org", "_dmarc.example.org", id="underscore"),
        pytest.param(r"\109ail.example.org", "mail.example.org", id="an-escape-is-its-byte"),
        pytest.param(r"\077ail.example.org", "mail.example.org", id="an-escaped-capital-is-folded"),
        pytest.param(r"a\.b.example.org", r"a\.b.example.org", id="a-dot-in-a-label-stays-in-it"),
        pytest.param("a\\.", "a\\.", id="an-escaped-dot-at-the-end-is-not-the-root"),
        pytest.param(r"a\..", r"a\.", id="an-escaped-dot-before-the-trailing-dot"),
        pytest.param('q"uote.example.org', r"q\"uote.example.org", id="quote"),
        pytest.param(r"nul\000.example.org", r"nul\000.example.org", id="nul"),
        pytest.param(r"\255.example.org", r"\255.example.org", id="byte-255"),
        pytest.param("a b.example.org", r"a\032b.example.org", id="space"),
        pytest.param("a\nb", r"a\010b", id="newline"),
        pytest.param("</script>.example.org", "</script>.example.org", id="markup-is-text"),
        pytest.param("a" * 63 + ".org", "a" * 63 + ".org", id="63-bytes-in-a-label"),
        pytest.param(r"\@" + "A" * 62 + ".org", r"\@" + "a" * 62 + ".org", id="63-bytes-with-an-escape"),
        pytest.param(".".join(["a" * 63] * 3 + ["a" * 61]), ".".join(["a" * 63] * 3 + ["a" * 61]), id="255-bytes"),
    ],
)
def test_canonical_form(text, canonical):
    """A name has one spelling, whatever spelling it was read from."""
    assert DomainName(text) == canonical


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "not empty", id="empty"),
        pytest.param("..", "no empty labels", id="two-dots"),
        pytest.param("a..b", "no empty labels", id="empty-label"),
        pytest.param(".example.org", "no empty labels", id="leading-dot"),
        pytest.param("example.org..", "no empty labels", id="two-trailing-dots"),
        pytest.param("a" * 64 + ".org", "63 bytes", id="64-bytes-in-a-label"),
        pytest.param(".".join(["a" * 63] * 3 + ["a" * 62]), "255 bytes", id="256-bytes"),
        pytest.param("m\u00fcller.example.org", "xn--", id="not-ascii"),
        pytest.param("\u212aelvin.example.org", "xn--", id="the-kelvin-sign-is-no-k"),
        pytest.param("mail\uff0eexample.org", "xn--", id="full-width-dot"),
        pytest.param(r"a\256", r"\\256 is no escape", id="escape-over-255"),
        pytest.param(r"a\25", r"\\25 is no escape", id="escape-cut-short"),
        pytest.param(r"a\2x5", r"\\2x5 is no escape", id="escape-of-no-number"),
        pytest.param("a\\\u0662\u0665\u0665", "backslash", id="escape-in-other-digits"),
        pytest.param("a\\", "backslash", id="escape-of-nothing"),
    ],
)
def test_what_no_message_can_contain(text, complaint):
    """A text that is no domain name is refused, with what is wrong about it."""
    with pytest.raises(ValueError, match=complaint):
        DomainName(text)


@given(label_lists)
def test_bytes_survive_the_text(labels):
    """Any labels can be read back from a name's text, but for the case of their letters."""
    name = DomainName.from_labels(labels)

    assert [label.lower() for label in labels] == list(name.labels)
    assert DomainName(name) == name
    assert name.isascii()
    assert name.isprintable()
    assert " " not in name


@given(label_lists)
def test_dnspython_reads_the_text_alike(labels):
    """The text of a name is presentation format: dnspython reads the same labels from it."""
    theirs = dns.name.from_text(str(DomainName.from_labels(labels)))

    assert theirs.canonicalize().labels == (*[label.lower() for label in labels], b"")


@given(label_lists, st.data())
def test_case_never_matters(labels, data):
    """Names that differ in the case of ASCII letters alone are equal (RFC 4343 section 3)."""
    swapped = [label.swapcase() if data.draw(st.booleans()) else label for label in labels]

    assert DomainName.from_labels(swapped) == DomainName.from_labels(labels)
    assert hash(DomainName.from_labels(swapped)) == hash(DomainName.from_labels(labels))


@given(label_lists, label_lists)
def test_only_equal_labels_make_equal_names(one, other):
    """Two names are equal only if their labels are, case apart."""
    same = [label.lower() for label in one] == [label.lower() for label in other]

    assert (DomainName.from_labels(one) == DomainName.from_labels(other)) == same


@given(st.text(max_size=300) | st.text(st.sampled_from('aZ09-_.\\"@ '), max_size=20) | domain_names.map(str))
def test_any_text_is_read_or_refused(text):
    """No text does worse than `ValueError`."""
    try:
        name = DomainName(text)
    except ValueError:
        return
    assert DomainName.from_labels(name.labels) == name


@given(domain_names)
def test_parents_end_in_the_root(name):
    """Every name is under each of its parents, and the last one is the root, its own parent."""
    steps = 0
    above = name
    while above != ".":
        above = above.parent
        steps += 1
        assert name.is_under(above)
    assert steps == len(name.labels)
    assert above.parent == above


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        ("mail.example.org", "example.org", True),
        ("example.org", "example.org", True),
        ("example.org", "mail.example.org", False),
        ("badexample.org", "example.org", False),
        (r"a\.example.org", "example.org", False),
        ("example.org", ".", True),
        (".", ".", True),
        (".", "org", False),
    ],
)
def test_is_under(text, suffix, expected):
    """A name is under a suffix label by label, not letter by letter."""
    assert DomainName(text).is_under(DomainName(suffix)) is expected


@pytest.mark.parametrize(
    ("text", "hostname", "qualified"),
    [
        ("mail.example.org", True, True),
        ("localhost", True, False),
        ("3com.example", True, True),
        ("-mail.example.org", False, True),
        ("mail-.example.org", False, True),
        ("mail_1.example.org", False, True),
        ("xn--bcher-kva.example", True, True),
        (r"a\.b.example.org", False, True),
        ("*.example.org", False, True),
        (".", False, False),
    ],
)
def test_host_names(text, hostname, qualified):
    """A host name is made of letters, digits and inner hyphens; a qualified one has several labels (RFC 1123)."""
    assert DomainName(text).is_hostname is hostname
    assert DomainName(text).is_qualified is qualified


def test_repr_shows_the_name():
    """A failing assertion shows which name it was."""
    assert repr(DomainName("Mail.Example.org")) == "DomainName('mail.example.org')"
