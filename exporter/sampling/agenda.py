"""What one round of a pool has to do, in which order: random draws, HELO names, every address or some of each prefix.

The rule of this file: an agenda is made at the beginning of a round and costs at most a number a prefix; what an item
stands for is worked out when its time has come.
"""

from collections.abc import Sequence

from exporter.checks.addresses import Address
from exporter.inventory.draws import Turn
from exporter.inventory.spans import Spans
from exporter.state.pool import FAILING, PoolState

_LEAST_KNOWN = 64
"""So many addresses that are known to fail are looked at in every round at least, however few are drawn."""


class Agenda:
    """The items of one round of *state*: from 0 up its addresses; counted down from -1 its HELO names, then *random*.

    *random* are addresses drawn from ranges that are too big to be listed: they are no addresses of the pool.

    *since* is where a round was dropped because the pool changed: this one begins there, so that however often a pool
    changes, each address has its turn. The first *at_once* items need not wait.
    """

    def __init__(self, state: PoolState, since: Address | None = None) -> None:
        self.helos = tuple(state.helos)
        self.turn: Turn | None = None
        self.order: Sequence[int]
        self.at_once = 0
        pool = state.pool
        self.random = tuple(pool.unlisted.draw(state.sample.key, state.sample.turn))
        before = len(self.random) + len(self.helos)
        start = 0 if since is None else pool.source.next_position(since) % max(1, pool.size)
        if pool.plan is not None:
            prefixes = pool.prefixes
            self.turn = Turn(prefixes, pool.plan, state.sample.key, state.sample.turn)
            self.turn.add(_known_to_fail(state, max(_LEAST_KNOWN, self.turn.drawn)))
            place = self.turn.place_of(start) if start else 0
            self.order = Spans([range(-before, 0), range(place, len(self.turn)), range(place)])
            self.at_once = len(self.order) if state.round_seconds is None else 0
            return
        never = state.unsampled()
        whole = len(never) == pool.size
        others = [range(start, pool.size), range(start)] if whole else [*never.ranges, *never.rest(start, pool.size)]
        self.order = Spans([range(-before, 0), *others])
        if never:
            self.at_once = before + len(never)

    def outside(self, item: int) -> str | Address:
        """The HELO name, or the address of *random*, that an item below 0 stands for."""
        return self.helos[item] if item >= -len(self.helos) else self.random[item + len(self.helos)]

    def position(self, item: int) -> tuple[int, bool]:
        """The index in the pool of an item that is an address, and whether it counts for the estimate."""
        return (item, False) if self.turn is None else self.turn.at(item)


def _known_to_fail(state: PoolState, most: int) -> list[int]:
    """The addresses that are to be looked at again in every round, lest a mend is seen only at their next turn.

    Where they are more than *most*, each round has another part of them.
    """
    healths, size = bytes(state.healths), state.pool.size
    start = state.sample.turn * most % max(1, size) if healths.count(FAILING) > most else 0
    found: list[int] = []
    for low, high in ((start, size), (0, start)):
        position = healths.find(FAILING, low, high)
        while position >= 0 and len(found) < most:
            found.append(position)
            position = healths.find(FAILING, position + 1, high)
    return found
