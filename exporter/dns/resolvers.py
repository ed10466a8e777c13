"""Several resolvers behind one `ask`: the first that is well answers, and another one confirms.

The rule of this file: it chooses, and nothing else; whoever was chosen answers alone.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Self

from exporter.checks.answers import Answer, Question, Status
from exporter.checks.check import OnAnswer
from exporter.dns.canary import Verified
from exporter.dns.resolver import Resolver
from exporter.dns.settings import ResolverSettings
from exporter.dns.voices import Voice, voice_in_turn, voices_of, well_voices


class Resolvers:
    """The resolvers of the configuration, in its order."""

    def __init__(
        self, settings: Sequence[ResolverSettings], *, build: Callable[[ResolverSettings], Resolver] = Resolver
    ) -> None:
        names = [each.name for each in settings]
        if not names or len(set(names)) < len(names):
            raise ValueError("resolvers need names of their own, and at least one is needed")
        self._resolvers = tuple([build(each) for each in settings])

    def __iter__(self) -> Iterator[Resolver]:
        return iter(self._resolvers)

    def __len__(self) -> int:
        return len(self._resolvers)

    def __getitem__(self, name: str) -> Resolver:
        """The resolver of that name; raises `KeyError`."""
        for resolver in self._resolvers:
            if resolver.name == name:
                return resolver
        raise KeyError(name)

    @property
    def deadline_seconds(self) -> float:
        """The longest that one `ask` can take, queueing included."""
        return max(resolver.deadline_seconds for resolver in self._resolvers)

    @property
    def max_in_flight(self) -> int:
        """How many questions are worth having under way: more would only wait, for a place or for their turn."""
        settings = self._resolvers[0].settings
        return max(1, int(min(settings.max_in_flight, settings.max_queries_per_second * settings.timeout_seconds)))

    @property
    def in_flight(self) -> int:
        """Questions that were sent and are not answered yet, canaries included."""
        return sum(resolver.in_flight for resolver in self._resolvers)

    @property
    def queued(self) -> int:
        """Questions that wait until they may be sent."""
        return sum(resolver.queued for resolver in self._resolvers)

    async def start(self) -> None:
        """Start all of them."""
        await asyncio.gather(*[resolver.start() for resolver in self._resolvers])

    @classmethod
    async def started(cls, settings: Sequence[ResolverSettings]) -> Self:
        """Resolvers of these *settings*, started."""
        resolvers = cls(settings)
        await resolvers.start()
        return resolvers

    async def close(self) -> None:
        """Close all of them; see `Resolver.close`."""
        await asyncio.gather(*[resolver.close() for resolver in self._resolvers])

    async def retire(self) -> None:
        """Close when what was asked is answered: others are asked from now on."""
        try:
            await asyncio.sleep(self.deadline_seconds)
        finally:
            await self.close()

    def ask(
        self,
        question: Question,
        on_answer: OnAnswer,
        *,
        max_age_seconds: float = math.inf,
        confirm: bool = False,
        voice: Voice | None = None,
    ) -> None:
        """As `Resolver.ask`, of the first resolver that is well.

        *confirm* asks another resolver than that, if one is well; else another server of the same. With *voice*, it
        asks that one and nobody else.
        """
        if voice is not None:
            self[voice.resolver].ask(
                question, on_answer, max_age_seconds=max_age_seconds, confirm=confirm, server=voice.server
            )
            return
        self._choose(confirm=confirm).ask(question, on_answer, max_age_seconds=max_age_seconds, confirm=confirm)

    def voices(self, servers: Collection[str]) -> frozenset[Voice]:
        """Whose word it is that *servers*, named as in `Answer.server`, gave."""
        return voices_of(self._resolvers, servers)

    def in_turn(self, turn: int) -> Voice | None:
        """Of those who can be asked, the one whose turn it is; None where there is no choice."""
        return voice_in_turn(self._resolvers, turn)

    def another(self, heard: Collection[Voice]) -> Voice | None:
        """Somebody who can be asked for an opinion and is not among those *heard*; None if there is nobody."""
        return next((voice for voice in well_voices(self._resolvers) if voice not in heard), None)

    def verify(self, servers: Collection[str], verified: Verified) -> None:
        """As `Resolver.verify`, of every resolver that has one of those servers."""
        doubts: list[Status | None] = []

        def take(doubt: Status | None) -> None:
            doubts.append(doubt)
            if len(doubts) == len(self._resolvers):
                verified(next(filter(None, doubts), None))

        for resolver in self._resolvers:
            resolver.verify(servers, take)

    async def resolve(self, question: Question, *, max_age_seconds: float = math.inf, confirm: bool = False) -> Answer:
        """`ask`, for those who can wait."""
        chosen = self._choose(confirm=confirm)
        return await chosen.resolve(question, max_age_seconds=max_age_seconds, confirm=confirm)

    def _choose(self, *, confirm: bool) -> Resolver:
        first = self._resolvers[0]
        if len(self._resolvers) == 1:
            return first
        if not confirm and first.is_trusted and first.is_up:
            return first
        well = [resolver for resolver in self._resolvers if resolver.is_trusted and resolver.is_up]
        if well:
            return well[1] if confirm and len(well) > 1 else well[0]
        return next((resolver for resolver in self._resolvers if resolver.is_trusted), first)
