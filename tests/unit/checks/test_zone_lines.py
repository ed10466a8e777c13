"""Lines for a person to copy into a zone: what a name server reads in them is what was meant."""

import dns.rdataset
import dns.zonefile
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.checks.txt_records import txt_line
from tests.examples import examples


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
    """Whatever they are, in strings of 255 octets, the last one shorter (RFC 1035 section 3.3)."""
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
        pytest.param(b"a" * 256, f'example.org. TXT "{"a" * 255}" "a"', id="strings-of-255-octets"),
    ],
)
def test_a_text_record(text, line):
    """RFC 1035 section 5.1: quoted, with escapes for what would end the string or does not print."""
    assert txt_line("example.org", text) == line
