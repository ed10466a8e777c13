"""What keys have to do with each other: names that are unique, profiles that exist, addresses that belong to one pool.

The rule of this file: it takes what is valid by itself, and yields every violation with the path of the value to blame
and, where two values contradict each other, the path of the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from exporter.checks.receivers import Receiver
from exporter.config.model import (
    BUILT_IN,
    AddressEntry,
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
    domain_too_long,
)
from exporter.config.tree import Path
from exporter.config.values import did_you_mean

# SECTION exporter.config.entry_rules
# What holds for entries of addresses, wherever they are written: in the configuration or in a file of their
# own.

MAX_POOL_ADDRESSES = 1 << 20


def entry_violations(
    path: Path, entries: Sequence[AddressEntry | NetworkEntry]
) -> Iterator[tuple[Path, str, Path | None]]:
    """What is wrong with single *entries* of the list at *path*: where, what, and the other place if there is one."""
    for index, entry in enumerate(entries):
        at = (*path, index)
        if isinstance(entry, NetworkEntry) and not is_enumerable(entry):
            if entry.family == 4:
                yield (*at, "network"), _too_large(entry), None
            elif entry.helo:
                yield (*at, "network"), _nobody_says(entry), None
        helo_path = (*at, "helo")
        first: dict[str, Path] = {}
        for place, template in enumerate(entry.helo):
            misfit = template.misfit(entry.family)
            if misfit:
                yield (*helo_path, place), misfit, None
        for place, template in enumerate(entry.helo):
            if template.helo in first:
                what = "is the same name as {other}: leave one of them out"
                yield (*helo_path, place), what, first[template.helo]
            first.setdefault(template.helo, (*helo_path, place))


def is_enumerable(entry: AddressEntry | NetworkEntry) -> bool:
    """Whether its addresses can be looked up one by one. An IPv6 network that cannot is sampled at random."""
    return entry.last - entry.first < MAX_POOL_ADDRESSES


def total_addresses(entries: Iterable[AddressEntry | NetworkEntry]) -> int:
    """How many addresses the entries have together, those that two of them have counted once.

    Networks that are too large by themselves are left out: they were complained of already, or are not listed.
    """
    total, family, end = 0, 0, -1
    for entry in sorted(filter(is_enumerable, entries), key=lambda entry: (entry.family, entry.first)):
        if entry.family != family:
            family, end = entry.family, -1
        total += max(0, entry.last - max(end, entry.first - 1))
        end = max(end, entry.last)
    return total


def _too_large(entry: NetworkEntry) -> str:
    return (
        f"{entry.network} has {entry.network.size} addresses, and every one would be looked up in turn: a pool has at "
        f"most {MAX_POOL_ADDRESSES}, a /{32 - MAX_POOL_ADDRESSES.bit_length() + 1}; list the networks that really send "
        "mail"
    )


def _nobody_says(entry: NetworkEntry) -> str:
    return (
        f"{entry.network} has 2^{128 - entry.network.length} addresses, too many to look up one by one, so that nobody "
        "is known who says its `helo`: write an `ip` with its `helo` for each address that sends"
    )


# SECTION exporter.config.overlaps
# Addresses that are configured twice.
#
# The rule of this file: prefixes either nest or have nothing in common, so one pass over them in order, with
# the prefixes
# that enclose the present one on a stack, meets every pair that matters.

Entry = AddressEntry | NetworkEntry


class _Place:
    """An entry, and where it is: pool, then index, which is also the order in the file."""

    __slots__ = ("entry", "order")

    def __init__(self, order: tuple[int, int], entry: Entry) -> None:
        self.order = order
        self.entry = entry

    @property
    def key(self) -> str:
        return "ip" if isinstance(self.entry, AddressEntry) else "network"

    @property
    def text(self) -> str:
        return str(self.entry.ip if isinstance(self.entry, AddressEntry) else self.entry.network)

    @property
    def path(self) -> Path:
        return ("pools", self.order[0], "addresses", self.order[1], self.key)

    @property
    def sort_key(self) -> tuple[int, int, int, bool, tuple[int, int]]:
        return self.entry.family, self.entry.first, -self.entry.last, self.key == "ip", self.order


def overlaps(pools: Sequence[PoolEntry]) -> Iterator[tuple[Path, str, Path]]:
    """Each entry that repeats another of its pool, or has an address in common with another pool.

    Yields the path of the later of the two in the file, what is wrong, and the path of the earlier. Inside of one pool
    an entry may lie within a network: the more specific one says what its HELO names are.
    """
    places = [
        _Place((pool_index, index), entry)
        for pool_index, pool in enumerate(pools)
        for index, entry in enumerate(pool.addresses)
    ]
    enclosing: list[_Place] = []
    for place in sorted(places, key=lambda place: place.sort_key):
        while enclosing and not _encloses(enclosing[-1].entry, place.entry):
            enclosing.pop()
        if enclosing:
            yield from _between(enclosing[-1], place, pools)
        enclosing.append(place)


def _between(outer: _Place, inner: _Place, pools: Sequence[PoolEntry]) -> Iterator[tuple[Path, str, Path]]:
    """What is wrong with *inner* right inside of *outer*."""
    earlier, later = sorted((outer, inner), key=lambda place: place.order)
    same = outer.entry.first == inner.entry.first and outer.entry.last == inner.entry.last
    if outer.order[0] != inner.order[0]:
        pool = pools[earlier.order[0]].name
        how = "is" if same else f"overlaps {earlier.text}, which is"
        what = f"{later.text} {how} in the pool {pool!r} already, as {{other}}: an address belongs to one pool"
        yield later.path, what, earlier.path
    elif same and outer.key == inner.key:
        yield later.path, f"{later.text} is in this pool already, as {{other}}: leave one of them out", earlier.path


def _encloses(outer: Entry, inner: Entry) -> bool:
    return outer.family == inner.family and outer.first <= inner.first and inner.last <= outer.last


# SECTION exporter.config.rules

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
    names = [((*path, "helo_names", index), helo.name or helo.text) for index, helo in enumerate(pool.helo_names)]
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
            what = domain_too_long(domain.name, selector)
            if what is not None:
                yield Violation(at, what)
                break
        yield from _of_expect((*path, "expect"), domain.expect)
