"""Unpredictable octets, for query IDs, source sockets and the case of letters (RFC 5452, draft-vixie-dnsext-dns0x20).

The rule of this file: they come from a cryptographic source, fetched in bulk because asking it costs a system call.
"""

from collections.abc import Callable
from random import SystemRandom
from typing import Protocol

_BULK = 16_384


class RandomSource(Protocol):
    """What is needed of `random.Random`: a `random.SystemRandom` in service, a seeded one in tests."""

    def randbytes(self, n: int, /) -> bytes:
        """Give *n* octets."""


class Randomness:
    """Gives out random octets, few at a time."""

    __slots__ = ("_at", "_octets", "_source")

    def __init__(self, source: RandomSource | None = None) -> None:
        self._source: RandomSource = source if source is not None else SystemRandom()
        self._octets = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """*count* octets that were never given out before; *count* is at most a few hundred."""
        at = self._at
        self._at = end = at + count
        if end <= len(self._octets):
            return self._octets[at:end]
        self._octets = self._source.randbytes(_BULK)
        self._at = count
        return self._octets[:count]


Take = Callable[[int], bytes]
"""`Randomness.take`, or what stands for it."""
