"""A reader of DER (X.690), as far as public keys need it.

The rule of this file: it never reads past what it was given, and returns None for anything that is not exactly right.
"""

from typing import NamedTuple

SEQUENCE, INTEGER, BIT_STRING, OBJECT_IDENTIFIER, NULL = 0x30, 0x02, 0x03, 0x06, 0x05

_RSA = bytes.fromhex("2a864886f70d010101")  # 1.2.840.113549.1.1.1, RFC 8017 appendix C
_ED25519 = bytes.fromhex("2b6570")  # 1.3.101.112, RFC 8410 section 3


class Value(NamedTuple):
    """One type-length-value: its tag, its content, and what follows it."""

    tag: int
    content: bytes
    rest: bytes


class RsaKey(NamedTuple):
    """An RSA public key: the size of its modulus, and its exponent."""

    bits: int
    exponent: int


def read(octets: bytes) -> Value | None:
    """Read the first value of *octets*; None if it is none, or longer than they are."""
    if len(octets) < 2:
        return None
    tag, first = octets[0], octets[1]
    start, length = 2, first
    if first & 0x80:
        count = first & 0x7F
        if not 1 <= count <= 3 or len(octets) < 2 + count or octets[2] == 0:
            return None
        start, length = 2 + count, int.from_bytes(octets[2 : 2 + count], "big")
        if length < 0x80:
            return None  # DER wants the short form
    end = start + length
    if end > len(octets):
        return None
    return Value(tag, octets[start:end], octets[end:])


def rsa_key(octets: bytes) -> RsaKey | None:
    """Read an RSA key: a SubjectPublicKeyInfo (RFC 5280), as everybody publishes, or a bare RSAPublicKey (RFC 8017).

    RFC 6376 section 3.6.1 names the latter and its examples have the former.
    """
    outer = _only(octets, SEQUENCE)
    if outer is None:
        return None
    first = read(outer)
    if first is not None and first.tag == SEQUENCE:
        algorithm = read(first.content)
        inner = _bits(first.rest)
        if inner is None or algorithm is None or algorithm[:2] != (OBJECT_IDENTIFIER, _RSA):
            return None
        if algorithm.rest not in {b"", bytes([NULL, 0])}:
            return None
        outer = _only(inner, SEQUENCE)
        if outer is None:
            return None
    return _modulus_and_exponent(outer)


def is_ed25519_info(octets: bytes) -> bool:
    """Whether it is a SubjectPublicKeyInfo of an Ed25519 key (RFC 8410), which RFC 8463 does not want in a record."""
    outer = _only(octets, SEQUENCE)
    first = read(outer) if outer is not None else None
    algorithm = read(first.content) if first is not None and first.tag == SEQUENCE else None
    return algorithm is not None and algorithm[:2] == (OBJECT_IDENTIFIER, _ED25519)


def _only(octets: bytes, tag: int) -> bytes | None:
    value = read(octets)
    return value.content if value is not None and value.tag == tag and not value.rest else None


def _bits(octets: bytes) -> bytes | None:
    content = _only(octets, BIT_STRING)
    return content[1:] if content and content[0] == 0 else None


def _modulus_and_exponent(octets: bytes) -> RsaKey | None:
    modulus = read(octets)
    exponent = read(modulus.rest) if modulus is not None else None
    if modulus is None or exponent is None or exponent.rest:
        return None
    numbers = [_positive(value) for value in (modulus, exponent)]
    if numbers[0] is None or numbers[1] is None:
        return None
    return RsaKey(numbers[0].bit_length(), numbers[1])


def _positive(value: Value) -> int | None:
    content = value.content
    if value.tag != INTEGER or not content or content[0] & 0x80:
        return None
    if content[0] == 0 and (len(content) == 1 or not content[1] & 0x80):
        return None  # zero, or a needless leading octet
    return int.from_bytes(content, "big")
