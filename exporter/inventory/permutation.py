"""An order without a list: a keyed permutation of 0 to *size* - 1, so that each turn is drawn without a memory.

The rule of this file: everything is a pure function of the numbers. A Feistel network permutes the next power of four;
what lands outside is put through it again (cycle walking) until it lands inside, which keeps it a permutation.
"""

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
