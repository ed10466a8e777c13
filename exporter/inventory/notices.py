"""What is worth a warning in a configuration that is right: rounds that do not fit, and files that cannot be used."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from exporter.config.configuration import Configuration
from exporter.errors import Problem
from exporter.inventory.expansion import Expansion
from exporter.inventory.files import FilesContent, scan
from exporter.inventory.load import loads, rate_of
from exporter.inventory.pool import Pool
from exporter.inventory.sources import LoadedAddresses, merge


def fed_by_files(configuration: Configuration) -> tuple[Mapping[str, LoadedAddresses], tuple[Problem, ...]]:
    """What the files of each pool have at the moment, and what is wrong with them."""
    contents = {
        pool.name: scan(pool.addresses_files, FilesContent()) for pool in configuration.pools if pool.addresses_files
    }
    problems = [problem for content in contents.values() for problem in content.problems]
    fed = {name: LoadedAddresses(files=content.addresses, space=content.space) for name, content in contents.items()}
    return fed, tuple(problems)


def with_expansions(
    files: Mapping[str, LoadedAddresses], found: Mapping[str, Expansion]
) -> Mapping[str, LoadedAddresses]:
    """What feeds the pools: *files*, and what SPF records were *found* to have, where that can be used."""
    fed = dict(files)
    for name, one in found.items():
        if one.is_usable:
            of_files = fed.get(name, LoadedAddresses())
            fed[name] = replace(of_files, spf=one.listed, space=(*of_files.space, *one.space))
    return fed


def notices(configuration: Configuration, found: Mapping[str, Expansion] | None = None) -> Iterator[str]:
    """One line each. *found* is what SPF records came to, by pool: one that is not in there does not count."""
    fed, problems = fed_by_files(configuration)
    yield from map(str, problems)
    for settings in configuration.pools:
        if settings.spf is not None and (found is None or settings.name not in found):
            yield (
                f"what the SPF record of {settings.spf} authorises is not known without asking the DNS, so the pool "
                f"{settings.name} counts without it: check-config --expand-spf asks"
            )
    fed = with_expansions(fed, found or {})
    inventory = merge(configuration, fed)
    for share in inventory.shares:
        if share.conflicts:
            where = f"the {share.origin} of {share.pool}"
            yield f"{share.conflicts} addresses of {where} are in another pool, and stay there"
    for pool in inventory.pools:
        if pool.not_enumerable.ranges:
            yield _not_enumerable(pool)
    for load in loads(inventory.pools, rate_of(configuration)):
        yield f"the rounds of {load.pool} do not fit: {load}"


def _not_enumerable(pool: Pool) -> str:
    first, *others = pool.not_enumerable.texts
    where = (
        first if not others else f"{first} and {len(others)} other ranges" if others[1:] else f"{first} and {others[0]}"
    )
    drawn = pool.not_enumerable.drawn
    others_too = f", and a round draws {drawn} of the others at random" if drawn else " alone"
    return (
        f"nobody could look up every address of {pool.name} in {where}: watched are those with an entry of their own, "
        f"here or in a file{others_too}"
    )
