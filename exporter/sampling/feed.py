"""One pool's SPF record, expanded again and again.

The rule of this file: nothing takes an address away but two expansions in a row that lack it, told by servers that pass
their canaries after that. Whatever else happens, the last expansion stays.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import Protocol

import structlog

from exporter.checks.answers import Question, Status
from exporter.checks.check import Check, Evidence, OnAnswer, Run
from exporter.checks.names import DomainName
from exporter.checks.spf.compiled import CompiledSpf
from exporter.inventory.expansion import Expansion, Trouble, expand, expansion, loses, together
from exporter.inventory.kept import Kept, from_text, to_text
from exporter.state.storage.notes import MAX_OCTETS, POOL, Notes

log = structlog.get_logger()

LEAST_SECONDS = 600.0
"""How long an expansion is good at least, whatever the TTLs say."""
MOST_SECONDS = 86_400.0
_NOTE = "spf"
"""The name of the note about a pool's expansion."""
RETRY_SECONDS = 60.0
"""How long after a failure it is tried again."""


class FeedAsker(Protocol):
    """What a feed needs of the DNS: see `exporter.sampling.sampling.Asker`."""

    def ask(
        self, question: Question, on_answer: OnAnswer, *, max_age_seconds: float = inf, confirm: bool = False
    ) -> None:
        """Get *question* answered."""

    def verify(self, servers: Collection[str], verified: Callable[[Status | None], None]) -> None:
        """Tell *verified* why those *servers* are not believed, None if they are."""


class SpfFeed:
    """Keeps the expansion of *domain* for the pool *pool*; *changed* is called when another one is adopted.

    *names* are HELO names whose addresses are known to be used. Times are Unix times, 0.0 for never. What *notes* has
    from before a restart is the expansion until the DNS gives one.
    """

    def __init__(
        self,
        pool: str,
        domain: DomainName,
        names: Sequence[DomainName],
        asker: Callable[[], FeedAsker],
        changed: Callable[[], None],
        notes: Notes,
    ) -> None:
        self.pool = pool
        self.domain = domain
        self.names = tuple(names)
        self._notes = notes
        kept = from_text(domain, notes.get(POOL + pool, _NOTE) or "")
        self.expansion: Expansion | None = None if kept is None else kept.expansion
        self.troubles: tuple[Trouble, ...] = () if kept is None else kept.expansion.troubles
        self.tried_at = 0.0
        self.succeeded_at = 0.0 if kept is None else kept.at
        self._asker = asker
        self._changed = changed

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is known yet, not even that there is nothing to know."""
        return self.expansion is None and (not self.troubles or Trouble.UNANSWERED in self.troubles)

    @property
    def last_succeeded(self) -> bool:
        """Whether the latest attempt gave an expansion that is fit to be used."""
        return bool(self.tried_at) and self.tried_at == self.succeeded_at

    async def run(self) -> None:
        """Refresh for as long as it is let."""
        while True:
            seconds = await self.refresh()
            await asyncio.sleep(seconds)

    async def refresh(self) -> float:
        """Expand the record once, and take in what came of it; gives the seconds until the next time."""
        before = self.expansion
        found, evidence = await self._expand(confirm=False)
        if before is not None and found.is_sound and loses(before, found):
            second, more = await self._expand(confirm=True)
            found = together(found, second) if second.is_sound else second
            evidence = {**evidence, **more}
        if found != before and found.is_usable and await self._doubt(evidence) is not None:
            found = Expansion(found.listed, found.space, (Trouble.UNANSWERED,))
        self._take(found, before)
        if not found.is_sound:
            return RETRY_SECONDS
        return min(MOST_SECONDS, max(LEAST_SECONDS, found.ttl_seconds))

    def _take(self, found: Expansion, before: Expansion | None) -> None:
        now = time.time()
        if found.troubles != self.troubles:
            self._tell(found)
        self.troubles, self.tried_at = found.troubles, now
        if found.is_sound or (before is None and found.is_usable):
            self.expansion = found
            if found.is_sound:
                self.succeeded_at = now
                self._keep(Kept(found, now))
            if before is None or (before.listed, before.space) != (found.listed, found.space):
                self._changed()
        elif before is None:
            self._changed()  # whoever waits for it need not wait any longer

    def _keep(self, kept: Kept) -> None:
        text = to_text(self.domain, kept)
        if len(text) <= MAX_OCTETS:  # a longer one has to be asked for again
            self._notes.put(POOL + self.pool, _NOTE, text)

    def _tell(self, found: Expansion) -> None:
        if found.is_sound and not found.troubles:
            log.info("the SPF record of a pool can be expanded again", pool=self.pool, spf=str(self.domain))
            return
        part = "a part of" if found.is_sound else "all of"
        log.warning(
            "an SPF record cannot be expanded",
            part=part,
            pool=self.pool,
            spf=str(self.domain),
            reasons=[trouble.value for trouble in found.troubles],
            terms=list(found.terms),
        )

    async def _expand(self, *, confirm: bool) -> tuple[Expansion, Evidence]:
        asker = self._asker()
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[tuple[CompiledSpf, Evidence]] = loop.create_future()

        def ask(question: Question, on_answer: OnAnswer) -> None:
            asker.ask(question, on_answer, max_age_seconds=LEAST_SECONDS, confirm=confirm)

        def done(compiled: CompiledSpf, evidence: Evidence) -> None:
            if not outcome.done():
                outcome.set_result((compiled, evidence))

        def failed(error: Exception) -> None:
            if not outcome.done():
                outcome.set_exception(error)

        check: Check[CompiledSpf] = expand(str(self.domain), self.names)
        Run(check, ask, done, failed).start()
        compiled, evidence = await outcome
        return expansion(compiled, self.names, evidence), evidence

    async def _doubt(self, evidence: Evidence) -> Status | None:
        """Why those who told this are not believed; None if they are."""
        outcome: asyncio.Future[Status | None] = asyncio.get_running_loop().create_future()

        def verified(doubt: Status | None) -> None:
            if not outcome.done():
                outcome.set_result(doubt)

        self._asker().verify({answer.server for answer in evidence.values() if answer.server}, verified)
        return await outcome
