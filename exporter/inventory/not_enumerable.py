"""IPv6 ranges that are too big to be listed, and the addresses that rounds draw from them at random.

The rule of this file: what is drawn says how the range as a whole is run (does its reverse zone answer, do its PTR
names resolve back), and nothing of a sender: nearly every address of such a range belongs to nobody.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, summarize_address_range
from itertools import islice

from exporter.checks.addresses import Address
from exporter.checks.spf.compiled import Range, union
from exporter.inventory.draws import mixed, permuted
from exporter.inventory.ranges import range_text
from exporter.inventory.shard import ALONE, Shard

_BYTES = 16


_MOST_NETWORKS = 8
"""Into how many networks a range is taken apart. What makes more is one that has holes."""


def apart(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same IPv6 addresses as networks that have nothing in common: neighbours may be run by different people."""
    found: list[Range] = []
    for low, high in union(ranges):
        networks = list(islice(summarize_address_range(IPv6Address(low), IPv6Address(high)), _MOST_NETWORKS + 1))
        whole = [(low, high)]
        found += whole if len(networks) > _MOST_NETWORKS else [(int(one[0]), int(one[-1])) for one in networks]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class NotEnumerable:
    """IPv6 *ranges* of a pool, of all shards. A round draws *per_round* addresses, those of other shards included.

    *shard* is whose part of them is sampled here.
    """

    ranges: tuple[Range, ...] = ()
    per_round: int = 0
    shard: Shard = ALONE

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, Address) or address.family != 6:
            return False
        number = int.from_bytes(address.packed, "big")
        return any(first <= number <= last for first, last in self.ranges)

    @property
    def texts(self) -> tuple[str, ...]:
        """The ranges, as people write them."""
        return tuple([range_text(6, one) for one in self.ranges])

    @property
    def drawn(self) -> int:
        """How many addresses a round draws, all shards together."""
        return self.per_round if self.ranges else 0

    def draw(self, key: int, turn: int) -> Iterator[Address]:
        """What round number *turn* samples: the same for the same *key*.

        Draws go around the ranges, so that a big one leaves room for a small one; of each range, as long as the ranges
        and their number stay, no address comes twice before all have come once.
        """
        for number in range(turn * self.drawn, (turn + 1) * self.drawn):
            step, index = divmod(number, len(self.ranges))
            first, last = self.ranges[index]
            size = last - first + 1
            place = permuted(step % size, size, mixed(key, first, last))
            address = Address((first + place).to_bytes(_BYTES, "big"))
            if self.shard.owns(address):
                yield address
