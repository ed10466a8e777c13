"""The DER reader: bounded, exact, and never led astray."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from exporter.checks.dkim import is_ed25519_info, read_value, rsa_key

INFO = base64.b64decode(
    "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMkpuKqqjQZ87Xow/2KWtEDRqFn+rB6Jfxqb+7JEossMptUXO0RcNi10O7jbRomN"
    "5aerVHvIUqvLuU7Pn8ecBukCAwEAAQ=="
)


def der(tag, content):
    """Encode one value."""
    size = len(content)
    data = b"" if size < 0x80 else size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, size] if size < 0x80 else [tag, 0x80 | len(data)]) + data + content


def integer(number):
    """Encode a positive integer."""
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


@given(st.integers(min_value=1, max_value=2**4096), st.integers(min_value=1, max_value=2**64))
def test_every_key_has_its_size(modulus, exponent):
    """Bare or wrapped, the size of the modulus is read to the bit."""
    bare = der(0x30, integer(modulus) + integer(exponent))
    algorithm = der(0x30, der(0x06, bytes.fromhex("2a864886f70d010101")) + der(0x05, b""))
    for key in (bare, der(0x30, algorithm + der(0x03, b"\0" + bare))):
        assert rsa_key(key) == (modulus.bit_length(), exponent)


def test_a_damaged_key_is_no_key():
    """Cut anywhere, or with anything behind it, it is refused."""
    assert rsa_key(INFO) == (512, 65537)
    assert [size for size in range(len(INFO)) if rsa_key(INFO[:size])] == []
    assert rsa_key(INFO + b"\0") is None
    assert rsa_key(INFO.replace(b"\x01\x01\x01\x05", b"\x01\x01\x02\x05")) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_read_within_their_bounds(data):
    """Whatever is read is a part of what was given."""
    value = read_value(data)
    rsa_key(data)
    is_ed25519_info(data)

    assert value is None or data.endswith(value.content + value.rest)


def test_lengths_are_as_der_wants_them():
    """The indefinite, the needlessly long, and the enormous length are refused."""
    for length in (b"\x80", b"\x81\x01", b"\x82\x00\x80", b"\x84\x7f\xff\xff\xff"):
        assert read_value(b"\x30" + length + bytes(300)) is None
