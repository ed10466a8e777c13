"""A pool: what is sampled together, how often, and what is expected of it.

The rule of this file: a `Pool` is a value, made anew when the configuration or what feeds the pool changes; two are
equal exactly when nothing about them has to be done differently.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from typing import overload

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver
from exporter.checks.report import Target
from exporter.checks.result import CheckName
from exporter.inventory.draws import Plan
from exporter.inventory.not_enumerable import NotEnumerable
from exporter.inventory.prefixes import Prefixes
from exporter.inventory.ranges import AddressRanges

MAX_ALL_SERIES = 10_000
"""Addresses of a pool up to which each has series of its own, unless the operator says otherwise."""
MAX_HELO_NAMES = 10_000
"""HELO names of a pool that are checked the other way round."""


class Series(StrEnum):
    """Which addresses of a pool have series of their own."""

    ALL = "all"
    FAILING = "failing"
    NONE = "none"


class Targets(Sequence[Target]):
    """The targets of a pool in the order of their addresses, each made when it is asked for."""

    __slots__ = ("_source",)

    def __init__(self, source: AddressRanges) -> None:
        self._source = source

    def __len__(self) -> int:
        return self._source.size

    @overload
    def __getitem__(self, index: int) -> Target: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Target]: ...
    def __getitem__(self, index: int | slice) -> Target | Sequence[Target]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        address, templates = self._source.at(index + len(self) if index < 0 else index)
        return Target(address, tuple([template.of(address) for template in templates]))

    def __iter__(self) -> Iterator[Target]:
        for position in range(len(self)):
            yield self[position]

    def __contains__(self, target: object) -> bool:
        if not isinstance(target, Target):
            return False
        position = self._source.position(target.address)
        return position is not None and self[position] == target


@dataclass(frozen=True, slots=True)
class Pool:
    """A named group of addresses.

    *expect* are the checks that each has to pass to be healthy. *suffix* is the domain in which PTR and HELO names are
    expected; None means the domain of each HELO name. *helo_names* are the names to be checked the other way round,
    from name to addresses: the pool's own first, then those of its addresses, distinct, at most `MAX_HELO_NAMES`;
    *has_more_helo_names* says whether some were left out. The pool's own names belong to no address in particular, so
    targets have only the names that their own entries give them. *receivers* are those whose verdicts on addresses
    with HELO names are predicted. *source* are the addresses that are watched here; *whole* are those of all shards.
    *mail_from_domains* are the domains that its addresses send for, *helo_spf_required* says whether a HELO name
    without any SPF record fails. *dnsbls* are the zones of the block lists that its addresses are looked up in.
    *plan* says which addresses a round samples: None means all. *lengths* are those of the prefixes, IPv4 and IPv6, in
    which the pool is told about. *space* are IPv6 ranges that are the pool's and too big to be listed.
    """

    name: str
    interval_seconds: float
    expect: frozenset[CheckName]
    suffix: DomainName | None
    series: Series
    ptr_info: bool
    helo_names: tuple[HeloName, ...]
    has_more_helo_names: bool
    source: AddressRanges
    whole: AddressRanges
    receivers: tuple[Receiver, ...] = ()
    helo_spf_required: bool = False
    mail_from_domains: tuple[DomainName, ...] = ()
    dnsbls: tuple[DomainName, ...] = ()
    plan: Plan | None = None
    lengths: tuple[int, int] = (24, 64)
    not_enumerable: NotEnumerable = NotEnumerable()  # noqa: RUF009  # a value

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return self.source.size

    @property
    def targets(self) -> Sequence[Target]:
        """Its addresses with their HELO names; made one by one, as they are asked for."""
        return Targets(self.source)

    @property
    def checks(self) -> tuple[CheckName, ...]:
        """The checks that apply to at least one of its addresses, in any shard, in the order of `CheckName`."""
        applies = {check: any(one.helo for one in self.whole) for check in CheckName}
        applies |= {
            CheckName.FCRDNS: True,
            CheckName.SPF_MAILFROM: bool(self.mail_from_domains),
            CheckName.DNSBL: bool(self.dnsbls),
        }
        return tuple([check for check in CheckName if applies[check]])

    @property
    def whole_interval_seconds(self) -> float:
        """In how many seconds each address is sampled once: the interval, as often as rounds take to come to each."""
        if self.plan is None:
            return self.interval_seconds
        return self.interval_seconds * ceil(self.plan.depth / self.plan.per_prefix)

    @property
    def prefixes(self) -> Prefixes:
        """Its addresses prefix by prefix; made anew each time, so take it once."""
        return Prefixes(self.source, {4: self.lengths[0], 6: self.lengths[1]})

    def sampled(self, plan: Plan | None) -> "Pool":
        """The same pool, whose rounds follow *plan*."""
        return replace(self, plan=plan)

    def index(self, address: Address) -> int | None:
        """The place of *address* among the pool's targets, if it is one."""
        return self.source.position(address)

    def contains(self, address: Address) -> bool:
        """Whether *address* is one of the pool's, whichever shard watches it."""
        return address in self.whole or address in self.not_enumerable

    def find(self, address: Address) -> Target | None:
        """The target at *address*, if it is one of the pool's."""
        found = self.source.find(address)
        return None if found is None else Target(address, tuple([template.of(address) for template in found.helo]))
