"""Runs the engine under test: a resolver against servers on loopback, and a watch on how long it holds the loop."""

import asyncio.events
import gc
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from exporter.checks.answers import Question, RRType
from exporter.checks.check import Check, Run
from exporter.checks.names import DomainName
from exporter.dns.resolver import Resolver
from exporter.dns.settings import ResolverSettings, parse_endpoint


@asynccontextmanager
async def resolver_for(*servers: str, **settings: Any) -> AsyncIterator[Resolver]:
    """Run a resolver for servers as an operator writes them: without canary or rate unless asked.

    It is patient, since machines that run tests are slow; who waits for a time-out on purpose says how long it takes.
    """
    options: dict[str, Any] = {"timeout_seconds": 5.0, "canary": None, "max_queries_per_second": math.inf, **settings}
    resolver = Resolver(ResolverSettings(name="test", servers=tuple(map(parse_endpoint, servers)), **options))
    await resolver.start()
    try:
        yield resolver
    finally:
        await resolver.close()


def asking_for(behaviour: str, rdtype: RRType = "A", number: int = 1) -> Question:
    """Build a question that the misbehaving server answers in the way of this name."""
    return Question(DomainName(f"{number}.{behaviour}.example.org"), rdtype)


async def sampled(resolver: Resolver, check: Check[Any]) -> Any:
    """Run a check through a resolver to its verdict, as the sampler does."""
    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    Run(check, resolver.ask, lambda verdict, evidence: outcome.set_result(verdict), outcome.set_exception).start()
    return await outcome


class Held:
    """How long the event loop was held, at most, by one callback."""

    longest_seconds = 0.0
    by = ""


@contextmanager
def holding() -> Iterator[Held]:
    """Watch every callback of the event loop while inside.

    What counts is processor time of the loop's own thread, so that other processes and threads do not disturb the
    measure. The garbage collector is told to start from nothing, so that it collects what is measured only.
    """
    known = Held()
    run = asyncio.events.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        before = time.thread_time()
        run(handle)
        took = time.thread_time() - before
        if took > known.longest_seconds:
            known.longest_seconds, known.by = took, repr(handle)

    gc.collect()
    gc.freeze()
    asyncio.events.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield known
    finally:
        asyncio.events.Handle._run = run  # type: ignore[method-assign]
        gc.unfreeze()
