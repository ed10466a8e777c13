"""What `check` is to look at: an address that somebody typed, or everything in the configuration.

The rule of this file: an address that is in a pool is held to what its pool expects, whoever asks. One that is in none
is held to a profile: the one that is named, the one whose domain its HELO name is in, or the default.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from exporter.checks import report
from exporter.checks.addresses import Address
from exporter.checks.answers import Answer, Question
from exporter.checks.check import Evidence
from exporter.checks.dnsbl import Blocklist
from exporter.checks.domain import DomainCheckName, DomainFinding
from exporter.checks.domain_report import DomainReport
from exporter.checks.examination import DomainExamination, NameExamination
from exporter.checks.helo import HeloName
from exporter.checks.names import DomainName
from exporter.checks.report import Target
from exporter.checks.result import CheckName, Result, some
from exporter.cli.trace import Asker, answered
from exporter.config.configuration import Configuration, PoolSettings
from exporter.config.model import BUILT_IN, DEFAULT_PROFILE, EXPECTED, Profile
from exporter.config.rules import MAX_POOL_ADDRESSES
from exporter.dns.resolvers import Resolvers
from exporter.inventory.build import list_plans
from exporter.inventory.draws import Turn
from exporter.inventory.expansion import Expansion, Trouble, expand, expansion
from exporter.inventory.notices import fed_by_files, with_expansions
from exporter.inventory.pool import Pool
from exporter.inventory.sources import merge
from exporter.views.documents import Json, printable, share_words

# SECTION exporter.cli.check_outcome
# What an examination comes to, and several of them together.


class Overall(IntEnum):
    """What one examination, or all of them, come to; the value is the exit code."""

    PASS = 0
    """Every expected check passes."""
    FINDING = 1
    """An expected check fails."""
    INCONCLUSIVE = 4
    """None is known to fail, but not all are known to pass."""

    @classmethod
    def of(cls, results: Iterable[Result]) -> "Overall":
        """What the *results* of expected checks come to."""
        seen = set(results)
        if Result.FAIL in seen:
            return cls.FINDING
        return cls.INCONCLUSIVE if Result.UNKNOWN in seen else cls.PASS


def worst(outcomes: Iterable[Overall]) -> Overall:
    """What several come to: a finding outweighs what is not known."""
    seen = set(outcomes)
    return next((one for one in (Overall.FINDING, Overall.INCONCLUSIVE) if one in seen), Overall.PASS)


# SECTION exporter.cli.check_names
# A HELO name, the other way round: what is to be looked at, what came out, and the words and keys for it.
#
# The rule of this file: what the addresses of a name come to is said of the name. It is no verdict on the
# address that
# says it, so where one address was asked for, the exit code does not follow it.

_SHOWN = 16
"""Addresses that a line names; JSON has all of them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The pool that a name belongs to: its name, its size, and whether an address is in it."""

    pool: str
    size: int
    contains: Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class NameSubject:
    """One HELO name, and what is expected of the addresses that say it. *scope* is None for a name of no pool."""

    helo: HeloName
    expect: frozenset[CheckName]
    profile: str
    scope: Scope | None = None

    @property
    def pool(self) -> str | None:
        """The pool that it belongs to."""
        return None if self.scope is None else self.scope.pool

    def contains(self, address: Address) -> bool:
        """Whether *address* is in the pool; where there is none, nothing is outside of it."""
        return self.scope is None or self.scope.contains(address)


@dataclass(frozen=True, slots=True)
class NameExamined:
    """A HELO name, what came out for it, and every answer that this rests on."""

    subject: NameSubject
    examination: NameExamination
    evidence: Evidence

    @property
    def overall(self) -> Overall:
        """Whether everything that is expected of it is so."""
        return Overall.of(
            finding.result for finding in self.examination.report.findings if finding.check in self.subject.expect
        )

    def failing(self, result: Result = Result.FAIL) -> list[CheckName]:
        """The expected checks that come to *result*."""
        findings = self.examination.report.findings
        return [it.check for it in findings if it.check in self.subject.expect and it.result is result]

    @property
    def inside(self) -> int:
        """How many of its addresses are in the pool."""
        report = self.examination.report
        return len(report.addresses) - len(report.outside)


def name_headline(one: NameExamined) -> str:
    """The outcome in one line."""
    match one.overall:
        case Overall.PASS:
            helo = f"pass, {'; '.join(words for _, words in name_lines(one))}"
        case Overall.FINDING:
            helo = f"FAIL ({', '.join(one.failing())})"
        case _:
            helo = f"not known ({', '.join(one.failing(Result.UNKNOWN))})"
    return f"HELO {one.subject.helo}, the other way round: {helo}"


def name_held_to(one: NameExamined) -> str:
    """What was expected of it, and why."""
    subject = one.subject
    if subject.pool is None:
        return f"In no pool of the configuration, so held to the profile {subject.profile}."
    return f"Held to what the pool {subject.pool} expects (profile {subject.profile})."


def name_lines(one: NameExamined) -> Iterator[tuple[str, str]]:
    """What its addresses come to, a line for each outcome: its kind (good, bad, open, aside), and the words."""
    report, scope = one.examination.report, one.subject.scope
    size = len(report.addresses)
    if not size:
        yield "aside", "it has no addresses" if report.is_complete else "its addresses are not known"
        return
    if report.confirmed:
        whole = "its one address" if size == 1 else f"{len(report.confirmed)} of its {size} addresses"
        yield "good", f"forward-confirmed: {whole}"
    if report.unconfirmed:
        kind = "bad" if CheckName.FCRDNS in one.subject.expect else "aside"
        yield kind, f"not forward-confirmed: {_listed(report.unconfirmed)}"
    if report.unknown:
        yield "open", f"not known: {_listed(report.unknown)}"
    if report.unfollowed:
        yield "aside", f"not followed: {len(report.unfollowed)} more"
    if scope is not None:
        covered = f"{one.inside} of the {scope.size} addresses" if scope.size != 1 else f"{one.inside} of 1 address"
        yield (
            "good" if one.inside else "aside",
            f"it covers {covered} of the pool {scope.pool} ({share_words(one.inside, scope.size)})",
        )
        if report.outside:
            yield "aside", f"outside the pool: {_listed(report.outside)}"


def _listed(addresses: Collection[Address]) -> str:
    return some(list(addresses), _SHOWN)


def coverage_document(one: NameExamined) -> Json:
    """Its addresses in JSON, by what they come to."""
    report, scope = one.examination.report, one.subject.scope
    return {
        "complete": report.is_complete,
        "addresses": _texts(report.addresses),
        "confirmed": _texts(report.confirmed),
        "unconfirmed": _texts(report.unconfirmed),
        "unknown": _texts(report.unknown),
        "unfollowed": _texts(report.unfollowed),
        "outside_pool": None if scope is None else _texts(report.outside),
        "pool_addresses": None if scope is None else scope.size,
        "pool_share": None if scope is None or not scope.size else one.inside / scope.size,
    }


def _texts(addresses: Collection[Address]) -> list[str]:
    return [str(address) for address in addresses]


# SECTION exporter.cli.check_domains
# A domain: what is to be looked at, what came out, and the words and keys for it.
#
# The rule of this file: a domain of the configuration is held to what that expects of it, whoever asks; any
# other one to
# what is usual.


@dataclass(frozen=True, slots=True)
class DomainSubject:
    """One domain, and what is expected of it."""

    name: DomainName
    selectors: tuple[str, ...] = ()
    expect: frozenset[DomainCheckName] = EXPECTED
    is_configured: bool = False


@dataclass(frozen=True, slots=True)
class DomainExamined:
    """A domain, what came out for it, and every answer that this rests on."""

    subject: DomainSubject
    examination: DomainExamination
    evidence: Evidence

    @property
    def overall(self) -> Overall:
        """Whether everything that is expected of it is so."""
        return Overall.of(finding.result for finding in self._expected)

    def failing(self, result: Result = Result.FAIL) -> list[str]:
        """The expected checks that come to *result*, each once; of a DKIM key with its selector."""
        return list(dict.fromkeys(check_words(finding) for finding in self._expected if finding.result is result))

    @property
    def _expected(self) -> list[DomainFinding]:
        return [finding for finding in self.examination.report.findings if finding.check in self.subject.expect]


@dataclass(frozen=True, slots=True)
class WantedDomain:
    """What was typed."""

    name: DomainName
    selectors: tuple[str, ...] = ()


def domain_subject(
    name: DomainName, selectors: Sequence[str] = (), configuration: Configuration | None = None
) -> DomainSubject:
    """The domain that somebody typed, with its own selectors unless others are given."""
    known = [one for one in domain_subjects(configuration) if one.name == name]
    subject = known[0] if known else DomainSubject(name)
    return replace(subject, selectors=tuple(dict.fromkeys(selectors))) if selectors else subject


def domain_subjects(configuration: Configuration | None) -> list[DomainSubject]:
    """The domains of *configuration*."""
    domains = configuration.domains if configuration is not None else ()
    return [DomainSubject(one.name, one.selectors, one.expect, is_configured=True) for one in domains]


def check_words(finding: DomainFinding) -> str:
    """The check, and the selector that it is about."""
    return f"{finding.check} {finding.subject}" if finding.check is DomainCheckName.DKIM else finding.check.value


def domain_headline(one: DomainExamined) -> str:
    """The outcome in one line."""
    match one.overall:
        case Overall.PASS:
            helo = f"pass ({', '.join([check for check in DomainCheckName if check in one.subject.expect]) or 'none'})"
        case Overall.FINDING:
            helo = f"FAIL ({', '.join(one.failing())})"
        case _:
            helo = f"not known ({', '.join(one.failing(Result.UNKNOWN))})"
    return f"{one.subject.name}: {helo}"


def domain_held_to(one: DomainExamined) -> str:
    """What was expected of it, and why."""
    checks = ", ".join([check for check in DomainCheckName if check in one.subject.expect]) or "nothing"
    if one.subject.is_configured:
        return f"Held to what the configuration expects of it: {checks}."
    return f"In no configuration, so held to what is usual: {checks}."


def record_lines(report: DomainReport) -> Iterator[str]:
    """What is published, a line for each record that there is."""
    spf = report.spf
    if spf.records:
        yield (
            f"spf: {spf.lookups} of {spf.limits.lookups} lookups, {spf.void_lookups} of {spf.limits.void_lookups} that "
            f"find nothing; {spf.authorised4:,} IPv4 and {_shown(spf.authorised6)} IPv6 addresses pass"
        )
        if spf.compiled.open_terms:
            yield f"spf: of others only an evaluation can tell: {', '.join(map(str, spf.compiled.open_terms))}"
    for key in report.dkim:
        if key.key_type:
            bits = f", {key.bits} bits" if key.bits else ""
            yield f"dkim {key.finding.subject}: {key.key_type}{bits}" + ", revoked" * key.is_revoked
    if report.dmarc.policy is not None:
        testing = f" (in test mode, so {report.dmarc.effective_policy})" if report.dmarc.is_testing else ""
        below = f", subdomains {report.dmarc.subdomain_policy}" if report.dmarc.subdomain_policy is not None else ""
        yield f"dmarc: {report.dmarc.policy}{testing}{below}, from {report.dmarc.record_domain}"
    if report.mx.is_null:
        yield "mx: takes no mail"
    elif report.mx.hosts:
        yield f"mx: {', '.join(report.mx.hosts)}"


def domain_evidence(one: DomainExamined) -> list[tuple[Question, Answer]]:
    """The answers that a person wants to see: of the walk to a zone cut, only its end."""
    zones = {cut.zone for cut in one.examination.zones.values()}
    return [
        (question, answer)
        for question, answer in one.evidence.items()
        if question.rdtype not in ("SOA", "NS") or answer.errors or question.name in zones
    ]


def passing_checks(one: DomainExamined) -> list[str]:
    """The checks that pass."""
    return [check_words(it) for it in one.examination.report.findings if it.result is Result.PASS]


def shown_findings(one: DomainExamined) -> list[tuple[DomainFinding, bool]]:
    """What does not pass, each with whether it is expected to: those first, fails before unknowns."""
    expect = one.subject.expect
    wrong = [it for it in one.examination.report.findings if it.result is not Result.PASS]
    wrong.sort(key=lambda it: (it.check not in expect, it.result is Result.UNKNOWN))
    return [(replace(it, sentence=printable(it.sentence)), it.check in expect) for it in wrong]


def _shown(count: int) -> str:
    return f"{count:,}" if count < 1 << 40 else f"2^{count.bit_length() - 1} or more"


# SECTION exporter.cli.check_pools
# The pools that `check` looks at: what SPF records make of them, and how much of a big one is looked at.
#
# The rule of this file: `check` looks at what a round of the service would. Of a pool whose rounds draw from
# each prefix
# it draws too, but the same addresses every time, so that what is printed can be compared from one day to the
# next.

_KEY = 0
_SHOWN_CHECK_POOLS = 8
"""Ranges that a line names; JSON has all of them."""

Expansions = Mapping[str, Expansion]
"""What the SPF record of each pool came to, by the pool's name."""

