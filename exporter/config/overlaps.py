"""Addresses that are configured twice.

The rule of this file: prefixes either nest or have nothing in common, so one pass over them in order, with the prefixes
that enclose the present one on a stack, meets every pair that matters.
"""

from collections.abc import Iterator, Sequence

from exporter.config.address_entries import AddressEntry, NetworkEntry
from exporter.config.pool_entries import PoolEntry
from exporter.config.tree import Path

Entry = AddressEntry | NetworkEntry


class _Place:
    """An entry, and where it is: pool, then index, which is also the order in the file."""

    __slots__ = ("entry", "order")

    def __init__(self, order: tuple[int, int], entry: Entry) -> None:
        self.order = order
        self.entry = entry

    @property
    def key(self) -> str:
        return "ip" if isinstance(self.entry, AddressEntry) else "network"

    @property
    def text(self) -> str:
        return str(self.entry.ip if isinstance(self.entry, AddressEntry) else self.entry.network)

    @property
    def path(self) -> Path:
        return ("pools", self.order[0], "addresses", self.order[1], self.key)

    @property
    def sort_key(self) -> tuple[int, int, int, bool, tuple[int, int]]:
        return self.entry.family, self.entry.first, -self.entry.last, self.key == "ip", self.order


def overlaps(pools: Sequence[PoolEntry]) -> Iterator[tuple[Path, str, Path]]:
    """Each entry that repeats another of its pool, or has an address in common with another pool.

    Yields the path of the later of the two in the file, what is wrong, and the path of the earlier. Inside of one pool
    an entry may lie within a network: the more specific one says what its HELO names are.
    """
    places = [
        _Place((pool_index, index), entry)
        for pool_index, pool in enumerate(pools)
        for index, entry in enumerate(pool.addresses)
    ]
    enclosing: list[_Place] = []
    for place in sorted(places, key=lambda place: place.sort_key):
        while enclosing and not _encloses(enclosing[-1].entry, place.entry):
            enclosing.pop()
        if enclosing:
            yield from _between(enclosing[-1], place, pools)
        enclosing.append(place)


def _between(outer: _Place, inner: _Place, pools: Sequence[PoolEntry]) -> Iterator[tuple[Path, str, Path]]:
    """What is wrong with *inner* right inside of *outer*."""
    earlier, later = sorted((outer, inner), key=lambda place: place.order)
    same = outer.entry.first == inner.entry.first and outer.entry.last == inner.entry.last
    if outer.order[0] != inner.order[0]:
        pool = pools[earlier.order[0]].name
        how = "is" if same else f"overlaps {earlier.text}, which is"
        what = f"{later.text} {how} in the pool {pool!r} already, as {{other}}: an address belongs to one pool"
        yield later.path, what, earlier.path
    elif same and outer.key == inner.key:
        yield later.path, f"{later.text} is in this pool already, as {{other}}: leave one of them out", earlier.path


def _encloses(outer: Entry, inner: Entry) -> bool:
    return outer.family == inner.family and outer.first <= inner.first and inner.last <= outer.last
