"""What `check` is to look at: an address that somebody typed, or everything in the configuration.

The rule of this file: an address that is in a pool is held to what its pool expects, whoever asks. One that is in none
is held to a profile: the one that is named, the one whose domain its HELO name is in, or the default.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.verdicts import CheckName
from exporter.config.configuration import Configuration
from exporter.config.profiles import BUILT_IN, DEFAULT_PROFILE, Profile
from exporter.inventory.build import build


@dataclass(frozen=True, slots=True)
class Subject:
    """One target, and what is expected of it. *pool* is None for an address that is in none."""

    target: Target
    expect: frozenset[CheckName]
    profile: str
    pool: str | None = None
    suffix: DomainName | None = None
    mail_from: str | None = None


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


def subject_of(wanted: Wanted, configuration: Configuration | None) -> Subject:
    """The subject that somebody typed. Raises `KeyError` for a profile that does not exist."""
    named = profiles_of(configuration)[wanted.profile] if wanted.profile is not None else None
    known = _configured(wanted.address, configuration)
    if known is not None and named is None:
        target = Target(wanted.address, wanted.helos) if wanted.helos else known.target
        return Subject(target, known.expect, known.profile, known.pool, known.suffix, wanted.mail_from)
    helos = wanted.helos or (known.target.helos if known is not None else ())
    profile = named or _profile_for(helos)
    return Subject(
        Target(wanted.address, helos),
        profile.expect,
        profile.name,
        known.pool if known is not None else None,
        profile.aligned_suffix,
        wanted.mail_from,
    )


def count(configuration: Configuration) -> int:
    """How many subjects there are in *configuration*."""
    return sum(pool.size for pool in build(configuration))


def all_subjects(configuration: Configuration) -> Iterator[Subject]:
    """Every address of every pool, made as they are asked for."""
    for settings, pool in zip(configuration.pools, build(configuration), strict=True):
        for target in pool.targets:
            yield Subject(target, pool.expect, settings.profile, pool.name, pool.suffix)


def _configured(address: Address, configuration: Configuration | None) -> Subject | None:
    if configuration is None:
        return None
    for settings, pool in zip(configuration.pools, build(configuration), strict=True):
        target = pool.find(address)
        if target is not None:
            return Subject(target, pool.expect, settings.profile, pool.name, pool.suffix)
    return None


def _profile_for(helos: Sequence[HeloName]) -> Profile:
    """The built-in profile of whoever has these names; saying so falsely helps nobody, for the PTR name must agree."""
    for profile in BUILT_IN.values():
        suffix = profile.aligned_suffix
        if suffix is not None and any(said.name is not None and said.name.is_under(suffix) for said in helos):
            return profile
    return BUILT_IN[DEFAULT_PROFILE]
