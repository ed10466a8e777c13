"""From what the operator configured to what there is to sample."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exporter.checks.dnsbl import Blocklist
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.spf.compiled import Range
from exporter.config.configuration import Configuration, DomainSettings, PoolSettings
from exporter.config.model import AddressEntry, NetworkEntry
from exporter.config.rules import is_listed
from exporter.config.values import SeriesMode
from exporter.inventory.load import planned
from exporter.inventory.not_enumerable import NotEnumerable, apart
from exporter.inventory.pool import MAX_ALL_SERIES, MAX_HELO_NAMES, Pool, Series, Targets
from exporter.inventory.ranges import AddressRange, AddressRanges
from exporter.inventory.shard import ALONE, Shard


def build(configuration: Configuration, shard: Shard = ALONE) -> tuple[Pool, ...]:
    """What *shard* has of the pools of *configuration*, in its order, with the addresses that it names itself."""
    pools = [build_pool(settings, source_of(settings), shard) for settings in configuration.pools]
    return planned(configuration, pools, shard.count)


def source_of(settings: PoolSettings) -> AddressRanges:
    """The addresses that the configuration itself gives a pool.

    The most specific entry says what an address's HELO names are; an `ip` is more specific than any `network`.
    """
    return ranges_of(settings.addresses)


def ranges_of(entries: Iterable[AddressEntry | NetworkEntry]) -> AddressRanges:
    """The addresses of entries that nest or have nothing in common; of two alike the later one counts.

    What is too big to be listed is left out: that is `space_of` them.
    """
    networks_first = sorted(filter(is_listed, entries), key=lambda entry: isinstance(entry, AddressEntry))
    return AddressRanges(AddressRange(entry.family, entry.first, entry.last, entry.helo) for entry in networks_first)


def space_of(entries: Iterable[AddressEntry | NetworkEntry]) -> tuple[Range, ...]:
    """The IPv6 ranges of entries that are too big to be listed."""
    return apart([(entry.first, entry.last) for entry in entries if not is_listed(entry)])


def build_pool(
    settings: PoolSettings, whole: AddressRanges, shard: Shard = ALONE, space: tuple[Range, ...] = ()
) -> Pool:
    """The pool that *settings* make of what *shard* has of the addresses in *whole*, wherever those come from.

    *space* are IPv6 ranges from elsewhere that are too big to be listed.
    """
    source = shard.part(whole)
    names, has_more = _distinct(_owned([*settings.helo_names], shard), _owned(_names_of(whole), shard))
    return Pool(
        name=settings.name,
        interval_seconds=settings.interval.seconds,
        expect=settings.expect,
        suffix=settings.aligned_suffix,
        series=_series(settings.series, whole.size),
        ptr_info=settings.ptr_info,
        helo_names=names,
        has_more_helo_names=has_more,
        source=source,
        whole=whole,
        lengths=(settings.sample.ipv4_prefix, settings.sample.ipv6_prefix),
        not_enumerable=NotEnumerable(apart([*space, *space_of(settings.addresses)]), settings.unlisted_samples, shard),
        receivers=settings.receivers if any(one.helo for one in source) else (),
        helo_spf_required=settings.helo_spf_required,
        mail_from_domains=settings.mail_from_domains,
        dnsbls=settings.dnsbls,
    )


def _series(mode: SeriesMode, size: int) -> Series:
    if mode is not SeriesMode.AUTO:
        return Series(mode.value)
    return Series.ALL if size <= MAX_ALL_SERIES else Series.FAILING


def _names_of(source: AddressRanges) -> Iterator[HeloName]:
    """The HELO names of all addresses, in their order, those of one template for a whole range only once."""
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


def _distinct(own: Iterable[HeloName], others: Iterable[HeloName]) -> tuple[tuple[HeloName, ...], bool]:
    names = dict.fromkeys(own)
    for name in others:
        if name not in names:
            if len(names) >= MAX_HELO_NAMES:
                return tuple(names), True
            names[name] = None
    return tuple(names), False


# SECTION exporter.inventory.domains
# From the domains that the operator configured to those that are watched here.


def watched_domains(configuration: Configuration, shard: Shard = ALONE) -> tuple[DomainSettings, ...]:
    """The domains of *configuration*, in its order: what *shard* has of them."""
    return tuple([settings for settings in configuration.domains if shard.owns_name(settings.name)])


# SECTION exporter.inventory.blocklists
# The block lists that there are to ask, and how each may be asked.


@dataclass(frozen=True, slots=True)
class ListPlan:
    """A list, how often every address is looked up in it, and how many questions a second it may be asked."""

    blocklist: Blocklist
    interval_seconds: float
    max_queries_per_second: float

    @property
    def zone(self) -> DomainName:
        """The zone of the list: its name in labels and findings."""
        return self.blocklist.zone


def list_plans(configuration: Configuration) -> tuple[ListPlan, ...]:
    """The lists of *configuration*, in its order."""
    return tuple(
        [
            ListPlan(
                Blocklist(entry.zone, dict(entry.codes), tuple(sorted(family.version for family in entry.families))),
                entry.interval.seconds,
                entry.max_queries_per_second,
            )
            for entry in configuration.dnsbls
        ]
    )
