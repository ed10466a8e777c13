"""A pool: a named group of addresses, how often they are sampled, and which checks they are expected to pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from typing import overload

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers import Receiver
from exporter.checks.report import Target
from exporter.checks.result import ADDRESS_CHECKS, CheckName
from exporter.config.model import Alerting
from exporter.config.values import AlertMode
from exporter.inventory.draws import Plan
from exporter.inventory.not_enumerable import NotEnumerable
from exporter.inventory.prefixes import Prefixes
from exporter.inventory.ranges import AddressRanges

MAX_ALL_SERIES = 10_000
"""Size up to which a pool has series of each address by default."""
MANY = 0.1
"""Share of failing addresses from which one alert about the pool replaces those about its addresses."""
MANY_OF_OTHERS = 0.01
"""The same where no alert is about single addresses: the lower end of the 95% interval has to be beyond it."""
MAX_HELO_NAMES = 10_000
"""Number of HELO names of a pool that are resolved and compared with its addresses."""


class Series(StrEnum):
    """Which addresses of a pool have series of their own."""

    ALL = "all"
    FAILING = "failing"
    NONE = "none"


class Targets(Sequence[Target]):
    """The targets of a pool in the order of their addresses. Each target is created on demand."""

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

    def __contains__(self, target: object) -> bool:
        if not isinstance(target, Target):
            return False
        position = self._source.position(target.address)
        return position is not None and self[position] == target


@dataclass(frozen=True, slots=True)
class Pool:
    """A named group of addresses. Two pools are equal if sampling and showing them makes no difference.

    Attributes:
        name: The pool's name.
        interval_seconds: Time from the start of one round to the start of the next.
        expect: The checks that an address has to pass to be healthy.
        suffix: The domain in which PTR and HELO names are expected; None for the domain of each HELO name.
        series: Which addresses have series of their own.
        ptr_info: Whether the PTR name is exported.
        helo_names: Distinct names to resolve and compare with the pool: first its own names, which belong to no
            address in particular, then those of its addresses. At most `MAX_HELO_NAMES`.
        source: The addresses that this shard watches.
        whole: The addresses of all shards.
        receivers: Receivers whose verdict is predicted for addresses with a HELO name.
        helo_spf_required: Whether a HELO name without an SPF record fails.
        mail_from_domains: Domains that the addresses send mail for.
        dnsbls: Zones of the block lists in which the addresses are looked up.
        plan: Which addresses a round samples; None for all.
        lengths: Prefix lengths for IPv4 and IPv6 by which results are grouped.
        not_enumerable: IPv6 ranges of the pool that are too big to look up every address.
        alerting: What alerts about the pool are about, and what they carry.
    """

    name: str
    interval_seconds: float
    expect: frozenset[CheckName]
    suffix: DomainName | None
    series: Series
    ptr_info: bool
    helo_names: tuple[HeloName, ...]
    source: AddressRanges
    whole: AddressRanges
    receivers: tuple[Receiver, ...] = ()
    helo_spf_required: bool = False
    mail_from_domains: tuple[DomainName, ...] = ()
    dnsbls: tuple[DomainName, ...] = ()
    plan: Plan | None = None
    lengths: tuple[int, int] = (24, 64)
    not_enumerable: NotEnumerable = NotEnumerable()  # noqa: RUF009  # a value
    alerting: Alerting = Alerting()  # noqa: RUF009  # a value

    @property
    def size(self) -> int:
        """Number of addresses that this shard watches."""
        return self.source.size

    @property
    def targets(self) -> Sequence[Target]:
        """The addresses with their HELO names."""
        return Targets(self.source)

    @property
    def checks(self) -> tuple[CheckName, ...]:
        """The checks that apply to at least one address of any shard, in the order of `CheckName`."""
        applies = {check: any(one.helo for one in self.whole) for check in ADDRESS_CHECKS}
        applies |= {
            CheckName.FCRDNS: True,
            CheckName.SPF_MAILFROM: bool(self.mail_from_domains),
            CheckName.DNSBL: bool(self.dnsbls),
        }
        return tuple([check for check in ADDRESS_CHECKS if applies[check]])

    @property
    def whole_interval_seconds(self) -> float:
        """Time in which rounds sample every address at least once."""
        if self.plan is None:
            return self.interval_seconds
        return self.interval_seconds * ceil(self.plan.depth / self.plan.per_prefix)

    @property
    def alert_mode(self) -> AlertMode:
        """What alerts about the pool are about: never `AlertMode.AUTO`."""
        mode = self.alerting.mode
        if mode is not AlertMode.AUTO:
            return mode
        return AlertMode.ADDRESSES if self.plan is None else AlertMode.PREFIXES

    @property
    def alert_threshold(self) -> float:
        """The share of addresses that has to fail for an alert about the whole pool."""
        if self.alerting.threshold is not None:
            return self.alerting.threshold
        return MANY if self.alert_mode is AlertMode.ADDRESSES else MANY_OF_OTHERS

    @property
    def prefixes(self) -> Prefixes:
        """The addresses by prefix. Expensive: computed on each access."""
        return Prefixes(self.source, {4: self.lengths[0], 6: self.lengths[1]})

    def sampled(self, plan: Plan | None) -> "Pool":
        """A copy of the pool whose rounds follow *plan*."""
        return replace(self, plan=plan)

    def index(self, address: Address) -> int | None:
        """Index of *address* in `targets`, if it is there."""
        return self.source.position(address)

    def contains(self, address: Address) -> bool:
        """Whether *address* belongs to the pool, in this shard or another."""
        return address in self.whole or address in self.not_enumerable

    def find(self, address: Address) -> Target | None:
        """The target with *address*, if this shard watches it."""
        found = self.source.find(address)
        return None if found is None else Target(address, tuple([template.of(address) for template in found.helo]))
