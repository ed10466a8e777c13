"""What `check` can look at: one address, one domain, or everything in the configuration.

An address of a configured pool is checked against what the pool expects. Any other is checked against a profile: the
requested one, the one that its HELO name belongs to, or the default.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.checks.addresses import Address
from exporter.checks.dnsbl import Blocklist
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import DEFAULT_AUTHENTICATION, AuthenticationSettings, Target
from exporter.checks.result import CheckName
from exporter.cli.trace import AnswerSource, answered
from exporter.config.configuration import Configuration, PoolSettings
from exporter.config.model import BUILT_IN, DEFAULT_PROFILE, EXPECTED, Profile
from exporter.dns.resolvers import Resolvers
from exporter.inventory.budget import plan_of
from exporter.inventory.build import list_plans
from exporter.inventory.draws import Draws
from exporter.inventory.expansion import Expansion, expand, expansion
from exporter.inventory.notices import loaded_from_files, with_expansions
from exporter.inventory.pool import Pool
from exporter.inventory.sources import merge

_KEY = 0
"""The key of random draws: a constant, so that each run checks the same addresses and its output can be compared."""

_MAX_CHECKED = 4096
"""Size up to which every address of a pool is checked: more take minutes."""

Expansions = Mapping[str, Expansion]
"""What the SPF record of each pool authorises, by the pool's name."""

NO_EXPANSIONS: Expansions = {}


@dataclass(frozen=True, slots=True)
class AddressRequest:
    """An address on the command line.

    Attributes:
        address: The address.
        helos: The HELO names; empty for those of its pool.
        mail_from: The mailbox of MAIL FROM or its domain, if given; "" is the null sender.
        profile: The profile to check against; None to choose one as the module describes.
    """

    address: Address
    helos: tuple[HeloName, ...] = ()
    mail_from: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class DomainRequest:
    """A domain on the command line, with its DKIM selectors."""

    name: DomainName
    selectors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """The pool of a HELO name: the pool's name, its size, and whether it contains an address."""

    pool: str
    size: int
    contains: Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class NameJob:
    """A HELO name whose addresses are to be checked.

    Attributes:
        helo: The HELO name.
        expect: The checks that have to pass.
        profile: The profile that *expect* is from.
        scope: The pool that the name belongs to; None for a name outside all pools.
    """

    helo: HeloName
    expect: frozenset[CheckName]
    profile: str
    scope: Scope | None = None

    @property
    def pool(self) -> str | None:
        """The name of its pool."""
        return None if self.scope is None else self.scope.pool

    def contains(self, address: Address) -> bool:
        """Whether *address* is in the pool; without a pool, no address counts as outside."""
        return self.scope is None or self.scope.contains(address)


@dataclass(frozen=True, slots=True)
class AddressJob:
    """An address to be checked.

    Attributes:
        target: The address with its HELO names.
        expect: The checks that have to pass.
        profile: The profile that *expect* is from.
        pool: The pool of the address; None outside all pools.
        suffix: The domain in which PTR and HELO names are expected; None for the domain of each HELO name.
        mail_from: The MAIL FROM of the command line, if any.
        authentication: Which SPF results belong to its report.
        blocklists: The block lists to query.
        names: The HELO names for the reverse check.
    """

    target: Target
    expect: frozenset[CheckName]
    profile: str
    pool: str | None = None
    suffix: DomainName | None = None
    mail_from: str | None = None
    authentication: AuthenticationSettings = DEFAULT_AUTHENTICATION
    blocklists: tuple[Blocklist, ...] = ()
    names: tuple[NameJob, ...] = ()


@dataclass(frozen=True, slots=True)
class DomainJob:
    """A domain to be checked.

    Attributes:
        name: The domain.
        selectors: Its DKIM selectors.
        expect: The checks that have to pass.
        is_configured: Whether the domain is in the configuration.
    """

    name: DomainName
    selectors: tuple[str, ...] = ()
    expect: frozenset[CheckName] = EXPECTED
    is_configured: bool = False


AnyJob = AddressJob | NameJob | DomainJob


def address_job(
    request: AddressRequest, configuration: Configuration | None, found: Expansions = NO_EXPANSIONS
) -> AddressJob:
    """The job for an address on the command line. Raises `KeyError` for a profile that does not exist."""
    named = profiles_of(configuration)[request.profile] if request.profile is not None else None
    known, scope = _configured(request.address, configuration, found)
    helos = request.helos or (known.target.helos if known is not None else ())
    target = Target(request.address, helos)
    mail_from = request.mail_from
    if mail_from == "" and helos:
        mail_from = f"postmaster@{helos[0].text}"  # what SPF evaluates for the null sender (RFC 7208 section 2.4)
    if known is not None and named is None:
        job = replace(known, target=target, mail_from=mail_from)
    else:
        profile = named or _profile_for(helos)
        base = AddressJob(target, frozenset(), "") if known is None else known
        job = replace(
            base,
            target=target,
            expect=profile.expect,
            profile=profile.name,
            suffix=profile.aligned_suffix,
            mail_from=mail_from,
            authentication=replace(base.authentication, helo_spf_required=profile.helo_spf_required),
        )
    return replace(job, names=tuple([NameJob(helo, job.expect, job.profile, scope) for helo in helos]))


def profiles_of(configuration: Configuration | None) -> Mapping[str, Profile]:
    """All profiles by name: the built-in ones and those of *configuration*."""
    configured = configuration.profiles if configuration is not None else ()
    return BUILT_IN | {profile.name: profile for profile in configured}