NO_EXPANSIONS: Expansions = {}


async def expansions(configuration: Configuration, asker: Asker) -> Expansions:
    """Ask for the SPF records of all pools that are fed by one."""
    pools = [pool for pool in configuration.pools if pool.spf is not None]
    found = await asyncio.gather(*[_expanded(pool.spf, pool, asker) for pool in pools if pool.spf is not None])
    return {pool.name: one for pool, one in zip(pools, found, strict=True)}


def expanded_now(configuration: Configuration) -> Expansions:
    """The same, with resolvers of its own."""

    async def ask() -> Expansions:
        resolvers = Resolvers(configuration.resolver_settings())
        await resolvers.start()
        try:
            return await expansions(configuration, resolvers)
        finally:
            await resolvers.close()

    return asyncio.run(ask())


async def _expanded(domain: DomainName, pool: PoolSettings, asker: Asker) -> Expansion:
    names = [helo.host_name for helo in pool.helo_names if helo.host_name is not None]
    compiled, evidence = await answered(expand(str(domain), names), asker)
    return expansion(compiled, names, evidence)


def pools_of(configuration: Configuration, found: Expansions = NO_EXPANSIONS) -> tuple[Pool, ...]:
    """The pools of *configuration*, with what their files and SPF records have."""
    return merge(configuration, with_expansions(fed_by_files(configuration)[0], found)).pools


