"""The map of a pool as a picture: a grid of cells in the order of the addresses.

The rule of this file: cells of one level are one path, so that four thousand of them weigh little; only those that are
worth a visit are elements of their own. A level is told by a sign as well as by its colour, for many people do not see
red from green.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.web.cells import Shade

_LINKS = 200
_DENSE = 512
"""Cells from which on they are drawn small."""


_SIGNS = {
    1: "M4 4h2v2h-2z",
    2: "M3 3h4v4h-4z",
    3: "M2 2h6v6h-6z",
    4: "M2 3l1-1 2 2 2-2 1 1-2 2 2 2-1 1-2-2-2 2-1-1 2-2z",
}
"""What a failing cell of ten by ten carries: a spot that grows, and a cross for the worst."""
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Spot:
    """A failing cell with its place in the picture."""

    x: int
    y: int
    shade: Shade

    @property
    def text(self) -> str:
        """What it says to whoever points at it."""
        cell = self.shade.cell
        share = f"{self.shade.failing} of {cell.count} " if cell.count > 1 else ""
        return f"{cell.label}: {share}failing"


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """A picture of *width* by *height*. *paths* are the cells of each level ("none", "0" to "4") in one path each."""

    width: int
    height: int
    step: int
    size: int
    paths: tuple[tuple[str, str], ...]
    spots: tuple[Spot, ...]

    @property
    def signs(self) -> list[tuple[int, str]]:
        """The path of each failing level's sign, in the first cell of the grid."""
        scale = self.size / 10
        return [
            (level, f"M1 1m{_NUMBER.sub(lambda number: f'{int(number[0]) * scale:g}', sign[1:])}")
            for level, sign in _SIGNS.items()
        ]


def draw_map(shades: Sequence[Shade]) -> MapDrawing:
    """Draw the cells; of the failing ones the worst are spots."""
    dense = len(shades) > _DENSE
    step, columns = (12, 80) if dense else (30, 32)
    failing = [number for number, shade in enumerate(shades) if shade.failing and shade.level]
    failing.sort(key=lambda number: -shades[number].failing / shades[number].cell.count)
    spots = set(failing[:_LINKS])
    paths: dict[str, list[str]] = {}
    size = step - 2
    for number, shade in enumerate(shades):
        if number not in spots:
            y, x = divmod(number, columns)
            level = "none" if shade.level is None else str(shade.level)
            paths.setdefault(level, []).append(f"M{x * step + 1} {y * step + 1}h{size}v{size}h-{size}z")
    return MapDrawing(
        columns * step,
        max(1, -(-len(shades) // columns)) * step,
        step,
        size,
        tuple([(level, "".join(cells)) for level, cells in sorted(paths.items())]),
        tuple([Spot(n % columns * step + 1, n // columns * step + 1, shades[n]) for n in sorted(spots)]),
    )
