"""One rendering for all who scrape at the same time.

The rule of this file: one is rendered at a time, in a thread: a second one beside it would only make both late. Whoever
comes before one has begun, and wants it in the same form, gets the same octets. Whoever comes later gets the next one:
nobody is shown less than was there when they asked, so that a scrape after a reload never has what that took away.
What can be written ahead of the next scrape is, in small steps between scrapes, as long as somebody scrapes at all.
"""

import asyncio
from collections.abc import Iterator
from typing import Protocol

import structlog

log = structlog.get_logger()

Rendered = tuple[bytes, str]
"""A body and its content type."""

_PAUSE_SECONDS = 0.25
"""How often something is looked for that can be written ahead."""
_PATIENCE_SECONDS = 300.0
"""How long after a scrape another one is expected: more than any scrape interval that is in use."""


class Rendering(Protocol):
    """What is scraped. It is used in a thread, by one at a time."""

    def render(self, accept: str, *, compress: bool) -> Rendered:
        """All of it, for an `Accept` header, compressed or not."""

    def writing_ahead(self) -> Iterator[bool]:
        """Steps, none of them long, that make the next rendering cheaper."""


class Scrapes:
    """Shares what *rendering* gives."""

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering
        self._turn = asyncio.Lock()
        self._to_begin: dict[tuple[str, bool], asyncio.Task[Rendered]] = {}
        self._expected_until = 0.0
        self._ahead: asyncio.Task[None] | None = None

    async def get(self, accept: str, *, compress: bool) -> Rendered:
        """The exposition in this form. Whoever gives up waiting takes it from nobody else."""
        wanted = (accept, compress)
        task = self._to_begin.get(wanted)
        if task is None:
            task = self._to_begin[wanted] = asyncio.create_task(self._rendered(accept, compress=compress))
        return await asyncio.shield(task)

    def stop(self) -> None:
        """Write nothing ahead any more."""
        if self._ahead is not None:
            self._ahead.cancel()

    async def _rendered(self, accept: str, *, compress: bool) -> Rendered:
        async with self._turn:
            del self._to_begin[accept, compress]
            rendered = await asyncio.to_thread(self._rendering.render, accept, compress=compress)
        self._expect_another()
        return rendered

    def _expect_another(self) -> None:
        self._expected_until = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        if self._ahead is None or self._ahead.done():
            self._ahead = asyncio.create_task(self._write_ahead())

    async def _write_ahead(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self._expected_until:
            await asyncio.sleep(_PAUSE_SECONDS)
            steps = self._rendering.writing_ahead()
            try:
                while await self._made_one_of(steps):
                    pass
            except Exception:  # the scrape will write it, or tell why not
                log.exception("lines cannot be written ahead of the scrape")

    async def _made_one_of(self, steps: Iterator[bool]) -> bool:
        """Make one of the *steps*, if there is another one; a scrape that came meanwhile goes first."""
        async with self._turn:
            return await asyncio.to_thread(lambda: next(steps, False))