def places(pool: Pool) -> Sequence[int]:
    """The addresses of *pool* that are looked at, as positions."""
    if pool.plan is None:
        return range(pool.size)
    turn = Turn(pool.prefixes, pool.plan, _KEY, 0)
    return [turn.at(place)[0] for place in range(turn.drawn)]


@dataclass(frozen=True, slots=True)
class PoolExamined:
    """A pool of which there is something to say before its addresses: where they come from, or that some are drawn.

    *found* is what its SPF record *spf* came to; both None where it has none.
    """

    pool: Pool
    checked: int
    spf: DomainName | None = None
    found: Expansion | None = None

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong with its SPF record."""
        return () if self.found is None else self.found.troubles

    @property
    def overall(self) -> Overall:
        """Whether its addresses are known. What cannot be listed by its nature is no fault of anybody's."""
        wrong = set(self.troubles) - {Trouble.NOT_ENUMERABLE}
        if not wrong:
            return Overall.PASS
        return Overall.INCONCLUSIVE if wrong == {Trouble.UNANSWERED} else Overall.FINDING


def spf_notices(configuration: Configuration, found: Expansions) -> Iterator[str]:
    """What each SPF record comes to, in one line, and then what is wrong with it."""
    for settings, pool in zip(configuration.pools, pools_of(configuration, found), strict=True):
        if settings.spf is not None:
            one = PoolExamined(pool, pool.size, settings.spf, found.get(settings.name))
            yield pool_headline(one)
            yield from [sentence for _, sentence in sentences(one)]


