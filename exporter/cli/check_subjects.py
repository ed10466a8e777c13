"""What `check` is to look at: an address that somebody typed, or everything in the configuration.

The rule of this file: an address that is in a pool is held to what its pool expects, whoever asks. One that is in none
is held to a profile: the one that is named, the one whose domain its HELO name is in, or the default.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.checks import authentication
from exporter.checks.addresses import Address
from exporter.checks.dnsbl import Blocklist
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.verdicts import CheckName
from exporter.cli.check_domains import DomainSubject, domain_subjects
from exporter.cli.check_names import NameSubject, Scope
from exporter.cli.check_pools import NO_EXPANSIONS, Expansions, places, pools_of
from exporter.config.configuration import Configuration, PoolSettings
from exporter.config.profiles import BUILT_IN, DEFAULT_PROFILE, Profile
from exporter.inventory.blocklists import list_plans
from exporter.inventory.pool import Pool


@dataclass(frozen=True, slots=True)
class Subject:
    """One target, and what is expected of it. *pool* is None for an address that is in none.

    *mail_from* is the MAIL FROM that was given, *proof* what is to be found out beside its names anyhow, *blocklists*
    are asked. *names* are its HELO names where they are to be followed the other way round, too.
    """

    target: Target
    expect: frozenset[CheckName]
    profile: str
    pool: str | None = None
    suffix: DomainName | None = None
    mail_from: str | None = None
    proof: authentication.Wanted = authentication.NOTHING_MORE
    blocklists: tuple[Blocklist, ...] = ()
    names: tuple[NameSubject, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed. *profile* None leaves the choice to `subject_of`."""

    address: Address
    helos: tuple[HeloName, ...] = ()
    mail_from: str | None = None
    profile: str | None = None


def profiles_of(configuration: Configuration | None) -> Mapping[str, Profile]:
    """Every profile that can be named."""
    written = configuration.profiles if configuration is not None else ()
    return BUILT_IN | {profile.name: profile for profile in written}


def subject_of(wanted: Wanted, configuration: Configuration | None, found: Expansions = NO_EXPANSIONS) -> Subject:
    """The subject that somebody typed. Raises `KeyError` for a profile that does not exist.

    *found* is what the pools' SPF records came to.
    """
    named = profiles_of(configuration)[wanted.profile] if wanted.profile is not None else None
    known, scope = _configured(wanted.address, configuration, found)
    helos = wanted.helos or (known.target.helos if known is not None else ())
    target = Target(wanted.address, helos)
    if known is not None and named is None:
        subject = replace(known, target=target, mail_from=wanted.mail_from)
    else:
        profile = named or _profile_for(helos)
        plain = Subject(target, frozenset(), "") if known is None else known
        subject = replace(
            plain,
            target=target,
            expect=profile.expect,
            profile=profile.name,
            suffix=profile.aligned_suffix,
            mail_from=wanted.mail_from,
            proof=replace(plain.proof, helo_spf_required=profile.helo_spf_required),
        )
    names = tuple([NameSubject(said, subject.expect, subject.profile, scope) for said in helos])
    return replace(subject, names=names)


def depends_on_spf(wanted: Wanted, configuration: Configuration) -> bool:
    """Whether what is expected of an address depends on what SPF records authorise: it comes before what they do."""
    pools = zip(configuration.pools, pools_of(configuration), strict=True)
    named = [settings for settings, pool in pools if pool.find(wanted.address) is not None]
    return any(settings.spf is not None for settings in named or configuration.pools)


def count(configuration: Configuration, pools: Sequence[Pool]) -> int:
    """How many subjects there are in *configuration*."""
    names = sum(len(settings.helo_names) for settings in configuration.pools)
    return sum(len(places(pool)) for pool in pools) + names + len(configuration.domains)


def all_subjects(
    configuration: Configuration, pools: Sequence[Pool]
) -> Iterator[Subject | NameSubject | DomainSubject]:
    """The addresses of the *pools*, each pool's own HELO names behind them, then the domains; made when asked for.

    Of a pool whose rounds draw, they are those that are drawn. The names that addresses say are judged with them.
    """
    for settings, pool in zip(configuration.pools, pools, strict=True):
        targets = pool.targets
        for place in places(pool):
            yield _subject(targets[place], settings, pool, configuration)
        for said in settings.helo_names:
            yield NameSubject(said, pool.expect, settings.profile, _scope(pool))
    yield from domain_subjects(configuration)


def _configured(
    address: Address, configuration: Configuration | None, found: Expansions
) -> tuple[Subject | None, Scope | None]:
    if configuration is None:
        return None, None
    for settings, pool in zip(configuration.pools, pools_of(configuration, found), strict=True):
        target = pool.find(address)
        if target is None and address in pool.unlisted:
            target = Target(address, ())
        if target is not None:
            return _subject(target, settings, pool, configuration), _scope(pool)
    return None, None


def _subject(target: Target, settings: PoolSettings, pool: Pool, configuration: Configuration) -> Subject:
    return Subject(
        target,
        pool.expect,
        settings.profile,
        pool.name,
        pool.suffix,
        proof=authentication.Wanted(pool.helo_spf_required, pool.mail_from_domains),
        blocklists=tuple([plan.blocklist for plan in list_plans(configuration) if plan.zone in pool.dnsbls]),
    )


def _scope(pool: Pool) -> Scope:
    return Scope(pool.name, pool.size, pool.contains)


def _profile_for(helos: Sequence[HeloName]) -> Profile:
    """The built-in profile of whoever has these names; saying so falsely helps nobody, for the PTR name must agree."""
    for profile in BUILT_IN.values():
        suffix = profile.aligned_suffix
        if suffix is not None and any(said.name is not None and said.name.is_under(suffix) for said in helos):
            return profile
    return BUILT_IN[DEFAULT_PROFILE]
