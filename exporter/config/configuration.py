"""The configuration with all defaults and profiles applied, as the rest of the exporter uses it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.receivers import DEFAULT_RECEIVERS, Receiver
from exporter.checks.result import CheckName
from exporter.config.model import (
    BUILT_IN,
    DEFAULT_NOT_ENUMERABLE_SAMPLES,
    EXPECTED,
    Alerting,
    AnyEntry,
    CanaryEntry,
    DnsblEntry,
    Document,
    PoolEntry,
    Profile,
    ProfileEntry,
    ResolverEntry,
    Sample,
    SampleEntry,
    StorageEntry,
    expected,
    located,
)
from exporter.config.values import AlertMode, Duration, SeriesMode
from exporter.dns.settings import CanarySettings, ResolverSettings, system_servers

E = TypeVar("E", ResolverEntry, StorageEntry)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """A pool with the defaults of its profile. `PoolEntry` explains the keys.

    Attributes:
        name: The pool's name.
        profile: Name of its profile.
        interval: Time from the start of one round to the start of the next.
        expect: Checks that addresses are expected to pass.
        aligned_suffix: Domain in which PTR and HELO names are expected; None for the domain of each HELO name.
        series: Which addresses have series of their own.
        ptr_info: Whether PTR names are exported.
        helo_names: HELO names of servers whose addresses are unknown.
        addresses: Addresses and networks of the configuration.
        receivers: Receivers whose verdicts are predicted.
        helo_spf_required: Whether a HELO name without an SPF record fails.
        mail_from_domains: Domains that the addresses send mail for.
        dnsbls: Zones of its block lists.
        addresses_files: Globs of files with more addresses.
        spf: Domain whose SPF record names more addresses.
        sample: Which addresses a round samples: some of each prefix, all (False), or what fits ("auto").
        unlisted_samples: Random addresses that a round samples of IPv6 ranges that are too big to look up every one.
        alerting: What alerts about the pool are about, and what they carry.
    """

    name: str
    profile: str
    interval: Duration
    expect: frozenset[CheckName]
    aligned_suffix: DomainName | None
    series: SeriesMode
    ptr_info: bool
    helo_names: tuple[HeloName, ...]
    addresses: tuple[AnyEntry, ...]
    receivers: tuple[Receiver, ...] = DEFAULT_RECEIVERS
    helo_spf_required: bool = False
    mail_from_domains: tuple[DomainName, ...] = ()
    dnsbls: tuple[DomainName, ...] = ()
    addresses_files: tuple[str, ...] = ()
    spf: DomainName | None = None
    sample: Sample = "auto"
    unlisted_samples: int = DEFAULT_NOT_ENUMERABLE_SAMPLES
    alerting: Alerting = Alerting()  # noqa: RUF009  # a value

    @property
    def has_sources(self) -> bool:
        """Whether files or an SPF record name addresses, which may change without the configuration."""
        return bool(self.addresses_files or self.spf)

    @property
    def prefixes(self) -> SampleEntry:
        """How many addresses of each prefix a round samples if it does not sample all."""
        return self.sample if isinstance(self.sample, SampleEntry) else SampleEntry()


@dataclass(frozen=True, slots=True)
class DomainSettings:
    """A domain that sends mail.

    Attributes:
        name: The domain.
        interval: Time from one sample to the next.
        expect: Checks that it is expected to pass.
        selectors: Selectors of its DKIM keys.
    """

    name: DomainName
    interval: Duration
    expect: frozenset[CheckName]
    selectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """The complete configuration. Two are equal if the exporter does the same with both.

    Attributes:
        resolvers: DNS resolvers, at least one.
        profiles: Profiles of the operator, without the built-in ones.
        pools: Groups of addresses.
        domains: Domains that send mail.
        storage: The file that keeps the state; None for no storage.
        dnsbls: Block lists.
    """

    resolvers: tuple[ResolverEntry, ...]
    profiles: tuple[Profile, ...]
    pools: tuple[PoolSettings, ...]
    domains: tuple[DomainSettings, ...] = ()
    storage: StorageEntry | None = None
    dnsbls: tuple[DnsblEntry, ...] = ()

    def resolver_settings(self) -> tuple[ResolverSettings, ...]:
        """Settings of each resolver, in the order of the file. Reads the system's servers if a resolver names none."""
        return tuple([_settings(entry) for entry in self.resolvers])