def worth_telling(configuration: Configuration, pools: Sequence[Pool], found: Expansions) -> Iterator[PoolExamined]:
    """The pools of which there is something to say."""
    for settings, pool in zip(configuration.pools, pools, strict=True):
        if settings.spf is not None or pool.plan is not None or pool.not_enumerable.ranges:
            yield PoolExamined(pool, len(places(pool)), settings.spf, found.get(settings.name))


def pool_headline(one: PoolExamined) -> str:
    """The pool in one line."""
    size, not_enumerable = one.pool.size, one.pool.not_enumerable.texts
    source = "" if one.spf is None else f", from the SPF record of {one.spf}"
    helo = f"pool {one.pool.name}{source}: {size} address{'' if size == 1 else 'es'}"
    if one.checked < size:
        helo += f", of which {one.checked} are looked at, drawn from each prefix as a round draws them"
    if not_enumerable:
        more = (
            f" and {len(not_enumerable) - _SHOWN_CHECK_POOLS} more" if len(not_enumerable) > _SHOWN_CHECK_POOLS else ""
        )
        helo += f"; too big to look up, so left out: {', '.join(not_enumerable[:_SHOWN_CHECK_POOLS])}{more}"
    return helo


def sentences(one: PoolExamined) -> Iterator[tuple[Trouble, str]]:
    """What is wrong with the SPF record, and what would be right."""
    terms = ", ".join(one.found.terms) if one.found is not None else ""
    helo = {
        Trouble.UNANSWERED: f"The DNS did not answer for all of {one.spf}: which addresses the pool has is not known.",
        Trouble.NO_RECORD: f"{one.spf} has no SPF record: publish one, or write under `spf` the domain whose record "
        "lists the senders.",
        Trouble.PERMERROR: f"The record of {one.spf} has an error that no receiver gets past; `maildns-exporter check "
        f"--domain {one.spf}` says which.",
        Trouble.NO_ADDRESSES: f"The record of {one.spf} authorises no address: write under `spf` the domain whose "
        "record lists the senders.",
        Trouble.NOT_ENUMERABLE: f"Not every address can be listed that {one.spf} authorises, for some depend on more "
        f"than the address: {terms}. What stands before that is the pool; write others under `addresses`.",
        Trouble.TOO_MANY_ADDRESSES: f"The record of {one.spf} authorises more than {MAX_POOL_ADDRESSES} addresses: "
        "make several pools of the records that it includes.",
    }
    for trouble in one.troubles:
        if trouble in helo:
            yield trouble, helo[trouble]


