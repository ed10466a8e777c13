"""Warnings about a valid configuration: rounds that do not fit, files that cannot be used, addresses in two pools."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from exporter.checks.addresses import Address
from exporter.checks.result import some
from exporter.config.configuration import Configuration
from exporter.errors import Problem
from exporter.inventory.budget import over_budget, query_budget
from exporter.inventory.expansion import Expansion
from exporter.inventory.files import FilesContent, scan
from exporter.inventory.pool import Pool
from exporter.inventory.prefixes import BITS
from exporter.inventory.sources import LoadedAddresses, merge


def loaded_from_files(configuration: Configuration) -> tuple[Mapping[str, LoadedAddresses], tuple[Problem, ...]]:
    """Read the address files of all pools now. Returns the addresses by pool, and the problems of the files."""
    contents = {
        pool.name: scan(pool.addresses_files, FilesContent()) for pool in configuration.pools if pool.addresses_files
    }
    loaded = {
        name: LoadedAddresses(content.addresses, not_enumerable=content.not_enumerable)
        for name, content in contents.items()
    }
    return loaded, tuple([problem for content in contents.values() for problem in content.problems])


def with_expansions(
    files: Mapping[str, LoadedAddresses], expansions: Mapping[str, Expansion]
) -> Mapping[str, LoadedAddresses]:
    """Add the usable *expansions* of SPF records to the addresses from files, both by pool."""
    loaded = dict(files)
    for name, one in expansions.items():
        if one.is_usable:
            before = loaded.get(name, LoadedAddresses())
            ranges = (*before.not_enumerable, *one.not_enumerable)
            loaded[name] = replace(before, spf=one.addresses, not_enumerable=ranges)
    return loaded


def notices(configuration: Configuration, expansions: Mapping[str, Expansion] | None = None) -> Iterator[str]:
    """Each warning as one line. *expansions* are those of SPF records, by pool; a pool without one is counted without.

    Reads the address files.
    """
    files, problems = loaded_from_files(configuration)
    yield from map(str, problems)
    for settings in configuration.pools:
        if settings.spf is not None and settings.name not in (expansions or {}):
            yield (
                f"the pool {settings.name} is counted without the addresses of the SPF record of {settings.spf}, which "
                "only the DNS knows: add --expand-spf to check-config to ask it"
            )
    inventory = merge(configuration, with_expansions(files, expansions or {}))
    for share in inventory.shares:
        if share.conflicts:
            where = f"the {share.origin} of {share.pool}"
            yield f"{share.conflicts} addresses of {where} are in another pool, and stay there"
    for pool in inventory.pools:
        if pool.not_enumerable.ranges:
            yield _not_enumerable(pool)
        yield from _not_public(pool)
    for cost in over_budget(inventory.pools, query_budget(configuration)):
        yield f"the rounds of {cost.pool} do not fit: {cost}"


def _not_public(pool: Pool) -> Iterator[str]:
    """One warning for each kind of addresses that no receiver sees, with the first of them."""
    found: dict[str, list[Address]] = {}
    for one in pool.source:
        address = Address(one.first.to_bytes(BITS[one.family] // 8, "big"))
        if special := address.special_use:
            found.setdefault(special, []).append(address)
    for special, addresses in found.items():
        yield (
            f"no receiver sees {some(addresses)} of {pool.name}, {special}: if the server is behind NAT, list the "
            "public address that receivers see"
        )


def _not_enumerable(pool: Pool) -> str:
    first, *others = pool.not_enumerable.texts
    where = first
    if others:
        where += f" and {len(others)} other ranges" if others[1:] else f" and {others[0]}"
    drawn = pool.not_enumerable.drawn
    random = f", and a round samples {drawn} other addresses at random" if drawn else ""
    return (
        f"{pool.name} has too many addresses in {where} to look up all: only those with an entry of their own, here or "
        f"in a file, are watched{random}"
    )
