"""Two orders in one, so that neither moves when the other grows.

The rule of this file: what is first of ten in *main* comes at the same share of the whole, to within one place of it,
as the first of ten. So an address has its turn at the same moment of each round, however many HELO names, or failures
that are looked at again, come besides.
"""

from collections.abc import Sequence
from typing import overload


class Evenly(Sequence[int]):
    """The items of *main*, with those of *others* spread evenly among them; each in its own order."""

    __slots__ = ("_main", "_others", "_size")

    def __init__(self, main: Sequence[int], others: Sequence[int]) -> None:
        self._main = main
        self._others = others
        self._size = len(main) + len(others)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(self._size))]
        if not 0 <= index < self._size:
            raise IndexError(index)
        mains = self._before(index)
        return self._main[mains] if self._before(index + 1) > mains else self._others[index - mains]

    def _before(self, place: int) -> int:
        """How many of *main* come before *place*: the first of them comes first of all."""
        return -(-place * len(self._main) // self._size)
