"""An index of PTR and HELO names, for those who know a part of one.

The rule of this file: it is made when somebody first searches, a stride at a time, and made anew only where names
changed since. Forty octets an address are the price of looking through half a million names in a few milliseconds.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

from exporter.state.pool import NAMES_STRIDE, PoolState


class NameIndex:
    """The names of each pool as lines of text: one line an address, its names in lower case, spaces between."""

    def __init__(self) -> None:
        self._pools: dict[str, tuple[PoolState, list[tuple[int, str]]]] = {}

    async def find(self, state: PoolState, needle: str, first: int, stop: int) -> AsyncIterator[int]:
        """The places from *first* to before *stop* whose address has *needle* in one of its names, in order."""
        if any(character.isspace() for character in needle):
            return  # no name has one, and here it would match across names
        strides = self._strides(state)
        for number in range(first // NAMES_STRIDE, -(-stop // NAMES_STRIDE)):
            if strides[number][0] != state.name_changes[number]:
                changes = state.name_changes[number]
                strides[number] = (changes, _lines(state, number))
                await asyncio.sleep(0)
            for line in _matching(strides[number][1], needle):
                index = number * NAMES_STRIDE + line
                if first <= index < stop:
                    yield index

    def _strides(self, state: PoolState) -> list[tuple[int, str]]:
        known = self._pools.get(state.pool.name)
        if known is None or known[0] is not state:
            known = (state, [(-1, "")] * len(state.name_changes))
            self._pools[state.pool.name] = known
        return known[1]


def _lines(state: PoolState, number: int) -> str:
    start = number * NAMES_STRIDE
    has_helo = any(one.helo for one in state.pool.source)
    targets = state.pool.targets
    lines = []
    for index in range(start, min(start + NAMES_STRIDE, state.pool.size)):
        names: list[str] = [*state.ptr_names(index)]
        if has_helo:
            names += [said.text.lower() for said in targets[index].helos]
        lines.append(" ".join(names))
    return "\n".join(lines)


def _matching(text: str, needle: str) -> Iterator[int]:
    """The numbers of the lines that have *needle* in them, in order."""
    line, counted = 0, 0
    at = text.find(needle)
    while at >= 0:
        line += text.count("\n", counted, at)
        yield line
        counted = text.find("\n", at)
        at = text.find(needle, counted) if counted >= 0 else -1
