"""What keys have to do with each other: names that are unique, profiles that exist, addresses that belong to one pool.

The rule of this file: it takes what is valid by itself, and yields every violation with the path of the value to blame
and, where two values contradict each other, the path of the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from exporter.checks.receivers import Receiver
from exporter.config.domain_entries import DomainEntry, DomainExpect, DomainExpectEdit, misfit
from exporter.config.entry_rules import MAX_POOL_ADDRESSES, entry_violations, total_addresses
from exporter.config.model import Document
from exporter.config.overlaps import overlaps
from exporter.config.pool_entries import Expect, ExpectEdit, PoolEntry, ProfileEntry
from exporter.config.profiles import BUILT_IN
from exporter.config.resolver_entries import CanaryEntry, ResolverEntry
from exporter.config.tree import Path
from exporter.config.values import did_you_mean

T = TypeVar("T")


class Violation(NamedTuple):
    """A broken rule; ``{other}`` in *what* stands for the place of *other*."""

    path: Path
    what: str
    other: Path = ()


def violations(document: Document, *, profiles_are_complete: bool = True) -> Iterator[Violation]:
    """Every violation. References to profiles are not judged where a broken one may be missing from the document."""
    if not document.pools and not document.domains:
        yield Violation(("pools",), "is required, or `domains`")
    named: dict[str, Sequence[ResolverEntry | ProfileEntry | PoolEntry]] = {
        "resolvers": document.resolvers,
        "profiles": document.profiles,
        "pools": document.pools,
    }
    for key, entries in named.items():
        names = [((key, index, "name"), entry.name) for index, entry in enumerate(entries)]
        yield from _unique(names, f"is the name of another of the {key} too, {{other}}: give each its own")
    yield from _of_receivers(("receivers",), document.receivers)
    for index, resolver in enumerate(document.resolvers):
        yield from _of_resolver(("resolvers", index), resolver)
    for index, profile in enumerate(document.profiles):
        yield from _of_profile(("profiles", index), profile)
    if profiles_are_complete:
        yield from _references(document)
    for index, pool in enumerate(document.pools):
        yield from _of_pool(("pools", index), pool)
    for overlap in overlaps(document.pools):
        yield Violation(*overlap)
    yield from _of_domains(document.domains)
    yield from _of_dnsbls(document)


def _of_dnsbls(document: Document) -> Iterator[Violation]:
    places = [(("dnsbls", index, "zone"), entry.zone) for index, entry in enumerate(document.dnsbls)]
    yield from _unique(places, "is the same list as {other}: leave one of them out")
    for index, entry in enumerate(document.dnsbls):
        families = [(("dnsbls", index, "families", place), family) for place, family in enumerate(entry.families)]
        yield from _unique(families, "is the same family as {other}: leave one of them out")
    known = [entry.zone for entry in document.dnsbls]
    for index, pool in enumerate(document.pools):
        chosen = [(("pools", index, "dnsbls", place), zone) for place, zone in enumerate(pool.dnsbls or ())]
        yield from _unique(chosen, "is the same list as {other}: leave one of them out")
        for path, zone in chosen:
            if zone not in known:
                meant = did_you_mean(zone, list(map(str, known))) if known else "there are none"
                yield Violation(path, f"{str(zone)!r} is not one of the lists in `dnsbls`; {meant}")


def _unique(places: Iterable[tuple[Path, T]], what: str) -> Iterator[Violation]:
    first: dict[T, Path] = {}
    for path, value in places:
        if value in first:
            yield Violation(path, what, first[value])
        first.setdefault(value, path)


def _of_resolver(path: Path, resolver: ResolverEntry) -> Iterator[Violation]:
    servers = [((*path, "servers", index), server) for index, server in enumerate(resolver.servers or ())]
    yield from _unique(servers, "is the same server as {other}: leave one of them out")
    canary = resolver.canary
    if isinstance(canary, CanaryEntry) and not canary.must_resolve and canary.must_not_exist_under is None:
        yield Violation((*path, "canary"), "asks nothing: write false to turn the canary off")


def _of_profile(path: Path, profile: ProfileEntry) -> Iterator[Violation]:
    if profile.name in BUILT_IN:
        yield Violation(
            (*path, "name"), f"{profile.name!r} is a profile that exists already: give this one another name"
        )
    yield from _of_expect((*path, "expect"), profile.expect)


def _of_expect(path: Path, expect: Expect | DomainExpect | None) -> Iterator[Violation]:
    if not isinstance(expect, ExpectEdit | DomainExpectEdit):
        yield from _unique(
            [((*path, index), check) for index, check in enumerate(expect or ())],
            "is the same check as {other}: leave one of them out",
        )
        return
    added = [((*path, "add", index), check) for index, check in enumerate(expect.add)]
    removed = [((*path, "remove", index), check) for index, check in enumerate(expect.remove)]
    yield from _unique(added + removed, "is the same check as {other}: leave one of them out")


def _of_receivers(path: Path, receivers: Sequence[Receiver] | None) -> Iterator[Violation]:
    places = [((*path, index), receiver) for index, receiver in enumerate(receivers or ())]
    yield from _unique(places, "is the same receiver as {other}: leave one of them out")


def _references(document: Document) -> Iterator[Violation]:
    written = {profile.name: profile for profile in document.profiles}
    known = [*BUILT_IN, *written]
    references = [
        *[(("profiles", index, "based_on"), profile.based_on) for index, profile in enumerate(document.profiles)],
        *[(("pools", index, "profile"), pool.profile) for index, pool in enumerate(document.pools)],
    ]
    for path, name in references:
        if name not in known:
            yield Violation(path, f"{name!r} is not a profile; {did_you_mean(name, known)}")
    for index, profile in enumerate(document.profiles):
        seen = [profile.name]
        while (base := written[seen[-1]].based_on) in written and base not in seen:
            seen.append(base)
        if base == profile.name and base not in BUILT_IN:
            circle = " on ".join([*seen, base])
            yield Violation(
                ("profiles", index, "based_on"), f"goes in a circle ({circle}): base one of them on a built-in one"
            )


def _of_pool(path: Path, pool: PoolEntry) -> Iterator[Violation]:
    if not (pool.addresses or pool.addresses_file or pool.spf or pool.helo_names):
        yield Violation(path, "has nothing to watch: give it `addresses`, `addresses_file`, `spf`, or `helo_names`")
    yield from _of_expect((*path, "expect"), pool.expect)
    yield from _of_receivers((*path, "receivers"), pool.receivers)
    names = [((*path, "helo_names", index), said.name or said.text) for index, said in enumerate(pool.helo_names)]
    yield from _unique(names, "is the same name as {other}: leave one of them out")
    domains = [((*path, "mail_from_domains", index), domain) for index, domain in enumerate(pool.mail_from_domains)]
    yield from _unique(domains, "is the same domain as {other}: leave one of them out")
    for at, what, other in entry_violations((*path, "addresses"), pool.addresses):
        yield Violation(at, what, other or ())
    total = total_addresses(pool.addresses)
    if total > MAX_POOL_ADDRESSES:
        yield Violation(
            (*path, "addresses"),
            f"are {total} addresses together, and every one would be looked up in turn: a pool has at most "
            f"{MAX_POOL_ADDRESSES}, so make several pools of them",
        )


def _of_domains(domains: Sequence[DomainEntry]) -> Iterator[Violation]:
    names = [(("domains", index, "name"), domain.name) for index, domain in enumerate(domains)]
    yield from _unique(names, "is the same domain as {other}: leave one of them out")
    for index, domain in enumerate(domains):
        path: Path = ("domains", index)
        selectors = [((*path, "dkim_selectors", place), one) for place, one in enumerate(domain.dkim_selectors)]
        yield from _unique(selectors, "is the same selector as {other}: leave one of them out")
        for at, selector in [((*path, "name"), ""), *selectors]:
            what = misfit(domain.name, selector)
            if what is not None:
                yield Violation(at, what)
                break
        yield from _of_expect((*path, "expect"), domain.expect)
