"""What one round of a pool has to do, in which order: random draws, HELO names, every address or some of each prefix.

The rule of this file: an agenda is made at the beginning of a round and costs at most a number a prefix; what an item
stands for is worked out when its time has come.
"""

from collections.abc import Sequence

from exporter.checks.addresses import Address
from exporter.inventory.draws import Turn
from exporter.inventory.spans import Spans
from exporter.sampling.evenly import Evenly
from exporter.state.pool import FAILING, PoolState

_LEAST_KNOWN = 64
"""So many addresses that are known to fail are looked at in every round at least, however few are drawn."""


class Agenda:
    """The items of one round of *state*: from 0 up its addresses; counted down from -1 its HELO names, then *random*.

    *random* are addresses drawn from ranges that are too big to be listed: they are no addresses of the pool.

    Those of *order* have their turn in a circle that begins at *since*, at the same share of each round: where a round
    was dropped because the pool changed, the next one goes on. What was never sampled is *at_once* besides; in the
    first round of a pool that is all there is, and nothing waits.
    """

    def __init__(self, state: PoolState, since: Address | None = None) -> None:
        self.helos = tuple(state.helos)
        self.turn: Turn | None = None
        pool = state.pool
        self.random = tuple(pool.unlisted.draw(state.sample.key, state.sample.turn))
        outside = range(-len(self.random) - len(self.helos), 0)
        start = 0 if since is None else pool.source.next_position(since) % max(1, pool.size)
        never = Spans(())
        known: range = range(0)
        if pool.plan is None:
            ring = Spans([range(start, pool.size), range(start)])
            never = state.unsampled()
            is_new = len(never) == pool.size > 0
        else:
            self.turn = Turn(pool.prefixes, pool.plan, state.sample.key, state.sample.turn)
            known = self.turn.add(_known_to_fail(state, max(_LEAST_KNOWN, self.turn.drawn)))
            place = self.turn.place_of(start) if start else 0
            ring = Spans([range(place, self.turn.drawn), range(place)])
            is_new = True
        self.order: Sequence[int] = ()
        self.at_once: Sequence[int]
        if is_new and state.round_seconds is None:
            self.at_once = Spans([outside, *ring.ranges, known])
            return
        names = zip(range(-len(self.helos), 0), self.helos, strict=True)
        unheard = [range(item, item + 1) for item, text in names if state.helos[text].latest is None]
        self.at_once = Spans([*unheard, *never.ranges])
        self.order = Evenly(Evenly(ring, known), outside)

    @property
    def hurries(self) -> bool:
        """Whether nothing in it is spread over the interval."""
        return bool(self.at_once) and not self.order

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