def _profile_for(helos: Sequence[HeloName]) -> Profile:
    """The built-in profile that a HELO name belongs to, else the default.

    A false HELO name gains nothing: the PTR name has to be in the same domain.
    """
    for profile in BUILT_IN.values():
        suffix = profile.aligned_suffix
        if suffix is not None and any(helo.name is not None and helo.name.is_under(suffix) for helo in helos):
            return profile
    return BUILT_IN[DEFAULT_PROFILE]


def _configured(
    address: Address, configuration: Configuration | None, found: Expansions
) -> tuple[AddressJob | None, Scope | None]:
    """The job of an address in its configured pool."""
    if configuration is None:
        return None, None
    for settings, pool in zip(configuration.pools, pools_of(configuration, found), strict=True):
        target = pool.find(address)
        if target is None and address in pool.not_enumerable:
            target = Target(address, ())
        if target is not None:
            return _pool_job(target, settings, pool, configuration), _scope(pool)
    return None, None


def _pool_job(target: Target, settings: PoolSettings, pool: Pool, configuration: Configuration) -> AddressJob:
    return AddressJob(
        target,
        pool.expect,
        settings.profile,
        pool.name,
        pool.suffix,
        authentication=AuthenticationSettings(pool.helo_spf_required, pool.mail_from_domains),
        blocklists=tuple([plan.blocklist for plan in list_plans(configuration) if plan.zone in pool.dnsbls]),
    )


def _scope(pool: Pool) -> Scope:
    return Scope(pool.name, pool.size, pool.contains)


def domain_job(request: DomainRequest, configuration: Configuration | None = None) -> DomainJob:
    """The job for a domain on the command line, with the configured selectors unless others are given."""
    known = [job for job in _domain_jobs(configuration) if job.name == request.name]
    job = known[0] if known else DomainJob(request.name)
    return replace(job, selectors=tuple(dict.fromkeys(request.selectors))) if request.selectors else job


def _domain_jobs(configuration: Configuration | None) -> list[DomainJob]:
    domains = configuration.domains if configuration is not None else ()
    return [DomainJob(one.name, one.selectors, one.expect, is_configured=True) for one in domains]


def all_jobs(configuration: Configuration, pools: Sequence[Pool], only: str | None = None) -> Iterator[AnyJob]:
    """Each pool's addresses and then its own HELO names, and at the end the domains; or those of the *only* pool.

    Of a pool whose rounds draw addresses, these are the drawn ones. The HELO names of addresses are checked with them.
    """
    for settings, pool in zip(configuration.pools, pools, strict=True):
        if only not in (None, pool.name):
            continue
        targets = pool.targets
        for index in checked_indices(pool):
            yield _pool_job(targets[index], settings, pool, configuration)
        for helo in settings.helo_names:
            yield NameJob(helo, pool.expect, settings.profile, _scope(pool))
    if only is None:
        yield from _domain_jobs(configuration)


def count_jobs(configuration: Configuration, pools: Sequence[Pool], only: str | None = None) -> int:
    """How many jobs `all_jobs` yields."""
    pairs = [pair for pair in zip(configuration.pools, pools, strict=True) if only in (None, pair[1].name)]
    count = sum(len(checked_indices(pool)) + len(settings.helo_names) for settings, pool in pairs)
    return count + (len(configuration.domains) if only is None else 0)


def checked_indices(pool: Pool) -> Sequence[int]:
    """The indices of the addresses of *pool* that are checked: all, or those that one round draws."""
    if pool.plan is None:
        return range(pool.size)
    draws = Draws(pool.prefixes, pool.plan, _KEY, 0)
    return [draws.at(number)[0] for number in range(draws.drawn)]


def pools_of(configuration: Configuration, found: Expansions = NO_EXPANSIONS) -> tuple[Pool, ...]:
    """The pools of *configuration*, with the addresses of their files and SPF records."""
    pools = merge(configuration, with_expansions(loaded_from_files(configuration)[0], found)).pools
    return tuple([_drawn(settings, pool) for settings, pool in zip(configuration.pools, pools, strict=True)])


def _drawn(settings: PoolSettings, pool: Pool) -> Pool:
    """Draw some addresses of each prefix of a pool that is too big to check each now, unless every one is wanted."""
    if pool.plan is not None or pool.size <= _MAX_CHECKED or settings.sample is False:
        return pool
    return pool.sampled(plan_of(settings, pool))


def depends_on_spf(request: AddressRequest, configuration: Configuration) -> bool:
    """Whether SPF records have to be looked up to find the pool of an address. Configured addresses take precedence."""
    pools = zip(configuration.pools, pools_of(configuration), strict=True)
    containing = [settings for settings, pool in pools if pool.find(request.address) is not None]
    return any(settings.spf is not None for settings in containing or configuration.pools)


async def expansions(configuration: Configuration, source: AnswerSource) -> Expansions:
    """Look up the SPF records of all pools that have one."""
    pools = [pool for pool in configuration.pools if pool.spf is not None]
    found = await asyncio.gather(*[_expanded(pool.spf, pool, source) for pool in pools if pool.spf is not None])
    return {pool.name: one for pool, one in zip(pools, found, strict=True)}


async def _expanded(domain: DomainName, pool: PoolSettings, source: AnswerSource) -> Expansion:
    names = [helo.host_name for helo in pool.helo_names if helo.host_name is not None]
    compiled, evidence = await answered(expand(str(domain), names), source)
    return expansion(compiled, names, evidence)


def expanded_now(configuration: Configuration) -> Expansions:
    """Look up the SPF records of all pools with resolvers that are started for it."""

    async def look_up() -> Expansions:
        resolvers = Resolvers(configuration.resolver_settings())
        await resolvers.start()
        try:
            return await expansions(configuration, resolvers)
        finally:
            await resolvers.close()

    return asyncio.run(look_up())
