"""Compressed pieces of a text that are stitched into one gzip member, so that only what changed is compressed anew.

The rule of this file: a piece is compressed on its own and refers to nothing outside of it. Each ends at an octet's
border (`Z_FULL_FLUSH`, RFC 1951 section 3.2.4), so that any sequence of pieces is a valid stream once a last empty
block ends it. It is one member (RFC 1952) with one checksum, which is worked out from those of the pieces; several
members would be read by Prometheus and gunzip, but curl and httpx stop after the first.
"""

import zlib
from collections.abc import Iterable
from functools import lru_cache
from struct import Struct

_LEVEL = 1  # a fifth of the time of level 6, for a tenth more octets: docs/performance.md
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, of no particular system
_LAST_BLOCK = b"\x03\x00"
_TRAILER = Struct("<II")

_POLYNOMIAL = 0xEDB88320  # of CRC-32, reflected as RFC 1952 section 8 has it: bit 31 is x^0
_ONE = 1 << 31


class Piece:
    """Some text, compressed. *length* and *crc* are those of the text; *shift* moves another checksum past it."""

    __slots__ = ("_digest", "_shift", "crc", "deflated", "length")

    def __init__(self, deflated: bytes, length: int, crc: int, digest: int | None = None) -> None:
        self.deflated = deflated
        self.length = length
        self.crc = crc
        self._digest = digest
        self._shift: int | None = None

    @classmethod
    def of(cls, text: bytes) -> "Piece":
        """Compress *text*."""
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = deflate.compress(text) + deflate.flush(zlib.Z_FULL_FLUSH)
        return cls(deflated, len(text), zlib.crc32(text), hash(text))

    @classmethod
    def joined(cls, pieces: Iterable["Piece"]) -> "Piece":
        """Several pieces as one."""
        deflated: list[bytes] = []
        length, crc = 0, 0
        for piece in pieces:
            deflated.append(piece.deflated)
            length += piece.length
            crc = _times(piece.shift, crc) ^ piece.crc
        return cls(b"".join(deflated), length, crc)

    @property
    def shift(self) -> int:
        """What a checksum is multiplied with to append this piece: x to the power of its bits."""
        if self._shift is None:
            self._shift = _power(8 * self.length)
        return self._shift

    def is_of(self, text: bytes) -> bool:
        """Whether this is *text* compressed. A piece that was joined does not know."""
        return self.length == len(text) and self._digest == hash(text)

    def text(self) -> bytes:
        """What was compressed."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.deflated)


def gzip_member(piece: Piece) -> bytes:
    """The one gzip member that holds *piece*."""
    return b"".join((_HEADER, piece.deflated, _LAST_BLOCK, _TRAILER.pack(piece.crc, piece.length & 0xFFFFFFFF)))


def _times(one: int, other: int) -> int:
    """Multiply two polynomials over GF(2), modulo that of CRC-32."""
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = one << 1 & 0xFFFFFFFF
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product


def _powers() -> Iterable[int]:
    """Raise x to the powers of 1, 2, 4, 8, ..."""
    power = _ONE >> 1
    for _ in range(48):
        yield power
        power = _times(power, power)


_POWERS = tuple(_powers())


@lru_cache(1024)
def _power(exponent: int) -> int:
    """Raise x to the power of *exponent*."""
    product = _ONE
    for power in _POWERS:
        if exponent & 1:
            product = _times(power, product)
        exponent >>= 1
        if not exponent:
            break
    return product
