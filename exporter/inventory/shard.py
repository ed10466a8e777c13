"""Which addresses and names each of several exporters (shards) watches. Shards agree without communication."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from exporter.checks.addresses import Address
from exporter.inventory.ranges import AddressRange, AddressRanges, Family

BLOCK_BITS: dict[Family, int] = {4: 8, 6: 64}
"""Host bits of a block. All addresses of a block have one owner: a /24 of IPv4, a /64 of IPv6."""

MAX_SHARDS = 1024


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard number *index*, from 0, of *count*. Raises `ValueError` if there is no such shard.

    Rendezvous hashing: every shard has a hash for every item, and the shard with the highest hash owns the item. A new
    shard takes its share from all others, and no other item changes its owner.
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
        """Whether this shard owns *address*."""
        return self._owns_block(address.family, int.from_bytes(address.packed, "big") >> BLOCK_BITS[address.family])

    def owns_name(self, name: str) -> bool:
        """Whether this shard owns a HELO name or a domain. Ignores case and a dot at the end."""
        return self._owns(b"name " + name.lower().removesuffix(".").encode())

    def part(self, source: AddressRanges) -> AddressRanges:
        """The addresses of *source* that this shard owns."""
        return source if self.count == 1 else AddressRanges(self._owned(source))

    def _owned(self, ranges: Iterable[AddressRange]) -> Iterator[AddressRange]:
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
        mine = _hash(what, self.index)
        return all(_hash(what, other) < mine for other in range(self.count) if other != self.index)


def _hash(what: bytes, index: int) -> tuple[bytes, int]:
    """The hash of *what* for shard *index*. The index itself decides between equal hashes."""
    return blake2b(what, digest_size=8, key=index.to_bytes(4, "big")).digest(), index


ALONE = Shard()
"""The only shard: it watches everything."""
