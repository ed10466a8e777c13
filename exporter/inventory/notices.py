"""What `check-config` says of a valid configuration: warnings, queries a day, and a summary."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import floor, log10

from exporter.checks.addresses import Address
from exporter.checks.helo import HeloName, evaluate_syntax
from exporter.checks.result import Result, some
from exporter.config.configuration import Configuration, PoolSettings
from exporter.errors import Problem
from exporter.inventory.budget import ListCost, counted, list_costs, over_budget, queries_a_day, query_budget
from exporter.inventory.expansion import Expansion
from exporter.inventory.files import FilesContent, scan
from exporter.inventory.pool import Pool
from exporter.inventory.prefixes import BITS
from exporter.inventory.sources import Inventory, LoadedAddresses, merge


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


_MAX_WARNINGS = 10
"""How many warnings of one kind a pool gets."""


def described(
    configuration: Configuration, expansions: Mapping[str, Expansion] | None = None
) -> tuple[list[str], list[str], str]:
    """Warnings, queries a day of each block list, and a summary. Reads the address files.

    *expansions* are those of SPF records, by pool; a pool without one is counted without.
    """
    files, problems = loaded_from_files(configuration)
    inventory = merge(configuration, with_expansions(files, expansions or {}))
    costs = list_costs(configuration, inventory.pools)
    counts = [
        counted(len(inventory.pools), "pool", "pools"),
        counted(sum(pool.size for pool in inventory.pools), "address", "addresses"),
        counted(len(configuration.domains), "domain", "domains"),
    ]
    queries = queries_a_day(configuration, inventory.pools)
    digits = 1 - floor(log10(queries)) if queries >= 100 else 0
    summary = ", ".join([one for one in counts if not one.startswith("0 ")])
    warnings = [*map(str, problems), *_warnings(configuration, inventory, costs, expansions or {})]
    asked = [str(cost) for cost in costs if cost.addresses]
    return warnings, asked, f"{summary}, {round(queries, digits):,.0f} queries a day"


def _warnings(
    configuration: Configuration,
    inventory: Inventory,
    costs: Iterable[ListCost],
    expansions: Mapping[str, Expansion],
) -> Iterator[str]:
    for settings in configuration.pools:
        yield from _unfit_names(settings)
        if settings.spf is not None and settings.name not in expansions:
            yield (
                f"the pool {settings.name} is counted without the addresses of the SPF record of {settings.spf}, which "
                "only the DNS knows: add --expand-spf to check-config to ask it"
            )
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
    for one in costs:
        if one.wanted > one.allowed:
            days = one.addresses / one.allowed
            every = f"{days:.1f} days" if days >= 2 else f"{days * 24:.1f} h"
            yield (
                f"{one.zone} may be asked {one.allowed:,.0f} queries a day, where {one.wanted:,.0f} are needed: it is "
                f"asked about each address every {every}; leave big pools out with `dnsbls: []`"
            )


def _unfit_names(pool: PoolSettings) -> Iterator[str]:
    """HELO names that are no host names; the first few."""
    written = {helo.text: helo for helo in pool.helo_names}
    for entry in pool.addresses:
        for template in entry.helo:
            if template.text not in written:
                written[template.text] = template.of(Address(entry.first.to_bytes(BITS[entry.family] // 8, "big")))
    unfit = [text for text, helo in written.items() if evaluate_syntax(helo).result is Result.FAIL]
    for text in unfit[:_MAX_WARNINGS]:
        yield (
            f"the HELO name {text} of the pool {pool.name} is not a full host name: write {_host_name_in(text)}, "
            "unless the server really says that"
        )
    if len(unfit) > _MAX_WARNINGS:
        yield f"the pool {pool.name} has {len(unfit):,} HELO names that are no host names"


def _host_name_in(helo: str) -> str:
    """The host name, or its template, in a URL, a mailbox or the like; an example if there is none."""
    text = re.sub(r"^[a-z]+://|^.*@", "", helo.lower())
    text = re.sub(r"(?::[0-9]+)?/?$", "", text).rstrip(".")
    example = re.sub(r"\{\w+\}", "1", text)
    is_host_name = example and HeloName.parse(example).host_name is not None
    return text if is_host_name else "a name like mail.example.org"


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
