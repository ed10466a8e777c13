"""One rendering for all who scrape at the same time.

The rule of this file: one is rendered at a time, in a thread: a second one beside it would only make both late. Whoever
comes before one has begun, and wants it in the same form, gets the same octets. Whoever comes later gets the next one:
nobody is shown less than was there when they asked, so that a scrape after a reload never has what that took away.
"""

import asyncio
from collections.abc import Callable

Rendered = tuple[bytes, str]
"""A body and its content type."""


class Scrapes:
    """Shares what *render* gives for an `Accept` header and whether to compress."""

    def __init__(self, render: Callable[[str, bool], Rendered]) -> None:
        self._render = render
        self._turn = asyncio.Lock()
        self._to_begin: dict[tuple[str, bool], asyncio.Task[Rendered]] = {}

    async def get(self, accept: str, *, compress: bool) -> Rendered:
        """The exposition in this form. Whoever gives up waiting takes it from nobody else."""
        wanted = (accept, compress)
        task = self._to_begin.get(wanted)
        if task is None:
            task = self._to_begin[wanted] = asyncio.create_task(self._rendered(accept, compress=compress))
        return await asyncio.shield(task)

    async def _rendered(self, accept: str, *, compress: bool) -> Rendered:
        async with self._turn:
            del self._to_begin[accept, compress]
            return await asyncio.to_thread(self._render, accept, compress)
