"""TXT records: how tag lists are read, and lines that a name server reads back unchanged."""

import dns.rdataset
import dns.zonefile
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.checks.txt_records import clip, parse_tags, txt_line
from tests.examples import examples


@pytest.mark.parametrize(
    ("text", "pairs", "problem"),
    [
        pytest.param(b"v=DKIM1; p=abc", (("v", "DKIM1"), ("p", "abc")), "", id="two"),
        pytest.param(b" v =\tDKIM1 ;\r\n p= a b ; ", (("v", "DKIM1"), ("p", "a b")), "", id="white-space-around"),
        pytest.param(b"v=1;;n=2;", (("v", "1"), ("n", "2")), "", id="nothing-between"),
        pytest.param(b"p=", (("p", ""),), "", id="an-empty-value"),
        pytest.param(b"p=a=b==", (("p", "a=b=="),), "", id="equals-signs-in-a-value"),
        pytest.param(b"x_y1=1", (("x_y1", "1"),), "", id="digits-and-underscores-in-a-name"),
        pytest.param(b"N=1; n=2", (("N", "1"), ("n", "2")), "", id="names-are-case-sensitive"),
        pytest.param(b"", (), "", id="nothing"),
        pytest.param(b"moo; v=1", (("v", "1"),), "moo is no tag of the form name=value", id="no-equals-sign"),
        pytest.param(b"=x; v=1", (("v", "1"),), "=x is no tag of the form name=value", id="no-name"),
        pytest.param(b"a-b=x; v=1", (("v", "1"),), "a-b=x is no tag of the form name=value", id="a-hyphen"),
        pytest.param(b"a b=x", (), "a b=x is no tag of the form name=value", id="a-space-in-a-name"),
        pytest.param(b"p=1; p=2", (("p", "1"), ("p", "2")), "the tag p occurs more than once", id="twice"),
        pytest.param(
            b"p=1;p=2;moo", (("p", "1"), ("p", "2")), "the tag p occurs more than once", id="the-first-problem"
        ),
        pytest.param(b"n=\xfc", (("n", r"\xfc"),), "", id="bytes-outside-ascii"),
    ],
)
def test_a_list_is_read(text, pairs, problem):
    """Everything that is a tag, in its order, the first thing that is wrong, and all that is no tag."""
    read = parse_tags(text)

    assert (read.pairs, read.problem) == (pairs, problem)
    assert read.strays == tuple([it for it in ("moo", "=x", "a-b=x", "a b=x") if it.encode() in text.split(b";")])


def test_the_first_of_several_counts():
    """Names as written; what is not there has the default."""
    tags = parse_tags(b"p=1; q=; p=2")

    assert [tags.get(name) for name in ("p", "q", "x", "P")] == ["1", "", "", ""]
    assert (tags.get("q", "none"), tags.get("x", "none")) == ("", "none")
    assert [name in tags for name in ("p", "q", "x")] == [True, True, False]


fragments = st.sampled_from([b"a", b"_", b"1", b"=", b";", b" ", b"\t", b"\xff", b"-"])


@given(st.binary(max_size=200) | st.lists(fragments, max_size=30).map(b"".join))
def test_any_bytes_are_read(text):
    """Into printable or white ASCII, names without either: no record can break a sentence, or the reader."""
    for name, value in parse_tags(text).pairs:
        assert name.replace("_", "").isalnum() or set(name) == {"_"}
        assert value.isascii()
        assert value == value.strip(" \t\r\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a\tb\x1b[31m", r"a\009b\027[31m"),
        ("x" * 80, "x" * 80),
        ("x" * 81, "x" * 80 + "..."),
        ("\n" * 20, r"\010" * 20),
        ("\n" * 21, r"\010" * 20 + "..."),
    ],
)
def test_a_text_is_short_and_printable_in_a_sentence(text, shown):
    """Eighty characters as they are shown, escapes included."""
    assert clip(text) == shown
    assert clip("abc", 2) == "ab..."


def read(line):
    """The owner, the type and the one record of a line, as dnspython reads zone files."""
    ((owner, rdataset),) = [
        (rrset.name, rrset) for rrset in dns.zonefile.read_rrsets(line, default_ttl=300, relativize=False)
    ]
    (record,) = rdataset
    return owner.to_text(), dns.rdatatype.to_text(rdataset.rdtype), record


@examples(40)
@given(st.one_of(st.binary(max_size=600), st.binary(min_size=250, max_size=260)))
@example(b"")
@example(b'"; \\ 7')
@example(bytes(range(256)))
@example(b"x" * 255)
@example(b"x" * 256)
@example(b"\x00" * 511)
def test_a_server_reads_back_the_same_bytes(text):
    """Whatever they are, in strings of 255 bytes, the last one shorter (RFC 1035 section 3.3)."""
    line = txt_line("s1._domainkey.example.org", text)

    owner, rdtype, record = read(line)

    assert (owner, rdtype) == ("s1._domainkey.example.org.", "TXT")
    assert b"".join(record.strings) == text
    assert [len(string) for string in record.strings[:-1]] == [255] * ((len(text) - 1) // 255 if text else 0)
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(b"v=spf1 -all", 'example.org. TXT "v=spf1 -all"', id="plain"),
        pytest.param(b"", 'example.org. TXT ""', id="an-empty-text-is-one-empty-string"),
        pytest.param(rb'say "hi\there"', r'example.org. TXT "say \"hi\\there\""', id="quotes-and-backslashes"),
        pytest.param(b" ~\x7f\x1f\xff", r'example.org. TXT " ~\127\031\255"', id="what-does-not-print-is-decimal"),
        pytest.param(b"a" * 256, f'example.org. TXT "{"a" * 255}" "a"', id="strings-of-255-bytes"),
    ],
)
def test_a_text_record(text, line):
    """RFC 1035 section 5.1: quoted, with escapes for what would end the string or does not print."""
    assert txt_line("example.org", text) == line
