"""Who can agree with whom: the independent opinions that several resolvers, or several servers, amount to.

The rule of this file: two answers count as two opinions only if they come from two voices. Where several resolvers are
configured each is a voice; the servers of one resolver share its settings, and often an operator, and are then one.
Where there is one resolver, each of its servers is a voice.
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from exporter.dns.resolver import Resolver, ServerHealth


class Voice(NamedTuple):
    """One that can be asked for an opinion: a resolver, or, with *server* as in `Answer.server`, one of its servers."""

    resolver: str
    server: str = ""

    def __str__(self) -> str:
        return f"{self.server} of {self.resolver}" if self.server else self.resolver


def voices_of(resolvers: Sequence[Resolver], servers: Collection[str]) -> frozenset[Voice]:
    """Whose word it is that *servers* gave."""
    return _voices(resolvers, lambda server: str(server.endpoint) in servers)


def well_voices(resolvers: Sequence[Resolver]) -> tuple[Voice, ...]:
    """Who can be asked: who answers and is not caught lying, in the order of the configuration."""
    well = _voices(resolvers, lambda server: server.up and not server.contradicted)
    return tuple([voice for voice in _all_voices(resolvers) if voice in well])


def voice_in_turn(resolvers: Sequence[Resolver], turn: int) -> Voice | None:
    """Of those who can be asked, the one whose turn it is; None where there is no choice."""
    well = well_voices(resolvers)
    return well[turn % len(well)] if len(well) > 1 else None


def _all_voices(resolvers: Sequence[Resolver]) -> list[Voice]:
    if len(resolvers) > 1:
        return [Voice(resolver.name) for resolver in resolvers]
    (resolver,) = resolvers
    return [Voice(resolver.name, str(server.endpoint)) for server in resolver.servers]


def _voices(resolvers: Sequence[Resolver], fits: Callable[[ServerHealth], bool]) -> frozenset[Voice]:
    if len(resolvers) > 1:
        return frozenset(Voice(resolver.name) for resolver in resolvers if any(map(fits, resolver.servers)))
    (resolver,) = resolvers
    return frozenset(Voice(resolver.name, str(server.endpoint)) for server in resolver.servers if fits(server))