def resolve(document: Document, directory: Path | None = None) -> Configuration:
    """Apply defaults and profiles to *document*, which must have no `exporter.config.rules.violations`.

    Relative paths start at *directory*; without it they stay relative.
    """
    resolvers = document.resolvers or (ResolverEntry(name="system"),)
    receivers = DEFAULT_RECEIVERS if document.receivers is None else document.receivers
    written = {entry.name: entry for entry in document.profiles}
    profiles: dict[str, Profile] = {}
    for entry in document.profiles:
        _derive(entry, written, profiles)
    return Configuration(
        resolvers=tuple([_at(entry, "ca_file", directory) for entry in resolvers]),
        profiles=tuple([profiles[entry.name] for entry in document.profiles]),
        pools=tuple([_pool(entry, BUILT_IN | profiles, document, receivers, directory) for entry in document.pools]),
        domains=tuple(
            [
                DomainSettings(entry.name, entry.interval, expected(entry.expect, EXPECTED), entry.dkim_selectors)
                for entry in document.domains
            ]
        ),
        storage=None if document.storage is None else _at(document.storage, "path", directory),
        dnsbls=document.dnsbls,
    )


def _derive(entry: ProfileEntry, written: dict[str, ProfileEntry], derived: dict[str, Profile]) -> Profile:
    """Apply *entry* to the profile that it is based on, which is derived first if necessary."""
    if entry.name in derived:
        return derived[entry.name]
    base = BUILT_IN.get(entry.based_on) or _derive(written[entry.based_on], written, derived)
    derived[entry.name] = Profile(
        entry.name,
        expected(entry.expect, base.expect),
        entry.aligned_suffix or base.aligned_suffix,
        base.helo_spf_required if entry.helo_spf_required is None else entry.helo_spf_required,
        based_on=entry.based_on,
        is_hosted=base.is_hosted,
    )
    return derived[entry.name]


def _pool(
    entry: PoolEntry,
    profiles: dict[str, Profile],
    document: Document,
    receivers: tuple[Receiver, ...],
    directory: Path | None,
) -> PoolSettings:
    profile = profiles[entry.profile]
    zones = tuple([dnsbl.zone for dnsbl in document.dnsbls])
    expect = expected(entry.expect, profile.expect)
    default = zones if CheckName.DNSBL in expect else ()  # it is of no use to look up somebody else's pool
    return PoolSettings(
        name=entry.name,
        profile=entry.profile,
        interval=entry.interval,
        expect=expect,
        aligned_suffix=entry.aligned_suffix or profile.aligned_suffix,
        series=entry.series,
        ptr_info=entry.ptr_info,
        helo_names=entry.helo_names,
        addresses=tuple([one for _, one in located(entry.addresses)]),
        receivers=receivers if entry.receivers is None else entry.receivers,
        helo_spf_required=profile.helo_spf_required if entry.helo_spf_required is None else entry.helo_spf_required,
        mail_from_domains=entry.mail_from_domains,
        dnsbls=default if entry.dnsbls is None else tuple([zone for zone in zones if zone in entry.dnsbls]),
        addresses_files=tuple([str(directory / one) if directory else one for one in entry.addresses_file]),
        spf=entry.spf,
        sample=entry.sample,
        unlisted_samples=entry.unlisted_samples,
        alerting=_alerting(entry, profile),
    )


def _alerting(entry: PoolEntry, profile: Profile) -> Alerting:
    """The addresses of an SPF record, or of a hosted service, are usually somebody else's: nobody here repairs one."""
    is_foreign = entry.alert is AlertMode.AUTO and (entry.spf is not None or profile.is_hosted)
    mode = AlertMode.SHARE if is_foreign else entry.alert
    return Alerting(mode, entry.alert_threshold, entry.severity, entry.team, entry.labels)


def _at(entry: E, key: str, directory: Path | None) -> E:
    """The entry with its path at *key*, if there is one, in *directory*."""
    path = getattr(entry, key)
    if directory is None or path is None:
        return entry
    return entry.model_copy(update={key: str(directory / path)})


def _settings(entry: ResolverEntry) -> ResolverSettings:
    return ResolverSettings(
        name=entry.name,
        servers=entry.servers or system_servers(),
        timeout_seconds=entry.timeout.seconds,
        attempts=entry.attempts,
        max_queries_per_second=entry.max_queries_per_second,
        max_in_flight=entry.max_in_flight,
        cache_entries=entry.cache_entries,
        canary=_canary(entry.canary) if entry.canary else None,
        max_queued=entry.max_queued,
        max_queue_seconds=entry.max_queue_time.seconds,
        random_case=entry.random_case,
        cookies=entry.cookies,
        edns=entry.edns,
        ca_file=None if entry.ca_file is None else Path(entry.ca_file),
    )


def _canary(entry: CanaryEntry) -> CanarySettings:
    return CanarySettings(entry.must_resolve, entry.must_not_exist_under, entry.interval.seconds)
