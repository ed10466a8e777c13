"""The PTR names of half a million addresses, in the few octets of each that its neighbours do not have too.

The rule of this file: names are kept as the lines of a text, a block of neighbours together, and a block is compressed
whenever nobody is busy with it. Rounds go through a pool in order, or touch a block only now and then, so that hardly
any sample has to unpack one.
"""

# ruff: noqa: SLF001  # of two of one class, the one takes over what the other has

import zlib

from exporter.checks.iprev import Iprev
from exporter.checks.names import DomainName
from exporter.inventory.ranges import Run

Names = tuple[DomainName, ...]

_BLOCK = 256
"""How many neighbours are packed together: of fewer, compression finds less in common."""
_OPEN_BLOCKS = 16
"""How many blocks are unpacked at a time: those of a round under way, and of whoever reads."""

_UNCONFIRMED = "\t"
"""Stands before a name that does not resolve back; no name has one, nor the space between names."""


class PtrNames:
    """The PTR names of *size* addresses, and which of them resolve back; none at first."""

    def __init__(self, size: int) -> None:
        self._packed: list[bytes] = [b""] * (size // _BLOCK + 1)
        self._open: dict[int, list[str]] = {}
        self._changed: set[int] = set()

    def __getitem__(self, index: int) -> tuple[Names, Names]:
        """All the names of the address at *index*, and the confirmed ones."""
        text = self._block(index // _BLOCK)[index % _BLOCK]
        if _UNCONFIRMED not in text and " " not in text:
            names = (DomainName.trusted(text),) if text else ()
            return names, names
        words = text.split(" ")
        return (
            tuple([DomainName.trusted(word.lstrip(_UNCONFIRMED)) for word in words]),
            tuple([DomainName.trusted(word) for word in words if not word.startswith(_UNCONFIRMED)]),
        )

    def put(self, index: int, iprev: Iprev | None) -> None:
        """Keep the names of *iprev* for the address at *index*."""
        number, place = divmod(index, _BLOCK)
        block = self._block(number)
        text = _text(iprev)
        if block[place] != text:
            block[place] = text
            self._changed.add(number)

    def copy(self, old: "PtrNames", run: Run) -> None:
        """Take over what *old* has of *run*: whole blocks as they are packed, if they are blocks on both sides."""
        here, there, stop = run.here, run.there, run.here + run.size
        while here < stop:
            (number, place), (old_number, old_place) = divmod(here, _BLOCK), divmod(there, _BLOCK)
            count = min(stop - here, _BLOCK - place, _BLOCK - old_place)
            if count == _BLOCK:
                self._packed[number] = old._pack(old_number)
            else:
                self._block(number)[place : place + count] = old._block(old_number)[old_place : old_place + count]
                self._changed.add(number)
            here, there = here + count, there + count

    @property
    def octets(self) -> int:
        """What the packed blocks take."""
        return sum(map(len, self._packed))

    def _block(self, number: int) -> list[str]:
        block = self._open.get(number)
        if block is None:
            packed = self._packed[number]
            block = zlib.decompress(packed).decode("ascii").split("\n") if packed else [""] * _BLOCK
            self._open[number] = block
            if len(self._open) > _OPEN_BLOCKS:
                self._close(next(iter(self._open)))
        return block

    def _pack(self, number: int) -> bytes:
        """The block, packed."""
        if number in self._open:
            self._close(number)
        return self._packed[number]

    def _close(self, number: int) -> None:
        block = self._open.pop(number)
        if number in self._changed:
            self._changed.discard(number)
            self._packed[number] = zlib.compress("\n".join(block).encode("ascii"))


def _text(iprev: Iprev | None) -> str:
    if iprev is None or not iprev.ptr_names:
        return ""
    if iprev.ptr_names == iprev.confirmed_names:
        return " ".join(iprev.ptr_names)
    confirmed = frozenset(iprev.confirmed_names)
    return " ".join([name if name in confirmed else _UNCONFIRMED + name for name in iprev.ptr_names])
