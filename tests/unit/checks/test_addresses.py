"""Addresses: read strictly, written as RFC 5952 has it, named as the reverse tree names them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.addresses import Address
from exporter.checks.names import DomainName
from tests.strategies import any_addresses


@given(any_addresses)
def test_text_and_back(address):
    """An address is read back from its own text, which is the one that `ipaddress` writes."""
    assert Address.parse(str(address)) == address
    assert str(address) == str(ipaddress.ip_address(address.packed))


@given(any_addresses)
def test_the_reverse_name_is_the_standard_one(address):
    """The reverse-map name is canonical, and that of `ipaddress` (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    standard = ipaddress.ip_address(address.packed).reverse_pointer

    assert address.reverse_name == standard
    assert DomainName(standard) == address.reverse_name


@given(any_addresses)
def test_family_and_record_type_agree(address):
    """A family has one type of record."""
    assert (address.family, address.rdtype) in {(4, "A"), (6, "AAAA")}
    assert len(address.packed) == {4: 4, 6: 16}[address.family]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("010.1.1.1", "is not an IPv4 or IPv6 address", id="octal-to-some"),
        pytest.param("192.0.2", "is not an IPv4 or IPv6 address", id="three-bytes"),
        pytest.param("192.0.2.256", "is not an IPv4 or IPv6 address", id="byte-over-255"),
        pytest.param("192.0.2.1/32", "is not an IPv4 or IPv6 address", id="network"),
        pytest.param(" 192.0.2.1", "is not an IPv4 or IPv6 address", id="white-space"),
        pytest.param("192.0.2.1\n", "is not an IPv4 or IPv6 address", id="newline"),
        pytest.param("\uff11.1.1.1", "is not an IPv4 or IPv6 address", id="full-width-digits"),
        pytest.param("3221225985", "is not an IPv4 or IPv6 address", id="one-number"),
        pytest.param("0xc0.0.2.1", "is not an IPv4 or IPv6 address", id="hexadecimal"),
        pytest.param("", "is not an IPv4 or IPv6 address", id="empty"),
        pytest.param("fe80::1%eth0", "has a zone ID", id="zone-id"),
        pytest.param("::ffff:192.0.2.1", "write it as 192.0.2.1", id="mapped"),
        pytest.param("::ffff:c000:201", "write it as 192.0.2.1", id="mapped-in-hexadecimal"),
    ],
)
def test_what_is_refused(text, complaint):
    """An ambiguous or misplaced address is refused, with what would be right."""
    with pytest.raises(ValueError, match=complaint):
        Address.parse(text)


spellings = st.ip_addresses().flatmap(lambda it: st.sampled_from([str(it), it.exploded, it.exploded.upper(), f" {it}"]))


@given(st.text(max_size=50) | spellings)
def test_any_text_is_read_or_refused(text):
    """No text does worse than `ValueError`."""
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address


def test_spellings_of_one_address_are_equal():
    """IPv6 has many spellings and one meaning."""
    assert Address.parse("2001:DB8:0:0::0010") == Address.parse("2001:db8::10")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("0.0.0.0", "unspecified"),
        ("10.255.255.255", "private (RFC 1918)"),
        ("100.64.0.1", "shared by a carrier's NAT (RFC 6598)"),
        ("127.0.0.1", "a loopback address"),
        ("169.254.1.1", "link-local"),
        ("172.31.0.1", "private (RFC 1918)"),
        ("192.0.0.8", "reserved (RFC 6890)"),
        ("192.168.0.1", "private (RFC 1918)"),
        ("198.18.0.0", "for benchmarks (RFC 2544, RFC 5180)"),
        ("198.19.255.255", "for benchmarks (RFC 2544, RFC 5180)"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved (RFC 6890)"),
        ("::", "unspecified"),
        ("::1", "a loopback address"),
        ("64:ff9b:1::1", "reserved (RFC 6890)"),
        ("100::1", "reserved (RFC 6890)"),
        ("2001:2::1", "for benchmarks (RFC 2544, RFC 5180)"),
        ("fd00::1", "private (RFC 4193)"),
        ("fe80::1", "link-local"),
        ("ff02::1", "multicast"),
        ("172.32.0.1", ""),
        ("192.0.2.1", ""),
        ("198.51.100.1", ""),
        ("203.0.113.1", ""),
        ("198.17.0.1", ""),
        ("198.20.0.1", ""),
        ("2001:db8::1", ""),
        ("100.128.0.1", ""),
        ("2a00::1", ""),
    ],
)
def test_an_address_that_nobody_elsewhere_sees_says_why(text, what):
    """The special-purpose ranges of RFC 6890, without those for documentation."""
    assert Address.parse(text).special_use == what


@given(any_addresses)
def test_special_use_is_never_public_for_the_standard_library(drawn):
    """What is called special is not global to the standard library, either."""
    if drawn.special_use:
        assert not ipaddress.ip_address(drawn.packed).is_global or ipaddress.ip_address(drawn.packed).is_multicast