def pool_document(one: PoolExamined) -> dict[str, object]:
    """The pool in JSON."""
    return {
        "pool": one.pool.name,
        "spf": None if one.spf is None else str(one.spf),
        "addresses": one.pool.size,
        "checked": one.checked,
        "not_enumerable": list(one.pool.not_enumerable.texts),
        "outcome": one.overall.name.lower(),
        "problems": [{"reason": trouble.value, "sentence": sentence} for trouble, sentence in sentences(one)],
    }


# SECTION exporter.cli.check_subjects


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
    proof: report.Wanted = report.NOTHING_MORE
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
    names = tuple([NameSubject(helo, subject.expect, subject.profile, scope) for helo in helos])
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
        for helo in settings.helo_names:
            yield NameSubject(helo, pool.expect, settings.profile, _scope(pool))
    yield from domain_subjects(configuration)


def _configured(
    address: Address, configuration: Configuration | None, found: Expansions
) -> tuple[Subject | None, Scope | None]:
    if configuration is None:
        return None, None
    for settings, pool in zip(configuration.pools, pools_of(configuration, found), strict=True):
        target = pool.find(address)
        if target is None and address in pool.not_enumerable:
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
        proof=report.Wanted(pool.helo_spf_required, pool.mail_from_domains),
        blocklists=tuple([plan.blocklist for plan in list_plans(configuration) if plan.zone in pool.dnsbls]),
    )


def _scope(pool: Pool) -> Scope:
    return Scope(pool.name, pool.size, pool.contains)


def _profile_for(helos: Sequence[HeloName]) -> Profile:
    """The built-in profile of whoever has these names; saying so falsely helps nobody, for the PTR name must agree."""
    for profile in BUILT_IN.values():
        suffix = profile.aligned_suffix
        if suffix is not None and any(helo.name is not None and helo.name.is_under(suffix) for helo in helos):
            return profile
    return BUILT_IN[DEFAULT_PROFILE]
