"""Expands an SPF record into the addresses of a pool, and saves the result for the next start."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from exporter.checks.addresses import Address
from exporter.checks.answers import Question
from exporter.checks.check import Check, Evidence
from exporter.checks.names import DomainName
from exporter.checks.spf.compile import compile_spf
from exporter.checks.spf.compiled import CompiledSpf, Range, difference, size, union
from exporter.checks.spf.results import SpfResult
from exporter.config.rules import MAX_POOL_ADDRESSES
from exporter.inventory.prefixes import BITS
from exporter.inventory.ranges import AddressRange, AddressRanges, Family

MAX_ENUMERATED = 1 << 16
"""Size up to which all addresses of an IPv6 range are sampled."""


class Trouble(StrEnum):
    """What is wrong with an SPF record or file that names addresses. The values are label values."""

    UNANSWERED = "unanswered"
    NO_RECORD = "no-record"
    PERMERROR = "permerror"
    NO_ADDRESSES = "no-addresses"
    NOT_ENUMERABLE = "not-enumerable"
    TOO_MANY_ADDRESSES = "too-many-addresses"
    UNREADABLE_FILE = "unreadable-file"


@dataclass(frozen=True, slots=True)
class Expansion:
    """The addresses that an SPF record authorises.

    Attributes:
        addresses: Addresses that can be enumerated.
        not_enumerable: IPv6 ranges that are too big to look up every address.
        troubles: What is wrong with the record, the most important first.
        terms: The terms whose addresses cannot be enumerated, and why.
        ttl_seconds: The shortest TTL of all answers; 0 if it is unknown.
    """

    addresses: AddressRanges
    not_enumerable: tuple[Range, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    terms: tuple[str, ...] = ()
    ttl_seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Whether it may replace an earlier expansion: the DNS answered, and receivers get a result from the record."""
        return not set(self.troubles) - {Trouble.NOT_ENUMERABLE}

    @property
    def is_usable(self) -> bool:
        """Whether it is better than no expansion."""
        return self.is_sound or (self.troubles[0] is Trouble.PERMERROR and self.addresses.size > 0)


def expand(domain: str, names: Iterable[DomainName]) -> Check[CompiledSpf]:
    """Look up the record of *domain*, everything that it refers to, and the addresses of the HELO *names*."""
    compiled = yield from compile_spf(domain)
    questions = [Question(name, rdtype) for name in names for rdtype in ("A", "AAAA")]
    if questions:
        yield questions  # `expansion` finds the answers in the evidence
    return compiled


def expansion(compiled: CompiledSpf, names: Iterable[DomainName], evidence: Evidence) -> Expansion:
    """Expand a record. Of ranges that are too big to enumerate, the addresses of the HELO *names* are included."""
    four = compiled.authorised(4)
    enumerable, not_enumerable = _divided(compiled.authorised(6))
    helo = [address for name in names for address in _addresses_of(name, evidence)]
    numbers = [int.from_bytes(address.packed, "big") for address in helo if address.family == 6]
    known = [(one, one) for one in numbers if any(low <= one <= high for low, high in not_enumerable)]
    six = union([*enumerable, *known])
    troubles = tuple(_troubles(compiled, size(four) + size(six), is_empty=not (four or six or not_enumerable)))
    if Trouble.TOO_MANY_ADDRESSES in troubles:
        four, six, not_enumerable = (), (), ()
    return Expansion(
        _addresses({4: four, 6: six}),
        not_enumerable,
        troubles,
        tuple(map(str, compiled.open_terms)),
        min((answer.ttl for answer in evidence.values() if answer.is_conclusive and answer.ttl), default=0.0),
    )


def loses(before: Expansion, after: Expansion) -> bool:
    """Whether *after* lacks an address that *before* has."""
    return any(difference(_ranges(before, family), _ranges(after, family)) for family in BITS) or bool(
        difference(before.not_enumerable, after.not_enumerable)
    )


def merged(first: Expansion, second: Expansion) -> Expansion:
    """The *second* expansion of a record with all addresses of the *first*: one that is missing once may come back."""
    ranges = {family: union([*_ranges(first, family), *_ranges(second, family)]) for family in BITS}
    not_enumerable = union([*first.not_enumerable, *second.not_enumerable])
    return replace(second, addresses=_addresses(ranges), not_enumerable=not_enumerable)


def _addresses(ranges: Mapping[Family, Iterable[Range]]) -> AddressRanges:
    return AddressRanges(AddressRange(family, low, high) for family in ranges for low, high in ranges[family])


def _ranges(one: Expansion, family: Family) -> list[Range]:
    return [(each.first, each.last) for each in one.addresses if each.family == family]


def _divided(ranges: Iterable[Range]) -> tuple[list[Range], tuple[Range, ...]]:
    """The ranges that can be enumerated, the smallest first, and those that cannot."""
    enumerable: list[Range] = []
    others: list[Range] = []
    total = 0
    for low, high in sorted(ranges, key=lambda one: one[1] - one[0]):
        total += high - low + 1
        is_enumerable = high - low < MAX_ENUMERATED and total <= MAX_POOL_ADDRESSES
        (enumerable if is_enumerable else others).append((low, high))
    return enumerable, tuple(sorted(others))


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


@dataclass(frozen=True, slots=True)
class SavedExpansion:
    """A sound expansion, and the Unix time at which it was made."""

    expansion: Expansion
    at: float


def expansion_to_json(domain: str, saved: SavedExpansion) -> str:
    """Write the expansion of the record of *domain* as JSON, so that the pool has its addresses after a restart."""
    found = saved.expansion
    return json.dumps(
        {
            "spf": domain,
            "at": saved.at,
            "listed": [[one.family, hex(one.first), hex(one.last)] for one in found.addresses],
            "space": [[6, hex(low), hex(high)] for low, high in found.not_enumerable],
            "troubles": found.troubles,
            "terms": found.terms,
        },
        separators=(",", ":"),
    )


def expansion_from_json(domain: str, text: str) -> SavedExpansion | None:
    """Read what `expansion_to_json` wrote for *domain*, with a TTL of 0. None if *text* is anything else."""
    try:
        read: dict[str, Any] = json.loads(text)
        at = float(read["at"])
        if read["spf"] != domain or not math.isfinite(at):
            return None
        addresses = AddressRanges(AddressRange(*_range(one)) for one in read["listed"])
        not_enumerable = tuple([(low, high) for _, low, high in map(_range, read["space"])])
        troubles = tuple(map(Trouble, read["troubles"]))
        found = Expansion(addresses, not_enumerable, troubles, tuple(map(str, read["terms"])))
    except (ValueError, TypeError, KeyError, OverflowError):
        return None
    return SavedExpansion(found, at) if found.is_sound else None


def _range(written: list[Any]) -> tuple[Family, int, int]:
    family, low, high = written
    first, last = int(low, 16), int(high, 16)
    if family not in BITS or not 0 <= first <= last < 1 << BITS[family]:
        raise ValueError(f"not a range of addresses: {written}")
    return family, first, last
