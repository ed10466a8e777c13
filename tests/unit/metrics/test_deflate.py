"""Pieces of compressed text, stitched into one gzip member."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics.exposition import Piece, gzip_member

texts = st.lists(st.binary(max_size=300) | st.integers(0, 9000).map(lambda count: b"maildns " * count), max_size=8)


def unpacked(member: bytes) -> bytes:
    """What a client makes of it that stops after the first member, checksum and length checked."""
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    text = reader.decompress(member)
    assert reader.eof
    assert not reader.unused_data
    return text


@given(texts)
def test_any_pieces_make_one_member(parts):
    """Whatever they hold, empty ones and none at all included, the checksum and the length are those of the whole."""
    member = gzip_member(Piece.joined([Piece.of(part) for part in parts]))

    assert unpacked(member) == gzip.decompress(member) == b"".join(parts)


@given(texts, st.integers(0, 8))
def test_pieces_that_were_joined_can_be_joined_again(parts, cut):
    """How they were put together makes no difference."""
    pieces = [Piece.of(part) for part in parts]
    joined = Piece.joined([Piece.joined(pieces[:cut]), Piece.joined(pieces[cut:])])

    assert joined.text() == b"".join(parts)
    assert (joined.crc, joined.length) == (zlib.crc32(joined.text()), len(joined.text()))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_piece_knows_its_text(one, other):
    """And takes no other for it."""
    assert Piece.of(one).is_of(one)
    assert Piece.of(one).is_of(other) == (one == other)
    assert Piece.of(one).text() == one


def test_lengths_over_four_gigabytes_come_out_as_rfc_1952_has_them():
    """ISIZE is the length modulo 2^32."""
    assert gzip_member(Piece(b"", 2**32 + 5, 7))[-8:] == bytes([7, 0, 0, 0, 5, 0, 0, 0])
