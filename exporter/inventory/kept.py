"""The expansion of an SPF record as a text, for after a restart: the pool is there before the DNS says so again.

The rule of this file: a text that it did not write itself, or that was written for another record, comes to nothing.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from exporter.inventory.expansion import Expansion, Trouble
from exporter.inventory.ranges import AddressRange, AddressRanges

_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Kept:
    """An expansion that was sound at Unix time *at*."""

    expansion: Expansion
    at: float


def to_text(domain: str, kept: Kept) -> str:
    """What *domain* was expanded to."""
    found = kept.expansion
    return json.dumps(
        {
            "spf": domain,
            "at": kept.at,
            "listed": [[one.family, hex(one.first), hex(one.last)] for one in found.listed],
            "space": [[6, hex(low), hex(high)] for low, high in found.space],
            "troubles": found.troubles,
            "terms": found.terms,
        },
        separators=(",", ":"),
    )


def from_text(domain: str, text: str) -> Kept | None:
    """What `to_text` was given for *domain*; None for anything else. It is due to be refreshed: its TTL is 0."""
    try:
        read: dict[str, Any] = json.loads(text)
        at = float(read["at"])
        if read["spf"] != domain or not math.isfinite(at):
            return None
        listed = AddressRanges(AddressRange(*_range(one)) for one in read["listed"])
        space = tuple([(low, high) for _, low, high in map(_range, read["space"])])
        troubles = tuple(map(Trouble, read["troubles"]))
        found = Expansion(listed, space, troubles, tuple(map(str, read["terms"])))
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return Kept(found, at) if found.is_sound else None


def _range(written: list[Any]) -> tuple[Literal[4, 6], int, int]:
    family, low, high = written
    first, last = int(low, 16), int(high, 16)
    if family not in _BITS or not 0 <= first <= last < 1 << _BITS[family]:
        raise ValueError(f"no range of addresses: {written}")
    return family, first, last
