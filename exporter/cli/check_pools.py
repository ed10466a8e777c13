"""The pools that `check` looks at: what SPF records make of them, and how much of a big one is looked at.

The rule of this file: `check` looks at what a round of the service would. Of a pool whose rounds draw from each prefix
it draws too, but the same addresses every time, so that what is printed can be compared from one day to the next.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.checks.names import DomainName
from exporter.cli.check_asking import Asker, answered
from exporter.cli.check_outcome import Overall
from exporter.config.configuration import Configuration, PoolSettings
from exporter.config.entry_rules import MAX_POOL_ADDRESSES
from exporter.dns.resolvers import Resolvers
from exporter.inventory.draws import Turn
from exporter.inventory.expansion import Expansion, Trouble, expand, expansion
from exporter.inventory.notices import fed_by_files, with_expansions
from exporter.inventory.pool import Pool
from exporter.inventory.sources import merge

_KEY = 0
_SHOWN = 8
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
    names = [said.host_name for said in pool.helo_names if said.host_name is not None]
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
        if settings.spf is not None or pool.plan is not None or pool.unlisted.ranges:
            yield PoolExamined(pool, len(places(pool)), settings.spf, found.get(settings.name))


def pool_headline(one: PoolExamined) -> str:
    """The pool in one line."""
    size, unlisted = one.pool.size, one.pool.unlisted.texts
    source = "" if one.spf is None else f", from the SPF record of {one.spf}"
    said = f"pool {one.pool.name}{source}: {size} address{'' if size == 1 else 'es'}"
    if one.checked < size:
        said += f", of which {one.checked} are looked at, drawn from each prefix as a round draws them"
    if unlisted:
        more = f" and {len(unlisted) - _SHOWN} more" if len(unlisted) > _SHOWN else ""
        said += f"; too big to look up, so left out: {', '.join(unlisted[:_SHOWN])}{more}"
    return said


def sentences(one: PoolExamined) -> Iterator[tuple[Trouble, str]]:
    """What is wrong with the SPF record, and what would be right."""
    terms = ", ".join(one.found.terms) if one.found is not None else ""
    said = {
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
        if trouble in said:
            yield trouble, said[trouble]


def pool_document(one: PoolExamined) -> dict[str, object]:
    """The pool in JSON."""
    return {
        "pool": one.pool.name,
        "spf": None if one.spf is None else str(one.spf),
        "addresses": one.pool.size,
        "checked": one.checked,
        "unlisted": list(one.pool.unlisted.texts),
        "outcome": one.overall.name.lower(),
        "problems": [{"reason": trouble.value, "sentence": sentence} for trouble, sentence in sentences(one)],
    }
