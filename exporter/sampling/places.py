"""The addresses that a block list is asked about, in a circle: whoever stops somewhere can go on there.

The rule of this file: an order is worked out as it is walked, a range at a time, so that half a million addresses cost
as much as the lines that name them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from exporter.state.blocklists import PENDING, Place, PoolListings


class ListPlace(NamedTuple):
    """The address at *place* in a pool, as one list has it."""

    listings: PoolListings
    place: int

    @property
    def name(self) -> Place:
        """How it is found again when the pools have changed, or after a restart."""
        return self.listings.pool.name, self.listings.pool.targets[self.place].address


class _Span(NamedTuple):
    listings: PoolListings
    family: int
    start: int
    stop: int


class Places:
    """The addresses of some pools, in their order from *start* on, and then those before it."""

    def __init__(self, listings: Sequence[PoolListings], start: Place | None) -> None:
        self._spans = [span for each in listings for span in _spans(each)]
        self.size = sum(span.stop - span.start for span in self._spans)
        if start is not None:
            self._turn(start)

    @property
    def first(self) -> ListPlace | None:
        """Where it begins; None if there is nothing."""
        return next((ListPlace(span.listings, span.start) for span in self._spans if span.start < span.stop), None)

    def walk(self, is_wanted: Callable[[int], bool]) -> Iterator[ListPlace]:
        """Each once: first those that the list was never asked about, then the others.

        *is_wanted* says, when it is their turn, whether the addresses of a family are to be asked about.
        """
        before = {id(span.listings): bytes(span.listings.octets) for span in self._spans}
        for listings, family, start, stop in self._spans:
            octets = before[id(listings)]
            index = octets.find(PENDING, start, stop) if is_wanted(family) else -1
            while index >= 0 and is_wanted(family):
                yield ListPlace(listings, index)
                index = octets.find(PENDING, index + 1, stop)
        for listings, family, start, stop in self._spans:
            octets, index = before[id(listings)], start
            while index < stop and is_wanted(family):
                if octets[index] != PENDING:
                    yield ListPlace(listings, index)
                index += 1

    def _turn(self, start: Place) -> None:
        """Let *start* be the first, or what follows where it was."""
        name, address = start
        for number, (listings, family, low, high) in enumerate(self._spans):
            if listings.pool.name == name:
                place = listings.pool.source.next_position(address) % listings.pool.size
                if low <= place < high:
                    first, last = _Span(listings, family, place, high), _Span(listings, family, low, place)
                    self._spans = [first, *self._spans[number + 1 :], *self._spans[:number], last]
                    return


def _spans(listings: PoolListings) -> Iterator[_Span]:
    start = 0
    for one in listings.pool.source:
        yield _Span(listings, one.family, start, start + one.size)
        start += one.size
