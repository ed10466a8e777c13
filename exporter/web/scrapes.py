"""One rendering for all who scrape at the same time.

The rule of this file: one is rendered at a time, in a thread: a second one beside it would only make both late. Whoever
comes while one is under way, and wants it in the same form, gets the same octets.
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
        self._under_way: dict[tuple[str, bool], asyncio.Task[Rendered]] = {}

    async def get(self, accept: str, *, compress: bool) -> Rendered:
        """The exposition in this form. Whoever gives up waiting takes it from nobody else."""
        wanted = (accept, compress)
        task = self._under_way.get(wanted)
        if task is None:
            task = self._under_way[wanted] = asyncio.create_task(self._rendered(accept, compress=compress))
            task.add_done_callback(lambda _: self._under_way.pop(wanted))
        return await asyncio.shield(task)

    async def _rendered(self, accept: str, *, compress: bool) -> Rendered:
        async with self._turn:
            return await asyncio.to_thread(self._render, accept, compress)
