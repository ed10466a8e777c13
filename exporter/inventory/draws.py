"""Which addresses of a big pool a round samples: some of each prefix, in an order that reaches all of them in time."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from exporter.inventory.prefixes import Prefixes
from exporter.inventory.ranges import Family

_ROUNDS = 4
_MASK = (1 << 64) - 1


def mixed(*numbers: int) -> int:
    """A 64-bit number that depends on every bit of *numbers*."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        while True:
            state = ((state ^ (number & _MASK)) * 0xBF58476D1CE4E5B9) & _MASK
            state = ((state ^ (state >> 29)) * 0x94D049BB133111EB) & _MASK
            state ^= state >> 32
            number >>= 64
            if number <= 0:
                break
    return state


def permuted(index: int, size: int, key: int) -> int:
    """Where the permutation of 0 to *size* - 1 that *key* selects moves *index*. Needs no list of the numbers.

    A Feistel network permutes the next power of four. A result of *size* or more goes through it again.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    value = index
    while True:
        left, right = value >> half, value & mask
        for step in range(_ROUNDS):
            left, right = right, left ^ (mixed(key, right << 3 | step) & mask)
        value = left << half | right
        if value < size:
            return value


def unpermuted(value: int, size: int, key: int) -> int:
    """The index that `permuted` moves to *value*."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = value >> half, value & mask
        for step in reversed(range(_ROUNDS)):
            left, right = right ^ (mixed(key, left << 3 | step) & mask), left
        value = left << half | right
        if value < size:
            return value


def chance(*numbers: int) -> float:
    """A pseudo-random number from 0 to below 1, uniform over the keys."""
    return (mixed(*numbers) >> 11) / (1 << 53)


SEARCH = 8
"""Number of further addresses of a prefix that are sampled at once when one of them fails."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many addresses a round samples of each prefix.

    Attributes:
        per_prefix: Addresses of each prefix that a round samples.
        ipv4_prefix: Prefix length for IPv4, in bits.
        ipv6_prefix: Prefix length for IPv6, in bits.
        depth: Number of addresses of the fullest prefix, over all shards.
    """

    per_prefix: int
    ipv4_prefix: int
    ipv6_prefix: int
    depth: int

    @property
    def lengths(self) -> dict[Family, int]:
        """Prefix lengths by IP version."""
        return {4: self.ipv4_prefix, 6: self.ipv6_prefix}


class Draws:
    """The addresses that round *number* of a pool samples. The same *key* and *number* give the same draws.

    Draws have indexes from 0; each is computed on demand. Over consecutive rounds, each address of a prefix comes once
    before one comes again.

    The estimate of the failing share must weigh all addresses alike, but addresses of small prefixes are drawn more
    often. So some of their draws do not count: half of them, for a prefix half as full as the fullest.
    """

    __slots__ = ("_added", "_firsts", "_key", "_number", "_plan", "_prefixes")

    def __init__(self, prefixes: Prefixes, plan: Plan, key: int, number: int) -> None:
        self._prefixes = prefixes
        self._plan = plan
        self._key = key
        self._number = number
        self._added = array("Q")
        sizes = (min(plan.per_prefix, end - start) for start, end in prefixes)
        self._firsts = array("Q", accumulate(sizes, initial=0))  # index of the first draw of each prefix

    @property
    def drawn(self) -> int:
        """Number of draws. Indexes from here on are addresses that were added."""
        return self._firsts[-1]

    def __len__(self) -> int:
        return self.drawn + len(self._added)

    def at(self, draw: int) -> tuple[int, bool]:
        """The position in the pool of draw number *draw*, and whether it counts for the estimate."""
        if draw >= self.drawn:
            return self._added[draw - self.drawn], False
        index = bisect_right(self._firsts, draw) - 1
        start, end = self._prefixes[index]
        size, drawn = end - start, self._firsts[index + 1] - self._firsts[index]
        draw -= self._firsts[index]
        own = mixed(self._key, self._prefixes.number(start))
        position = start + permuted((self._number * drawn + draw) % size, size, own)
        share = self._plan.per_prefix * size / (drawn * max(size, self._plan.depth))
        return position, share >= 1.0 or chance(own, self._number, draw) < share

    def rounds_until(self, position: int) -> int:
        """How many rounds after this one draw the address at *position* of the pool; 0 if this one does."""
        index = self._prefixes.index(position)
        start, end = self._prefixes[index]
        size, drawn = end - start, self._firsts[index + 1] - self._firsts[index]
        step = unpermuted(position - start, size, mixed(self._key, self._prefixes.number(start)))
        return (step - self._number * drawn) % size // drawn

    def add(self, indexes: Iterable[int]) -> range:
        """Sample the addresses at these positions of the pool too. They do not count. Returns their draw numbers."""
        before = len(self)
        self._added.extend(indexes)
        return range(before, len(self))

    def first_draw_of(self, position: int) -> int:
        """Number of the first draw from the prefix that contains *position*."""
        return self._firsts[self._prefixes.index(position)]

    def prefix_of(self, position: int) -> tuple[int, int]:
        """First and end position of the prefix that contains *position*."""
        return self._prefixes.of(position)

    def search(self, position: int) -> range:
        """Add the next addresses of the prefix of *position*, which failed: at most `SEARCH`. Returns their numbers."""
        start, end = self._prefixes.of(position)
        size = end - start
        drawn = min(self._plan.per_prefix, size)
        own = mixed(self._key, self._prefixes.number(start))
        following = (self._number + 1) * drawn
        steps = range(following, following + min(SEARCH, size - drawn))
        return self.add([start + permuted(step % size, size, own) for step in steps])
