"""Which part of everything one exporter of several watches.

The rule of this file: who owns what depends on nothing but what it is and how many shards there are, so that shards
agree without talking to one another. docs/decisions has why blocks of addresses are dealt out, and not addresses.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from exporter.checks.addresses import Address
from exporter.inventory.ranges import AddressRange, AddressRanges, Family

BLOCK_BITS: dict[Family, int] = {4: 8, 6: 64}
"""The host bits of a block, which has one owner: a /24 of IPv4, a /64 of IPv6."""

MAX_SHARDS = 1024


@dataclass(frozen=True, slots=True)
class Shard:
    """Part *index* of *count*, from 0. Raises `ValueError` for an index that there is not.

    Rendezvous hashing: every shard draws a number for every thing, and the highest one owns it. So a shard that is
    added takes its share from all, and no other thing changes its owner.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_SHARDS:
            raise ValueError(f"there are {self.count} shards: it has to be from 1 to {MAX_SHARDS}")
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"shard {self.index} of {self.count} does not exist: the index is from 0 to {self.count - 1}"
            )

    def owns(self, address: Address) -> bool:
        """Whether *address* is this shard's."""
        return self._owns_block(address.family, int.from_bytes(address.packed, "big") >> BLOCK_BITS[address.family])

    def owns_name(self, name: str) -> bool:
        """Whether what is called *name* (a HELO name, a domain) is this shard's. Upper and lower case are alike."""
        return self._owns(b"name " + name.lower().removesuffix(".").encode())

    def part(self, source: AddressRanges) -> AddressRanges:
        """What is this shard's of *source*."""
        return source if self.count == 1 else AddressRanges(self._pieces(source))

    def _pieces(self, ranges: Iterable[AddressRange]) -> Iterator[AddressRange]:
        for one in ranges:
            bits = BLOCK_BITS[one.family]
            for block in range(one.first >> bits, (one.last >> bits) + 1):
                if self._owns_block(one.family, block):
                    first, last = block << bits, ((block + 1) << bits) - 1
                    yield one._replace(first=max(one.first, first), last=min(one.last, last))

    def _owns_block(self, family: Family, block: int) -> bool:
        return self._owns(b"block %d %d" % (family, block))

    def _owns(self, what: bytes) -> bool:
        if self.count == 1:
            return True
        mine = _drawn(what, self.index)
        return all(_drawn(what, other) < mine for other in range(self.count) if other != self.index)


def _drawn(what: bytes, index: int) -> tuple[bytes, int]:
    """The number that shard *index* draws for *what*; no two shards draw the same."""
    return blake2b(what, digest_size=8, key=index.to_bytes(4, "big")).digest(), index


ALONE = Shard()
"""One exporter that watches everything."""
