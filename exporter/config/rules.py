"""Rules over several keys: unique names, profiles that exist, addresses that belong to one pool."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from exporter.config.model import (
    BUILT_IN,
    AddressEntry,
    AnyEntry,
    CanaryEntry,
    Document,
    DomainEntry,
    DomainExpect,
    DomainExpectEdit,
    Expect,
    ExpectEdit,
    NetworkEntry,
    PoolEntry,
    ProfileEntry,
    ResolverEntry,
    ServerEntry,
    domain_too_long,
    located,
)
from exporter.config.tree import Path
from exporter.config.values import did_you_mean

T = TypeVar("T")

MAX_POOL_ADDRESSES = 1 << 20


class Violation(NamedTuple):
    """A broken rule. ``{other}`` in *what* stands for the path and line of the value at *other*."""

    path: Path
    what: str
    other: Path = ()


def violations(document: Document, *, profiles_are_complete: bool = True) -> Iterator[Violation]:
    """Every violation in a document of valid values.

    Without *profiles_are_complete*, invalid profiles are missing from the document, so references are not checked.
    """
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
    yield from _unique_items(("receivers",), document.receivers, "receiver")
    for index, resolver in enumerate(document.resolvers):
        yield from _of_resolver(("resolvers", index), resolver)
    for index, profile in enumerate(document.profiles):
        yield from _of_profile(("profiles", index), profile)
    if profiles_are_complete:
        yield from _of_references(document)
    for index, pool in enumerate(document.pools):
        yield from _of_pool(("pools", index), pool)
    yield from overlaps(document.pools)
    yield from _of_domains(document.domains)
    yield from _of_dnsbls(document)


def _unique(values: Iterable[tuple[Path, T]], what: str) -> Iterator[Violation]:
    """A violation for each value that is equal to an earlier one. *values* have their paths."""
    first: dict[T, Path] = {}
    for path, value in values:
        if value in first:
            yield Violation(path, what, first[value])
        first.setdefault(value, path)


def _unique_items(path: Path, items: Iterable[object] | None, noun: str) -> Iterator[Violation]:
    """The same for the items of the list at *path*."""
    values = [((*path, index), item) for index, item in enumerate(items or ())]
    yield from _unique(values, f"is the same {noun} as {{other}}: leave one of them out")


def _of_dnsbls(document: Document) -> Iterator[Violation]:
    known = [entry.zone for entry in document.dnsbls]
    zones = [(("dnsbls", index, "zone"), zone) for index, zone in enumerate(known)]
    yield from _unique(zones, "is the same list as {other}: leave one of them out")
    for index, entry in enumerate(document.dnsbls):
        yield from _unique_items(("dnsbls", index, "families"), entry.families, "family")
    for index, pool in enumerate(document.pools):
        path = ("pools", index, "dnsbls")
        yield from _unique_items(path, pool.dnsbls, "list")
        for number, zone in enumerate(pool.dnsbls or ()):
            if zone not in known:
                meant = did_you_mean(zone, list(map(str, known))) if known else "there are none"
                yield Violation((*path, number), f"{str(zone)!r} is not one of the lists in `dnsbls`; {meant}")


def _of_resolver(path: Path, resolver: ResolverEntry) -> Iterator[Violation]:
    yield from _unique_items((*path, "servers"), resolver.servers, "server")
    canary = resolver.canary
    if isinstance(canary, CanaryEntry) and not canary.must_resolve and canary.must_not_exist_under is None:
        yield Violation((*path, "canary"), "asks nothing: write false to turn the canary off")


def _of_profile(path: Path, profile: ProfileEntry) -> Iterator[Violation]:
    if profile.name in BUILT_IN:
        yield Violation((*path, "name"), f"{profile.name!r} is a built-in profile: give this one another name")
    yield from _of_expect((*path, "expect"), profile.expect)


def _of_expect(path: Path, expect: Expect | DomainExpect | None) -> Iterator[Violation]:
    if not isinstance(expect, ExpectEdit | DomainExpectEdit):
        yield from _unique_items(path, expect, "check")
        return
    added = [((*path, "add", index), check) for index, check in enumerate(expect.add)]
    removed = [((*path, "remove", index), check) for index, check in enumerate(expect.remove)]
    yield from _unique(added + removed, "is the same check as {other}: leave one of them out")


def _of_references(document: Document) -> Iterator[Violation]:
    """Profiles that do not exist, and profiles that are based on themselves."""
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
            what = f"goes in a circle ({circle}): base one of them on a built-in one"
            yield Violation(("profiles", index, "based_on"), what)


def _of_pool(path: Path, pool: PoolEntry) -> Iterator[Violation]:
    if not (pool.addresses or pool.addresses_file or pool.spf or pool.helo_names):
        yield Violation(path, "has nothing to watch: give it `addresses`, `addresses_file`, `spf`, or `helo_names`")
    yield from _of_expect((*path, "expect"), pool.expect)
    yield from _unique_items((*path, "receivers"), pool.receivers, "receiver")
    yield from _unique_items((*path, "helo_names"), [helo.name or helo.text for helo in pool.helo_names], "name")
    yield from _unique_items((*path, "mail_from_domains"), pool.mail_from_domains, "domain")
    yield from entry_violations((*path, "addresses"), pool.addresses)
    total = total_addresses(entry for _, entry in located(pool.addresses))
    if total > MAX_POOL_ADDRESSES:
        yield Violation(
            (*path, "addresses"),
            f"are {total} addresses together, and each is looked up: a pool has at most {MAX_POOL_ADDRESSES}, so split "
            "it into several pools",
        )


def _of_domains(domains: Sequence[DomainEntry]) -> Iterator[Violation]:
    names = [(("domains", index, "name"), domain.name) for index, domain in enumerate(domains)]
    yield from _unique(names, "is the same domain as {other}: leave one of them out")
    for index, domain in enumerate(domains):
        path: Path = ("domains", index)
        yield from _unique_items((*path, "dkim_selectors"), domain.dkim_selectors, "selector")
        selectors = [((*path, "dkim_selectors", number), one) for number, one in enumerate(domain.dkim_selectors)]
        for at, selector in [((*path, "name"), ""), *selectors]:
            what = domain_too_long(domain.name, selector)
            if what is not None:
                yield Violation(at, what)
                break
        yield from _of_expect((*path, "expect"), domain.expect)


def entry_violations(path: Path, entries: Sequence[AnyEntry | ServerEntry]) -> Iterator[Violation]:
    """Violations in the single *entries* of the list at *path*, in the configuration or in a file of addresses."""
    for index, written in enumerate(entries):
        helo = (*path, index, "helo")
        misfits: dict[tuple[int, str], None] = {}
        for (_, *below), entry in located((written,)):
            if isinstance(entry, NetworkEntry) and not is_enumerable(entry):
                if entry.family == 4:
                    yield Violation((*path, index, *below), _too_large(entry))
                elif entry.helo:
                    yield Violation((*path, index, *below), _no_helo(entry))
            for number, template in enumerate(entry.helo):
                misfit = template.misfit(entry.family)
                if misfit:
                    misfits[number, misfit] = None
        for number, misfit in misfits:
            yield Violation((*helo, number), misfit)
        yield from _unique_items(helo, [template.helo for template in written.helo], "name")


def is_enumerable(entry: AnyEntry) -> bool:
    """Whether all its addresses can be looked up. Of an IPv6 network that is too big, rounds sample random ones."""
    return entry.last - entry.first < MAX_POOL_ADDRESSES


def total_addresses(entries: Iterable[AnyEntry]) -> int:
    """Number of different addresses in all entries, without networks that cannot be enumerated."""
    total, family, end = 0, 0, -1
    for entry in sorted(filter(is_enumerable, entries), key=lambda entry: (entry.family, entry.first)):
        if entry.family != family:
            family, end = entry.family, -1
        total += max(0, entry.last - max(end, entry.first - 1))
        end = max(end, entry.last)
    return total


def _too_large(entry: NetworkEntry) -> str:
    return (
        f"{entry.network} has {entry.network.size} addresses, and each is looked up: a pool has at most "
        f"{MAX_POOL_ADDRESSES}, a /{32 - MAX_POOL_ADDRESSES.bit_length() + 1}; write only the networks that send mail"
    )


def _no_helo(entry: NetworkEntry) -> str:
    return (
        f"{entry.network} has 2^{128 - entry.network.length} addresses, too many to look up all, so no server is known "
        "that uses its `helo`: write an `ip` with its `helo` for each address that sends"
    )


class _Located:
    """An address or network of a pool: index of the pool, position in the pool, and path in its `addresses`."""

    __slots__ = ("entry", "order", "where")

    def __init__(self, order: tuple[int, int], where: Path, entry: AnyEntry) -> None:
        self.order = order
        self.where = where
        self.entry = entry

    @property
    def key(self) -> str:
        return "ip" if isinstance(self.entry, AddressEntry) else "network"

    @property
    def text(self) -> str:
        return str(self.entry.ip if isinstance(self.entry, AddressEntry) else self.entry.network)

    @property
    def path(self) -> Path:
        return ("pools", self.order[0], "addresses", *self.where)

    @property
    def sort_key(self) -> tuple[int, int, int, bool, tuple[int, int]]:
        return self.entry.family, self.entry.first, -self.entry.last, self.key == "ip", self.order

    def encloses(self, other: "_Located") -> bool:
        outer, inner = self.entry, other.entry
        return outer.family == inner.family and outer.first <= inner.first and inner.last <= outer.last


def overlaps(pools: Sequence[PoolEntry]) -> Iterator[Violation]:
    """Each entry that repeats another of its pool, or has an address in common with another pool.

    In the same pool an entry may be inside of a network: the more specific one has the HELO names. Prefixes nest or do
    not overlap, so it is enough to compare each entry, in sorted order, with the innermost one that encloses it.
    """
    entries = [
        _Located((pool_index, position), where, entry)
        for pool_index, pool in enumerate(pools)
        for position, (where, entry) in enumerate(located(pool.addresses))
    ]
    enclosing: list[_Located] = []
    for one in sorted(entries, key=lambda one: one.sort_key):
        while enclosing and not enclosing[-1].encloses(one):
            enclosing.pop()
        if enclosing:
            yield from _overlap(enclosing[-1], one, pools)
        enclosing.append(one)


def _overlap(outer: _Located, inner: _Located, pools: Sequence[PoolEntry]) -> Iterator[Violation]:
    earlier, later = sorted((outer, inner), key=lambda one: one.order)
    same = outer.entry.first == inner.entry.first and outer.entry.last == inner.entry.last
    if outer.order[0] != inner.order[0]:
        pool = pools[earlier.order[0]].name
        how = "is" if same else f"overlaps {earlier.text}, which is"
        what = f"{later.text} {how} in the pool {pool!r} already, as {{other}}: an address belongs to one pool"
        yield Violation(later.path, what, earlier.path)
    elif same and outer.key == inner.key:
        what = f"{later.text} is in this pool already, as {{other}}: leave one of them out"
        yield Violation(later.path, what, earlier.path)
