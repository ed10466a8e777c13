"""Which addresses of a big pool a round samples: some of each prefix, another one each round until all had their turn.

The rule of this file: every address of the pool is as likely as any other to be counted, or the share that is bad would
be biased towards small prefixes. So of a prefix with half as many addresses as the fullest one every second draw counts
only; the others are samples like any, but stay out of the estimate.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from exporter.inventory.prefixes import Prefixes
from exporter.inventory.ranges import Family

# SECTION exporter.inventory.permutation
# An order without a list: a keyed permutation of 0 to *size* - 1, so that each turn is drawn without a memory.
#
# The rule of this file: everything is a pure function of the numbers. A Feistel network permutes the next power
# of four;
# what lands outside is put through it again (cycle walking) until it lands inside, which keeps it a
# permutation.

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
    """The place of *index*, from 0, in the permutation of *size* numbers that *key* chooses."""
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


def chance(*numbers: int) -> float:
    """A number from 0 up to 1, evenly distributed over keys."""
    return (mixed(*numbers) >> 11) / (1 << 53)


# SECTION exporter.inventory.draws

SEARCH = 8
"""How many more addresses of a prefix are sampled at once when one of them fails."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many addresses a round samples of each prefix, and how long prefixes are.

    *depth* is how many addresses the fullest prefix has, all shards together.
    """

    per_prefix: int
    ipv4_prefix: int
    ipv6_prefix: int
    depth: int

    @property
    def lengths(self) -> dict[Family, int]:
        """The lengths of prefixes, by family."""
        return {4: self.ipv4_prefix, 6: self.ipv6_prefix}


class Turn:
    """What round number *turn* of a pool samples; the same for the same *key* and *turn*.

    Over the turns each address of a prefix comes once before one comes again. Places count from 0; what is at each is
    worked out when it is asked for, so that a turn costs one number a prefix, and nothing is drawn in a burst.
    """

    __slots__ = ("_firsts", "_key", "_more", "_number", "_plan", "_prefixes")

    def __init__(self, prefixes: Prefixes, plan: Plan, key: int, number: int) -> None:
        self._prefixes = prefixes
        self._plan = plan
        self._key = key
        self._number = number
        self._more = array("Q")
        sizes = (min(plan.per_prefix, end - start) for start, end in prefixes)
        self._firsts = array("Q", accumulate(sizes, initial=0))  # the place of the first draw of each prefix

    @property
    def drawn(self) -> int:
        """How many places are draws; those after them were added."""
        return self._firsts[-1]

    def __len__(self) -> int:
        return self.drawn + len(self._more)

    def at(self, place: int) -> tuple[int, bool]:
        """The position at *place*, and whether it counts for the estimate."""
        if place >= self.drawn:
            return self._more[place - self.drawn], False
        index = bisect_right(self._firsts, place) - 1
        start, end = self._prefixes[index]
        size, drawn = end - start, self._firsts[index + 1] - self._firsts[index]
        place -= self._firsts[index]
        own = mixed(self._key, self._prefixes.number(start))
        position = start + permuted((self._number * drawn + place) % size, size, own)
        share = self._plan.per_prefix * size / (drawn * max(size, self._plan.depth))
        return position, share >= 1.0 or chance(own, self._number, place) < share

    def add(self, positions: Iterable[int]) -> range:
        """Sample these too; they do not count. Gives their places."""
        before = len(self)
        self._more.extend(positions)
        return range(before, len(self))

    def place_of(self, position: int) -> int:
        """The first place of the prefix in which *position* is."""
        return self._firsts[self._prefixes.index(position)]

    def prefix_of(self, position: int) -> tuple[int, int]:
        """The positions of the prefix in which *position* is: the first, and the one after the last."""
        return self._prefixes.of(position)

    def search(self, position: int) -> range:
        """Where a draw failed, at *position*: the places of the next turns of its prefix, up to `SEARCH` of them."""
        start, end = self._prefixes.of(position)
        size = end - start
        drawn = min(self._plan.per_prefix, size)
        own = mixed(self._key, self._prefixes.number(start))
        following = (self._number + 1) * drawn
        steps = range(following, following + min(SEARCH, size - drawn))
        return self.add([start + permuted(step % size, size, own) for step in steps])
