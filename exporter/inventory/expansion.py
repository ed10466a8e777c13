"""What an SPF record makes of a pool: the addresses that can be listed, the ranges that cannot, and what is wrong.

The rule of this file: an expansion that the DNS did not answer in full, or that no receiver would get through, is not
fit to replace one that was; and an address leaves only when two expansions in a row lack it. Everything here is pure.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.check import Check, Evidence
from exporter.checks.names import DomainName
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import CompiledSpf, Range, difference, size, union
from exporter.checks.spf.results import SpfResult
from exporter.config.rules import MAX_POOL_ADDRESSES
from exporter.inventory.ranges import AddressRange, AddressRanges, Family

MAX_LISTED = 1 << 16
"""Addresses of an IPv6 range up to which they are listed one by one."""


class Trouble(StrEnum):
    """What is wrong with a source of addresses; the values are label values."""

    UNANSWERED = "unanswered"
    NO_RECORD = "no-record"
    PERMERROR = "permerror"
    NO_ADDRESSES = "no-addresses"
    NOT_ENUMERABLE = "not-enumerable"
    TOO_MANY_ADDRESSES = "too-many-addresses"
    UNREADABLE_FILE = "unreadable-file"


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a record authorises: *listed* addresses, and *space*, IPv6 ranges that are too big to be listed.

    *terms* are those that cannot be listed, and why not. *ttl_seconds* is the shortest of all answers.
    """

    listed: AddressRanges
    space: tuple[Range, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    terms: tuple[str, ...] = ()
    ttl_seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether it may replace an earlier one."""
        return not set(self.troubles) - {Trouble.NOT_ENUMERABLE}

    @property
    def is_usable(self) -> bool:
        """Whether it is better than none."""
        return self.is_sound or (self.troubles[0] is Trouble.PERMERROR and self.listed.size > 0)


def expand(domain: str, names: Iterable[DomainName]) -> Check[CompiledSpf]:
    """Ask for the record of *domain* and all that it leads to, and for the addresses of HELO *names*."""
    compiled = yield from compile_spf(domain)
    questions = [Question(name, rdtype) for name in names for rdtype in ("A", "AAAA")]
    if questions:
        yield questions  # the answers are evidence: see `expansion`
    return compiled


def expansion(compiled: CompiledSpf, names: Iterable[DomainName], evidence: Evidence) -> Expansion:
    """What the record comes to; of what is too big to be listed, the addresses of *names* are."""
    four = compiled.authorised(4)
    listed, space = _divided(compiled.authorised(6))
    helo = [address for name in names for address in _addresses_of(name, evidence)]
    numbers = [int.from_bytes(address.packed, "big") for address in helo if address.family == 6]
    known = [(one, one) for one in numbers if any(low <= one <= high for low, high in space)]
    six = union([*listed, *known])
    troubles = tuple(_troubles(compiled, size(four) + size(six), is_empty=not (four or six or space)))
    if Trouble.TOO_MANY_ADDRESSES in troubles:
        four, six, space = (), (), ()
    families: tuple[tuple[Family, tuple[Range, ...]], ...] = ((4, four), (6, six))
    return Expansion(
        AddressRanges(AddressRange(family, low, high) for family, ranges in families for low, high in ranges),
        space,
        troubles,
        tuple(map(str, compiled.open_terms)),
        min((answer.ttl for answer in evidence.values() if answer.is_conclusive and answer.ttl), default=0.0),
    )


def loses(before: Expansion, after: Expansion) -> bool:
    """Whether *after* lacks an address that *before* has."""
    families: tuple[Family, ...] = (4, 6)
    return any(_missing(before, after, family) for family in families) or bool(difference(before.space, after.space))


def together(first: Expansion, second: Expansion) -> Expansion:
    """What either of two expansions of the same record has; all else is the second's."""
    families: tuple[Family, ...] = (4, 6)
    listed = AddressRanges(
        AddressRange(family, low, high)
        for family in families
        for low, high in union([*_ranges(first, family), *_ranges(second, family)])
    )
    return Expansion(listed, union([*first.space, *second.space]), second.troubles, second.terms, second.ttl_seconds)


def _missing(before: Expansion, after: Expansion, family: Family) -> bool:
    return bool(difference(_ranges(before, family), _ranges(after, family)))


def _ranges(one: Expansion, family: Family) -> list[Range]:
    return [(each.first, each.last) for each in one.listed if each.family == family]


def _divided(ranges: Iterable[Range]) -> tuple[list[Range], tuple[Range, ...]]:
    """The ranges that can be listed, and those that cannot."""
    listed, space, total = [], [], 0
    for low, high in sorted(ranges, key=lambda one: one[1] - one[0]):
        total += high - low + 1
        if high - low < MAX_LISTED and total <= MAX_POOL_ADDRESSES:
            listed.append((low, high))
        else:
            space.append((low, high))
    return listed, tuple(sorted(space))


def _troubles(compiled: CompiledSpf, total: int, *, is_empty: bool) -> Iterable[Trouble]:
    results = {
        result
        for result in (SpfResult.TEMPERROR, SpfResult.PERMERROR)
        for ranges in (compiled.four.ranges(result, 32), compiled.six.ranges(result, 128))
        if ranges
    }
    if SpfResult.TEMPERROR in results:
        yield Trouble.UNANSWERED
    elif not compiled.records:
        yield Trouble.NO_RECORD
    elif SpfResult.PERMERROR in results:
        yield Trouble.PERMERROR
    elif total > MAX_POOL_ADDRESSES:
        yield Trouble.TOO_MANY_ADDRESSES
    elif is_empty:
        yield Trouble.NO_ADDRESSES
    if compiled.open_terms:
        yield Trouble.NOT_ENUMERABLE


def _addresses_of(name: DomainName, evidence: Evidence) -> list[Address]:
    return [
        address
        for question in (Question(name, "A"), Question(name, "AAAA"))
        if question in evidence
        for address in evidence[question].addresses
    ]


# SECTION exporter.inventory.kept
# The expansion of an SPF record as a text, for after a restart: the pool is there before the DNS says so again.
#
# The rule of this file: a text that it did not write itself, or that was written for another record, comes to
# nothing.

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
