"""Builds pools, domains and block lists, as sampling needs them, from the configuration."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

from exporter.checks.dnsbl import Blocklist
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.spf.compiled import Range
from exporter.config.configuration import Configuration, DomainSettings, PoolSettings
from exporter.config.model import AddressEntry, AnyEntry
from exporter.config.rules import is_enumerable
from exporter.config.values import SeriesMode
from exporter.inventory.budget import with_plans
from exporter.inventory.not_enumerable import NotEnumerable, split_into_networks
from exporter.inventory.pool import MAX_ALL_SERIES, MAX_HELO_NAMES, Pool, Series, Targets
from exporter.inventory.ranges import AddressRange, AddressRanges
from exporter.inventory.shard import ALONE, Shard


def build(configuration: Configuration, shard: Shard = ALONE) -> tuple[Pool, ...]:
    """The pools of *configuration*, in its order, with the addresses that it names itself and that *shard* owns."""
    pools = [build_pool(settings, configured_addresses(settings), shard) for settings in configuration.pools]
    return with_plans(configuration, pools, shard.count)


def configured_addresses(settings: PoolSettings) -> AddressRanges:
    """The addresses that the configuration itself names.

    The HELO names are those of the most specific entry; an `ip` is more specific than any `network`.
    """
    return AddressRanges(enumerable_ranges(settings.addresses))


def enumerable_ranges(entries: Iterable[AnyEntry]) -> Iterator[AddressRange]:
    """The ranges of entries that can be enumerated: networks first, so that an `ip` counts more than an equal one."""
    for entry in sorted(filter(is_enumerable, entries), key=lambda entry: isinstance(entry, AddressEntry)):
        yield AddressRange(entry.family, entry.first, entry.last, entry.helo)


def build_pool(
    settings: PoolSettings, whole: AddressRanges, shard: Shard = ALONE, not_enumerable: tuple[Range, ...] = ()
) -> Pool:
    """Build a pool with the addresses of *whole* that *shard* owns, wherever they come from.

    *not_enumerable* are IPv6 ranges from files and SPF records; those of the configuration are added.
    """
    source = shard.part(whole)
    configured = [(entry.first, entry.last) for entry in settings.addresses if not is_enumerable(entry)]
    ranges = split_into_networks([*not_enumerable, *configured])
    return Pool(
        name=settings.name,
        interval_seconds=settings.interval.seconds,
        expect=settings.expect,
        suffix=settings.aligned_suffix,
        series=_series(settings.series, whole.size),
        ptr_info=settings.ptr_info,
        helo_names=_distinct(_owned([*settings.helo_names], shard), _owned(_names_of(whole), shard)),
        source=source,
        whole=whole,
        lengths=(settings.prefixes.ipv4_prefix, settings.prefixes.ipv6_prefix),
        not_enumerable=NotEnumerable(ranges, settings.unlisted_samples, shard),
        receivers=settings.receivers if any(one.helo for one in source) else (),
        helo_spf_required=settings.helo_spf_required,
        mail_from_domains=settings.mail_from_domains,
        dnsbls=settings.dnsbls,
        alerting=settings.alerting,
    )


def _series(mode: SeriesMode, size: int) -> Series:
    if mode is not SeriesMode.AUTO:
        return Series(mode.value)
    return Series.ALL if size <= MAX_ALL_SERIES else Series.FAILING


def _names_of(source: AddressRanges) -> Iterator[HeloName]:
    """The HELO names of all addresses in order. A name without placeholders comes once for its whole range."""
    offset = 0
    targets = Targets(source)
    for one in source:
        constants = [template.constant for template in one.helo if template.constant is not None]
        if len(constants) == len(one.helo):
            yield from constants
        else:
            for position in range(offset, offset + one.size):
                yield from targets[position].helos
        offset += one.size


def _owned(names: Iterable[HeloName], shard: Shard) -> Iterator[HeloName]:
    return (name for name in names if shard.owns_name(name.text))


def _distinct(own: Iterable[HeloName], others: Iterable[HeloName]) -> tuple[HeloName, ...]:
    """All *own* names, then *others* until there are `MAX_HELO_NAMES`."""
    names = dict.fromkeys(own)
    for name in others:
        if len(names) >= MAX_HELO_NAMES:
            break
        names[name] = None
    return tuple(names)


def watched_domains(configuration: Configuration, shard: Shard = ALONE) -> tuple[DomainSettings, ...]:
    """The domains of *configuration* that *shard* owns, in its order."""
    return tuple([settings for settings in configuration.domains if shard.owns_name(settings.name)])


@dataclass(frozen=True, slots=True)
class ListPlan:
    """A block list, and how often and how fast it is asked.

    Attributes:
        blocklist: The list.
        interval_seconds: Time in which each address is looked up once.
        max_queries_per_second: Limit of the questions in a second.
        max_queries_per_day: Limit of the questions in a day.
    """

    blocklist: Blocklist
    interval_seconds: float
    max_queries_per_second: float
    max_queries_per_day: float = inf

    @property
    def zone(self) -> DomainName:
        """The zone of the list, which names it in labels and findings."""
        return self.blocklist.zone


def list_plans(configuration: Configuration) -> tuple[ListPlan, ...]:
    """The block lists of *configuration*, in its order."""
    return tuple(
        [
            ListPlan(
                Blocklist(entry.zone, dict(entry.codes), tuple(sorted(family.version for family in entry.families))),
                entry.interval.seconds,
                entry.max_queries_per_second,
                entry.max_queries_per_day,
            )
            for entry in configuration.dnsbls
        ]
    )
