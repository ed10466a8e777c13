"""IPv6 ranges that are too big to look up every address, and the random addresses of them that rounds sample."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, summarize_address_range
from itertools import islice

from exporter.checks.addresses import Address
from exporter.checks.spf.compiled import Range, union
from exporter.inventory.draws import mixed, permuted
from exporter.inventory.ranges import range_text
from exporter.inventory.shard import ALONE, Shard

_MAX_NETWORKS = 8
"""A range that needs more networks than that stays one range: it is a network with holes."""


def split_into_networks(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Split IPv6 ranges into networks without overlap, because adjacent networks may have different operators."""
    found: list[Range] = []
    for low, high in union(ranges):
        networks = list(islice(summarize_address_range(IPv6Address(low), IPv6Address(high)), _MAX_NETWORKS + 1))
        whole = [(low, high)]
        found += whole if len(networks) > _MAX_NETWORKS else [(int(one[0]), int(one[-1])) for one in networks]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class NotEnumerable:
    """IPv6 ranges of a pool, of which each round samples some random addresses.

    These samples show how the range is run: whether its reverse zone answers and whether its PTR names resolve back.
    They are no evidence about a sender, since hardly any address of such a range is in use.

    Attributes:
        ranges: First and last address of each range, as numbers, for all shards.
        per_round: Number of addresses that all shards together draw in a round.
        shard: The shard that samples here: only draws that it owns are yielded.
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
        """The ranges as text, for people."""
        return tuple([range_text(6, one) for one in self.ranges])

    @property
    def drawn(self) -> int:
        """Number of addresses that all shards together draw in a round; 0 without ranges."""
        return self.per_round if self.ranges else 0

    def draw(self, key: int, round_number: int) -> Iterator[Address]:
        """The addresses that a round samples: the same for the same *key* and *round_number*.

        Draws alternate between the ranges, whatever their sizes. While the ranges stay the same, no address of a range
        comes twice before all have come once.
        """
        for number in range(round_number * self.drawn, (round_number + 1) * self.drawn):
            step, index = divmod(number, len(self.ranges))
            first, last = self.ranges[index]
            size = last - first + 1
            offset = permuted(step % size, size, mixed(key, first, last))
            address = Address((first + offset).to_bytes(16, "big"))
            if self.shard.owns(address):
                yield address
